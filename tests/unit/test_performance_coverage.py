"""Intervals hold the truth as often as they say, and a broken one is noticed; changes are not found where none is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial

import numpy as np
import pytest

from detectors.performance import averages, confusion, curves, intervals
from detectors.performance.amounts import Costs
from detectors.performance.binary import BinaryTable
from detectors.performance.estimate import Estimate, compare
from detectors.performance.multiclass import MulticlassTable
from detectors.performance.ranking import RankingTable
from detectors.performance.regression import RegressionTable
from tests.performance_rows import IntArray

SAMPLES = 1500
ROWS = 300
LARGE = 200_000
LEAST = 0.93
"""Of nominal 0.95; three standard errors of 1,500 samples are 0.017."""
CONSERVATIVE = ("ks", "error_quantile")
BARELY = {"regression, heavier": dict.fromkeys(("mse", "rmse", "r2"), LEAST - 0.0113)}
"""Over 20,000 samples of 300 rows these cover .931, .931 and .938; less two standard errors of the samples here."""
Figures = Mapping[str, Estimate]
Tally = Callable[[int, int, np.random.Generator], tuple[IntArray, Callable[[IntArray], Figures]]]


def binary(
    kind: str, rows: int, samples: int, rng: np.random.Generator
) -> tuple[IntArray, Callable[[IntArray], Figures]]:
    a, b, decision = {"mild": (2.0, 2.0, 0.5), "weak": (20.0, 20.0, 0.5), "rare": (0.6, 2.4, 0.3)}[kind]
    score = rng.beta(a, b, rows * samples)
    label = (rng.random(rows * samples) < score).astype(np.int64)
    amount = rng.lognormal(3, 0.6, rows * samples)
    edges = np.arange(1, 400) / 400
    table = BinaryTable(edges, decision, 0.01, Costs((0.0, 5.0, 1.0, 5.0), (0.0, 0.0, 1.0, 0.0)), (0.05, 0.2))
    group = np.repeat(np.arange(samples), rows)
    return table.tally(score, label, amount=amount, group=group, groups=samples), table.metrics


def multiclass(
    prior: tuple[float, ...], rows: int, samples: int, rng: np.random.Generator
) -> tuple[IntArray, Callable[[IntArray], Figures]]:
    label = rng.choice(len(prior), rows * samples, p=prior)
    odds = np.exp(rng.normal(size=(len(label), len(prior))) + 1.5 * (np.arange(len(prior)) == label[:, np.newaxis]))
    table = MulticlassTable(tuple(map(str, range(len(prior)))), (2,))
    group = np.repeat(np.arange(samples), rows)
    return table.tally(label, None, odds / odds.sum(axis=1, keepdims=True), group=group, groups=samples), table.metrics


def regression(
    kind: str, rows: int, samples: int, rng: np.random.Generator
) -> tuple[IntArray, Callable[[IntArray], Figures]]:
    target = rng.normal(50, 10, rows * samples)
    noise = {"normal": rng.normal, "laplace": rng.laplace}[kind]
    table = RegressionTable(50.0, 8.0, 4.0, np.arange(-60, 60, 0.5))
    group = np.repeat(np.arange(samples), rows)
    return table.tally(target, target + noise(0.3, 3, len(target)), group=group, groups=samples), table.metrics


def ranking(rows: int, samples: int, rng: np.random.Generator) -> tuple[IntArray, Callable[[IntArray], Figures]]:
    relevance = (rng.random((rows * samples, 6)) < 0.6 / np.arange(1, 7)).astype(np.float64)
    table = RankingTable((1, 3))
    group = np.repeat(np.arange(samples), rows)
    return table.tally(relevance.ravel(), np.full(len(relevance), 6), group=group, groups=samples), table.metrics


CASES: dict[str, Tally] = {
    "binary mild": partial(binary, "mild"),
    "binary weak": partial(binary, "weak"),
    "binary rare": partial(binary, "rare"),
    "multiclass": partial(multiclass, (0.5, 0.25, 0.15, 0.1)),
    "regression": partial(regression, "normal"),
    "regression, heavier": partial(regression, "laplace"),
    "ranking": ranking,
}


@cache
def drawn(case: str) -> tuple[dict[str, float], IntArray, Callable[[IntArray], Figures]]:
    """Return the truth of a case, the tables of many samples, and how figures come from them."""
    large, metrics = CASES[case](LARGE, 1, np.random.default_rng(1))
    truth = {name: float(figure.value[0]) for name, figure in metrics(large).items()}
    return truth, *CASES[case](ROWS, SAMPLES, np.random.default_rng(2))


def covered(case: str) -> dict[str, float]:
    """Return how often the interval of each figure holds the truth."""
    truth, tables, metrics = drawn(case)
    found = {}
    for name, figure in metrics(tables).items():
        known = ~np.isnan(figure.value)
        assert known.mean() > 0.99, name
        found[name] = float(np.mean((figure.low <= truth[name])[known] & (truth[name] <= figure.high)[known]))
    return found


@pytest.mark.parametrize("case", CASES)
def test_intervals_hold_the_truth_as_often_as_they_say(case: str) -> None:
    shares = covered(case)
    least = BARELY.get(case, {})
    assert {name: share for name, share in shares.items() if share < least.get(name, LEAST)} == {}
    # An interval that always holds the truth says nothing.
    exact = {name: share for name, share in shares.items() if not name.startswith((*CONSERVATIVE, "scored"))}
    assert np.median(list(exact.values())) < 0.965


def half(function: Callable[..., object]) -> Callable[..., object]:
    """Return the function with a variance (or an interval's quantile) that is too small."""

    def broken(*args: object) -> object:
        return 0.6 * function(*args)  # type: ignore[operator]

    return broken


@pytest.mark.parametrize(
    ("case", "module", "name", "noticed"),
    [
        ("binary mild", intervals, "z_of", ("accuracy", "precision", "recall", "f1", "specificity", "prevalence")),
        ("binary mild", confusion, "delta_variance", ("mcc",)),
        ("binary mild", curves, "_of_placements", ("roc_auc", "gini")),
        ("binary mild", curves, "delta_variance", ("average_precision",)),
        ("multiclass", averages, "delta_variance", ("f1_macro", "recall_macro", "precision_weighted")),
        ("multiclass", confusion, "delta_variance", ("kappa", "mcc")),
        ("regression", intervals, "deviations", ("mae", "mse", "rmse", "bias", "huber", "mape")),
        ("ranking", intervals, "deviations", ("map", "mrr", "ndcg_at_3")),
    ],
)
def test_an_interval_that_is_too_narrow_is_noticed(
    monkeypatch: pytest.MonkeyPatch, case: str, module: object, name: str, noticed: tuple[str, ...]
) -> None:
    monkeypatch.setattr(module, name, half(getattr(module, name)))
    shares = covered(case)
    assert {figure: shares[figure] for figure in noticed if shares[figure] >= LEAST} == {}


@pytest.mark.parametrize("case", ["binary mild", "multiclass", "regression", "ranking"])
def test_a_change_is_seldom_found_where_there_is_none_and_mostly_where_there_is_one(case: str) -> None:
    truth, tables, metrics = drawn(case)
    first, second = metrics(tables[: SAMPLES // 2]), metrics(tables[SAMPLES // 2 :])
    for name in first:
        if truth[name] in {0.0, 1.0}:
            continue
        chance = compare(first[name], second[name])
        often = np.mean(chance.p_value[~np.isnan(chance.p_value)] < 0.05)
        assert often < 0.05 + 4 * np.sqrt(0.05 * 0.95 / len(chance.value)), name
        assert np.nanmean((chance.low <= 0) & (chance.high >= 0)) == pytest.approx(1 - often), name
        if not name.startswith(CONSERVATIVE):
            assert often > 0.015, name
        spread = 5 * np.nanstd(first[name].value)
        far = compare(first[name], float(np.nanmean(first[name].value) + spread))
        assert np.nanmean(far.p_value < 0.05) > (0.5 if name.startswith(CONSERVATIVE) else 0.9), name
