"""Ranked lists: equal to scikit-learn and to the definitions written as loops, whatever is beside a list."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from detectors.performance.ranking import RankingTable
from tests.performance_rows import FloatArray, IntArray

TABLE = RankingTable((1, 3, 10))
grade = st.sampled_from([0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 0.5, 3.0])
graded = st.lists(st.tuples(st.lists(grade, max_size=14), st.integers(0, 4)), max_size=12)


def flat(lists: list[list[float]]) -> tuple[FloatArray, IntArray]:
    items = [item for one in lists for item in one]
    return np.array(items, np.float64), np.array([len(one) for one in lists], np.int64)


def by_loop(items: list[float], missing: int, top: int) -> dict[str, float]:
    """Return the figures of one list as the textbooks define them."""
    whole = sum(item > 0 for item in items) + missing
    hits = sum(item > 0 for item in items[:top])
    precisions = [sum(x > 0 for x in items[: n + 1]) / (n + 1) for n, item in enumerate(items) if item > 0]
    first = next((n for n, item in enumerate(items) if item > 0), None)
    best = sorted(items + [1.0] * missing, reverse=True)
    gains = [sum(item / log2(n + 2) for n, item in enumerate(order[:top])) for order in (items, best)]
    return {
        f"precision_at_{top}": hits / top,
        f"recall_at_{top}": hits / whole if whole else np.nan,
        f"ndcg_at_{top}": gains[0] / gains[1] if whole else np.nan,
        "map": sum(precisions) / whole if whole else np.nan,
        "mrr": (0.0 if first is None else 1 / (first + 1)) if whole else np.nan,
    }


@given(graded)
@settings(max_examples=80, deadline=None)
def test_figures_are_means_over_the_lists(lists: list[tuple[list[float], int]]) -> None:
    items, lengths = flat([one for one, _ in lists])
    relevant = np.array([sum(x > 0 for x in one) + missing for one, missing in lists], np.int64)
    found = TABLE.metrics(TABLE.tally(items, lengths, relevant=relevant))
    for top in TABLE.tops:
        each = [by_loop(one, missing, top) for one, missing in lists]
        for name in by_loop([], 0, top):
            values = np.array([figures[name] for figures in each])
            values = values[~np.isnan(values)]
            assert found[name].n[0] == len(values), name
            expected = values.mean() if len(values) else np.nan
            assert found[name].value[0] == pytest.approx(expected, abs=1e-9, nan_ok=True), name


def test_figures_equal_scikit_learn() -> None:
    rng = np.random.default_rng(4)
    relevance = rng.choice([0.0, 1.0, 2.0, 3.0], (300, 20), p=[0.6, 0.2, 0.1, 0.1])
    relevance[:, 0] = 1.0
    scores = np.tile(np.arange(20.0, 0, -1), (300, 1))
    found = TABLE.metrics(TABLE.tally(relevance.ravel(), np.full(300, 20)))
    for top in TABLE.tops:
        expected = oracle.ndcg_score(relevance, scores, k=top)
        assert found[f"ndcg_at_{top}"].value[0] == pytest.approx(expected, abs=1e-9)
    exact = np.mean(
        [oracle.average_precision_score(one > 0, rank) for one, rank in zip(relevance, scores, strict=True)]
    )
    assert found["map"].value[0] == pytest.approx(exact, abs=1e-9)
    exponential = RankingTable((5,), "exponential")
    grown = exponential.metrics(exponential.tally(relevance.ravel(), np.full(300, 20)))["ndcg_at_5"]
    assert grown.value[0] == pytest.approx(oracle.ndcg_score(2**relevance - 1, scores, k=5), abs=1e-9)


@given(graded, graded, st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_cells_are_linear_in_lists(
    first: list[tuple[list[float], int]], second: list[tuple[list[float], int]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    lists = [one for one, _ in first + second]
    group, weight = rng.integers(0, 3, len(lists)), rng.choice([-1, 1, 2], len(lists))

    def tally(start: int, stop: int, sign: int = 1) -> IntArray:
        part = slice(start, stop)
        return TABLE.tally(*flat(lists[part]), group=group[part], weight=sign * weight[part], groups=3)

    whole = tally(0, len(lists))
    assert np.array_equal(whole, tally(0, len(first)) + tally(len(first), len(lists)))
    alone = sum((tally(place, place + 1) for place in range(len(lists))), np.zeros_like(whole))
    assert np.array_equal(whole, alone)
    assert not np.any(whole + tally(0, len(lists), -1))


def test_lists_that_make_no_sense_are_counted_and_not_judged() -> None:
    lists = [[1.0, np.nan], [-1.0], [np.inf, 0.0], [1e10], [0.0, 1.0], []]
    relevant = np.array([1, 1, 1, 1, 1, -1])
    tables = TABLE.tally(*flat(lists), relevant=relevant)
    cells = TABLE.cells(tables)
    assert (cells["rows"][0], cells["bad"][0], cells["judged"][0]) == (6, 5, 1)
    exponential = RankingTable((1,), "exponential")
    assert exponential.cells(exponential.tally(*flat([[0.5], [31.0], [30.0], [np.inf]])))["bad"].tolist() == [3]


def test_a_list_without_anything_relevant_has_a_precision_alone() -> None:
    found = TABLE.metrics(TABLE.tally(*flat([[0.0, 0.0], []])))
    assert (found["precision_at_3"].value[0], found["precision_at_3"].n[0]) == (0, 2)
    for name in ("recall_at_3", "map", "mrr", "ndcg_at_3"):
        assert np.isnan(found[name].value[0]), name
        assert found[name].n[0] == 0, name
    unlisted = TABLE.metrics(TABLE.tally(*flat([[0.0, 0.0]]), relevant=np.array([3])))
    for name in ("recall_at_3", "map", "mrr", "ndcg_at_3"):
        assert unlisted[name].value[0] == 0, name


def test_nothing_is_nan() -> None:
    for figure in TABLE.metrics(TABLE.tally(np.array([]), np.array([], np.int64))).values():
        assert np.isnan([figure.value[0], figure.low[0], figure.high[0]]).all()


def test_wrong_input_is_refused_and_the_identity_is_that_of_the_cells() -> None:
    with pytest.raises(ValueError, match="items in all"):
        TABLE.tally(np.zeros(3), np.array([1, 1]))
    with pytest.raises(ValueError, match="items in all"):
        TABLE.tally(np.zeros(1), np.array([2, -1]))
    with pytest.raises(ValueError, match="at least 1"):
        RankingTable(())
    with pytest.raises(ValueError, match="linear or exponential"):
        RankingTable((1,), "square")  # type: ignore[arg-type]
    assert (
        len({RankingTable((1,)).identity, RankingTable((2,)).identity, RankingTable((1,), "exponential").identity}) == 3
    )
    assert RankingTable.from_dict(TABLE.to_dict()).identity == TABLE.identity
    assert len(set(TABLE.names)) == TABLE.size
