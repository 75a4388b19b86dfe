"""Hours that are compared with their like: what the reference knows of each hour of the day or of the week."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np

from monitor.events import FloatArray, IntArray
from monitor.evidence.spans import WEEKDAYS, hours_of, slots_of
from monitor.evidence.stream import Past, Stream

Season = Literal["auto", "none", "hour_of_day", "hour_of_week"]
FEWEST_WEEKS: Final = 2
"""Of each weekday, for hours of the week: one day cannot show how much such days differ."""
_HOURS: Final = 24


class Seasons(Protocol):
    """What decides which hours are alike."""

    @property
    def length(self) -> int:
        """Of an evidence window, microseconds."""
        ...

    @property
    def season(self) -> Season:
        """What is compared with what."""
        ...

    @property
    def offset(self) -> int:
        """Hours by which local time is ahead of the reference's."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """The reference's windows by day and place in the cycle, ``[D, W, K]``, and the slot of each place, ``[W]``.

    Of a week, a day fills the places of its own weekday only.
    """

    windows: IntArray
    slots: IntArray
    number: int
    """Slots of the cycle."""
    weekly: bool

    @property
    def spent(self) -> int:
        """Days that are used up because weekdays have a mean of their own."""
        return WEEKDAYS - 1 if self.weekly else 0


def windows_of(past: Past, length: int) -> IntArray | None:
    """Return the counts of the reference's windows by day, window and cell, ``[D, W, K]``; ``None`` if unknown.

    Windows within an hour are taken to be like the hour.
    """
    if slots_of(length) == 1:
        return past.days[:, np.newaxis] if len(past.days) else None
    if past.hours is None:
        return None
    days, hours, cells = past.hours.shape
    span = hours_of(length)
    windows: IntArray = past.hours.reshape(days, hours // span, span, cells).sum(axis=2)
    return windows


def cycle_of(past: Past, asked: Seasons) -> Cycle | None:
    """Return the windows of a reference in their cycle; ``None`` where it does not know enough for one."""
    windows = windows_of(past, asked.length)
    if asked.season == "none" or windows is None or past.whole_days < 2:
        return None
    span, slots = hours_of(asked.length), slots_of(asked.length)
    begins = np.arange(slots) * span
    if asked.season != "hour_of_week":
        order = (begins + asked.offset) % _HOURS // span
        return Cycle(windows, order, slots, weekly=False) if slots > 1 else None
    weekdays = None if past.weekdays is None else past.weekdays[-len(windows) :]
    if weekdays is None or np.bincount(weekdays, minlength=WEEKDAYS).min() < FEWEST_WEEKS:
        return None
    spread = np.zeros((len(windows), WEEKDAYS, *windows.shape[1:]), np.int64)
    spread[np.arange(len(windows)), weekdays] = windows
    hours = np.arange(WEEKDAYS)[:, np.newaxis] * _HOURS + begins
    order = ((hours + asked.offset) % (WEEKDAYS * _HOURS) // span).ravel()
    places = spread.reshape(len(windows), WEEKDAYS * slots, windows.shape[2])
    return Cycle(places, order, WEEKDAYS * slots, weekly=True)


def by_slot(stream: Stream, asked: Seasons) -> FloatArray | None:
    """Return reference counts by slot of the cycle, ``[S, K]``; ``None`` where the reference does not know them.

    The hours are those of all versions and of both halves of the reference. So each slot's shares are taken in the
    proportion in which this stream's shares differ from those, with as many rows as the scarcer of both has.
    """
    cycle = cycle_of(stream.past, asked)
    if cycle is None:
        return None
    counts = np.zeros((cycle.number, len(stream.reference)))
    np.add.at(counts, cycle.slots, cycle.windows.sum(axis=0))
    rows, total = counts.sum(axis=1), counts.sum()
    if not rows.all():
        return None
    own = stream.reference / max(float(stream.reference.sum()), 1.0)
    every = counts.sum(axis=0) / total
    tilted = counts * np.divide(own, every, out=np.zeros_like(own), where=every > 0)
    shares = tilted / np.maximum(tilted.sum(axis=1, keepdims=True), 1e-300)
    size = min(float(stream.reference.sum()), total)
    reference: FloatArray = shares * (rows / total * size)[:, np.newaxis]
    return reference


def too_short(pasts: list[Past], asked: Seasons) -> str | None:
    """Return a sentence where hours of the week are asked for and no reference knows enough weeks, else ``None``."""
    if asked.season != "hour_of_week" or not pasts or any(cycle_of(past, asked) is not None for past in pasts):
        return None
    days = max(len(past.days) if slots_of(asked.length) == 1 else _hourly(past) for past in pasts)
    need = FEWEST_WEEKS * WEEKDAYS
    return (
        f"season hour_of_week needs {need} days of reference, each weekday at least {FEWEST_WEEKS} times, and it has "
        f"{days}: hours are not told apart"
    )


def _hourly(past: Past) -> int:
    return 0 if past.hours is None else len(past.hours)
