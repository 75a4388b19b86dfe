"""What the tables of all tasks keep: names, identities, plain values, bytes, no mixing of tables."""

from __future__ import annotations

import json

import numpy as np
import pytest

from detectors.counts import Counts
from detectors.performance import (
    BinaryTable,
    Costs,
    MulticlassTable,
    PerformanceTable,
    RankingTable,
    RegressionTable,
    table_of,
)
from tests.performance_rows import IntArray, scored

SCORE, LABEL = scored("mild", 600)
GROUP = np.arange(600) % 4
BINARY = BinaryTable.fit(SCORE, amount=0.01, costs=Costs((0.0, 1.0, 2.0, 0.0), (0.0, 0.0, 0.1, 0.0)))
MULTICLASS = MulticlassTable(("a", "b"), (1,))
REGRESSION = RegressionTable.fit(SCORE, LABEL.astype(np.float64))
RANKING = RankingTable((1, 3))


def tables() -> list[tuple[PerformanceTable, IntArray]]:
    odds = np.stack([1 - SCORE, SCORE], axis=1)
    return [
        (BINARY, BINARY.tally(SCORE, LABEL, amount=100 * SCORE, group=GROUP, groups=4)),
        (MULTICLASS, MULTICLASS.tally(LABEL, None, odds, group=GROUP, groups=4)),
        (REGRESSION, REGRESSION.tally(LABEL.astype(np.float64), SCORE, group=GROUP, groups=4)),
        (RANKING, RANKING.tally(LABEL.astype(np.float64), np.full(200, 3), group=GROUP[:200], groups=4)),
    ]


@pytest.mark.parametrize(("table", "counted"), tables(), ids=("binary", "multiclass", "regression", "ranking"))
def test_every_table_keeps_the_same_laws(table: PerformanceTable, counted: IntArray) -> None:
    assert counted.shape == (4, table.size)
    assert counted.dtype == np.int64
    assert len(set(table.names)) == table.size
    assert table.names[0] == "rows"
    back = table_of(json.loads(json.dumps(table.to_dict())))
    assert (back.identity, back.names, type(back)) == (table.identity, table.names, type(table))
    for one in counted:
        packed = Counts(table.identity, one).to_bytes()
        assert Counts.from_bytes(packed) == Counts(table.identity, one)
    together = table.metrics(counted)
    for place in range(4):
        for name, figure in table.metrics(counted[place : place + 1]).items():
            for part in ("value", "low", "high", "bound", "n"):
                mine = getattr(together[name].take(place), part)
                assert np.allclose(mine, getattr(figure, part), rtol=1e-12, equal_nan=True), (name, part)
    assert all(len(figure.value) == 0 for figure in table.metrics(counted[:0]).values())


@pytest.mark.parametrize(("table", "counted"), tables(), ids=("binary", "multiclass", "regression", "ranking"))
def test_a_stricter_level_widens_every_interval(table: PerformanceTable, counted: IntArray) -> None:
    usual, strict = table.metrics(counted), table.metrics(counted, 0.001)
    for name, figure in usual.items():
        known = ~np.isnan(figure.value)
        assert np.all(strict[name].low[known] <= figure.low[known]), name
        assert np.all(strict[name].high[known] >= figure.high[known]), name
        assert np.array_equal(strict[name].value, figure.value, equal_nan=True), name


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no table of kind 'ternary'; there are binary, multiclass"):
        table_of({"kind": "ternary"})
