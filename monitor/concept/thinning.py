"""A bound on how many rows of an hour are watched; beyond it a sample, decided row by row and without waiting."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.events import HOUR, IntArray

BOUND: Final = 100_000
LEVELS: Final = 16
_NEVER: Final = -(1 << 62)


@dataclass(slots=True)
class Thinning:
    """Rows of one stream, in their order; at most ``bound`` an hour are let through.

    The first half of the bound are let through whatever their id. After that the share of the ids is halved, and again
    with every further sixteenth of the other half, until the hour is over. So an hour of 4,000 times the bound is still
    covered to its end, and which rows those are is known at once: it depends on the rows before them and on the id.

    Examples
    --------
    >>> thinning = Thinning(bound=32)
    >>> ids = np.arange(1000, dtype=np.uint64)
    >>> thinning.admit(np.zeros(1000, np.int64), ids).nonzero()[0].tolist()[14:22]
    [14, 15, 16, 20, 24, 32, 64, 128]
    """

    bound: int = BOUND
    hour: int = _NEVER
    level: int = 0
    """How often the share of ids was halved."""
    room: int = 0
    """Rows until it is halved again."""
    left_out: int = 0
    """Rows of all hours that were not let through."""

    def __post_init__(self) -> None:
        if self.bound < 2 * LEVELS:
            raise ValueError(f"a bound of {self.bound} rows an hour is below {2 * LEVELS}")

    def admit(self, times: IntArray, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which of the next rows are let through; times are microseconds and never go back."""
        admitted = np.zeros(len(times), bool)
        hours = times // HOUR
        borders = [0, *(np.flatnonzero(np.diff(hours)) + 1).tolist(), len(hours)]
        for first, last in pairwise(borders):
            if first < last:
                self._begin(int(hours[first]))
                self._admit(hashes[first:last], admitted[first:last])
        self.left_out += len(admitted) - int(admitted.sum())
        return admitted

    def state(self) -> list[Any]:
        """Return plain values for the store."""
        return [self.hour, self.level, self.room, self.left_out]

    def restore(self, state: list[Any]) -> None:
        """Take over what ``state`` returned."""
        self.hour, self.level, self.room, self.left_out = state

    def _begin(self, hour: int) -> None:
        if hour != self.hour:
            self.hour, self.level, self.room = hour, 0, self.bound // 2

    def _admit(self, hashes: NDArray[np.uint64], admitted: NDArray[np.bool_]) -> None:
        """Write which rows of one hour are let through."""
        place = 0
        while place < len(hashes) and self.level <= LEVELS:
            mask = np.uint64((1 << self.level) - 1)
            found = place + np.flatnonzero(hashes[place:] & mask == 0)[: self.room]
            admitted[found] = True
            self.room -= len(found)
            if self.room:
                return
            place = int(found[-1]) + 1 if len(found) else place
            self.level += 1
            self.room = self.bound // (2 * LEVELS)
