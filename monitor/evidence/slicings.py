"""The references of declared slicings: each is learnt from its own first rows, and judged by what comes after them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from monitor.events import DAY, HOUR, IntArray
from monitor.evidence.declared import Cells, slice_streams
from monitor.evidence.learnt import KEPT, Learnt, is_enough, weekdays_of
from monitor.evidence.readout import Readout
from monitor.evidence.stream import Past, Stream
from monitor.join.clock import NEVER
from monitor.outcomes.judges import RegressionJudge
from monitor.outcomes.outcomes import ModelOutcomes
from monitor.outcomes.parts import SlicedPart

_NONE: Final[IntArray] = np.zeros(0, np.int64)


@dataclass(slots=True)
class Declared:
    """The reference of one slicing, taken in hour by hour."""

    identity: str
    """Of what the cells mean."""
    begin: int | None = None
    at: int | None = None
    """The first hour that was not taken in."""
    end: int | None = None
    """Set once it is the reference."""
    is_judged: bool = False
    """Whether all windows that come are behind the reference."""
    counts: IntArray = field(default_factory=_NONE.copy)
    days: list[IntArray] = field(default_factory=list)
    """Of the last days, UTC."""
    scanned: int = NEVER
    """Up to where no hour has rows."""

    def take(self, hour: IntArray, rows: int, period: int) -> None:
        """Take in the counts of the next hour; after whole periods there may be enough of them.

        Parameters
        ----------
        rows
            Judged up to this hour, with it.
        """
        if self.begin is None or self.at is None:
            raise ValueError("learning has not begun")
        self.counts = hour.copy() if not len(self.counts) else self.counts + hour
        if not self.days or self.at % DAY == 0:
            self.days = [*self.days[1 - KEPT :], np.zeros_like(hour)]
        self.days[-1] += hour
        self.at += HOUR
        if is_enough(self.at - self.begin, period, rows):
            self.end = self.at

    def past(self) -> Past:
        """Return the counts by day, ``[D, size]``."""
        first = ((self.at or 0) - HOUR) // DAY - len(self.days) + 1
        return Past(np.array(self.days, np.int64), None, weekdays_of(first, len(self.days)))

    def state(self) -> list[Any]:
        """Return plain values."""
        table = np.concatenate([self.counts, *self.days])
        packed = zlib.compress(table.astype("<i8").tobytes(), 1)
        return [self.identity, self.begin, self.at, self.end, self.is_judged, len(self.days), packed]

    @classmethod
    def restore(cls, state: Sequence[Any]) -> Declared:
        """Return what ``state`` took apart."""
        identity, begin, at, end, is_judged, days, packed = state
        table = np.frombuffer(zlib.decompress(packed), "<i8").astype(np.int64).reshape(days + 1, -1)
        return cls(identity, begin, at, end, is_judged, table[0], list(table[1:]))


@dataclass(slots=True)
class Slicings:
    """All slicings of one model, in the order of a vector's cells behind those of all rows."""

    outcomes: ModelOutcomes
    cells: tuple[Cells, ...] = ()
    learnt: dict[str, Declared] = field(default_factory=dict)
    """Identity of a slicing → its reference."""
    changed: bool = False
    _parts: tuple[SlicedPart, ...] = ()
    _settled: int = NEVER
    """Up to where slices were counted."""

    @property
    def own(self) -> list[tuple[Cells, Declared]]:
        """What is read of each slicing, and its reference."""
        return [(cells, self.learnt[cells.part.identity]) for cells in self.cells]

    def refresh(self) -> None:
        """Take over the slicings that are counted now; what was learnt of others is forgotten."""
        parts = tuple(self.outcomes.sliced.values())
        if parts != self._parts:
            self._parts, self.cells = parts, tuple(cells for cells in map(Cells, parts) if cells.width)
        names = [cells.part.identity for cells in self.cells]
        if set(names) != set(self.learnt):
            self.learnt = {name: self.learnt.get(name) or Declared(name) for name in names}
            self.changed = True

    def learn(self, final: int, period: int) -> None:
        """Learn from hours before ``final``, as all rows' reference is learnt."""
        open_ = [(cells, one) for cells, one in self.own if one.end is None]
        if open_:
            self.settle(final)
        for cells, one in open_:
            if one.begin is None and one.scanned < final:
                one.begin = one.at = self._first(cells, one.scanned, final)
                one.scanned = final
            while one.at is not None and one.at < final and one.end is None:
                hour = self._hour(cells, one.at)
                rows = int(cells.rows(hour if not len(one.counts) else one.counts + hour).sum())
                one.take(hour, rows, period)
                self.changed = True

    def admit(self, moment: int) -> bool:
        """Judge the slicings whose reference ends by then; return whether there are new ones."""
        fresh = [one for _, one in self.own if not one.is_judged and one.end is not None and one.end <= moment]
        for one in fresh:
            one.is_judged = self.changed = True
        return bool(fresh)

    def relearn(self, begin: int) -> None:
        """Forget what was learnt; hours from ``begin`` on make the references."""
        self.learnt = {name: Declared(name, begin, begin) for name in self.learnt}
        self.changed = True

    def unread(self, final: int) -> int | None:
        """Return where the first hour begins that is still to be learnt from, ``None`` if there is none."""
        return min((final if one.at is None else one.at for _, one in self.own if one.end is None), default=None)

    def basis(self) -> str:
        """Return the identity of the references."""
        return "".join(f" {one.identity} {one.begin} {one.is_judged}" for _, one in self.own)

    def streams(self, readout: Readout, learnt: Learnt, whole: Sequence[Stream]) -> Iterator[Stream]:
        """Yield the streams of all slicings that are judged; ``whole`` are those of all rows."""
        errors, first = None, readout.size
        if isinstance(readout.judge, RegressionJudge):
            edges = readout.judge.table.error_edges
            errors = edges, learnt.past(learnt.table[:, readout.block("errors", len(edges) + 1)])[1]
        for cells, one in self.own:
            if one.is_judged:
                yield from slice_streams(cells, one.counts, one.past(), first, whole, errors)
            first += cells.size

    def counts(self, version: str, first: int, last: int) -> list[IntArray]:
        """Return what was judged of a window's predictions in each slicing."""
        return [cells.read(self.outcomes.shelf, version, first, last) for cells in self.cells]

    def settle(self, last: int) -> None:
        """Have slices counted up to a time before which all is final; rows wait for it, so it is done seldom."""
        if self.cells and last > self._settled:
            self.outcomes.settle()
            self._settled = last

    def _first(self, cells: Cells, begin: int, end: int) -> int | None:
        """Return the first hour in which something was judged."""
        hours = cells.starts(self.outcomes.shelf, begin, end)
        return next((hour for hour in hours if self._hour(cells, hour).any()), None)

    def _hour(self, cells: Cells, hour: int) -> IntArray:
        """Return the counts of an hour over all versions."""
        shelf, total = self.outcomes.shelf, np.zeros(cells.size, np.int64)
        for version in cells.versions(shelf):
            total += cells.read(shelf, version, hour, hour + HOUR)
        return total
