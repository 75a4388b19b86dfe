"""The file behind the alerts: one SQLite database in WAL mode, written whole or not at all.

One writer (``transaction``), one connection for every receiver's thread (``connect``), and readers that never wait.
Several processes may use it: the command line adds silences and commands beside the service.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import structlog

from alerts.schema import migrate

log = structlog.get_logger(__name__)
_WAIT: Final = 10.0
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class StoreUnavailableError(Exception):
    """The store cannot be read or written now; nothing was changed, and trying again later is right."""


class StoreDamagedError(StoreUnavailableError):
    """The store was damaged. It has been put aside and a new one begun; what was asked for was not done."""


class Store:
    """The alerts' store in one file.

    A damaged file is put aside as ``*.damaged`` and a new one begun, loudly. Firing alerts then fire anew.

    Raises
    ------
    StoreUnavailableError
        When the file cannot be opened.
    StoreVersionError
        When a newer version of the software wrote it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.begun_anew = 0
        """How often a damaged file was put aside. Connections from before must be made again."""
        self._lock = threading.RLock()
        self._connection = self._first_connection()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write through the one writing connection; all of it stands at the end, or none.

        Raises
        ------
        StoreDamagedError
            When the file turns out to be damaged.
        StoreUnavailableError
            When it cannot be written.
        """
        with self._lock:
            try:
                with transacting(self._connection) as connection:
                    yield connection
            except sqlite3.DatabaseError as error:
                if _code(error) in _DAMAGE:
                    self._connection.close()
                    self._put_aside(error)
                    self._connection = self._open()
                    raise StoreDamagedError(f"{self.path}: {error}") from error
                raise StoreUnavailableError(f"{self.path}: {error}") from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open a connection that only reads, for any thread; it sees one state throughout.

        Raises
        ------
        StoreUnavailableError
            When the file cannot be read.
        """
        address = f"{self.path.absolute().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=_WAIT, check_same_thread=False)) as connection:
                connection.isolation_level = None
                connection.execute("BEGIN")
                yield connection
        except sqlite3.DatabaseError as error:
            raise StoreUnavailableError(f"{self.path}: {error}") from error

    def look(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of one query, quickly; for the writer's own thread.

        Raises
        ------
        StoreUnavailableError
            When the file cannot be read.
        """
        with self._lock:
            try:
                return self._connection.execute(statement).fetchall()
            except sqlite3.DatabaseError as error:
                raise StoreUnavailableError(f"{self.path}: {error}") from error

    def connect(self) -> sqlite3.Connection:
        """Return a writing connection of one's own; the caller closes it."""
        connection = sqlite3.connect(self.path, timeout=_WAIT, check_same_thread=False, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Let go of the file; calling it twice does no harm."""
        with self._lock:
            self._connection.close()

    def _first_connection(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return self._open()
        except OSError as error:
            raise StoreUnavailableError(f"{self.path}: {error.strerror}") from error
        except sqlite3.DatabaseError as error:
            if _code(error) not in _DAMAGE:
                raise StoreUnavailableError(f"{self.path}: {error}") from error
            self._put_aside(error)
            return self._open()

    def _open(self) -> sqlite3.Connection:
        connection = self.connect()
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA journal_size_limit = {16 << 20}")
            migrate(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _put_aside(self, error: sqlite3.DatabaseError) -> None:
        log.error("the store of alerts is damaged; a new one is begun", path=str(self.path), problem=str(error))
        for suffix in ("", "-wal", "-shm"):
            file = self.path.with_name(self.path.name + suffix)
            if file.exists():
                file.replace(self.path.with_name(f"{self.path.name}.damaged{suffix}"))
        self.begun_anew += 1


@contextmanager
def transacting(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Make everything within stand at the end, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _code(error: sqlite3.DatabaseError) -> int:
    """Return SQLite's primary error code, 0 when the error came from the module itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
