"""What an hour of the week usually brings: a figure's mean, or the longest silence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from alerts.durations import HOUR

HOURS: Final = 168
_FADES: Final = 0.7


class Slot(NamedTuple):
    """One hour of the week, as last visited and before."""

    week: int
    value: float
    """Sum of the figures of that visit, or the longest silence."""
    visits: int
    before: float = math.nan
    before_week: int = -1


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
        return hour, slot._replace(value=slot.value + value, visits=slot.visits + 1)
    if slot.week > week:
        return hour, slot
    return hour, Slot(week, value, 1, slot.value / slot.visits, slot.week)


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
        return slot.value / slot.visits
    return slot.before if slot.week == week and slot.before_week == week - 1 else math.nan


def add_silence(slots: Slots, at: int, seconds: float) -> tuple[int, Slot]:
    """Return the hour that a silence reaches into, with the longest silence seen in it; older weeks fade."""
    hour, week = place(at)
    slot = slots.get(hour)
    if slot is None:
        return hour, Slot(week, seconds, 1)
    if slot.week >= week:
        return hour, slot._replace(value=max(slot.value, seconds), visits=slot.visits + 1)
    return hour, Slot(week, seconds, 1, _level(slot), slot.week)


def usual_silence(slots: Slots, at: int) -> float | None:
    """Return the longest silence that is usual at this hour, in seconds, ``None`` when nothing is known of it.

    An hour speaks for the one after it too, so that a batch may come somewhat later than last week. Before a whole
    week is known, the same hour of other days stands in.
    """
    hour, _ = place(at)
    own = _known(slots, (hour,), at)
    if own is not None:
        return max(own, _known(slots, ((hour - 1) % HOURS,), at) or 0.0)
    days = [(hour + 24 * day) % HOURS for day in range(1, 7)]
    other = _known(slots, days, at)
    return None if other is None else max(other, _known(slots, [(day - 1) % HOURS for day in days], at) or 0.0)


def busy_hours(slots: Slots, at: int) -> int:
    """Return in how many hours no silence lasted longer than an hour."""
    levels = (_finished(slot, hour, at) for hour, slot in slots.items())
    return sum(level is not None and level <= 3600 for level in levels)


def _known(slots: Slots, hours: Iterable[int], at: int) -> float | None:
    levels = [_finished(slots[hour], hour, at) for hour in hours if hour in slots]
    return max((level for level in levels if level is not None), default=None)


def _finished(slot: Slot, hour: int, at: int) -> float | None:
    """Return the level of the last visit that is over by an hour or more, so that no silence excuses itself."""
    if slot.week * HOURS + hour < at // HOUR - 1:
        return _level(slot)
    return None if math.isnan(slot.before) else slot.before


def _level(slot: Slot) -> float:
    return slot.value if math.isnan(slot.before) else max(slot.value, _FADES * slot.before)
