"""One vector of counts that is judged: where its rows are counted, and what the reference knows of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol, TypeAlias

import numpy as np

from monitor.config.root import Kind
from monitor.events import IntArray
from monitor.findings import Finding
from monitor.model import Model

FleetKind: TypeAlias = Literal["inputs", "outcomes", "slices"]
"""What is known at prediction time, what is known later, and slices that were found; each has a part of the budget."""


@dataclass(frozen=True, eq=False)
class Past:
    """Counts of the reference by time; empty where it knows no times."""

    days: IntArray
    """By day (UTC) and cell, ``[D, K]``."""
    hours: IntArray | None = None
    """Of the last days by hour (UTC) and cell, ``[D, 24, K]``."""
    weekdays: IntArray | None = None
    """Of each of ``days``, 0 for Monday."""

    @classmethod
    def none(cls, cells: int) -> Past:
        """Return the past of a reference that knows no times."""
        return cls(np.zeros((0, cells), np.int64))

    def merged(self, groups: IntArray) -> Past:
        """Return the counts in other cells; a cell whose group is negative is left out."""
        member = (groups[:, np.newaxis] == np.arange(int(groups.max(initial=-1)) + 1)).astype(np.int64)
        return Past(self.days @ member, None if self.hours is None else self.hours @ member, self.weekdays)

    @property
    def whole_days(self) -> int:
        """Days with at least half as many rows as the median day."""
        rows = self.days.sum(axis=1)
        return int((rows >= max(1.0, 0.5 * float(np.median(rows)))).sum()) if len(rows) else 0


@dataclass(frozen=True, eq=False)
class Stream:
    """What one monitor judges.

    Parameters
    ----------
    column, part, version, slice
        What it is about. ``part`` names the cell whose rate is judged; it is empty for the shape of a column, and for a
        column that is itself a rate.
    kind
        What severities choose by.
    reference
        Rows by cell, ``[K]``; a rate has the cells (other rows, rows of the kind).
    places, groups
        Places in the source's vector of counts, and the cell that each belongs to.
    meaning
        Identity of what decides which row falls into which place; counts of another meaning are another stream.
    ordered
        Whether the order of the cells means anything.
    importance
        Weight beside the others of its kind.
    worse
        Of a rate that is an error, 1; of one that is a merit, -1: a change the other way is told, but is no drift.
    among
        How many streams its part of alpha is for; 0 for those of the fleet.
    own
        Its own rows by day, where ``past`` is that of more rows than these and the days of these are known.
    """

    column: str
    part: str
    version: str
    slice: str
    kind: Kind
    is_rate: bool
    reference: IntArray
    places: IntArray
    groups: IntArray
    past: Past
    meaning: str
    ordered: bool = True
    names: tuple[str, ...] = ()
    importance: float = 1.0
    worse: int = 0
    among: int = 0
    own: Past | None = None

    @cached_property
    def key(self) -> str:
        """Return what tells it from all others of a model's fleet."""
        return f"{self.version}\x1f{self.slice}\x1f{self.column}\x1f{self.part}"

    @cached_property
    def name(self) -> str:
        """Return how people call it: ``age``, or ``age.missing`` for a rate."""
        return f"{self.column}.{self.part}" if self.part else self.column

    @property
    def label(self) -> str:
        """Return the name with version and slice, where there are any."""
        place = ", ".join(part for part in (f"version {self.version}" if self.version else "", self.slice) if part)
        return f"{self.name} ({place})" if place else self.name


class Source(Protocol):
    """Where the monitors and counts of one model's fleet come from.

    Counts are final, of rows in time only; every row is in one window.
    """

    @property
    def fleet(self) -> FleetKind:
        """Which fleet it feeds."""
        ...

    @property
    def rows(self) -> int:
        """Place of the number of rows in the vector of counts."""
        ...

    @property
    def grain(self) -> int:
        """Evidence windows are multiples of it, in microseconds."""
        ...

    def basis(self, model: Model) -> str | None:
        """Return the identity of what the monitors are made of; ``None`` while that is being learnt."""
        ...

    def begin(self, model: Model) -> int | None:
        """Return where rows begin that the reference was not learnt from, ``None`` where it was learnt from none."""
        ...

    def newest(self, model: Model) -> int:
        """Return a moment of the last day of the reference."""
        ...

    def rows_by_hour(self, model: Model) -> IntArray | None:
        """Return the rows of each hour of the reference, ``None`` when it does not know hours."""
        ...

    def streams(self, model: Model, version: str) -> Sequence[Stream]:
        """Return all streams of one version of a model."""
        ...

    def counts(self, model: Model, first: int, last: int) -> dict[str, IntArray]:
        """Return counts by version of the window ``first <= time < last``; versions without rows are left out."""
        ...

    def starts(self, model: Model, length: int, first: int, last: int) -> Iterable[int]:
        """Return the starts of the windows in a range that may hold rows, in order."""
        ...

    def reach(self, model: Model, least: int) -> int | None:
        """Return up to when counts are final, ``None`` if not at all; learn from what became so.

        ``least`` is the least event time of the model over its partitions.
        """
        ...

    def stepped(self, model: Model, counts: Mapping[str, IntArray], window: int) -> bool:
        """Take note of a window that was judged, by its number; return whether its streams are others from now on."""
        ...

    def beside(self, version: str, piece: str) -> tuple[Finding, ...]:
        """Return what is told of a version's slice beside its evidence."""
        ...

    def relearn(self, begin: int | None) -> bool:
        """Learn the reference anew, from rows from ``begin`` on; return whether it is one that is learnt here."""
        ...

    def last(self, model: Model, newest: int, length: int) -> int | None:
        """Return up to when windows are over once the input is complete; ``newest`` is the time of its last row."""
        ...

    @property
    def read(self) -> int | None:
        """Where the first hour begins that must be kept for learning, ``None`` if there is none."""
        ...

    def changes(self) -> bytes | None:
        """Return what it learnt, if that is to be written."""
        ...

    def written(self) -> None:
        """Note that the changes are in the store."""
        ...

    def restore(self, data: bytes) -> None:
        """Take over what ``changes`` returned last.

        Raises
        ------
        CorruptCountsError
            When it is damaged.
        """
        ...


@dataclass(frozen=True, eq=False)
class Gather:
    """Takes the cells of many streams out of a source's vector of counts at once."""

    streams: tuple[Stream, ...]
    _starts: IntArray = field(init=False)

    def __post_init__(self) -> None:
        sizes = np.cumsum([0, *(len(stream.reference) for stream in self.streams)])
        object.__setattr__(self, "_starts", sizes.astype(np.int64))

    @cached_property
    def _places(self) -> IntArray:
        return np.concatenate([np.zeros(0, np.int64), *(stream.places for stream in self.streams)])

    @cached_property
    def _targets(self) -> IntArray:
        parts = [start + stream.groups for start, stream in zip(self._starts.tolist(), self.streams, strict=False)]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def __call__(self, counts: IntArray) -> IntArray:
        """Return the cells of all streams one after the other; exact while no sum reaches 2⁵³."""
        size = int(self._starts[-1])
        return np.bincount(self._targets, counts[self._places], minlength=size).astype(np.int64)

    @property
    def nothing(self) -> IntArray:
        """The cells of a window without rows."""
        return np.zeros(int(self._starts[-1]), np.int64)
