"""What a reference consists of: columns, flags, the counts of a version, the volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.counts import merge_bins
from monitor.events import IntArray
from monitor.reference.fitting import Bins
from monitor.reference.summary import Summary
from monitor.slices import Key

HOURS_OF_WEEK: Final = 168
FLAG_CELLS: Final = 3
"""No, yes, missing."""
HOURS: Final = 24
_MOST_HOUR_DAYS: Final = 28
_LEAST_HOUR_DAYS: Final = 2
_MOST_HOUR_CELLS: Final = 4_000_000


@dataclass(frozen=True, eq=False)
class ReferenceColumn:
    """One column over all rows of the reference."""

    bins: Bins
    counts: IntArray
    """Rows by cell: the bins, then the quality cells."""
    by_day: Mapping[str, IntArray] = field(default_factory=dict)
    """Day (UTC) → rows by coarse cell, see ``coarse`` of the bins."""
    by_hour: IntArray | None = None
    """Rows of the last days by hour (UTC) and coarse cell, ``[D, 24, cells]``; ``None`` for references of old."""
    apart: IntArray | None = None
    """Number of rows that had no part in the bins, then how many of these each quality cell beyond the bins has.

    Only these rows can say how often a live value is unseen, low or high. ``None``: no row had a part.
    """
    summary: Summary | None = None
    importance: float = 1.0


@dataclass(frozen=True, eq=False)
class ReferenceFlag:
    """A yes-or-no column, such as ``flagged`` or ``error``."""

    counts: IntArray
    """Rows that are no, yes, and neither."""
    by_day: Mapping[str, IntArray] = field(default_factory=dict)
    by_hour: IntArray | None = None


@dataclass(frozen=True, eq=False)
class ReferenceCross:
    """What was counted of one target, slice by slice."""

    identity: str
    """That of the ``Cross`` it was counted by."""
    counts: IntArray


@dataclass(frozen=True, eq=False)
class Tally:
    """What was counted of the rows of one version."""

    rows: int
    cells: Mapping[str, IntArray]
    """Column or flag → rows by cell."""
    apart: Mapping[str, IntArray] = field(default_factory=dict)
    """Column → as ``ReferenceColumn.apart``; empty where no row had a part in the bins."""
    crosses: Mapping[Key, IntArray] = field(default_factory=dict)
    """Slicing and target → rows by slice and compact cell."""
    sums: Mapping[str, IntArray] = field(default_factory=dict)
    """What is added up, such as the features of vectors → the sums."""


@dataclass(frozen=True, eq=False)
class Volume:
    """Rows by hour of the week, Monday 00:00 UTC first, and how many such hours were seen; 168 of each."""

    rows: IntArray
    hours: IntArray
    first: int | None = None
    """Start of the first hour of ``by_hour``, in microseconds; ``None`` for references of old."""
    by_hour: IntArray | None = None
    """Rows of each of the last hours, up to 92 days of them."""


def hour_days(cells: int, days: int) -> int:
    """Return of how many days, the last ones, hours are kept apart, for a reference of so many coarse cells.

    >>> hour_days(200, 90), hour_days(10_000, 90), hour_days(200_000, 90)
    (28, 16, 0)
    """
    kept = min(days, _MOST_HOUR_DAYS, _MOST_HOUR_CELLS // (HOURS * max(cells, 1)))
    return kept if kept >= _LEAST_HOUR_DAYS else 0


def coarse_size(bins: Bins) -> int:
    """Return the number of coarse cells.

    >>> from detectors.bins import CategoricalBins
    >>> coarse_size(CategoricalBins(("de",)))
    5
    """
    return int(bins.coarse.max(initial=-1)) + 1


def merged(bins: Bins, counts: IntArray) -> IntArray:
    """Return the counts of a column's cells by coarse cell."""
    fewer: IntArray = merge_bins(counts[np.newaxis], bins.coarse)[0]
    return fewer


def kinds_beyond(bins: Bins) -> tuple[str, ...]:
    """Return the quality cells beyond the bins, in their order.

    >>> from detectors.bins import CategoricalBins
    >>> kinds_beyond(CategoricalBins(("de",)))
    ('missing', 'bad', 'unseen')
    """
    return tuple(name for name, cell in sorted(bins.quality.items(), key=lambda item: item[1]) if cell >= bins.size)
