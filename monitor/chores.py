"""What runs by the wall clock: pruning history. Windows never do."""

from __future__ import annotations

import time
from typing import Any, Final

from apscheduler.schedulers.background import BackgroundScheduler

from monitor.config.root import Config
from monitor.history import History

_HOURS: Final = 1


def start_chores(config: Config, history: History) -> Any:
    """Start the scheduler; a late run is still run, and once."""
    make: Any = BackgroundScheduler
    scheduler = make(timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True})
    scheduler.add_job(prune, "interval", hours=_HOURS, args=(history, config.state.history), id="prune")
    scheduler.start()
    return scheduler


def prune(history: History, keep: int) -> int:
    """Drop windows that ended longer ago than ``keep`` microseconds; return how many."""
    return history.prune(round(time.time() * 1e6) - keep)
