"""What is compared within slices: score, prediction, flagged share and errors, each with the same slice's reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from detectors.bins import NumericBins
from detectors.registry import STATISTICS
from monitor.coders import NO, YES, Flags
from monitor.config.model import DetectorConfig
from monitor.events import IntArray
from monitor.findings import WindowResult
from monitor.model import Model
from monitor.monitors import Monitor
from monitor.slices import ROWS, Cross, Slicing
from monitor.views import WindowView

_RATES = ("missing", "bad")
"""The first two cells beyond the bins, in a compact vector as in a full one."""


@dataclass(frozen=True, slots=True)
class SliceCounts:
    """One slicing's part of a window's counts."""

    slicing: Slicing
    rows: IntArray
    """Rows of each slice."""
    tables: Mapping[str, IntArray]
    """Target → slices by compact cells."""

    @classmethod
    def of(cls, model: Model, slicing: Slicing, counts: IntArray) -> SliceCounts:
        """Take one slicing's part out of the counts of a window."""
        tables = {}
        for (columns, target), cross in model.layout.crosses.items():
            if columns == slicing.columns:
                first, last = model.layout.cross_spans[cross.key]
                tables[target] = counts[first:last].reshape(slicing.size, cross.compact)
        return cls(slicing, tables.pop(ROWS)[:, 0], tables)

    def view(self, model: Model, result: WindowResult, place: int) -> WindowView:
        """Return one slice's result with the figures that are shown beside it."""
        rows = int(self.rows[place])
        quality = {
            (target, kind): int(table[place, table.shape[1] - beyond + at]) / rows
            for target, table in self.tables.items()
            if (beyond := _beyond(model, target))
            for at, kind in enumerate(_RATES)
        }
        return WindowView(result, quality, self._share("flagged", place), self._share("error", place))

    def _share(self, target: str, place: int) -> float | None:
        table = self.tables.get(target)
        if table is None or not (total := int(table[place, NO] + table[place, YES])):
            return None
        return int(table[place, YES]) / total


class SliceMonitors:
    """The monitors of one detector and version within the slices of one slicing, made when they are first asked for.

    Distances need the values themselves and are not computed on the few cells that a slice has.
    """

    def __init__(self, model: Model, version: str, detector: DetectorConfig, slicing: Slicing) -> None:
        self._sets = list(_sets(model, version, detector, slicing))
        self._made: dict[int, list[Monitor]] = {}

    def of(self, place: int) -> list[Monitor]:
        """Return the monitors of one slice; none where there is no reference."""
        if place not in self._made:
            self._made[place] = [part.of(place) for part in self._sets]
        return self._made[place]


@dataclass(frozen=True, slots=True)
class _Set:
    """One figure of all slices."""

    target: str
    kind: str
    is_rate: bool
    cells: IntArray
    merged: IntArray
    """Cell → compared bin."""
    cross: Cross
    start: int
    reference: IntArray

    def of(self, place: int) -> Monitor:
        at = place * self.cross.compact + self.cells
        before = np.bincount(self.merged, self.reference[at]).astype(np.int64)
        return Monitor(self.target, self.kind, before, self.start + at, self.merged, is_rate=self.is_rate)


def _sets(model: Model, version: str, detector: DetectorConfig, slicing: Slicing) -> Iterator[_Set]:
    if model.reference is None:
        return
    for (columns, target), cross in model.layout.crosses.items():
        if columns != slicing.columns or target == ROWS:
            continue
        reference = model.reference.cross(cross, version)
        if reference is None:
            continue
        start = model.layout.cross_spans[cross.key][0]
        for kind, groups, is_rate in _kinds(model, cross, detector):
            cells = np.flatnonzero(groups >= 0)
            yield _Set(target, kind, is_rate, cells, groups[cells], cross, start, reference)


def _kinds(model: Model, cross: Cross, detector: DetectorConfig) -> Iterator[tuple[str, IntArray, bool]]:
    """Yield the finding's detector, compact cell → compared bin (−1 for cells left out), and whether it is a rate."""
    target, coder = cross.target, model.layout.coders[cross.target]
    if isinstance(coder, Flags):
        if detector.kind == "rate" and target in detector.on:
            yield f"{target}_rate", np.array([NO, YES, -1]), True
        return
    bins = cross.compact - _beyond(model, target)
    cells = np.arange(cross.compact)
    if "quality" in detector.on or (detector.kind == "rate" and target in detector.on):
        for place, kind in enumerate(_RATES):
            yield f"{kind}_rate", (cells == bins + place).astype(np.int64), True
    ordered = STATISTICS[detector.kind].ordered
    comparable = detector.kind not in {"rate", "wasserstein"} and (isinstance(coder, NumericBins) or not ordered)
    if target in detector.on and comparable:
        yield detector.kind, np.where(cells < bins, cells, -1), False


def _beyond(model: Model, target: str) -> int:
    """Return how many cells a target has beyond its bins."""
    coder = model.layout.coders[target]
    return 0 if isinstance(coder, Flags) else int(coder.cells - getattr(coder, "size", coder.cells))
