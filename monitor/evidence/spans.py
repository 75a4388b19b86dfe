"""How long evidence windows are, which hours of the day they stand for, and which days are not judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from monitor.config.model import ModelConfig
from monitor.config.root import CalendarConfig
from monitor.config.types import parse_duration
from monitor.events import DAY, HOUR, MINUTE

LENGTHS: Final = (15 * MINUTE, HOUR, 6 * HOUR, DAY)
"""All divide the day, so that a window always stands for the same hours."""
WEEKDAYS: Final = 7
_HOURS: Final = 24


def evidence_length(config: ModelConfig) -> int | None:
    """Return the configured length of an evidence window in microseconds, ``None`` for ``auto``."""
    window = config.evidence.window
    return None if window == "auto" else parse_duration(window)


def slots_of(length: int) -> int:
    """Return how many kinds of windows there are in a day; those within an hour are of one kind.

    >>> [slots_of(length) for length in LENGTHS]
    [24, 24, 4, 1]
    """
    return _HOURS // hours_of(length)


def hours_of(length: int) -> int:
    """Return how many hours of the day a window touches."""
    return max(length // HOUR, 1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Local time: which slot of the day a window is in, and whether its day is like others."""

    zone: ZoneInfo | None = None
    """``None`` is UTC."""
    holidays: frozenset[str] = frozenset()

    @classmethod
    def of(cls, config: CalendarConfig) -> Calendar:
        """Return the configured calendar."""
        zone = None if config.timezone == "UTC" else ZoneInfo(config.timezone)
        return cls(zone, frozenset(config.holidays))

    def slot(self, start: int, length: int, *, weekly: bool = False) -> int:
        """Return the slot of the window that begins at ``start``: its local hour, of day or week, in lengths.

        >>> Calendar().slot(13 * HOUR, 6 * HOUR), Calendar().slot(13 * HOUR, HOUR), Calendar().slot(0, DAY)
        (2, 13, 0)
        >>> Calendar().slot(13 * HOUR, 6 * HOUR, weekly=True)  # a Thursday
        14
        """
        local = self._local(start)
        hour = local.weekday() * _HOURS + local.hour if weekly else local.hour
        return hour // hours_of(length)

    def offset(self, moment: int) -> int:
        """Return by how many hours local time is ahead, rounded down."""
        ahead = self._local(moment).utcoffset() or timedelta()
        return int(ahead.total_seconds() // 3600)

    def is_judged(self, start: int, length: int) -> bool:
        """Return whether no local day of a window is a holiday or one on which clocks change.

        >>> Calendar(holidays=frozenset({"1970-01-01"})).is_judged(0, DAY)
        False
        """
        days = {self._local(moment).date() for moment in (start, start + length - 1)}
        for day in days:
            if day.isoformat() in self.holidays:
                return False
            begin = datetime.combine(day, time(), self.zone or UTC)
            end = datetime.combine(day + timedelta(days=1), time(), self.zone or UTC)
            if begin.utcoffset() != end.utcoffset():
                return False
        return True

    def _local(self, micros: int) -> datetime:
        moment = datetime.fromtimestamp(micros // 1_000_000, UTC)
        return moment if self.zone is None else moment.astimezone(self.zone)
