"""Two references side by side: what moved, what came, what went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from detectors.bins import CategoricalBins, NumericBins
from detectors.counts import merge_bins
from detectors.registry import statistic
from monitor.events import FloatArray, IntArray
from monitor.reference.document import DECIDED_BY_BINS, Reference
from monitor.reference.parts import ReferenceColumn, kinds_beyond
from monitor.reference.summary import borders_of

STATISTICS: Final = ("psi", "ks", "jensen_shannon")


@dataclass(frozen=True, slots=True)
class Figure:
    """One statistic between two columns, and what chance alone would reach at these numbers of rows."""

    value: float
    band: float

    @property
    def beyond(self) -> bool:
        """Whether it is more than chance explains."""
        return self.value > self.band


@dataclass(frozen=True, slots=True)
class QualityChange:
    """The share of one quality cell in the first and the second."""

    kind: str
    before: float
    after: float
    gap: Figure
    """Their difference."""


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """One column in both references."""

    column: str
    figures: dict[str, Figure]
    """Statistic → figure; none where one side has no values."""
    same_edges: bool
    """Whether both were counted in the same bins; otherwise the second was spread over the bins of the first."""
    new_categories: tuple[str, ...] = ()
    gone_categories: tuple[str, ...] = ()
    quality: tuple[QualityChange, ...] = ()
    """Quality cells that occur. Unseen, low and high are left out where edges differ: each side means its own."""

    @property
    def moved(self) -> bool:
        """Whether anything is more than chance explains, or a category came or went."""
        found = (*self.figures.values(), *(change.gap for change in self.quality))
        return any(figure.beyond for figure in found) or bool(self.new_categories or self.gone_categories)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two references."""

    new: tuple[str, ...]
    vanished: tuple[str, ...]
    retyped: tuple[str, ...]
    """Columns that are numeric in one and categorical in the other."""
    changes: tuple[ColumnChange, ...]

    @property
    def moved(self) -> bool:
        """Whether anything at all differs beyond chance."""
        return bool(self.new or self.vanished or self.retyped) or any(change.moved for change in self.changes)


def compare(first: Reference, second: Reference, *, alpha: float = 0.01) -> Comparison:
    """Compare all rows of two references, column by column.

    Parameters
    ----------
    first, second
        The second is judged in the bins of the first.
    alpha
        Level of the noise bands: without any change a statistic is beyond its band with this probability.
    """
    shared = [name for name in first.columns if name in second.columns]
    retyped = [name for name in shared if first.columns[name].bins.numeric != second.columns[name].bins.numeric]
    return Comparison(
        new=tuple(name for name in second.columns if name not in first.columns),
        vanished=tuple(name for name in first.columns if name not in second.columns),
        retyped=tuple(retyped),
        changes=tuple(
            replace(
                _change(name, first.columns[name], second.columns[name], alpha),
                quality=tuple(_quality(name, first, second, alpha)),
            )
            for name in shared
            if name not in retyped
        ),
    )


def _change(name: str, first: ReferenceColumn, second: ReferenceColumn, alpha: float) -> ColumnChange:
    one, other = first.bins, second.bins
    same = one.identity == other.identity
    before = first.counts[: one.size]
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    if isinstance(one, NumericBins) and isinstance(other, NumericBins):
        after = second.counts[: one.size] if same else spread(other, second.counts, borders_of(one))
        fine = {"ks": (before, after)}
        groups = one.evidence
        before, after = merge_bins(before[np.newaxis], groups)[0], merge_bins(after[np.newaxis], groups)[0]
    elif isinstance(one, CategoricalBins) and isinstance(other, CategoricalBins):
        after = second.counts[: one.size] if same else _by_name(one, other, second.counts)
        fine = {}
        new = tuple(c for c in other.categories if c not in one.categories and c not in one.rare)
        gone = tuple(c for c in one.categories if c not in other.categories and c not in other.rare)
    pairs = {"psi": (before, after), **fine, "jensen_shannon": (before, after)}
    return ColumnChange(
        column=name,
        figures={kind: figure for kind, pair in pairs.items() if (figure := _figure(kind, *pair, alpha)) is not None},
        same_edges=same,
        new_categories=new,
        gone_categories=gone,
    )


def _figure(kind: str, before: IntArray, after: IntArray, alpha: float) -> Figure | None:
    scores = statistic(kind, alpha=alpha).score(before[np.newaxis], after[np.newaxis])
    value, band = float(scores.statistic[0]), float(scores.threshold[0])
    return Figure(value, band) if np.isfinite(value) and np.isfinite(band) else None


def spread(bins: NumericBins, counts: IntArray, borders: FloatArray) -> IntArray:
    """Return counts in other bins, as if values were spread evenly within their own; all rows stay in.

    Parameters
    ----------
    bins, counts
        Where the values were counted, and the counts by cell.
    borders
        Ends of the other bins; what lies beyond the outermost goes into the outermost bins.

    Examples
    --------
    >>> bins = NumericBins.of_edges(np.array([2.0]), low=0.0, high=4.0)
    >>> spread(bins, np.array([10, 20, 0, 0, 0, 0]), np.array([0.0, 1.0, 4.0])).tolist()
    [5, 25]
    """
    shape = counts[: bins.size]
    own = borders_of(bins)
    reached = np.concatenate([[0], np.cumsum(shape)])
    inner = np.rint(_between(borders[1:-1], own, reached)).astype(np.int64)
    return np.diff(np.concatenate([[0], inner, reached[-1:]]))


def _between(values: FloatArray, borders: FloatArray, reached: IntArray) -> FloatArray:
    """Interpolate as ``np.interp`` does, whose slopes overflow between borders that lie very near or very far apart."""
    inside = np.clip(values, borders[0], borders[-1])
    place = np.clip(np.searchsorted(borders, inside, side="right") - 1, 0, len(borders) - 2)
    low, high = borders[place] / 2, borders[place + 1] / 2
    width = high - low
    part = np.divide(inside / 2 - low, width, out=np.ones(len(inside)), where=width > 0)
    found: FloatArray = reached[place] + part * (reached[place + 1] - reached[place])
    return found


def _by_name(one: CategoricalBins, other: CategoricalBins, counts: IntArray) -> IntArray:
    """Return the counts of ``other`` in the categories of ``one``; what is none of them counts as rare."""
    places = {name: place for place, name in enumerate(one.categories)}
    rare = len(one.categories)
    after = np.zeros(one.size, np.int64)
    targets = np.array([places.get(name, rare) for name in other.categories] + [rare], np.int64)
    np.add.at(after, targets, counts[: other.size])
    return after


def _quality(name: str, first: Reference, second: Reference, alpha: float) -> Iterator[QualityChange]:
    bins = first.columns[name].bins
    same = bins.identity == second.columns[name].bins.identity
    for kind in kinds_beyond(bins):
        if not same and kind in DECIDED_BY_BINS:
            continue
        pair = first.pooled_rate(name, kind), second.pooled_rate(name, kind)
        gap = _figure("rate", *pair, alpha)
        if gap is not None and (pair[0][1] or pair[1][1]):
            before, after = (int(counts[1]) / int(counts.sum()) for counts in pair)
            yield QualityChange(kind, before, after, gap)
