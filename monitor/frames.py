"""Counts for people to look at: every column of a window in few bins, beside the same bins of its reference.

A column has up to 256 bins, made for statistics. Drawn are at most 32 of about equal width, each a sum of whole bins;
so the drawn counts are exact too. What is kept of a window is this one short vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.bins import CategoricalBins, NumericBins
from monitor.events import FloatArray, IntArray
from monitor.model import Model
from monitor.reference.parts import kinds_beyond
from monitor.reference.summary import borders_of, quantiles_of
from monitor.views import ColumnFrame, FrameView

MOST_BINS: Final = 32
FEW_BINS: Final = 24
"""A column of at most so many bins is drawn bin by bin."""
_LEFT_OUT: Final = frozenset({"latency", "error", "flagged"})
_TAILS: Final = np.array([0.005, 0.995])


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """How one version's columns are drawn, and where each cell of the layout goes."""

    view: FrameView
    cells: IntArray
    """Cells of the layout that are drawn."""
    targets: IntArray
    """Drawn cell of each of them."""

    @classmethod
    def of(cls, model: Model, version: str) -> Frame | None:
        """Return the frame of one version, ``None`` while there is no reference."""
        reference = model.reference
        if reference is None:
            return None
        columns: dict[str, ColumnFrame] = {}
        cells: list[IntArray] = []
        targets: list[IntArray] = []
        before: list[IntArray] = []
        rates: dict[tuple[str, str], float] = {}
        first = 0
        for name, bins in model.layout.coders.items():
            counts = reference.cells(name, version)
            if name in _LEFT_OUT or counts is None or not isinstance(bins, NumericBins | CategoricalBins):
                continue
            frame, groups = column_frame(bins, counts, first)
            columns[name] = frame
            cells.append(np.arange(len(groups)) + model.layout.spans[name][0])
            targets.append(first + groups)
            before.append(np.bincount(groups, counts, minlength=frame.cells).astype(np.int64))
            rates.update(_rates(model, version, name, frame))
            first += frame.cells
        rates.update(_flag_rates(model, version))
        if not columns:
            return None
        view = FrameView(columns, np.concatenate(before), rates)
        return cls(view, np.concatenate(cells), np.concatenate(targets))

    def fold(self, counts: IntArray) -> IntArray:
        """Return a window's counts by drawn cell; exact while no sum reaches 2⁵³."""
        folded = np.bincount(self.targets, counts[self.cells], minlength=len(self.view.reference))
        return folded.astype(np.int64)


def column_frame(bins: NumericBins | CategoricalBins, counts: IntArray, first: int) -> tuple[ColumnFrame, IntArray]:
    """Return how a column is drawn, and the drawn cell of each of its cells, counted from its own first.

    >>> frame, groups = column_frame(CategoricalBins(("de", "fr")), np.array([5, 3, 1, 0, 0, 0]), 0)
    >>> frame.names, frame.kinds, groups.tolist()
    (('de', 'fr', '(other)'), ('missing', 'bad', 'unseen'), [0, 1, 2, 3, 4, 5])
    """
    kinds = kinds_beyond(bins)
    beyond = bins.cells - bins.size
    if isinstance(bins, CategoricalBins):
        groups = np.minimum(np.arange(bins.size), MOST_BINS - 1)
        if bins.size > MOST_BINS:
            names = (*bins.categories[: MOST_BINS - 1], "(other)")
        else:
            names = (*bins.categories, "(other)")
        frame = ColumnFrame(first, len(names), kinds, names=names)
    else:
        groups, borders = _numeric_groups(bins, counts[: bins.size])
        few = bins.size <= FEW_BINS
        frame = ColumnFrame(first, len(borders) - 1, kinds, borders=tuple(borders.tolist()), few=few)
    return frame, np.concatenate([groups, frame.bins + np.arange(beyond)]).astype(np.int64)


def _numeric_groups(bins: NumericBins, shape: IntArray) -> tuple[IntArray, FloatArray]:
    """Return bin → drawn bin, and the ends of the drawn bins; the outermost hold the tails."""
    borders = borders_of(bins)
    if bins.size <= FEW_BINS:
        return np.arange(bins.size), borders
    left, right = quantiles_of(borders, shape, _TAILS) if shape.sum() else (borders[0], borders[-1])
    if not right > left:
        left, right = float(borders[0]), float(borders[-1])
    grid = np.linspace(left, right, MOST_BINS + 1)
    middles = borders[:-1] / 2 + borders[1:] / 2
    _, groups = np.unique(np.clip(np.searchsorted(grid, middles, side="right"), 1, MOST_BINS), return_inverse=True)
    drawn = _between_spikes(borders, shape)
    inner = drawn[1:-1][np.diff(groups) > 0]
    if not len(inner):
        return groups, np.array([left, right])
    step = (right - left) / MOST_BINS
    low = max(float(drawn[0]), min(left, float(inner[0]) - step / 2))
    high = min(float(drawn[-1]), max(right, float(inner[-1]) + step / 2))
    if drawn[0] < borders[0]:
        low = min(low, float(drawn[0]))
    if drawn[-1] > borders[-1]:
        high = max(high, float(drawn[-1]))
    return groups, np.concatenate([[low], inner, [high]])


def _between_spikes(borders: FloatArray, shape: IntArray) -> FloatArray:
    """Return borders that do not touch values with a bin of their own, where nothing lies beside these.

    Whole numbers have a bin without width each, and empty ones between them. A border at such a value would make its
    drawn bin too narrow, and so too high; in the middle of the empty bin it is right.
    """
    widths = np.diff(borders)
    spike = widths <= 1e-9 * max(float(np.abs(borders).max()), 1.0)
    gap = np.flatnonzero((shape == 0) & ~spike)
    drawn = borders.copy()
    after, before = gap[(gap > 0) & spike[gap - 1]], gap[(gap < len(spike) - 1) & spike[(gap + 1) % len(spike)]]
    drawn[after] = borders[after] / 2 + borders[after + 1] / 2
    drawn[before + 1] = borders[before] / 2 + borders[before + 1] / 2
    if spike[0] and len(gap):
        drawn[0] = borders[0] - (borders[gap[0] + 1] - borders[gap[0]]) / 2
    if spike[-1] and len(gap):
        drawn[-1] = borders[-1] + (borders[gap[-1] + 1] - borders[gap[-1]]) / 2
    return drawn


def _rates(model: Model, version: str, column: str, frame: ColumnFrame) -> dict[tuple[str, str], float]:
    rates = {}
    for kind in frame.kinds:
        counts = None if model.reference is None else model.reference.rate(column, version, kind)
        if counts is not None and (total := int(counts.sum())):
            rates[column, kind] = int(counts[1]) / total
    return rates


def _flag_rates(model: Model, version: str) -> dict[tuple[str, str], float]:
    rates = {}
    for name in ("flagged", "error"):
        counts = None if model.reference is None else model.reference.flags(name, version, model.decision)
        if counts is not None and (total := int(counts.sum())):
            rates[name, name] = int(counts[1]) / total
    return rates
