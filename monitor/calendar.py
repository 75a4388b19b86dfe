"""When a schedule of cron is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from apscheduler.triggers.cron import CronTrigger

from alerts.durations import SECOND

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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
