"""What volume a reference lets one expect: rows by hour of the week or of the day, and how much they vary."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np

from detectors.volume import VolumeProfile
from monitor.events import HOUR, IntArray
from monitor.reference.document import Reference
from monitor.reference.parts import Volume

_DAY: Final = 24
_NEGLIGIBLE: Final = 0.01
"""A first or last day counts as whole when the hours it lacks have so small a share of the rows on other days."""


@lru_cache(maxsize=256)
def profile_of(reference: Reference) -> VolumeProfile | None:
    """Return what volume to expect, ``None`` when the reference knows no times or spans fewer than two whole days."""
    if reference.volume is None:
        return None
    first, days = whole_days(reference.volume)
    return VolumeProfile.fit(days, first) if len(days) > 1 and days.any() else None


def whole_days(volume: Volume) -> tuple[int, IntArray]:
    """Return the first hour since the epoch, and rows by day (UTC) and hour ``[D, 24]``, of whole days only.

    >>> volume = Volume(np.zeros(168, int), np.zeros(168, int), 22 * HOUR, np.ones(50, int))
    >>> first, days = whole_days(volume)
    >>> first, days.shape
    (24, (2, 24))
    """
    if volume.first is None or volume.by_hour is None:
        return 0, np.zeros((0, _DAY), np.int64)
    first = volume.first // HOUR
    before, after = first % _DAY, -(first + len(volume.by_hour)) % _DAY
    days = np.pad(volume.by_hour, (before, after)).reshape(-1, _DAY)
    middle = days[bool(before) : len(days) - bool(after)].sum(axis=0)
    lacking = _NEGLIGIBLE * int(middle.sum())
    head = bool(before) and (not lacking or int(middle[:before].sum()) > lacking)
    tail = bool(after) and (not lacking or int(middle[_DAY - after :].sum()) > lacking)
    whole: IntArray = days[int(head) : max(len(days) - int(tail), int(head))]
    return first - before + _DAY * int(head), whole


def describe_volume(reference: Reference) -> str:
    """Return, in one sentence, how much rows vary in a reference."""
    profile = profile_of(reference)
    if profile is None:
        return "volume cannot be judged: the reference knows no times, or spans fewer than two whole days"
    cycle = "hour of the week" if len(profile.rows) > _DAY else "hour of the day"
    return (
        f"volume is judged by {cycle}, from {profile.days} days that differ by {math.sqrt(profile.of_day):.1%} and "
        f"hours by {math.sqrt(profile.of_hour):.1%} beyond chance"
    )
