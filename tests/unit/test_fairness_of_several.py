"""Fairness of several classes and of numbers: brute force over single rows, intervals that cover, ugly groups."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detectors.fairness import demographic_parity, equalised_odds
from detectors.fairness_of_classes import odds_of_classes, parity_of_classes
from detectors.fairness_of_means import means_apart, within_groups
from detectors.performance import Estimate, RegressionTable
from detectors.performance.predicted_sums import PredictedSums


def covered(figure: Estimate, truth: float) -> float:
    return float(np.mean((figure.low - 1e-12 <= truth) & (truth <= figure.high + 1e-12)))


def test_figures_of_classes_are_those_of_single_rows() -> None:
    rng = np.random.default_rng(1)
    group, label = rng.integers(0, 3, 6000), rng.integers(0, 4, 6000)
    said = np.where(rng.random(6000) < 0.7 - 0.1 * group, label, rng.integers(0, 5, 6000))
    cells = np.bincount(group * 20 + label * 5 + said, minlength=60).reshape(1, 3, 4, 5)
    shares = np.array([[(said[group == g] == c).mean() for g in range(3)] for c in range(4)])
    parity = parity_of_classes(cells.sum(axis=2)[:, :, :4], cells.sum(axis=(2, 3)))
    gaps = np.ptp(shares, axis=1)
    assert parity.disparity.difference.value[0] == pytest.approx(gaps.max())
    assert parity.place[0] == gaps.argmax()
    worst = shares[gaps.argmax()]
    assert parity.disparity.worst.tolist() == [[int(worst.argmin()), int(worst.argmax())]]
    assert parity.disparity.ratio.value[0] == pytest.approx((shares.min(axis=1) / shares.max(axis=1)).min())
    rates = np.array([
        [(said[(group == g) & side] == c).mean() for g in range(3)]
        for c in range(4) for side in (label == c, label != c)
    ])  # fmt: skip
    odds = odds_of_classes(cells)
    assert odds.disparity.difference.value[0] == pytest.approx(np.ptp(rates, axis=1).max())
    assert odds.disparity.ratio.value[0] == pytest.approx((rates.min(axis=1) / rates.max(axis=1)).min())
    assert odds.place[0] == np.ptp(rates, axis=1).argmax() // 2


def test_two_classes_are_a_decision_seen_from_both_sides() -> None:
    cells = np.array([[[270, 30, 20, 80], [280, 20, 60, 40]]])
    binary, several = equalised_odds(cells), odds_of_classes(cells.reshape(1, 2, 2, 2))
    assert several.disparity.difference.value == pytest.approx(binary.difference.value)
    assert several.disparity.difference.low[0] < binary.difference.low[0]
    flagged, n = cells[:, :, 1] + cells[:, :, 3], cells.sum(axis=2)
    parity = parity_of_classes(np.stack([n - flagged, flagged], axis=2), n)
    assert parity.disparity.difference.value == pytest.approx(demographic_parity(flagged, n).difference.value)


@pytest.mark.parametrize("rows", [80, 800])
def test_intervals_of_classes_hold_the_worst_and_those_of_the_worst_class_alone_do_not(rows: int) -> None:
    rng = np.random.default_rng(rows)
    shares = np.full(8, 1 / 8)
    said = rng.multinomial(rows, shares, (600, 4))
    n = np.full((600, 4), rows)
    found = parity_of_classes(said, n).disparity.difference
    assert covered(found, 0.0) >= 0.94
    alone = np.stack([demographic_parity(said[:, :, place], n).difference.low for place in range(8)]).max(axis=0)
    assert np.mean(alone <= 0) < 0.9
    uneven = np.array([[0.5, 0.3, 0.2], [0.5, 0.2, 0.3]])
    said = np.stack([rng.multinomial(rows, part, 600) for part in uneven], axis=1)
    assert covered(parity_of_classes(said, n[:, :2]).disparity.difference, 0.1) >= 0.94
    confusion = np.stack([rng.multinomial(rows * 3, np.kron([1 / 3] * 3, part), 600) for part in uneven], axis=1)
    assert covered(odds_of_classes(confusion.reshape(600, 2, 3, 3)).disparity.difference, 0.1) >= 0.94


def test_classes_that_do_not_compare_are_left_out() -> None:
    confusion = np.zeros((2, 2, 3, 4), np.int64)
    confusion[0, 0, 0], confusion[0, 1, 0] = [80, 20, 0, 0], [50, 40, 0, 10]
    confusion[0, :, 1, 1] = 40
    confusion[0, :, 2, 2] = 5
    found = odds_of_classes(confusion)
    assert found.disparity.difference.value[0] == pytest.approx(0.3)
    assert found.place.tolist() == [0, -1]
    assert found.disparity.worst[1].tolist() == [-1, -1]
    for figure in (found.disparity.difference, found.disparity.ratio):
        assert np.isnan([figure.value[1], figure.low[1], figure.high[1]]).all()


def test_means_of_two_groups_have_students_interval() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(5, 2, 60), rng.normal(7, 3, 200)
    mean, variance = (np.array([[f(one), f(other)]]) for f in (np.mean, lambda x: x.var(ddof=1) / len(x)))
    found = means_apart(mean, variance, np.array([[60, 200]]))
    gap, half = other.mean() - one.mean(), stats.t.ppf(0.975, 59) * np.sqrt(variance.sum())
    figure = found.difference
    assert [figure.value[0], figure.low[0], figure.high[0]] == pytest.approx([gap, gap - half, gap + half])
    assert found.worst.tolist() == [[0, 1]]
    assert np.isnan(found.ratio.value[0])
    pooled = np.sqrt((59 * one.var(ddof=1) + 199 * other.var(ddof=1)) / 258)
    assert within_groups(variance, np.array([[60, 200]]))[0] == pytest.approx(pooled)


@pytest.mark.parametrize("means", [(0.0, 0.0), (0.0,) * 8, (-1.0, 0.5, 0.2)])
def test_intervals_of_means_hold_and_those_of_the_extreme_groups_alone_do_not(means: tuple[float, ...]) -> None:
    rng = np.random.default_rng(len(means))
    rows = rng.exponential(1.0, (2000, 60, len(means))) - 1 + np.array(means)
    mean, variance = rows.mean(axis=1), rows.var(axis=1, ddof=1) / 60
    found = means_apart(mean, variance, np.full(mean.shape, 60)).difference
    assert covered(found, max(means) - min(means)) >= 0.94
    if len(means) > 3:
        spread = 1.96 * np.sqrt(2 * variance.mean(axis=1))
        assert np.mean(np.ptp(mean, axis=1) - spread <= 0) < 0.7


def test_groups_without_a_mean_are_left_out() -> None:
    nan = np.nan
    mean = np.array([[1.0, 2.0, nan], [1.0, nan, nan], [3.0, 3.0, 3.0]])
    variance = np.array([[0.1, 0.1, nan], [0.1, nan, nan], [0.0, 0.0, 0.0]])
    n = np.array([[50, 50, 0], [50, 0, 1], [50, 50, 50]])
    found = means_apart(mean, variance, n)
    assert found.left_out.tolist() == [1, 2, 0]
    assert np.isnan(found.difference.value).tolist() == [False, True, False]
    assert (found.difference.low[2], found.difference.high[2]) == (0.0, 0.0)
    assert np.isnan(within_groups(np.full((1, 2), nan), np.array([[0, 1]]))[0])
    few = means_apart(mean[:1], variance[:1], np.array([[29, 50, 0]]))
    assert np.isnan(few.difference.value[0])


def test_sums_of_predictions_and_errors_are_exact() -> None:
    rng = np.random.default_rng(3)
    predicted, group = rng.normal(1e6, 3, 500), rng.integers(0, 3, 500)
    sums = PredictedSums(1e6, 2.0)
    cells = sums.tally(np.append(predicted, [np.nan, np.inf, 1e301]), np.append(group, [0, 1, 2]), 3)
    assert (cells == sums.tally(predicted[:200], group[:200], 3) + sums.tally(predicted[200:], group[200:], 3)).all()
    both = sums.tally(predicted, np.stack([group, group + 3]), 6)
    assert (both[:3] == both[3:]).all()
    assert (both[:3] == cells).all()
    mean, variance, rows = sums.mean(cells)
    target = predicted - rng.normal(1, 2, 500)
    table = RegressionTable(1e6, 2.0, 2.0, np.array([0.0]))
    errors = table.mean_error(table.tally(target, predicted, group=group, groups=3))
    for place in range(3):
        own, error = predicted[group == place], (predicted - target)[group == place]
        assert [mean[place], variance[place]] == pytest.approx([own.mean(), own.var(ddof=1) / len(own)], rel=1e-9)
        assert errors[0][place] == pytest.approx(error.mean(), rel=1e-9)
        assert errors[1][place] == pytest.approx(error.var(ddof=1) / len(error), rel=1e-9)
        assert rows[place] == errors[2][place] == len(own)
    none = sums.mean(np.zeros((1, sums.size), np.int64))
    assert np.isnan(none[0][0])
