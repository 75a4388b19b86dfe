"""What an hour of the week usually brings: a figure's mean, or the longest silence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from alerts.durations import HOUR

HOURS: Final = 168
_EARLIER: Final = 3


class Slot(NamedTuple):
    """One hour of the week, as last visited and before."""

    week: int
    value: float
    """Sum of the figures of that visit, or the longest silence."""
    figures: int
    """How many that visit brought."""
    earlier: tuple[tuple[int, float], ...] = ()
    """Weeks and values of up to three visits before, the latest first."""


Slots: TypeAlias = Mapping[int, Slot]
"""Hour of the week → what is known of it. Hours that were never visited are absent."""


def place(at: int) -> tuple[int, int]:
    """Return hour of the week and number of the week; weeks begin on Thursday, as the epoch did.

    >>> place(0), place(169 * HOUR)
    ((0, 0), (1, 1))
    """
    hours = at // HOUR
    return hours % HOURS, hours // HOURS


def add_to_mean(slots: Slots, at: int, value: float) -> tuple[int, Slot]:
    """Return the hour that a figure falls into, with the figure in it."""
    hour, week = place(at)
    slot = slots.get(hour)
    if slot is None:
        return hour, Slot(week, value, 1)
    if slot.week == week:
        return hour, slot._replace(value=slot.value + value, figures=slot.figures + 1)
    if slot.week > week:
        return hour, slot
    return hour, Slot(week, value, 1, ((slot.week, slot.value / slot.figures), *slot.earlier)[:_EARLIER])


def last_week(slots: Slots, at: int) -> float:
    """Return the mean of the same hour a week earlier, NaN when nothing is known of it.

    >>> hour, slot = add_to_mean({}, 5 * HOUR, 3.0)
    >>> last_week({hour: slot}, 173 * HOUR), last_week({hour: slot}, 341 * HOUR)
    (3.0, nan)
    """
    hour, week = place(at)
    slot = slots.get(hour)
    if slot is None:
        return math.nan
    if slot.week == week - 1:
        return slot.value / slot.figures
    return dict(slot.earlier).get(week - 1, math.nan) if slot.week == week else math.nan


def add_silence(slots: Slots, at: int, seconds: float) -> tuple[int, Slot]:
    """Return the hour that a silence reaches into, with the longest silence seen in it."""
    hour, week = place(at)
    slot = slots.get(hour)
    if slot is None:
        return hour, Slot(week, seconds, 1)
    if slot.week >= week:
        return hour, slot._replace(value=max(slot.value, seconds), figures=slot.figures + 1)
    return hour, Slot(week, seconds, 1, ((slot.week, slot.value), *slot.earlier)[:_EARLIER])


def usual_silence(slots: Slots, at: int) -> float | None:
    """Return the longest silence that is usual at this hour, in seconds, ``None`` when nothing is known of it.

    Usual is what was reached in two of the last three weeks, so that one failure does not make the next one normal.
    While fewer weeks are known, any of them counts, and so does what is usual at the same hour of other days. An hour
    speaks for the one after it too, so that a batch may come somewhat later than last week.
    """
    hour, _ = place(at)
    own = _longest(slots, (hour,), at)
    if len(own) >= 3:
        return max(_second(own), _second(_longest(slots, ((hour - 1) % HOURS,), at)))
    days = [(hour + 24 * day) % HOURS for day in range(1, 7)]
    others = _longest(slots, days, at)
    if not own and not others:
        return None
    before = [((day - 1) % HOURS) for day in (hour, *days)]
    return max(max(own, default=0.0), _second(others), _second(_longest(slots, before, at)))


def busy_hours(slots: Slots, at: int) -> int:
    """Return in how many hours no silence lasted longer than an hour."""
    levels = (_second(_finished(slot, hour, at)) for hour, slot in slots.items() if _finished(slot, hour, at))
    return sum(level <= 3600 for level in levels)


def _longest(slots: Slots, hours: Iterable[int], at: int) -> list[float]:
    return [value for hour in hours if hour in slots for value in _finished(slots[hour], hour, at)]


def _finished(slot: Slot, hour: int, at: int) -> list[float]:
    """Return the silences of the visits that are over by an hour or more, so that no silence excuses itself."""
    over = slot.week * HOURS + hour < at // HOUR - 1
    earlier = [value for _, value in slot.earlier]
    return [slot.value, *earlier][:_EARLIER] if over else earlier


def _second(values: list[float]) -> float:
    """Return the second largest of three or more, else the largest."""
    return sorted(values)[-2] if len(values) >= 3 else max(values, default=0.0)
