"""Join time: one clock an input partition, decided by that partition's own log alone.

A record's *join time* is its log time within bounds that the log before it sets. The clock of an input stands where
three records in a row agree that it is at least so late, or any one where the broker stamps; it never goes back. A join
time lies at most ``slack`` below the clock and, unless the broker stamps, at most ``skew`` above. So one record from
2099 moves nothing, a night without records only bounds two records too low, and no later record of the input has a join
time below the clock less ``slack``: the least of these over all inputs is the watermark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from monitor.events import MINUTE, IntArray

NEVER: Final = -(1 << 62)
"""The watermark before every input has had a record."""


@dataclass(slots=True)
class InputClock:
    """Join time of one input partition."""

    greatest: int = NEVER
    """Where the clock stands."""
    idle: bool = False
    recent: list[int] = field(default_factory=lambda: [NEVER, NEVER])
    """The last two log times, where the broker does not stamp."""

    def advance(self, log_times: IntArray, slack: int, skew: int | None) -> IntArray:
        """Return the join times of the next records of the log.

        Parameters
        ----------
        log_times
            Record timestamps in log order, microseconds.
        slack
            Microseconds that a join time may lie below the clock.
        skew
            Microseconds that it may lie above; ``None`` where the broker stamps.

        Examples
        --------
        >>> clock = InputClock()
        >>> clock.advance(np.array([100, 95, 90, 10, 900]), slack=10, skew=50).tolist(), clock.greatest
        ([100, 95, 90, 80, 140], 90)
        """
        _, before = self.reach(log_times, skew)
        bounded: IntArray = np.maximum(log_times, before - slack)
        if skew is not None:
            bounded = np.where(before == NEVER, bounded, np.minimum(bounded, before + skew))
        return bounded

    def reach(self, log_times: IntArray, skew: int | None) -> tuple[IntArray, IntArray]:
        """Return where the clock stands after each of the next records of the log, and where before it."""
        if not len(log_times):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        agreed = log_times
        if skew is not None:
            row = np.concatenate([np.array(self.recent, np.int64), log_times])
            agreed = np.minimum(np.minimum(row[:-2], row[1:-1]), row[2:])
            self.recent = row[-2:].tolist()
        reached = np.maximum(np.maximum.accumulate(agreed), self.greatest)
        before = np.empty_like(reached)
        before[0] = self.greatest
        before[1:] = reached[:-1]
        self.greatest = int(reached[-1])
        return reached, before


@dataclass(slots=True)
class InputClocks:
    """The clocks of all inputs of a join, and its watermark.

    An input that came to rest holds nothing up once it is marked as idle; the mark is part of the state and must be
    written before the watermark is used. When the input wakes, its join times start at the watermark, since the join
    has closed what lies before.
    """

    slack: int = MINUTE
    skew: int = 5 * MINUTE
    inputs: dict[tuple[str, int], InputClock] = field(default_factory=dict)
    """(topic, partition) → clock; all inputs must be known from the start."""
    watermark: int = NEVER

    def advance(self, topic: str, partition: int, log_times: IntArray, *, broker_stamped: bool) -> IntArray:
        """Return the join times of the next records of one input."""
        clock = self.inputs[topic, partition]
        if not len(log_times):
            return log_times
        if clock.idle:
            clock.idle = False
            if self.watermark != NEVER:
                clock.greatest = max(clock.greatest, self.watermark + self.slack)
        times = clock.advance(log_times, self.slack, None if broker_stamped else self.skew)
        self._move()
        return times

    def follow(self, topic: str, partition: int, moment: int, *, idle: bool) -> bool:
        """Put the clock of an input where another one says that it stands; return whether that changed anything.

        Nothing that this input brings later may have a join time before ``moment``.
        """
        clock = self.inputs[topic, partition]
        before = clock.greatest, clock.idle
        clock.greatest = max(clock.greatest, moment + self.slack)
        clock.idle = idle
        self._move()
        return before != (clock.greatest, clock.idle)

    def rest(self, topic: str, partition: int) -> None:
        """Mark an input as idle until its next record."""
        self.inputs[topic, partition].idle = True
        self._move()

    def state(self) -> dict[str, Any]:
        """Return plain values for the store."""
        inputs = [[*name, clock.greatest, clock.idle, clock.recent] for name, clock in sorted(self.inputs.items())]
        return {"inputs": inputs, "watermark": self.watermark}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state`` returned; inputs that are new since start afresh, those that are gone are dropped.

        Join times of a new input start at the watermark.
        """
        known = {(topic, number): InputClock(*fields) for topic, number, *fields in state["inputs"]}
        self.watermark = state["watermark"]
        for name in self.inputs:
            fresh = NEVER if self.watermark == NEVER else self.watermark + self.slack
            self.inputs[name] = known.get(name, InputClock(fresh))

    def _move(self) -> None:
        """Move the watermark on; it never goes back. When all inputs are idle, the furthest decides."""
        active = [clock.greatest for clock in self.inputs.values() if not clock.idle]
        least = min(active) if active else max((clock.greatest for clock in self.inputs.values()), default=NEVER)
        if least != NEVER:
            self.watermark = max(self.watermark, least - self.slack)
