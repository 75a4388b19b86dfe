"""Reports by the calendar: each time it is due once, the latest of those that nobody was there for too."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from alerts.labels import digest
from alerts.store import Store, StoreUnavailableError
from monitor.calendar import Period, latest_after, period_before
from monitor.config.root import Config, ReportConfig

log = structlog.get_logger(__name__)
_NAMES: Final[dict[Period, str]] = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}


@dataclass(frozen=True, slots=True)
class Due:
    """One report that is to be written; times are microseconds since the epoch."""

    report: ReportConfig
    at: int
    """When it was due."""
    first: int
    last: int
    """Of what it covers."""
    path: Path


Write = Callable[[Due, Path], bool]
"""Writes one report to a file; ``False`` when there is nothing to report from yet."""


class ScheduledReports:
    """The reports of a configuration.

    What was written last stands in the alerts' store. A report that fails, or that fell into a time without a process,
    is written at the next ``turn``: the latest one, once. Its name follows from its time, so writing it again does no
    harm.

    Parameters
    ----------
    write
        Writes one.
    clock
        Wall clock in microseconds.
    """

    def __init__(self, config: Config, store: Store, write: Write, clock: Callable[[], int]) -> None:
        self.reports = tuple(config.reports)
        self._timezone = config.calendar.timezone
        self._store = store
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()

    def turn(self) -> list[Path]:
        """Write what is due; return where. Whoever looks first sees nothing due: a schedule begins with that look.

        What cannot be written is logged, and is due at the next turn.
        """
        with self._lock:
            return [path for report in self.reports if (path := self._one(report)) is not None]

    def _one(self, report: ReportConfig) -> Path | None:
        try:
            due = self._due(report)
            if due is None or not self._written(due):
                return None
            self._note(report, due.at)
        except StoreUnavailableError as error:
            log.warning("it cannot be read which report is due; it is looked at again", problem=str(error))
            return None
        log.info("a report was written", path=str(due.path))
        return due.path

    def _due(self, report: ReportConfig) -> Due | None:
        now = self._clock()
        with self._store.reading() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (_key(report),)).fetchone()
        if row is None:
            self._note(report, now)
            return None
        at = latest_after(report.schedule, self._timezone, int(row[0]), now)
        return None if at is None else due_of(report, self._timezone, at)

    def _written(self, due: Due) -> bool:
        """Write a report whole or not at all, and drop the oldest beyond ``keep``."""
        folder, part = due.path.parent, due.path.with_name(f"{due.path.name}.part")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not self._write(due, part):
                return False
            part.replace(due.path)
            for old in _kept(due.report)[: -due.report.keep]:
                old.unlink()
        except Exception:  # whatever it is, the next turn may work
            log.exception("a report could not be written; it is tried again", folder=str(folder))
            return False
        return True

    def _note(self, report: ReportConfig, at: int) -> None:
        with self._store.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_key(report), at))


def due_of(report: ReportConfig, timezone: str, at: int) -> Due:
    """Return what a report that is due at a time covers, and its file."""
    if report.period is None:
        first, last = at - report.covers, at
        stem = datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y-%m-%dT%H%MZ")
    else:
        first, last = period_before(report.period, timezone, at)
        stem = datetime.fromtimestamp(first / 1e6, ZoneInfo(timezone)).strftime(_NAMES[report.period])
    return Due(report, at, first, last, Path(report.folder) / f"{report.name}-{stem}.{report.format}")


def _kept(report: ReportConfig) -> list[Path]:
    """Return the files of a report, the oldest first."""
    named = re.compile(rf"{re.escape(report.name)}-[0-9]{{4}}-[0-9TWZ-]+\.{report.format}")
    return sorted(path for path in Path(report.folder).iterdir() if named.fullmatch(path.name))


def _key(report: ReportConfig) -> str:
    """Return the name of a report's mark: one that is due at other times is another report."""
    return f"report/{digest([report.folder, report.name, report.format, report.schedule], 16)}"
