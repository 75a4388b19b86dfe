"""Evaluated windows, for good: the one read model behind page, report, rules and replay.

One writer, any number of readers. Every read opens a read-only connection of its own, so it may come from any thread,
sees one state of the history, and never waits for the writer nor holds it up.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from monitor.findings import Finding, WindowResult, worst_status
from monitor.findings_codec import DamagedFindingsError, decode_blocks, decode_findings, decode_one, encode_findings
from monitor.history_schema import migrate
from monitor.sheets import Mark, Sheet
from monitor.store.port import StateUnavailableError

log = structlog.get_logger(__name__)
_T = TypeVar("_T")
_WAIT: Final = 10.0
_PRUNED_AT_ONCE: Final = 500
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_COLUMNS: Final = 'model, version, slice, "window", start, "end", revision, n, findings'
_UPSERT: Final = """
    INSERT INTO windows (model, version, slice, "window", start, "end", revision, n, status, evaluated_at, findings)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (model, version, slice, "window", start) DO UPDATE SET
        "end" = excluded."end", revision = excluded.revision, n = excluded.n, status = excluded.status,
        evaluated_at = excluded.evaluated_at, findings = excluded.findings
    WHERE excluded.revision >= windows.revision
"""
_LATEST: Final = f"""
    SELECT {_COLUMNS} FROM windows JOIN (
        SELECT model, version, slice, "window", max(start) AS start FROM windows
        WHERE ?1 IS NULL OR model = ?1 GROUP BY model, version, slice, "window"
    ) USING (model, version, slice, "window", start)
    ORDER BY model, version, slice, "window"
"""  # noqa: S608 - only constants are put in
_RESULTS: Final = f"""
    SELECT {_COLUMNS} FROM windows
    WHERE (?1 IS NULL OR start >= ?1) AND (?2 IS NULL OR start < ?2) AND (?3 IS NULL OR model = ?3)
    ORDER BY start, "end", model, version, slice, "window"
"""  # noqa: S608 - only constants are put in
_SERIES: Final = """
    SELECT start, "end", revision, n, findings FROM windows
    WHERE model = ? AND version = ? AND slice = ? AND "window" = ? AND start >= ? AND start < ? ORDER BY start
"""
_SHEETS: Final = """
    SELECT start, "end", revision, n, findings FROM windows
    WHERE model = ? AND version = ? AND slice = '' AND "window" = ? AND start >= ? AND start < ?
    ORDER BY start DESC LIMIT ?
"""
_MARKS: Final = """
    SELECT start, "end", n, status FROM windows
    WHERE model = ? AND version = ? AND slice = '' AND "window" = ? AND start >= ? AND start < ?
    ORDER BY start DESC LIMIT ?
"""
_FOREVER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Point:
    """One window's finding within a series."""

    start: int
    end: int
    revision: int
    n: int
    finding: Finding


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much the history holds."""

    windows: int
    bytes: int
    """On disk, with the write-ahead log."""
    first: int | None
    """Start of the earliest window, microseconds since the epoch; ``None`` when there is none."""
    last: int | None
    """End of the latest window."""


class History:
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
        self.path = Path(path)
        self.damaged = 0
        """Windows whose findings could not be read, each time one was asked for."""
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

    def latest(self, model: str | None = None) -> list[WindowResult]:
        """Return the latest window of every model (or of one), version, slice and window length."""
        with self._reading() as reader:
            return list(self._decoded(reader.execute(_LATEST, (model,))))

    def results(
        self, first: int | None = None, last: int | None = None, model: str | None = None
    ) -> Iterator[WindowResult]:
        """Yield windows with ``first <= start < last``, by start, end, model, version, slice and name."""
        with self._reading() as reader:
            yield from self._decoded(reader.execute(_RESULTS, (first, last, model)))

    def series(
        self,
        model: str,
        version: str,
        column: str,
        detector: str,
        window: str,
        first: int | None = None,
        last: int | None = None,
        slice_: str = "",
    ) -> list[Point]:
        """Return one column's findings by one detector over the windows with ``first <= start < last``, in order."""
        start = -_FOREVER if first is None else first
        stop = _FOREVER if last is None else last
        points: list[Point] = []
        with self._reading() as reader:
            for begin, end, revision, n, data in reader.execute(_SERIES, (model, version, slice_, window, start, stop)):
                try:
                    finding = decode_one(data, column, detector)
                except DamagedFindingsError as error:
                    self._note_damage((model, version, slice_, window, begin), error)
                    continue
                if finding is not None:
                    points.append(Point(begin, end, revision, n, finding))
        return points

    def sheets(
        self, model: str, version: str, window: str, first: int | None = None, last: int | None = None, *, limit: int
    ) -> list[Sheet]:
        """Return the latest ``limit`` windows of the whole population with ``first <= start < last``, in order."""
        found: list[Sheet] = []
        span = (-_FOREVER if first is None else first, _FOREVER if last is None else last)
        with self._reading() as reader:
            for start, end, revision, n, data in reader.execute(_SHEETS, (model, version, window, *span, limit)):
                try:
                    found.append(Sheet(start, end, revision, n, decode_blocks(data)))
                except DamagedFindingsError as error:
                    self._note_damage((model, version, "", window, start), error)
        return found[::-1]

    def marks(
        self, model: str, version: str, window: str, first: int | None = None, last: int | None = None, *, limit: int
    ) -> list[Mark]:
        """Return what ``sheets`` does, but only rows and the worst status of each window."""
        span = (-_FOREVER if first is None else first, _FOREVER if last is None else last)
        with self._reading() as reader:
            return [Mark(*row) for row in reader.execute(_MARKS, (model, version, window, *span, limit))][::-1]

    def sizes(self) -> Sizes:
        """Return how much there is."""
        with self._reading() as reader:
            count, first, last = reader.execute('SELECT count(*), min(start), max("end") FROM windows').fetchone()
        files = [self.path, self.path.with_name(f"{self.path.name}-wal")]
        return Sizes(count, sum(file.stat().st_size for file in files if file.exists()), first, last)

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

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(
                sqlite3.connect(
                    f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT, check_same_thread=False
                )
            ) as connection:
                yield connection
        except sqlite3.DatabaseError as error:
            raise StateUnavailableError(f"{self.path}: {error}") from error

    def _decoded(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[WindowResult]:
        for model, version, slice_, window, start, end, revision, n, data in rows:
            try:
                findings = decode_findings(data)
            except DamagedFindingsError as error:
                self._note_damage((model, version, slice_, window, start), error)
                continue
            yield WindowResult(model, version, slice_, window, start, end, revision, n, findings)

    def _note_damage(self, window: tuple[Any, ...], error: DamagedFindingsError) -> None:
        self.damaged += 1
        log.warning("a window of the history is damaged and left out", window=window, problem=str(error))


def _row(result: WindowResult, now: int) -> tuple[Any, ...]:
    head = (result.model, result.version, result.slice, result.window, result.start, result.end, result.revision)
    return (*head, result.n, worst_status(result.findings), now, encode_findings(result.findings))
