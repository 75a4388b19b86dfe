"""When a schedule of cron is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from alerts.durations import DAY, HOUR, SECOND

Period: TypeAlias = Literal["day", "week", "month"]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NEAR: Final = (HOUR, DAY, 32 * DAY, 366 * DAY)
"""How far back the latest time of a schedule is looked for, in turn; so that one of every minute is quick too."""


def next_after(schedule: str, timezone: str, after: int) -> int | None:
    """Return the first time after another at which a schedule is due, in microseconds; ``None`` when it never is.

    Parameters
    ----------
    schedule
        Five fields of cron; days of the week are best given by name.

    Raises
    ------
    ValueError
        When it is no schedule, or there is no such time zone.

    Examples
    --------
    >>> next_after("0 3 * * thu", "UTC", 0) // SECOND, next_after("0 3 1 1 *", "Europe/Berlin", 0) // SECOND
    (10800, 7200)
    """
    make: Any = CronTrigger.from_crontab
    trigger = make(schedule, timezone=timezone)
    begin = _EPOCH + timedelta(seconds=after // SECOND + 1)
    found: datetime | None = trigger.get_next_fire_time(None, begin)
    return None if found is None else round((found - _EPOCH).total_seconds()) * SECOND


def latest_after(schedule: str, timezone: str, after: int, now: int) -> int | None:
    """Return the last time after one and up to another at which a schedule was due; ``None`` when it was not.

    Examples
    --------
    >>> latest_after("0 * * * *", "UTC", 0, 40 * DAY + 30) // HOUR, latest_after("0 * * * *", "UTC", 0, HOUR - 1)
    (960, None)
    """
    found = None
    for near in _NEAR:
        begin = max(after, now - near)
        at = next_after(schedule, timezone, begin)
        while at is not None and at <= now:
            found, at = at, next_after(schedule, timezone, at)
        if found is not None or begin == after:
            break
    return found


def period_before(period: Period, timezone: str, at: int) -> tuple[int, int]:
    """Return the first and the end of the last whole day, week or month before a time, in microseconds.

    Examples
    --------
    >>> [edge // HOUR for edge in period_before("month", "UTC", 45 * DAY)]
    [0, 744]
    """
    today = datetime.fromtimestamp(at // SECOND, ZoneInfo(timezone)).date()
    end = today
    if period == "week":
        end = today - timedelta(days=today.weekday())
    elif period == "month":
        end = today.replace(day=1)
    begin = end - timedelta(days={"day": 1, "week": 7, "month": 1}[period])
    if period == "month":
        begin = begin.replace(day=1)
    first, last = (datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone)) for day in (begin, end))
    return round(first.timestamp()) * SECOND, round(last.timestamp()) * SECOND
