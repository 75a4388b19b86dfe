"""How far event time has come in one partition, decided row by row from the log alone.

A row's time is believed at once when it is not further than ``skew`` ahead of the greatest time believed so far. With
broker-stamped records the record's own timestamp plus ``skew`` is the bound, and what lies beyond it is ``future`` at
once. Otherwise, and at the very start, the row is *held*: rows that agree confirm it, rows that do not speak against
it. When 16 more speak for a jump than against it, event time moves on and the held rows count; when the balance falls
back to zero they are ``future``. So one record stamped 2099 closes nothing, and a night without traffic costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from monitor.events import IntArray

CONFIRMATIONS: Final = 16
MOST_HELD: Final = 64
NEVER: Final = -(1 << 62)
"""The greatest event time before the first row."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the rows of one call, as indices into the call's arrays; held rows have indices below zero.

    ``accepted`` holds, in the order in which they count, new rows (``≥ 0``) and rows held earlier (``-1 - place`` in
    the list of held rows as the call found it); ``before`` holds the greatest believed time just before each of them.
    """

    accepted: IntArray
    before: IntArray
    future: IntArray
    held: IntArray
    """All that is held after the call, oldest first."""
    at: IntArray
    """For each of ``accepted`` the new row at which it was accepted, itself or a later one; -1 when none was."""


@dataclass(slots=True)
class Clock:
    """Event time of one model in one partition."""

    greatest: int = NEVER
    held: list[int] = field(default_factory=list)
    """Times of the held rows, oldest first."""
    balance: int = 0
    idle: bool = False

    def advance(self, times: IntArray, log_times: IntArray | None, skew: int) -> Verdict:
        """Take in the next rows of the log.

        Parameters
        ----------
        times
            Event times in log order.
        log_times
            Broker timestamps of the same rows, or ``None`` where the broker does not stamp.
        skew
            Microseconds that an event time may run ahead.

        Returns
        -------
        Verdict
            The same whatever the borders between calls.
        """
        if log_times is not None:
            return self._bounded(times, log_times + skew, skew)
        if not self.held and self.greatest != NEVER:
            before = _greatest_before(times, self.greatest)
            if bool(np.all(times <= before + skew)):
                self.greatest = int(max(self.greatest, times.max(initial=NEVER)))
                rows = np.arange(len(times))
                return Verdict(rows, before, _NONE, _NONE, rows)
        return self._row_by_row(times, skew)

    def settle(self, skew: int) -> Verdict:
        """Believe what the held rows agree on, since nothing more comes to confirm or deny it."""
        walk = _Walk(self, skew)
        walk.believe()
        return walk.verdict()

    def _bounded(self, times: IntArray, bounds: IntArray, skew: int) -> Verdict:
        rows = np.flatnonzero(times <= bounds)
        walk = _Walk(self, skew)
        if self.greatest == NEVER:
            rows = rows[walk.begin(rows.tolist(), times[rows].tolist()) :]
        else:
            walk.at = 0 if len(times) else -1
            walk.believe()
        before = _greatest_before(times[rows], self.greatest)
        if len(rows):
            self.greatest = int(max(self.greatest, times[rows].max()))
        first = walk.verdict()
        return Verdict(
            np.concatenate([first.accepted, rows]),
            np.concatenate([first.before, before]),
            np.flatnonzero(times > bounds),
            first.held,
            np.concatenate([first.at, rows]),
        )

    def _row_by_row(self, times: IntArray, skew: int) -> Verdict:
        walk = _Walk(self, skew)
        for index, time in enumerate(times.tolist()):
            walk.step(index, time)
        return walk.verdict()


_NONE: Final[IntArray] = np.empty(0, np.int64)


def _greatest_before(times: IntArray, greatest: int) -> IntArray:
    before = np.empty(len(times), np.int64)
    if len(times):
        before[0] = greatest
        np.maximum(np.maximum.accumulate(times[:-1]), greatest, out=before[1:])
    return before


class _Walk:
    """The rule itself, one row at a time."""

    def __init__(self, clock: Clock, skew: int) -> None:
        self.clock = clock
        self.skew = skew
        self.names = [-1 - place for place in range(len(clock.held))]
        self.accepted: list[int] = []
        self.before: list[int] = []
        self.future: list[int] = []
        self.at = -1
        self.places: list[int] = []

    def step(self, index: int, time: int) -> None:
        clock = self.clock
        self.at = index
        if time <= clock.greatest + self.skew and clock.greatest != NEVER:
            self._accept(index, time)
            if clock.held:
                self._speak_against()
            return
        self._hold(index, time)
        if len(clock.held) > MOST_HELD:
            clock.held.pop(0)
            self.future.append(self.names.pop(0))
        if clock.balance >= CONFIRMATIONS:
            self.confirm()

    def begin(self, indices: list[int], times: list[int]) -> int:
        """Hold rows until there are enough to say when it is, and believe them; return how many of these it took."""
        for number, (index, time) in enumerate(zip(indices, times, strict=True), start=1):
            self.at = index
            self._hold(index, time)
            if self.clock.balance >= CONFIRMATIONS:
                self.believe()
                return number
        return len(indices)

    def believe(self) -> None:
        """Believe all held rows, those that agree first."""
        while self.clock.held:
            self.confirm()

    def confirm(self) -> None:
        """Believe the held rows up to ``skew`` beyond their lower median.

        At the very start event time begins ``skew`` before that median: a first row from 1970 is late, like any other.
        """
        clock = self.clock
        median = sorted(clock.held)[(len(clock.held) - 1) // 2]
        limit = median + self.skew
        if clock.greatest == NEVER:
            clock.greatest = median - self.skew
        rows = list(zip(self.names, clock.held, strict=True))
        clock.held = [time for _, time in rows if time > limit]
        kept = [name for name, time in rows if time > limit]
        clock.balance = len(clock.held)
        for name, time in rows:
            if time <= limit:
                self._accept(name, time)
        self.names = kept
        self._release()

    def verdict(self) -> Verdict:
        return Verdict(
            np.array(self.accepted, np.int64),
            np.array(self.before, np.int64),
            np.array(self.future, np.int64),
            np.array(self.names, np.int64),
            np.array(self.places, np.int64),
        )

    def _hold(self, index: int, time: int) -> None:
        self.clock.held.append(time)
        self.names.append(index)
        self.clock.balance += 1

    def _accept(self, name: int, time: int) -> None:
        self.accepted.append(name)
        self.places.append(self.at)
        self.before.append(self.clock.greatest)
        self.clock.greatest = max(self.clock.greatest, time)

    def _speak_against(self) -> None:
        clock = self.clock
        clock.balance -= 1
        self._release()
        if clock.balance <= 0:
            self.future.extend(self.names)
            clock.held = []
            self.names = []
            clock.balance = 0

    def _release(self) -> None:
        """Accept held rows that event time has caught up with."""
        clock = self.clock
        place = 0
        while place < len(clock.held):
            if clock.held[place] <= clock.greatest + self.skew:
                self._accept(self.names.pop(place), clock.held.pop(place))
                clock.balance = max(0, clock.balance - 1)
                place = 0
            else:
                place += 1
