"""Figures of calibration against scikit-learn, statsmodels, brute force and published values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detectors.calibration import error, losses, murphy, squared
from detectors.calibration.figure import figure_of, simultaneous, wilson
from detectors.calibration.reliability import bias, reliability
from detectors.calibration.sums import ScoreBins, equal_mass
from detectors.calibration.table import CalibrationTable
from tests.oracles import FloatArray, oracles, tally

SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
LABELS = np.array([0.0, 0, 1, 0, 1, 1, 1, 0, 1, 1])


def rows() -> tuple[FloatArray, FloatArray]:
    binary = oracles()["binary"]
    return np.array(binary["score"]) / 1e6, np.array(binary["label"], np.float64)


def test_ten_rows_have_the_figures_computed_by_hand() -> None:
    table = CalibrationTable(np.array([0.45]))
    cells = tally(table, SCORES, LABELS)
    bins, sums = table.score_bins(cells), table.losses(cells)
    assert losses.brier_score(sums).value[0] == pytest.approx(0.18525, abs=1e-9)
    assert losses.log_loss(sums).value[0] == pytest.approx(0.5370041965808108, abs=1e-11)
    test = losses.spiegelhalter(sums)
    assert test.z.value[0] == pytest.approx(0.2600455187145754, abs=1e-8)
    assert test.p_value[0] == pytest.approx(2 * stats.norm.sf(0.2600455187145754), abs=1e-8)
    assert error.expected(bins).value[0] == pytest.approx(0.055, abs=1e-9)
    assert squared.debiased(bins).value[0] == pytest.approx(-0.036625, abs=1e-9)


def test_brier_and_log_loss_are_those_of_scikit_learn() -> None:
    score, label = rows()
    table = CalibrationTable.fit(score, 15)
    sums = table.losses(tally(table, score, label))
    expected = oracles()["binary"]["sklearn"]
    assert losses.brier_score(sums).value[0] == pytest.approx(expected["brier"], abs=1e-9)
    assert losses.log_loss(sums).value[0] == pytest.approx(expected["log_loss"], abs=1e-9)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_the_diagram_is_the_calibration_curve_of_scikit_learn(strategy: str) -> None:
    score, label = rows()
    if strategy == "uniform":
        table = CalibrationTable(np.arange(1, 10) / 10)
    else:
        table = CalibrationTable(np.percentile(score, np.arange(10, 100, 10)))
    points = reliability(table.score_bins(tally(table, score, label)))
    curve = oracles()["binary"]["sklearn"]["curves"][strategy]
    assert points.rate[0] == pytest.approx(np.array(curve["rate"]), abs=1e-12)
    assert points.score[0] == pytest.approx(np.array(curve["mean"]), abs=1e-9)
    for place, n in enumerate(points.n[0]):
        interval = stats.binomtest(round(points.rate[0, place] * n), int(n)).proportion_ci(method="wilson")
        assert (points.low[0, place], points.high[0, place]) == pytest.approx((interval.low, interval.high))


def test_errors_in_bins_are_those_of_brute_force() -> None:
    score, label = rows()
    table = CalibrationTable.fit(score, 15)
    bins = table.score_bins(tally(table, score, label))
    codes = np.searchsorted(table.edges, score, side="left")
    members = [codes == b for b in range(table.bins)]
    gaps = np.array([label[m].mean() - score[m].mean() for m in members])
    share = np.array([m.mean() for m in members])
    assert error.expected(bins).value[0] == pytest.approx((share * abs(gaps)).sum(), abs=1e-9)
    assert error.maximal(bins, 50).value[0] == pytest.approx(abs(gaps).max(), abs=1e-9)
    assert error.worst_bin(bins, 50)[0] == abs(gaps).argmax()
    assert bias(bins).value[0] == pytest.approx(label.mean() - score.mean(), abs=1e-9)
    assert squared.plain(bins).value[0] == pytest.approx((share * gaps**2).sum(), abs=1e-9)
    pairs = 0.0
    for m in members:
        gap = label[m] - score[m]
        products = np.outer(gap, gap)
        pairs += m.mean() * (products.sum() - np.trace(products)) / (m.sum() * (m.sum() - 1))
    assert squared.paired(bins).value[0] == pytest.approx(pairs, abs=1e-9)


def test_the_adaptive_error_takes_bins_of_equal_mass_from_the_window() -> None:
    score, label = rows()
    fine = CalibrationTable(np.arange(1, 1000) / 1000)
    found = error.adaptive(fine.score_bins(tally(fine, score, label)), 10)
    order = np.argsort(score, kind="stable")
    parts = np.array_split(order, 10)
    expected = sum(len(part) * abs(label[part].mean() - score[part].mean()) for part in parts) / len(score)
    assert found.value[0] == pytest.approx(expected, abs=0.004)
    groups = equal_mass(fine.score_bins(tally(fine, score, label)).n, 10)[0]
    assert np.all(np.diff(groups) >= 0)
    mass = np.bincount(groups, fine.score_bins(tally(fine, score, label)).n[0])
    assert mass.max() - mass.min() < 30


def test_the_class_wise_error_is_the_mean_over_classes_that_occur() -> None:
    rng = np.random.default_rng(3)
    chances = rng.dirichlet([1, 2, 3], 900)
    label = (rng.random((900, 1)) > np.cumsum(chances, axis=1)[:, :2]).sum(axis=1)
    table = CalibrationTable(np.arange(1, 10) / 10)
    each = [tally(table, chances[:, k], (label == k).astype(np.float64)) for k in range(3)]
    bins = table.score_bins(np.concatenate(each))
    found = error.class_wise(bins, 3)
    assert found.value[0] == pytest.approx(error.expected(bins).value.mean())
    assert found.low[0] <= found.value[0] <= found.high[0]
    one_missing = table.score_bins(np.concatenate([*each[:2], np.zeros_like(each[0])]))
    assert error.class_wise(one_missing, 3).value[0] == pytest.approx(error.expected(bins).value[:2].mean())
    with pytest.raises(ValueError, match="4 classes"):
        error.class_wise(bins, 4)


def test_the_parts_of_the_brier_score_add_up_to_it_exactly() -> None:
    score, label = rows()
    for size in (2, 15, 200):
        table = CalibrationTable.fit(score, size)
        bins = table.score_bins(tally(table, score, label))
        parts = murphy.murphy(bins)
        total = parts.reliability.value - parts.resolution.value + parts.uncertainty.value + parts.within.value
        assert total[0] == pytest.approx(parts.brier.value[0], abs=1e-12)
        assert parts.brier.value[0] == pytest.approx(np.mean((score - label) ** 2), abs=1e-9)
        assert parts.uncertainty.value[0] == pytest.approx(label.mean() * (1 - label.mean()))
        kept = squared.debiased(bins).value[0] - murphy.debiased_resolution(bins)[0]
        rate = label.mean()
        raised = rate * (1 - rate) / (len(label) - 1)
        if np.all(bins.n > 1):
            assert kept == pytest.approx(parts.reliability.value[0] - parts.resolution.value[0] - raised, abs=1e-12)


def test_without_the_positive_rows_sums_the_brier_score_has_a_bound_that_holds() -> None:
    score, label = rows()
    for size in (2, 5, 15, 200):
        table = CalibrationTable.fit(score, size)
        bins = table.score_bins(tally(table, score, label))
        less = ScoreBins(bins.n, bins.positives, bins.score, bins.score_sq)
        parts = murphy.murphy(less)
        truth = np.mean((score - label) ** 2)
        assert 0 < abs(parts.brier.value[0] - truth) <= parts.brier.bound[0]
        assert abs(parts.within.value[0] - murphy.murphy(bins).within.value[0]) <= parts.within.bound[0]
        total = parts.reliability.value - parts.resolution.value + parts.uncertainty.value + parts.within.value
        assert total[0] == pytest.approx(parts.brier.value[0], abs=1e-12)
        with pytest.raises(ValueError, match="positive rows"):
            squared.paired(less)


def test_spiegelhalters_test_is_blind_where_it_must_be_and_has_no_value_without_variance() -> None:
    table = CalibrationTable(np.array([0.5]))
    sure = losses.spiegelhalter(table.losses(tally(table, np.array([0.0, 1.0, 0.5]), np.array([0.0, 1.0, 1.0]))))
    assert np.isnan(sure.z.value[0])
    assert np.isnan(sure.p_value[0])


def test_a_score_of_zero_that_was_wrong_costs_what_clipping_leaves_and_is_counted() -> None:
    table = CalibrationTable(np.array([0.5]))
    sums = table.losses(tally(table, np.array([0.0, 1.0, 0.25]), np.array([1.0, 0.0, 0.0])))
    assert sums.clipped.tolist() == [2]
    assert losses.log_loss(sums).value[0] == pytest.approx((2 * -np.log(1e-15) - np.log(0.75)) / 3, rel=1e-3)


def test_empty_and_single_row_windows_have_no_figures_that_need_more() -> None:
    table = CalibrationTable(np.array([0.3, 0.6]))
    cells = np.concatenate([tally(table, np.array([]), np.array([])), tally(table, np.array([0.4]), np.array([1.0]))])
    bins, sums = table.score_bins(cells), table.losses(cells)
    parts = murphy.murphy(bins)
    for figure in (
        error.expected(bins), error.noise_floor(bins), squared.plain(bins), bias(bins), parts.brier, parts.resolution,
        parts.uncertainty, parts.within, losses.brier_score(sums), losses.log_loss(sums),
    ):  # fmt: skip
        assert np.isnan([figure.value[0], figure.low[0], figure.high[0]]).all()
        assert figure.n.tolist() == [0, 1]
        assert np.isfinite(figure.value[1])
        assert figure.low[1] <= figure.value[1] <= figure.high[1]
    assert np.isnan(error.maximal(bins).value).all()
    assert error.worst_bin(bins).tolist() == [-1, -1]
    for figure in (squared.debiased(bins), squared.paired(bins)):
        assert np.isnan(figure.value).all()
        assert figure.n.tolist() == [0, 0]
    assert losses.log_loss(sums).high[1] == np.inf


def test_bins_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        ScoreBins.of_sums([[1, 2]], [[1]], [[1, 2]], [[1, 2]])
    with pytest.raises(ValueError, match="at most as many"):
        ScoreBins.of_sums([[1]], [[2]], [[1]], [[1]])
    with pytest.raises(ValueError, match="strictly increasing"):
        CalibrationTable(np.array([0.5, 0.5]))
    with pytest.raises(ValueError, match="strictly increasing"):
        CalibrationTable(np.array([np.nan]))


def test_intervals_at_other_levels_agree_with_scipy() -> None:
    low, high = wilson(np.array([3.0, 0.0, 7.0]), np.array([20.0, 5.0, 7.0]), float(simultaneous(np.array(1.0))))
    for place, (k, n) in enumerate([(3, 20), (0, 5), (7, 7)]):
        interval = stats.binomtest(k, n).proportion_ci(method="wilson")
        assert (low[place], high[place]) == pytest.approx((interval.low, interval.high), abs=1e-12)
    assert simultaneous(np.array([10.0]))[0] == pytest.approx(stats.norm.isf((1 - 0.95**0.1) / 2))
    gone = figure_of(np.array([np.nan]), np.array([0.0]), np.array([1.0]), np.array([0.0]))
    assert np.isnan([gone.low[0], gone.high[0]]).all()
