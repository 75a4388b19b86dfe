"""Evaluated windows, for good: the one read model behind page, report, rules and replay.

One writer, any number of readers. Every read opens a read-only connection of its own, so it may come from any thread,
sees one state of the history, and never waits for the writer nor holds it up.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import structlog

from monitor.findings import WindowResult, worst_status
from monitor.findings_codec import encode_findings
from monitor.history_reader import HistoryReader
from monitor.history_schema import migrate
from monitor.store.port import StateUnavailableError

log = structlog.get_logger(__name__)
_T = TypeVar("_T")
_WAIT: Final = 10.0
_PRUNED_AT_ONCE: Final = 500
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UPSERT: Final = """
    INSERT INTO windows (model, version, slice, "window", start, "end", revision, n, status, evaluated_at, findings)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (model, version, slice, "window", start) DO UPDATE SET
        "end" = excluded."end", revision = excluded.revision, n = excluded.n, status = excluded.status,
        evaluated_at = excluded.evaluated_at, findings = excluded.findings
    WHERE excluded.revision >= windows.revision
"""


class History(HistoryReader):
    """The history in one SQLite file.

    A file that is damaged is put aside and a new one begun, loudly: what is shown of the past is lost, nothing else.
    ``upsert`` and ``prune`` may be called from any thread.

    Parameters
    ----------
    clock
        Wall clock in microseconds, for ``evaluated_at``.

    Raises
    ------
    StateUnavailableError
        When the file cannot be read and written.
    StateVersionError
        When a newer version of the software wrote it.
    """

    def __init__(self, path: str | os.PathLike[str], clock: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        super().__init__(path)
        self._clock = clock
        self._lock = threading.Lock()
        self._connection = self._connect()

    def upsert(self, results: Iterable[WindowResult]) -> None:
        """Put windows in, all or none; one of an earlier revision never replaces one of a later.

        Raises
        ------
        StateUnavailableError
            When they cannot be written; putting the same in again does no harm.
        """
        now = self._clock()
        rows = [_row(result, now) for result in results]
        self._write(lambda connection: connection.executemany(_UPSERT, rows))

    def prune(self, before: int) -> int:
        """Drop the windows that ended before a time, a few at a time; return how many."""
        statement = 'DELETE FROM windows WHERE rowid IN (SELECT rowid FROM windows WHERE "end" < ? LIMIT ?)'
        total = 0
        while True:
            dropped = self._write(lambda connection: connection.execute(statement, (before, _PRUNED_AT_ONCE)).rowcount)
            total += dropped
            if dropped < _PRUNED_AT_ONCE:
                return total

    def close(self) -> None:
        """Let go of the file; calling it twice does no harm."""
        with self._lock:
            self._connection.close()

    def _write(self, action: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._lock:
            try:
                return self._transact(action)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode not in _DAMAGE:
                    raise StateUnavailableError(f"{self.path}: {error}") from error
                self._put_aside(error)
            return self._transact(action)

    def _transact(self, action: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._connection:
            return action(self._connection)

    def _connect(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return self._open()
        except OSError as error:
            raise StateUnavailableError(f"{self.path}: {error.strerror}") from error
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode not in _DAMAGE:
                raise StateUnavailableError(f"{self.path}: {error}") from error
            self._put_aside(error, reconnect=False)
            return self._open()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_WAIT, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {16 << 20}")
            migrate(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _put_aside(self, error: sqlite3.DatabaseError, *, reconnect: bool = True) -> None:
        log.error("the history is damaged; a new one is begun", path=str(self.path), problem=str(error))
        if reconnect:
            self._connection.close()
        for suffix in ("", "-wal", "-shm"):
            file = self.path.with_name(self.path.name + suffix)
            if file.exists():
                file.replace(self.path.with_name(f"{self.path.name}.damaged{suffix}"))
        if reconnect:
            self._connection = self._open()


def _row(result: WindowResult, now: int) -> tuple[Any, ...]:
    head = (result.model, result.version, result.slice, result.window, result.start, result.end, result.revision)
    return (*head, result.n, worst_status(result.findings), now, encode_findings(result.findings))
