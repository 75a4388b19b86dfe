"""Texts that were coded when labels were awaited are not coded again when they are counted, with the same counts."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.bins import CategoricalBins
from monitor.events import HOUR, Batch, Column, IntArray
from monitor.layout import Layout
from monitor.outcomes.carried import _codes
from monitor.panes import PaneKey, Shelf
from monitor.rows import RowBuffer, count
from monitor.store.memory import MemoryStore
from monitor.windows import Tiers

COUNTRY: Final = CategoricalBins(("de", "fr"), frozenset({"lu"}))
OTHERS: Final = CategoricalBins(("lu", "de"))
LAYOUT: Final = Layout({"country": COUNTRY, "shop": OTHERS})
texts = st.sampled_from(["de", "fr", "lu", "xx", None])


def batch_of(rows: list[tuple[str | None, str | None]], *, has_shop: bool) -> Batch:
    columns: dict[str, Column] = {"country": [one for one, _ in rows]}
    if has_shop:
        columns["shop"] = [one for _, one in rows]
    times = np.arange(len(rows)) % 3 * HOUR
    bad = {"country": np.array([0])}
    names = [str(row) for row in range(len(rows))]
    return Batch("m", "prediction", names, ["1"] * len(rows), times, times, times, columns, bad)


def counted(batches: list[Batch]) -> dict[int, list[int]]:
    buffer, shelf = RowBuffer(), Shelf(0, MemoryStore(), {"m": LAYOUT}, {"m": (HOUR,)})
    for batch in batches:
        nothing: IntArray = np.zeros(len(batch), np.int64)
        buffer.add(batch, nothing, nothing)
    count(buffer, LAYOUT, Tiers((HOUR,), (HOUR,)), shelf)
    panes = {hour: shelf.find(PaneKey("m", "1", 0, hour)) for hour in (0, HOUR, 2 * HOUR)}
    return {hour: pane.on_time.tolist() for hour, pane in panes.items() if pane is not None}


@given(
    st.lists(st.lists(st.tuples(texts, texts), min_size=1, max_size=6), min_size=1, max_size=3),
    st.lists(st.tuples(st.booleans(), st.sampled_from([COUNTRY, OTHERS, None])), min_size=3, max_size=3),
)
def test_counts_do_not_depend_on_what_was_coded_before(
    rows: list[list[tuple[str | None, str | None]]], ways: list[tuple[bool, CategoricalBins | None]]
) -> None:
    plain, early = ([batch_of(part, has_shop=way[0]) for part, way in zip(rows, ways, strict=False)] for _ in range(2))
    for batch, (_, coder) in zip(early, ways, strict=False):
        for name in ("country", "shop"):
            if coder is not None:
                _codes(batch, name, coder)
    assert counted(early) == counted(plain)


def test_texts_are_coded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, asked = batch_of([("de", "lu"), ("xx", None)], has_shop=True), []
    whole = counted([batch_of([("de", "lu"), ("xx", None)], has_shop=True)])
    for name, coder in LAYOUT.coders.items():
        _codes(batch, name, coder)
    monkeypatch.setattr(CategoricalBins, "code", lambda *values: asked.append(values))
    assert counted([batch]) == whole
    assert not asked
