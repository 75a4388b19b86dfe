"""The reference of outcomes: hours of judged predictions, in the order in which nothing can change them any more."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from monitor.events import DAY, HOUR, IntArray
from monitor.evidence.stream import Past
from monitor.sealed import seal, unseal

ENOUGH: Final = 500
"""Judged rows; with fewer, learning goes on for as long again."""
LONGEST: Final = 92 * DAY
"""Learning ends then, however few rows there are."""
KEPT: Final = 28
"""Days that are kept apart."""
_THURSDAY: Final = 3
"""The weekday of 1 January 1970, Monday being 0."""
_FORMAT: Final = 1


def is_enough(reached: int, period: int, rows: int) -> bool:
    """Return whether so many rows of so long a time make a reference; it is asked at the end of whole periods."""
    if reached >= LONGEST:
        return rows > 0
    return reached % period == 0 and rows >= ENOUGH


def weekdays_of(first: int, days: int) -> IntArray:
    """Return the weekday of each of some days, 0 for Monday; ``first`` is the first's number since 1970.

    >>> weekdays_of(0, 5).tolist()
    [3, 4, 5, 6, 0]
    """
    weekdays: IntArray = (first + _THURSDAY + np.arange(days)) % 7
    return weekdays


@dataclass(slots=True)
class Learnt:
    """Counts by hour from ``begin`` on; ``end`` is set once it is the reference."""

    identity: str
    """Of what the cells mean."""
    size: int
    begin: int | None = None
    end: int | None = None
    hours: list[IntArray] = field(default_factory=list)

    @property
    def at(self) -> int | None:
        """The first hour that was not taken in."""
        return None if self.begin is None else self.begin + len(self.hours) * HOUR

    def take(self, counts: IntArray, period: int) -> None:
        """Take in the counts of the next hour; after whole periods it may be enough."""
        self.hours.append(counts)
        reached = len(self.hours) * HOUR
        rows = sum(int(hour[0]) for hour in self.hours) if reached % period == 0 or reached >= LONGEST else 0
        if is_enough(reached, period, rows):
            self.end = self.at

    @property
    def table(self) -> IntArray:
        """Counts by hour and cell, ``[H, K]``."""
        return np.array(self.hours, np.int64).reshape(-1, self.size)

    def widened(self, size: int) -> Learnt:
        """Return the same with more cells, which no learnt row is in: what they count has no reference yet."""
        if size <= self.size:
            return self
        more = np.zeros(size - self.size, np.int64)
        return Learnt(self.identity, size, self.begin, self.end, [np.concatenate([hour, more]) for hour in self.hours])

    def past(self, cells: IntArray) -> tuple[IntArray, Past]:
        """Return the whole and the days of counts ``[H, K]``, whose hours are this one's."""
        before = 0 if self.begin is None else self.begin % DAY // HOUR
        days = -(-(before + len(cells)) // 24)
        filled = np.zeros((days * 24, cells.shape[1]), np.int64)
        filled[before : before + len(cells)] = cells
        hours = filled.reshape(days, 24, cells.shape[1])
        weekdays = weekdays_of((self.begin or 0) // DAY, days)
        return cells.sum(axis=0), Past(hours.sum(axis=1), hours[-KEPT:], weekdays)

    def to_bytes(self) -> bytes:
        """Return bytes with a checksum."""
        table = zlib.compress(self.table.astype("<i8").tobytes(), 1)
        body = msgspec.msgpack.encode([_FORMAT, self.identity, self.size, self.begin, self.end, table])
        return seal(body)

    @classmethod
    def from_bytes(cls, data: bytes) -> Learnt:
        """Return what ``to_bytes`` took apart.

        Raises
        ------
        CorruptCountsError
            When it is damaged.
        """
        body = unseal(data, "what evidence learnt of outcomes is damaged")
        _, identity, size, begin, end, table = msgspec.msgpack.decode(body)
        counts = np.frombuffer(zlib.decompress(table), "<i8").astype(np.int64).reshape(-1, size)
        return cls(identity, size, begin, end, list(counts))
