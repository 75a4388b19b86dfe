"""Rows on their way into panes: buffered until there are enough to count at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.counts import tally
from monitor.events import Batch, Column, FloatArray, IntArray
from monitor.layout import Layout
from monitor.panes import PaneKey, Shelf
from monitor.sightings import sightings_by_group
from monitor.windows import Tiers

ENOUGH: Final = 10_000
_CELLS_AT_ONCE: Final = 4_000_000


@dataclass(slots=True)
class RowBuffer:
    """Accepted rows of one model, each with its tier and whether it is late."""

    batches: list[Batch] = field(default_factory=list)
    tiers: list[IntArray] = field(default_factory=list)
    late: list[IntArray] = field(default_factory=list)
    rows: int = 0

    def add(self, batch: Batch, tiers: IntArray, late: IntArray) -> None:
        """Append rows; ``late`` holds 0 or 1 a row."""
        self.batches.append(batch)
        self.tiers.append(tiers)
        self.late.append(late)
        self.rows += len(batch)

    def clear(self) -> None:
        """Forget the rows."""
        self.batches.clear()
        self.tiers.clear()
        self.late.clear()
        self.rows = 0


def joined(batches: list[Batch], names: tuple[str, ...]) -> tuple[dict[str, Column], dict[str, IntArray]]:
    """Return the named columns and bad cells of several batches as one; where a batch lacks a column, it is missing."""
    if len(batches) == 1:
        return dict(batches[0].columns), dict(batches[0].bad)
    starts = np.cumsum([0] + [len(batch) for batch in batches[:-1]])
    columns: dict[str, Column] = {}
    bad: dict[str, IntArray] = {}
    for name in names:
        parts = [batch.columns.get(name) for batch in batches]
        known = next((part for part in parts if part is not None), None)
        if known is None:
            continue
        if isinstance(known, list):
            column: list[str | None] = []
            for part, batch in zip(parts, batches, strict=True):
                column.extend(part if isinstance(part, list) else [None] * len(batch))
            columns[name] = column
        else:
            columns[name] = np.concatenate(
                [
                    part if isinstance(part, np.ndarray) else _nothing(known, len(batch))
                    for part, batch in zip(parts, batches, strict=True)
                ]
            )
        marks = [batch.bad[name] + start for batch, start in zip(batches, starts, strict=True) if name in batch.bad]
        if marks:
            bad[name] = np.concatenate(marks)
    return columns, bad


def _nothing(known: FloatArray, rows: int) -> FloatArray:
    """Return rows without a cell: missing ones, of what is added up rows that add nothing."""
    return np.full(rows, np.nan) if known.ndim == 1 else np.zeros((rows, known.shape[1]))


def count(buffer: RowBuffer, layout: Layout, tiers: Tiers, shelf: Shelf) -> None:
    """Count the buffered rows into their panes and empty the buffer."""
    if not buffer.rows:
        return
    model = buffer.batches[0].model
    columns, bad = joined(buffer.batches, (*layout.names, *layout.sums))
    versions = [version for batch in buffer.batches for version in batch.versions]
    names = sorted(set(versions))
    kinds = np.zeros(buffer.rows, np.int64)
    if len(names) > 1:
        place = {name: index for index, name in enumerate(names)}
        kinds = np.fromiter(map(place.__getitem__, versions), np.int64, buffer.rows)
    tier = np.concatenate(buffer.tiers)
    late = np.concatenate(buffer.late)
    times = np.concatenate([batch.times for batch in buffer.batches])
    lengths = np.array(tiers.lengths)[tier]
    groups = ((times // lengths * len(names) + kinds) * len(tiers.lengths) + tier) * 2 + late
    found, group = np.unique(groups, return_inverse=True)
    seen = sightings_by_group(buffer.batches, group)
    coded = _coded(buffer.batches, layout)
    for first, last, cells in _tallies(columns, bad, group, len(found), layout, coded):
        for index in range(first, last):
            rest, is_late = divmod(int(found[index]), 2)
            rest, level = divmod(rest, len(tiers.lengths))
            period, version = divmod(rest, len(names))
            key = PaneKey(model, names[version], level, period * tiers.lengths[level])
            shelf.add(key, cells[index - first], late=bool(is_late), seen=seen.get(index))
    buffer.clear()


def _coded(batches: list[Batch], layout: Layout) -> dict[str, IntArray]:
    """Return the codes of the columns that this layout's coders coded in every batch before."""
    found = {}
    for name, coder in layout.coders.items():
        parts = [batch.coded[name] for batch in batches if name in batch.coded]
        if len(parts) == len(batches) and all(own is coder for own, _ in parts):
            found[name] = np.concatenate([codes for _, codes in parts])
    return found


def _tallies(
    columns: Mapping[str, Column],
    bad: Mapping[str, IntArray],
    group: IntArray,
    groups: int,
    layout: Layout,
    coded: Mapping[str, IntArray],
) -> Iterator[tuple[int, int, IntArray]]:
    """Count rows a run of groups at a time, so that the memory for it stays bounded."""
    step = max(1, _CELLS_AT_ONCE // layout.size)
    if groups <= step:
        yield 0, groups, layout.tally(columns, bad, group, groups, coded)
        return
    codes = layout.code(columns, bad, len(group))
    order = np.argsort(group, kind="stable")
    borders = np.searchsorted(group[order], np.arange(0, groups + step, step))
    for place, first in enumerate(range(0, groups, step)):
        rows = order[borders[place] : borders[place + 1]]
        last = min(first + step, groups)
        cells = tally(codes[:, rows], layout.size, group[rows] - first, last - first)
        layout.add_up(cells, columns, group[rows] - first, rows)
        yield first, last, cells
