"""Regression performance: equal to scikit-learn and numpy, exact in any order, honest where numbers are too large."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from detectors.performance.regression import RegressionTable
from tests.performance_rows import FloatArray

TABLE = RegressionTable(50.0, 16.0, 4.0, np.arange(-100.0, 100.5, 0.5), delta=3.0)
KINDS = ("ordinary", "perfect", "far off", "heavy", "zeros", "constant targets", "tiny errors", "one")


def rows(kind: str, number: int = 3000, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    target = rng.normal(50, 15, number)
    if kind == "zeros":
        target[::3] = 0.0
    if kind == "constant targets":
        target = np.full(number, 48.0)
    error = rng.normal(1, 4, number)
    error *= {"perfect": 0.0, "far off": 100.0, "tiny errors": 1e-3}.get(kind, 1.0)
    if kind == "heavy":
        error = 4 * rng.standard_t(2, number)
    predicted = target + error
    if kind == "zeros":
        predicted[::6] = 0.0
    return (target[:1], predicted[:1]) if kind == "one" else (target, predicted)


def huber(error: FloatArray, delta: float) -> float:
    size = np.abs(error)
    return float(np.where(size <= delta, size**2 / 2, delta * (size - delta / 2)).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_figures_equal_scikit_learn(kind: str) -> None:
    target, predicted = rows(kind)
    found = TABLE.metrics(TABLE.tally(target, predicted))
    some = target != 0
    expected = {
        "mae": oracle.mean_absolute_error(target, predicted),
        "mse": oracle.mean_squared_error(target, predicted),
        "rmse": oracle.root_mean_squared_error(target, predicted),
        "mape": oracle.mean_absolute_percentage_error(target[some], predicted[some]),
        "bias": np.mean(predicted - target),
        "quantile_loss_0.1": oracle.mean_pinball_loss(target, predicted, alpha=0.1),
        "quantile_loss_0.9": oracle.mean_pinball_loss(target, predicted, alpha=0.9),
        "huber": huber(predicted - target, 3.0),
    }
    whole = np.abs(target) + np.abs(predicted)
    expected["smape"] = np.mean(2 * np.abs(predicted - target) / np.where(whole > 0, whole, 1))
    expected["r2"] = oracle.r2_score(target, predicted) if np.ptp(target) > 0 else np.nan
    for name, figure in expected.items():
        assert found[name].value[0] == pytest.approx(figure, rel=1e-9, abs=1e-12, nan_ok=True), name
    assert found["mape"].n[0] == some.sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.9, 0.999])
def test_error_quantiles_are_within_the_bound(kind: str, share: float) -> None:
    target, predicted = rows(kind, 700)
    fitted = RegressionTable.fit(*rows("ordinary", 5000, 1))
    for table in (fitted, TABLE):
        spec = RegressionTable(
            table.centre, table.scale, table.error_scale, table.error_edges, error_quantiles=(share,)
        )
        found = spec.metrics(spec.tally(target, predicted))[f"error_quantile_{share:g}"]
        true = np.quantile(predicted - target, share, method="inverted_cdf")
        assert abs(found.value[0] - true) <= found.bound[0] * (1 + 1e-12)
        assert found.low[0] <= true <= found.high[0]
        assert np.isfinite(found.value[0])


def test_a_fit_resolves_errors_a_thousand_times_larger() -> None:
    target, predicted = rows("ordinary")
    table = RegressionTable.fit(target, predicted)
    worse = table.metrics(table.tally(target, target + 1000 * (predicted - target)))
    assert worse["error_quantile_0.5"].bound[0] < worse["error_quantile_0.5"].value[0]
    assert worse["mse"].bound[0] == 0
    assert (np.log2([table.scale, table.error_scale]) % 1 == 0).all()


def test_what_is_no_number_is_counted_apart() -> None:
    nan, inf = np.nan, np.inf
    target = np.array([1.0, 1.0, 1.0, nan, inf, 1e301, 2.0])
    predicted = np.array([nan, inf, -1e301, 1.0, 1.0, 1.0, 2.5])
    tables = TABLE.tally(target, predicted)
    assert TABLE.cells(tables)["unusable"].tolist() == [[1, 2, 3]]
    found = TABLE.metrics(tables)
    assert found["mae"].n.tolist() == [1]
    assert found["mae"].value[0] == 0.5


def test_errors_beyond_the_limit_are_clipped_and_say_so() -> None:
    target, predicted = np.array([50.0, 50.0, 1e300, 0.0]), np.array([51.0, 1e299, -1e300, 1e300])
    tables = TABLE.tally(target, predicted)
    found = TABLE.metrics(tables)
    assert TABLE.cells(tables)["clipped"].tolist() == [3]
    for name in ("mae", "mse", "rmse", "bias", "huber", "r2", "quantile_loss_0.1"):
        assert np.isinf(found[name].bound[0]), name
        assert np.isfinite(found[name].value[0]), name
    assert np.isinf(found["mape"].bound[0])
    assert found["smape"].bound[0] == 0
    assert found["smape"].value[0] == pytest.approx((2 / 101 + 2 + 2 + 2) / 4)


@pytest.mark.parametrize("kind", ["constant targets", "one"])
def test_r_squared_of_targets_that_do_not_vary_does_not_exist(kind: str) -> None:
    target, predicted = rows(kind)
    for shift in (0.0, 0.1, 1e-3, 1e4, 12_345.678):
        table = RegressionTable(50.0, 16.0, 4.0, TABLE.error_edges)
        assert np.isnan(table.metrics(table.tally(target + shift, predicted + shift))["r2"].value[0]), shift


def test_r_squared_keeps_its_digits_far_from_the_centre() -> None:
    target, predicted = rows("ordinary")
    found = TABLE.metrics(TABLE.tally(target + 1e5, predicted + 1e5))["r2"].value[0]
    assert found == pytest.approx(oracle.r2_score(target + 1e5, predicted + 1e5), abs=1e-9)


def test_nothing_is_nan() -> None:
    for name, figure in TABLE.metrics(TABLE.tally(np.array([]), np.array([]))).items():
        assert np.isnan([figure.value[0], figure.low[0], figure.high[0], figure.bound[0]]).all(), name
        assert figure.n[0] == 0, name


def test_a_perfect_model_has_no_loss() -> None:
    found = TABLE.metrics(TABLE.tally(*rows("perfect")))
    for name in ("mae", "mse", "rmse", "bias", "huber", "mape", "smape"):
        assert found[name].value[0] == 0, name
    assert (found["r2"].value[0], found["r2"].high[0]) == (1, 1)


number = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, -0.0, np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324]))
row = st.tuples(number, number, st.integers(0, 1), st.sampled_from([-1, 1, 2]))


@given(st.lists(row, max_size=25), st.lists(row, max_size=25))
@settings(max_examples=30, deadline=None)
def test_cells_are_linear_in_rows(
    first: list[tuple[float, float, int, int]], second: list[tuple[float, float, int, int]]
) -> None:
    def tally(some: list[tuple[float, float, int, int]]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        target, predicted, group, weight = np.array(some, np.float64).reshape(len(some), 4).T
        return TABLE.tally(target, predicted, weight=weight.astype(np.int64), group=group.astype(np.int64), groups=2)

    whole = tally(first + second)
    assert np.array_equal(whole, tally(second) + tally(first))
    assert np.array_equal(whole, sum((tally([one]) for one in first + second), np.zeros_like(whole)))
    assert np.array_equal(whole + tally([(*one[:3], -one[3]) for one in second]), tally(first))


def test_two_to_the_31_of_the_largest_rows_do_not_overflow() -> None:
    weight = np.array([2**31, 2**31 - 1])
    target, predicted = (
        np.array([50.0 + 2.0**19, 50 - 2.0**19]),
        np.array([50 + 2.0**19 + 2.0**17, 50 - 2.0**19 - 2.0**17]),
    )
    tables = TABLE.tally(target, predicted, weight=weight)
    found = TABLE.metrics(tables)
    assert TABLE.cells(tables)["clipped"].tolist() == [0]
    assert found["mse"].value[0] == 2.0**34
    assert found["mae"].value[0] == 2.0**17
    assert found["r2"].value[0] == pytest.approx(1 - 2.0**-4)


def test_wrong_input_is_refused_and_the_identity_is_that_of_the_cells() -> None:
    edges = np.array([0.0])
    for wrong in ((np.nan, 1.0, 1.0), (0.0, 0.0, 1.0), (0.0, 1.0, -1.0)):
        with pytest.raises(ValueError, match="finite"):
            RegressionTable(*wrong, edges)
    with pytest.raises(ValueError, match="delta"):
        RegressionTable(0.0, 1.0, 1.0, edges, delta=1e6)
    with pytest.raises(ValueError, match="edges"):
        RegressionTable(0.0, 1.0, 1.0, np.array([1.0, 1.0]))
    with pytest.raises(ValueError, match="levels"):
        RegressionTable(0.0, 1.0, 1.0, edges, quantiles=(1.0,))
    with pytest.raises(ValueError, match="predicted has shape"):
        TABLE.tally(np.zeros(2), np.zeros(3))
    plain = RegressionTable(0.0, 1.0, 1.0, edges)
    others = [
        RegressionTable(1.0, 1.0, 1.0, edges),
        RegressionTable(0.0, 1.0, 1.0, edges, delta=1.0),
        RegressionTable(0.0, 1.0, 1.0, np.array([0.0, 1.0])),
    ]
    assert len({plain.identity, *(other.identity for other in others)}) == 4
    assert RegressionTable(0.0, 1.0, 1.0, edges, quantiles=(0.3,)).identity == plain.identity
    for one in (plain, *others, TABLE):
        assert RegressionTable.from_dict(one.to_dict()).identity == one.identity


@pytest.mark.parametrize("values", [[], [np.nan], [3.0], [0.0, 0.0]])
def test_a_fit_on_next_to_nothing_still_counts(values: list[float]) -> None:
    sample = np.array(values)
    table = RegressionTable.fit(sample, sample)
    assert table.metrics(table.tally(np.array([1.0, 2.0]), np.array([2.0, 2.0])))["mae"].value[0] == 0.5
