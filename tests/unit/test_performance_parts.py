"""What performance tables are made of: fixed point, logarithm, intervals, slopes, comparison."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detectors.fixed import Fixed, deviations
from detectors.performance.averages import _each, _slopes, _weights
from detectors.performance.confusion import _kappa, _matthews
from detectors.performance.curves import Curve
from detectors.performance.estimate import Estimate, compare
from detectors.performance.intervals import bounded, log_normal, normal, proportion, score_interval, wilson, z_of
from detectors.performance.logarithm import natural_log
from detectors.rate import newcombe
from tests.performance_rows import KINDS, FloatArray, scored


@given(st.sampled_from([(31, 1), (46, 2), (62, 2), (47, 3), (62, 3), (62, 4), (0, 3)]), st.data())
@settings(max_examples=120, deadline=None)
def test_fixed_point_is_the_nearest_unit_and_sums_exactly(shape: tuple[int, int], data: st.DataObject) -> None:
    fixed = Fixed(*shape)
    least = 0.0 if fixed.limbs == 1 else -(2.0 ** (31 * fixed.limbs - fixed.bits))
    values = np.array(
        data.draw(st.lists(st.floats(least, 2.0 ** (31 * fixed.limbs - fixed.bits)), max_size=8)), np.float64
    )
    before = values.copy()
    limbs = fixed.split(values)
    assert np.array_equal(values, before)
    assert limbs.shape == (fixed.limbs, len(values))
    assert np.all(np.abs(limbs) <= 2**31)
    exact = [round(Fraction(value) * 2**fixed.bits) for value in values.tolist()]
    assert fixed.exact(limbs.T).tolist() == exact
    assert fixed.exact(limbs.sum(axis=1)) == sum(exact)
    assert float(fixed.value(limbs.sum(axis=1))) == sum(exact) / 2**fixed.bits


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2.0**16 * (1 + 2**-52), -(2.0**16) * (1 + 2**-52)])
@pytest.mark.parametrize("limbs", [2, 3])
def test_what_does_not_fit_is_refused(value: float, limbs: int) -> None:
    fixed = Fixed(31 * limbs - 16, limbs)
    fixed.split(np.array([2.0**16, -(2.0**16)]))
    with pytest.raises(OverflowError, match="not between"):
        fixed.split(np.array([0.0, value]))


def test_deviations_do_not_cancel() -> None:
    fixed, square = Fixed(40, 3), Fixed(40, 4)
    values = 1e6 + np.random.default_rng(1).integers(-4, 5, 1000) / 4
    sums = fixed.exact(fixed.split(values).sum(axis=1))
    squares = square.exact(square.split(values * values).sum(axis=1))
    found = float(deviations(sums, squares, np.array(1000), 40, 40))
    mean = sum(map(Fraction, values.tolist())) / 1000
    assert found == float(sum((Fraction(value) - mean) ** 2 for value in values.tolist()))
    assert (values**2).sum() - values.sum() ** 2 / 1000 != found
    first, second, third = Fixed(46, 2), Fixed(62, 3), np.full(7, 1 / 3)
    total, of_squares = (
        units.exact(units.split(part).sum(axis=1)) for units, part in ((first, third), (second, third**2))
    )
    assert 0 <= float(deviations(total, of_squares, np.array(7), 46, 62)) < 1e-12
    assert float(deviations(total * 0, of_squares * 0, np.array(0), 46, 62)) == 0


def test_the_logarithm_is_within_two_units_of_the_last_place() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.random(20_000), np.exp(rng.uniform(-36, 36, 20_000)), 1 + rng.normal(0, 1e-6, 20_000)])
    values = np.append(values, [2.0**-52, 1 - 2.0**-52, 1.0, 0.5, 2.0, 0.7071067811865476, 0.7071067811865475])
    expected = np.log(values.astype(np.longdouble))
    off = np.abs(natural_log(values) - expected) / np.spacing(np.maximum(np.abs(expected).astype(np.float64), 1e-300))
    assert float(off.max()) <= 2


def test_the_logarithm_does_not_depend_on_its_neighbours() -> None:
    values = np.random.default_rng(0).random(257)
    whole = natural_log(values)
    for start in range(9):
        assert np.array_equal(natural_log(values[start:]), whole[start:])
        assert np.array_equal(natural_log(values[start::3]), whole[start::3])
    assert [float(natural_log(values[n : n + 1])[0]) for n in range(257)] == whole.tolist()


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.3])
def test_wilson_agrees_with_scipy(alpha: float) -> None:
    for hits, rows in ((0, 1), (1, 1), (3, 10), (500, 1000), (0, 10**9), (10**9, 10**9)):
        found = proportion(np.array([hits]), np.array([rows]), alpha)
        true = stats.binomtest(hits, rows).proportion_ci(1 - alpha, method="wilson")
        assert (found.low[0], found.high[0]) == pytest.approx((true.low, true.high), abs=1e-12)
    none = proportion(np.array([0]), np.array([0]), alpha)
    assert np.isnan([none.value[0], none.low[0], none.high[0], none.bound[0]]).all()
    assert none.n[0] == 0


def test_bounded_stays_inside_and_is_never_empty() -> None:
    values = np.array([0.0, 1.0, 0.5, 0.999, 0.5])
    low, high = bounded(values, np.array([0.0, 0.0, 1e-4, 1e-3, 0.0]), np.array([30.0, 30, 1e6, 1e6, 30]), 0.05)
    assert np.all((low >= 0) & (high <= 1) & (high - low > 1e-3))
    assert (low[2], high[2]) == pytest.approx((0.48042, 0.51958), abs=1e-4)
    assert low[4] == wilson(np.array([0.5]), np.array([30.0]), 0.05)[0][0]
    assert np.isnan(bounded(np.array([np.nan]), np.array([np.nan]), np.array([0]), 0.05)[0][0])


def test_means_have_students_interval() -> None:
    values = np.random.default_rng(1).exponential(size=20)
    mean, variance, rows = values[np.newaxis].mean(axis=1), np.array([values.var(ddof=1) / 20]), np.array([20])
    low, high = normal(mean, variance, rows, 0.05)
    true = stats.t.interval(0.95, 19, mean[0], np.sqrt(variance[0]))
    assert (low[0], high[0]) == pytest.approx(true)
    least, most = log_normal(mean, variance, rows, 0.05)
    logs = stats.t.interval(0.95, 19, np.log(mean[0]), np.sqrt(variance[0]) / mean[0])
    assert (least[0], most[0]) == pytest.approx((np.exp(logs[0]), np.exp(logs[1])))
    one, unknown = np.array([1]), np.array([np.nan])
    assert [float(end[0]) for end in normal(mean, unknown, one, 0.05)] == [-np.inf, np.inf]
    assert [float(end[0]) for end in log_normal(mean, unknown, one, 0.05)] == [0.0, np.inf]


@pytest.mark.parametrize("kind", KINDS)
def test_the_variance_of_the_area_is_delongs(kind: str) -> None:
    score, label = scored(kind, 120)
    score = np.round(score, 2)
    values = np.unique(score)
    counts = [np.array([np.sum((score == value) & (label == which)) for value in values]) for which in (0, 1)]
    found = Curve.of(counts[0][np.newaxis], counts[1][np.newaxis]).roc_auc(0.05)
    true, false = score[label == 1], score[label == 0]
    wins = (true[:, np.newaxis] > false) + 0.5 * (true[:, np.newaxis] == false)
    smaller, variance = min(len(true), len(false)), 0.0
    if smaller > 1:
        variance = wins.mean(axis=1).var(ddof=1) / len(true) + wins.mean(axis=0).var(ddof=1) / len(false)
    if variance > 0:
        low, high = bounded(found.value, np.array([variance]), np.array([smaller]), 0.05)
        assert (found.low[0], found.high[0]) == pytest.approx((low[0], high[0]), abs=1e-12)
    assert found.value[0] == pytest.approx(wins.mean())
    assert found.high[0] > found.low[0]


def numeric_slopes(function: object, counts: FloatArray) -> FloatArray:
    slopes, step = np.empty_like(counts), 1e-4
    for place in itertools.product(*map(range, counts.shape[1:])):
        up, down = counts.copy(), counts.copy()
        up[(0, *place)] += step
        down[(0, *place)] -= step
        slopes[(0, *place)] = (function(up)[0] - function(down)[0]) / (2 * step)  # type: ignore[operator]
    return slopes


def test_slopes_are_derivatives() -> None:
    counts = np.random.default_rng(3).integers(1, 60, (1, 4, 4)).astype(np.float64)
    assert _kappa(counts)[1] == pytest.approx(numeric_slopes(lambda c: _kappa(c)[0], counts), abs=1e-7)
    assert _matthews(counts)[1] == pytest.approx(numeric_slopes(lambda c: _matthews(c)[0], counts), abs=1e-7)
    defined = np.array([[True, True, False, True]])
    for figure, weighted in itertools.product(("precision", "recall", "f1"), (True, False)):

        def average(c: FloatArray, figure: object = figure, *, weighted: bool = weighted) -> FloatArray:
            each = _each(c, figure)[0]  # type: ignore[arg-type]
            mean: FloatArray = (np.where(defined, each, 0.0) * _weights(c, defined, weighted=weighted)).sum(axis=1)
            return mean

        found = _slopes(counts, figure, defined, weighted=weighted)  # type: ignore[arg-type]
        assert found == pytest.approx(numeric_slopes(average, counts), abs=1e-7), (figure, weighted)


def test_the_variance_of_average_precision_is_that_of_its_slopes() -> None:
    negatives, positives = np.random.default_rng(5).integers(1, 30, (2, 1, 12)).astype(np.float64)

    def figure(counts: FloatArray) -> FloatArray:
        true, false = (np.cumsum(part[:, ::-1], axis=1)[:, ::-1] for part in (counts[:, 0], counts[:, 1]))
        precision: FloatArray = (counts[:, 0] * true / (true + false)).sum(axis=1) / counts[:, 0].sum(axis=1)
        return precision

    counts = np.stack([positives, negatives], axis=1)
    slopes = numeric_slopes(figure, counts)
    expected = (counts * slopes**2).sum()
    curve = Curve.of(negatives.astype(np.int64), positives.astype(np.int64))
    precision = (curve.positives_above + positives) / (
        curve.positives_above + positives + curve.negatives_above + negatives
    )
    assert curve._precision_variance(figure(counts), precision)[0] == pytest.approx(expected, rel=1e-6)


def share(hits: int, rows: int) -> Estimate:
    return proportion(np.array([hits]), np.array([rows]), 0.05)


@pytest.mark.parametrize(("first", "second"), [((90, 100), (700, 1000)), ((0, 50), (0, 70)), ((30, 30), (1, 900))])
def test_the_change_of_shares_has_newcombes_interval(first: tuple[int, int], second: tuple[int, int]) -> None:
    change = compare(share(*first), share(*second))
    p, q = np.array([second[0] / second[1]]), np.array([first[0] / first[1]])
    low, high = newcombe(p, np.array([float(second[1])]), q, np.array([float(first[1])]))
    assert (change.value[0], change.low[0], change.high[0]) == pytest.approx((q[0] - p[0], low[0], high[0]))
    assert (change.p_value[0] < 0.05) == (not change.low[0] <= 0 <= change.high[0])
    back = compare(share(*second), share(*first))
    assert (-back.high[0], -back.low[0]) == pytest.approx((low[0], high[0]))
    assert back.p_value[0] == pytest.approx(change.p_value[0])


def test_the_change_against_a_number_is_the_interval_moved() -> None:
    figure = share(60, 100)
    change = compare(figure, 0.5)
    assert (change.low[0], change.high[0]) == pytest.approx((figure.low[0] - 0.5, figure.high[0] - 0.5))
    edge = compare(figure, float(figure.low[0]))
    assert edge.p_value[0] == pytest.approx(0.05)
    assert compare(figure, 0.6).p_value[0] == 1


def test_what_does_not_exist_does_not_change() -> None:
    for first, second in ((share(0, 0), share(1, 2)), (share(1, 2), share(0, 0))):
        change = compare(first, second)
        assert np.isnan([change.value[0], change.low[0], change.high[0], change.p_value[0], change.bound[0]]).all()
    several = proportion(np.array([1, 0, 5]), np.array([2, 0, 10]), 0.05)
    one_for_all = compare(several, share(1, 4))
    assert np.isnan(one_for_all.value).tolist() == [False, True, False]
    assert np.isnan(compare(several, np.nan).value).all()


def test_bounds_add_up_and_levels_must_agree() -> None:
    curve = Curve.of(np.array([[5, 3, 2]]), np.array([[1, 4, 6]]))
    area = curve.roc_auc(0.05)
    assert compare(area, area).bound[0] == 2 * area.bound[0]
    assert compare(area, 0.5).bound[0] == area.bound[0]
    with pytest.raises(ValueError, match="level"):
        compare(area, curve.roc_auc(0.01))
    assert area.take(0).value.shape == (1,)
    assert z_of(0.05) == pytest.approx(1.959964)
    assert score_interval(np.array([0.5]), np.array([10]), 0.0)[0][0] == 0.5
