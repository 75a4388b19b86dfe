"""Binary performance tables: any split, order or group gives the same cells, and a row leaves as it came."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.counts import Counts
from detectors.performance.binary import BinaryTable
from tests.performance_rows import FloatArray, IntArray

TABLE = BinaryTable(np.array([0.1, 0.4, 0.5, 0.9, 1.0]), decision=0.4, amount=0.01)
ugly = st.sampled_from([0.0, -0.0, 0.1, 0.4, 1.0, 1 - 2.0**-53, 5e-324, np.nan, np.inf, -np.inf, -0.5, 1.5])
score = st.one_of(st.floats(0, 1), ugly)
amount = st.one_of(st.floats(0, 1e9), st.sampled_from([np.nan, np.inf, -1.0, 2.0**40]))
row = st.tuples(score, st.integers(0, 1), amount, st.integers(0, 2), st.sampled_from([-1, 1, 1, 3]))
many = st.lists(row, max_size=40)


def columns(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    names = ("score", "label", "amount", "group", "weight")
    kinds = (np.float64, np.int64, np.float64, np.int64, np.int64)
    values = list(zip(*rows, strict=True)) if rows else [()] * 5
    return {name: np.array(value, kind) for name, value, kind in zip(names, values, kinds, strict=True)}


def tally(rows: list[tuple[Any, ...]]) -> IntArray:
    return TABLE.tally(**columns(rows), groups=3)


@given(many, many, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_cells_are_linear_in_rows(first: list[tuple[Any, ...]], second: list[tuple[Any, ...]], chance: Any) -> None:
    whole = tally(first + second)
    assert np.array_equal(whole, tally(first) + tally(second))
    assert np.array_equal(whole, sum((tally([one]) for one in first + second), np.zeros_like(whole)))
    shuffled = first + second
    chance.shuffle(shuffled)
    assert np.array_equal(whole, tally(shuffled))
    assert np.array_equal(whole - tally(second), tally(first))
    undone = [(*one[:4], -one[4]) for one in second]
    assert np.array_equal(tally(first + second + undone), tally(first))


@given(many)
@settings(max_examples=40, deadline=None)
def test_a_group_is_a_table_of_its_own_and_a_weight_so_many_rows(rows: list[tuple[Any, ...]]) -> None:
    whole = tally(rows)
    for group in range(3):
        mine = columns([one for one in rows if one[3] == group])
        del mine["group"]
        assert np.array_equal(TABLE.tally(**mine)[0], whole[group])
    positive = [(*one[:4], abs(one[4])) for one in rows]
    assert np.array_equal(tally(positive), tally([(*one[:4], 1) for one in positive for _ in range(one[4])]))


@given(many)
@settings(max_examples=40, deadline=None)
def test_every_row_is_somewhere_and_bytes_give_back_every_cell(rows: list[tuple[Any, ...]]) -> None:
    tables = tally([(*one[:4], abs(one[4])) for one in rows])
    cells = TABLE.cells(tables)
    assert np.array_equal(cells["unscored"].sum(axis=(1, 2)) + cells["bins"].sum(axis=(1, 2)), cells["rows"])
    with_amount = cells["amount_missing"] + cells["amount_rows"].sum(axis=(1, 2))
    assert np.array_equal(with_amount, cells["confusion"].sum(axis=(1, 2)))
    for table in tables:
        counts = Counts(TABLE.identity, table)
        assert Counts.from_bytes(counts.to_bytes()) == counts


@given(st.lists(st.tuples(score, st.integers(0, 1)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_figures_are_sane_whatever_the_rows(rows: list[tuple[float, int]]) -> None:
    scores: FloatArray = np.array([one[0] for one in rows], np.float64)
    table = BinaryTable(TABLE.edges, 0.4)
    tables = table.tally(scores, np.array([one[1] for one in rows], np.int64))
    for name, figure in table.metrics(tables).items():
        value, low, high = figure.value[0], figure.low[0], figure.high[0]
        assert np.isnan(value) == np.isnan(low) == np.isnan(high) == np.isnan(figure.bound[0]), name
        if not np.isnan(value):
            assert low <= value <= high, name
            assert 0 <= figure.bound[0] < np.inf, name
            assert figure.n[0] > 0, name


@given(st.lists(st.lists(st.integers(0, 40), min_size=12, max_size=12), min_size=2, max_size=6))
@settings(max_examples=20, deadline=None)
def test_tables_do_not_mix(bins: list[list[int]]) -> None:
    table = BinaryTable(TABLE.edges, 0.4)
    tables = np.zeros((len(bins), table.size), np.int64)
    start = table.layout.starts["bins"]
    tables[:, start : start + 12] = bins
    tables[:, 0] = tables[:, start : start + 12].sum(axis=1)
    together = table.metrics(tables)
    for place in range(len(tables)):
        alone = table.metrics(tables[place : place + 1])
        for name, figure in together.items():
            assert np.array_equal(figure.take(place).value, alone[name].value, equal_nan=True), name
            assert np.allclose(figure.take(place).low, alone[name].low, equal_nan=True, rtol=1e-12), name
