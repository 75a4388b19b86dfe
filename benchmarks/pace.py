"""How long work takes by clocks that other programs do not move."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pace:
    """What some records took. Seconds throughout."""

    records: int
    wall: float
    every: float
    """Processor time of all threads of the process."""
    own: float
    """Processor time of the thread that reads and counts."""
    queued: float
    """In which that thread could have run, but every core was taken."""

    @property
    def undisturbed(self) -> float:
        """What it would have taken had a core always been free. Waiting for locks and disks is in it."""
        return self.wall - self.queued


@dataclass(frozen=True, slots=True)
class Clock:
    """Times the thread that starts it, and its process."""

    _wall: float
    _every: float
    _own: float
    _queued: float

    @classmethod
    def start(cls) -> Clock:
        """Begin now."""
        return cls(time.perf_counter(), time.process_time(), time.thread_time(), _queued())

    def stop(self, records: int) -> Pace:
        """Return what passed since."""
        wall, queued = time.perf_counter() - self._wall, _queued() - self._queued
        return Pace(records, wall, time.process_time() - self._every, time.thread_time() - self._own, queued)


def ratio(before: Sequence[Pace], after: Sequence[Pace], seconds: Callable[[Pace], float]) -> float:
    """Return how many records a second the second ones count for one of the first: the median, pair by pair.

    >>> quick, slow = Pace(10, 1.0, 1.0, 1.0, 0.0), Pace(10, 9.0, 1.25, 1.0, 7.5)
    >>> ratio([quick], [slow], lambda pace: pace.every)
    0.8
    """
    pairs = zip(before, after, strict=True)
    return statistics.median(seconds(one) / one.records / (seconds(other) / other.records) for one, other in pairs)


def rate(paces: Sequence[Pace], seconds: Callable[[Pace], float]) -> float:
    """Return records a second, the median."""
    return statistics.median(pace.records / seconds(pace) for pace in paces)


def _queued() -> float:
    """Return the seconds that this thread has waited for a core; 0 where the system does not say."""
    told = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
    return int(told.read_text().split()[1]) / 1e9 if told.exists() else 0.0
