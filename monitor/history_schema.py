"""Tables of the history, and the steps from each version of them to the next."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from monitor.store.port import StateVersionError

_FIRST: Final = """
    CREATE TABLE windows (
        model TEXT NOT NULL,
        version TEXT NOT NULL,
        slice TEXT NOT NULL,
        "window" TEXT NOT NULL,
        start INTEGER NOT NULL,
        "end" INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        n INTEGER NOT NULL,
        status TEXT NOT NULL,
        evaluated_at INTEGER NOT NULL,
        findings BLOB NOT NULL,
        PRIMARY KEY (model, version, slice, "window", start)
    );
    CREATE INDEX windows_by_start ON windows (start, "end", model, version, slice, "window");
    CREATE INDEX windows_by_end ON windows ("end");
"""

_ALARMS_QUICKLY: Final = """
    CREATE INDEX windows_in_drift ON windows ("window", start) WHERE status = 'drift';
"""

MIGRATIONS: Final = (_FIRST, _ALARMS_QUICKLY)
"""Step n leads from version n to n + 1; a released step is never changed."""


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a database to the newest version, each step whole or not at all.

    Raises
    ------
    StateVersionError
        When it is newer than this software.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StateVersionError(path, version, len(MIGRATIONS))
    for number, step in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")
