"""What runs by the wall clock: pruning history, scheduled retraining and reports. Windows never do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from alerts.store import StoreUnavailableError
from monitor.config.root import Config, ReportConfig
from monitor.history import History
from monitor.retraining.keeper import RetrainingKeeper

log = structlog.get_logger(__name__)
_HOURS: Final = 1


def start_chores(
    config: Config,
    history: History,
    keeper: RetrainingKeeper | None = None,
    write: Callable[[ReportConfig, Path], None] | None = None,
) -> Any:
    """Start the scheduler; a late run is still run, and once.

    Parameters
    ----------
    keeper
        Proposes what is scheduled; without it nothing is.
    write
        Writes one report to a file.
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
    if write is not None:
        for place, report in enumerate(config.reports):
            when = _cron(report.schedule, config)
            scheduler.add_job(write_report, when, args=(report, write), id=f"report {place}")
    scheduler.start()
    return scheduler


def prune(history: History, keep: int) -> int:
    """Drop windows that ended longer ago than ``keep`` microseconds; return how many."""
    return history.prune(round(time.time() * 1e6) - keep)


def write_report(report: ReportConfig, write: Callable[[ReportConfig, Path], None]) -> Path | None:
    """Write a report whole or not at all, drop the oldest beyond ``keep``; return its path."""
    folder = Path(report.folder)
    path = folder / f"driftline-{time.strftime('%Y-%m-%dT%H%MZ', time.gmtime())}.{report.format}"
    part = path.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(report, part)
        part.replace(path)
        for old in sorted(folder.glob(f"driftline-*.{report.format}"))[: -report.keep]:
            old.unlink()
    except Exception:  # whatever it is, the next report may work
        log.exception("a report could not be written", folder=report.folder)
        return None
    log.info("a report was written", path=str(path))
    return path


def _propose(keeper: RetrainingKeeper, model: str) -> None:
    try:
        keeper.due(model)
    except StoreUnavailableError as error:
        log.warning("a scheduled retraining could not be proposed; it is at the next start", problem=str(error))


def _cron(schedule: str, config: Config) -> Any:
    make: Any = CronTrigger.from_crontab
    return make(schedule, timezone=config.calendar.timezone)
