"""What runs by the wall clock: pruning history, scheduled retraining and reports. Windows never do."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from alerts.store import StoreUnavailableError
from monitor.config.root import Config
from monitor.history import History
from monitor.reports import ScheduledReports
from monitor.retraining.keeper import RetrainingKeeper

log = structlog.get_logger(__name__)
_HOURS: Final = 1
_SOON: Final = 2
"""Seconds after the start at which reports are looked for that are overdue."""
_AGAIN: Final = 15
"""Seconds between two looks for reports that could not be written when they were due."""


def start_chores(
    config: Config,
    history: History,
    keeper: RetrainingKeeper | None = None,
    reports: ScheduledReports | None = None,
) -> Any:
    """Start the scheduler; a late run is still run, and once, and what fell into a time without a process too.

    Parameters
    ----------
    keeper
        Proposes what is scheduled; without it nothing is.
    reports
        Writes reports that are due.
    """
    make: Any = BackgroundScheduler
    scheduler = make(timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True})
    scheduler.add_job(prune, "interval", hours=_HOURS, args=(history, config.state.history), id="prune")
    if keeper is not None:
        for model in config.models:
            if model.retraining is not None and model.retraining.schedule is not None:
                _propose(keeper, model.name)  # what fell into the time without a process
                when = _cron(model.retraining.schedule, config)
                scheduler.add_job(_propose, when, args=(keeper, model.name), id=f"retrain {model.name}")
    if reports is not None and reports.reports:
        for place, report in enumerate(reports.reports):
            scheduler.add_job(reports.turn, _cron(report.schedule, config), id=f"report {place}")
        soon = datetime.now(UTC) + timedelta(seconds=_SOON)
        scheduler.add_job(reports.turn, "interval", seconds=_AGAIN, id="reports missed", next_run_time=soon)
    scheduler.start()
    return scheduler


def prune(history: History, keep: int) -> int:
    """Drop windows that ended longer ago than ``keep`` microseconds; return how many."""
    return history.prune(round(time.time() * 1e6) - keep)


def _propose(keeper: RetrainingKeeper, model: str) -> None:
    try:
        keeper.due(model)
    except StoreUnavailableError as error:
        log.warning("a scheduled retraining could not be proposed; it is at the next start", problem=str(error))


def _cron(schedule: str, config: Config) -> Any:
    make: Any = CronTrigger.from_crontab
    return make(schedule, timezone=config.calendar.timezone)
