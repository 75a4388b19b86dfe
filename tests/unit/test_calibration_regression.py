"""Calibration of predictive distributions: PIT, interval coverage, pinball loss."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detectors.calibration.coverage import CoverageTable
from detectors.calibration.pinball import MOST_UNITS, PinballTable
from detectors.calibration.pit import PitTable, dispersion, normal_pit, pit_mean, uniformity
from tests.oracles import FloatArray, IntArray


def once(rows: int, groups: int = 1) -> tuple[IntArray, IntArray, int]:
    return np.ones(rows, np.int64), (np.arange(rows) * groups // max(rows, 1)).astype(np.int64), groups


def pit_tables(table: PitTable, u: FloatArray) -> IntArray:
    return table.tally(u.ravel(), *once(u.size, len(u)))


def test_the_pit_is_the_distribution_function() -> None:
    y, mean, sd = np.array([0.0, 2.0, 1.0, np.nan, np.inf]), np.ones(5), np.array([1.0, 0.5, -1.0, 1.0, 1.0])
    expected = [stats.norm.cdf(-1.0), stats.norm.cdf(2.0), np.nan, np.nan, 1.0]
    assert normal_pit(y, mean, sd) == pytest.approx(expected, nan_ok=True)


def test_pit_values_fall_into_right_closed_bins_and_bad_ones_into_cells_of_their_own() -> None:
    table = PitTable(10)
    u = np.array([0.0, 0.1, 0.1000001, 1.0, np.nan, -0.1, 1.1, np.inf, -np.inf])
    cells = table.tally(u, *once(9))
    assert table.counts(cells)[0].tolist() == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert cells[0, :3].tolist() == [9, 1, 4]
    assert cells[0, 0] == table.counts(cells).sum() + 5


def test_mean_and_dispersion_are_those_of_the_values() -> None:
    rng = np.random.default_rng(1)
    u = rng.beta(0.8, 0.9, (1, 3000))
    table = PitTable()
    cells = pit_tables(table, u)
    assert pit_mean(table, cells).value[0] == pytest.approx(u.mean(), abs=1e-9)
    assert dispersion(table, cells).value[0] == pytest.approx(12 * u.var(ddof=1), abs=1e-7)


def test_intervals_of_mean_and_dispersion_cover() -> None:
    rng = np.random.default_rng(2)
    table = PitTable()
    cells = pit_tables(table, rng.beta(0.7, 0.7, (800, 300)))
    truth = stats.beta(0.7, 0.7)
    for figure, expected in ((pit_mean(table, cells), 0.5), (dispersion(table, cells), 12 * truth.var())):
        assert np.mean((figure.low <= expected) & (expected <= figure.high)) >= 0.93
        half = (figure.high - figure.low) / 4
        assert np.mean(np.abs(figure.value - expected) <= half) < 0.8


def test_uniform_values_stay_in_the_noise_band_and_narrow_predictions_do_not() -> None:
    rng = np.random.default_rng(3)
    table = PitTable()
    calm = uniformity(table, pit_tables(table, rng.random((1000, 400))), alpha=0.05)
    assert np.mean(calm.statistic > calm.threshold) == pytest.approx(0.05, abs=0.025)
    wide = pit_tables(table, normal_pit(rng.normal(0, 1.5, (50, 400)), np.zeros((50, 400)), np.ones((50, 400))))
    assert np.mean(uniformity(table, wide, alpha=0.05).p_value < 0.05) > 0.95
    assert dispersion(table, wide).low.min() > 1.0
    reference = pit_tables(table, normal_pit(rng.normal(0, 1.5, (1, 9000)), np.zeros((1, 9000)), np.ones((1, 9000))))
    same = uniformity(table, wide, np.repeat(reference, 50, axis=0), alpha=0.05)
    assert np.mean(same.p_value < 0.05) < 0.2, "against its own reference the model has not changed"


def test_coverage_counts_each_side_and_keeps_what_it_cannot_judge_apart() -> None:
    table = CoverageTable(0.8)
    outcome = np.array([1.0, 5.0, 9.0, 2.0, np.nan, 3.0, 3.0, np.inf, 4.0, 8.0])
    lower = np.array([2.0, 2.0, 2.0, 2.0, 2.0, np.nan, 5.0, 2.0, -np.inf, 2.0])
    upper = np.array([8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 4.0, 8.0, np.inf, 8.0])
    cells = table.tally(outcome, lower, upper, *once(10))
    assert cells[0].tolist() == [10, 3, 1, 1, 4, 1]
    figures = table.figures(cells)
    interval = stats.binomtest(4, 6).proportion_ci(method="wilson")
    assert figures["coverage"].value[0] == pytest.approx(4 / 6)
    assert (figures["coverage"].low[0], figures["coverage"].high[0]) == pytest.approx((interval.low, interval.high))
    assert figures["excess"].value[0] == pytest.approx(4 / 6 - 0.8)
    assert figures["below"].value[0] == figures["above"].value[0] == pytest.approx(1 / 6)
    empty = table.figures(np.zeros((1, table.size), np.int64))
    assert all(np.isnan(figure.value[0]) and figure.n[0] == 0 for figure in empty.values())
    with pytest.raises(ValueError, match="between 0 and 1"):
        CoverageTable(1.0)


def test_pinball_losses_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(5)
    y, q = rng.normal(100, 20, 2000), np.stack([rng.normal(80, 5, 2000), rng.normal(120, 5, 2000)], axis=1)
    q[:7, 0], q[7, 1], y[8], y[9] = np.nan, np.inf, np.nan, -np.inf
    table = PinballTable((0.1, 0.9), unit=20.0)
    cells = table.tally(y, q, *once(2000))
    assert cells[0, :2].tolist() == [2000, 2]
    for place, level in enumerate(table.levels):
        good = np.isfinite(y) & np.isfinite(q[:, place])
        gap = y[good] - q[good, place]
        loss = np.maximum(level * gap, (level - 1) * gap)
        found, hit = table.losses(cells)[place], table.hits(cells)[place]
        assert found.value[0] == pytest.approx(loss.mean(), abs=1e-9)
        half = 1.959963984540054 * loss.std(ddof=1) / np.sqrt(good.sum())
        assert found.high[0] == pytest.approx(loss.mean() + half, abs=1e-7)
        assert found.n[0] == hit.n[0] == good.sum()
        assert hit.value[0] == pytest.approx((gap <= 0).mean())


def test_a_huge_loss_is_clipped_and_counted() -> None:
    table = PinballTable((0.5,), unit=1.0)
    y = np.array([1e300, 0.0, -1e308, 1.0])
    cells = table.tally(y, np.array([[0.0], [0.0], [1e308], [0.0]]), *once(4))
    assert table.clipped(cells).tolist() == [[2]]
    assert table.losses(cells)[0].value[0] == pytest.approx((2 * MOST_UNITS + 0.5) / 4)
    one = table.losses(table.tally(np.array([1.0]), np.array([[0.0]]), *once(1)))[0]
    assert (one.value[0], one.low[0], one.high[0]) == (0.5, 0.0, np.inf)


@pytest.mark.parametrize(("levels", "unit"), [((0.0,), 1.0), ((0.5,), 0.0), ((0.5,), np.inf), ((0.5,), np.nan)])
def test_levels_and_units_that_make_no_sense_are_refused(levels: tuple[float, ...], unit: float) -> None:
    with pytest.raises(ValueError, match=r"between 0 and 1|positive and finite"):
        PinballTable(levels, unit)
