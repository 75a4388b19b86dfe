"""Figures of all rows from explored ones: equal to scikit-learn with weights, and with intervals that hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as oracle

from detectors.performance import MulticlassTable, RegressionTable, WeightedClasses, WeightedErrors
from detectors.performance.propensity import weights_of

FIGURES = {"precision": oracle.precision_score, "recall": oracle.recall_score, "f1": oracle.f1_score}
SHARES = np.array([1.0, 0.5, 0.25, 0.2, 0.1])
"""1 over each is exact in fixed point."""


def classes_of(rng: np.random.Generator, rows: int, number: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    label = rng.integers(0, number, rows)
    said = np.where(rng.random(rows) < 0.6, label, rng.integers(0, number, rows))
    return label, said, rng.choice(SHARES, rows)


def test_averages_equal_scikit_learn_with_weights() -> None:
    label, said, share = classes_of(np.random.default_rng(1), 500)
    found = WeightedClasses(4).metrics(WeightedClasses(4).tally(label, said, share))
    accuracy = oracle.accuracy_score(label, said, sample_weight=1 / share)
    assert found["accuracy_by_propensity"].value[0] == pytest.approx(accuracy, abs=1e-12)
    for name, score in FIGURES.items():
        for average in ("macro", "weighted"):
            expected = score(label, said, average=average, sample_weight=1 / share)
            figure = found[f"{name}_{average}_by_propensity"]
            assert figure.value[0] == pytest.approx(expected, abs=1e-12)
            assert figure.low[0] < expected < figure.high[0]
            assert figure.n[0] == 500


def test_errors_and_their_variance_equal_brute_force() -> None:
    rng = np.random.default_rng(2)
    target, share = rng.normal(1e4, 5, 400), rng.choice(SHARES, 400)
    said = target + rng.normal(100, 2, 400)
    table = WeightedErrors(4.0)
    found = table.metrics(table.tally(target, said, share))
    w, error = 1 / share, said - target
    n = w.sum() ** 2 / (w**2).sum()
    for name, y in {"bias": error, "mae": np.abs(error), "mse": error**2}.items():
        figure, mean = found[f"{name}_by_propensity"], (w * y).sum() / w.sum()
        deviation = np.sqrt((w**2 * (y - mean) ** 2).sum() / w.sum() ** 2 * n / (n - 1))
        assert figure.value[0] == pytest.approx(mean, rel=1e-12)
        half = figure.high[0] - mean if name == "bias" else mean * np.log(figure.high[0] / mean)
        assert half == pytest.approx(deviation * stats.t.ppf(0.975, n - 1), rel=1e-9)
    assert found["mse_by_propensity"].value[0] == pytest.approx(
        oracle.mean_squared_error(target, said, sample_weight=w), rel=1e-9
    )
    assert found["rmse_by_propensity"].value[0] ** 2 == pytest.approx(found["mse_by_propensity"].value[0], rel=1e-12)


@pytest.mark.parametrize("share", [1.0, 0.125])
def test_equal_weights_make_no_difference(share: float) -> None:
    rng = np.random.default_rng(3)
    label, said, _ = classes_of(rng, 300)
    own, plain = WeightedClasses(4), MulticlassTable(("a", "b", "c", "d"))
    figures = plain.metrics(plain.tally(label, said))
    for name, figure in own.metrics(own.tally(label, said, np.full(300, share))).items():
        other = figures[name.removesuffix("_by_propensity")]
        if name == "accuracy_by_propensity":
            assert figure.value == pytest.approx(other.value, abs=1e-12)
            continue
        for part in ("value", "low", "high", "n"):
            assert getattr(figure, part) == pytest.approx(getattr(other, part), abs=1e-9)
    target, predicted = rng.normal(0, 1, 300), rng.normal(0, 1, 300)
    errors, numbers = WeightedErrors(1.0), RegressionTable(0.0, 1.0, 1.0, np.array([0.0]))
    known = numbers.metrics(numbers.tally(target, predicted))
    for name, figure in errors.metrics(errors.tally(target, predicted, np.full(300, share))).items():
        for part in ("value", "low", "high", "n"):
            other = known[name.removesuffix("_by_propensity")]
            assert getattr(figure, part) == pytest.approx(getattr(other, part), rel=1e-9)


def population() -> tuple[np.ndarray, ...]:
    """Return rows of which the hard ones are seldom explored: label, prediction, target, number said, propensity."""
    rng = np.random.default_rng(4)
    hard = rng.random(40_000)
    label = rng.integers(0, 3, len(hard))
    said = np.where(rng.random(len(hard)) < 0.9 - 0.6 * hard, label, rng.integers(0, 3, len(hard)))
    target = rng.normal(0, 1, len(hard))
    return label, said, target, target + hard + rng.normal(0, 0.3 + hard), np.where(hard > 0.5, 0.02, 0.1)


def test_intervals_hold_the_figures_of_all_rows_and_without_weights_they_do_not() -> None:
    label, said, target, number, share = population()
    classes, errors = WeightedClasses(3), WeightedErrors(1.0)
    every = np.ones(len(label))
    truth = classes.metrics(classes.tally(label, said, every)) | errors.metrics(errors.tally(target, number, every))
    rng, rounds = np.random.default_rng(5), 250
    held = dict.fromkeys(truth, 0)
    unweighted = dict.fromkeys(truth, 0)
    for _ in range(rounds):
        drawn = rng.random(len(share)) < share
        for weights, counts in ((share[drawn], held), (every[drawn], unweighted)):
            found = classes.metrics(classes.tally(label[drawn], said[drawn], weights))
            found |= errors.metrics(errors.tally(target[drawn], number[drawn], weights))
            for name, figure in found.items():
                counts[name] += bool(figure.low[0] <= truth[name].value[0] <= figure.high[0])
    # four deviations of 250 draws around .95
    assert all(times / rounds >= 0.895 for times in held.values()), held
    assert all(times / rounds < 0.2 for times in unweighted.values()), unweighted


ROWS = st.lists(
    st.tuples(
        st.integers(-1, 3), st.integers(-1, 4), st.floats(allow_nan=True), st.floats(allow_nan=True),
        st.one_of(st.floats(1e-9, 1.0), st.floats(allow_nan=True)), st.integers(0, 2),
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(0, 30))
def test_tables_are_linear_in_rows_whatever_they_say(
    rows: list[tuple[int, int, float, float, float, int]], cut: int
) -> None:
    columns: list[Any] = list(zip(*rows, strict=True)) if rows else [[]] * 6
    label, said = (np.array(column, np.int64) for column in columns[:2])
    target, number, share = (np.array(column, np.float64) for column in columns[2:5])
    group = np.array(columns[5], np.int64)
    for table, first, second in ((WeightedClasses(3), label, said), (WeightedErrors(2.0), target, number)):
        whole = table.tally(first, second, share, group=group, groups=3)  # type: ignore[arg-type]
        parts = [table.tally(first[at], second[at], share[at], group=group[at], groups=3)  # type: ignore[arg-type]
                 for at in (slice(cut), slice(cut, None))]  # fmt: skip
        assert (parts[0] + parts[1] == whole).all()
        gone = table.tally(first, second, share, weight=np.full(len(first), -1), group=group, groups=3)  # type: ignore[arg-type]
        assert not (whole + gone).any()
        for figure in table.metrics(whole).values():
            some = np.isfinite(figure.value)
            assert (figure.low[some] <= figure.value[some]).all()
            assert (figure.value[some] <= figure.high[some]).all()


def test_figures_that_do_not_exist_are_nan() -> None:
    none = np.zeros(0)
    errors = WeightedErrors(1.0)
    for cells in (
        errors.tally(none, none, none),
        errors.tally(np.ones(3), np.ones(3), np.array([0.0, np.nan, 1.5])),
        errors.tally(np.full(2, np.inf), np.full(2, np.nan), np.ones(2)),
    ):
        assert all(np.isnan(figure.value[0]) and figure.n[0] == 0 for figure in errors.metrics(cells).values())
    one = errors.metrics(errors.tally(np.zeros(1), np.full(1, 2.0), np.full(1, 0.5)))["bias_by_propensity"]
    assert (one.value[0], one.low[0], one.high[0]) == (2.0, -np.inf, np.inf)
    far = errors.metrics(errors.tally(np.zeros(2), np.array([1.0, 1e9]), np.ones(2)))
    assert all(np.isinf(figure.bound[0]) for figure in far.values())
    classes = WeightedClasses(2)
    empty = classes.metrics(classes.tally(np.zeros(0, np.int64), np.zeros(0, np.int64), none))
    assert all(np.isnan(figure.value[0]) for figure in empty.values())
    assert np.isnan(weights_of(np.array([2.0**-25, -1.0, np.inf]))).all()
