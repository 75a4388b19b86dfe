"""Tables of the alerts' store, and the steps from each version of them to the next."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

_FIRST: Final = """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE alerts (
        fingerprint TEXT PRIMARY KEY, rule TEXT NOT NULL, model TEXT NOT NULL, phase TEXT NOT NULL,
        heard_at INTEGER NOT NULL, entry BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE hours (
        key TEXT NOT NULL, hour INTEGER NOT NULL, slot BLOB NOT NULL, PRIMARY KEY (key, hour)
    ) WITHOUT ROWID;
    CREATE TABLE fronts (key TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE models (key TEXT PRIMARY KEY, first_seen INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE groups (
        key TEXT PRIMARY KEY, receiver TEXT NOT NULL, labels TEXT NOT NULL, due INTEGER, told_at INTEGER,
        messages INTEGER NOT NULL DEFAULT 0, told BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, receiver TEXT NOT NULL, "group" TEXT NOT NULL,
        state TEXT NOT NULL, created_at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
        first_at INTEGER, last_at INTEGER, problem TEXT NOT NULL DEFAULT '',
        content BLOB, told BLOB, body BLOB
    );
    CREATE INDEX outbox_open ON outbox (receiver, "group", seq) WHERE state IN ('waiting', 'frozen');
    CREATE INDEX outbox_by_age ON outbox (receiver, created_at);
    CREATE TABLE receivers (
        name TEXT PRIMARY KEY, failures INTEGER NOT NULL DEFAULT 0, not_before INTEGER NOT NULL DEFAULT 0,
        delivered_at INTEGER, parked_at INTEGER, disabled_at INTEGER, problem TEXT NOT NULL DEFAULT ''
    ) WITHOUT ROWID;
    CREATE TABLE silences (
        id TEXT PRIMARY KEY, matchers TEXT NOT NULL, starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,
        author TEXT NOT NULL, comment TEXT NOT NULL, created_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE commands (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
        subject TEXT NOT NULL, because TEXT NOT NULL
    );
    CREATE TABLE history (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, observed_at INTEGER NOT NULL,
        number INTEGER NOT NULL, fingerprint TEXT NOT NULL, rule TEXT NOT NULL, model TEXT NOT NULL,
        state TEXT NOT NULL, because TEXT NOT NULL, labels TEXT NOT NULL, explanation TEXT NOT NULL
    );
    CREATE INDEX history_by_model ON history (model, seq);
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
        subject TEXT NOT NULL, detail TEXT NOT NULL
    );
    CREATE TABLE shadow (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, model TEXT NOT NULL, severity TEXT NOT NULL,
        alertname TEXT NOT NULL, alerts INTEGER NOT NULL
    );
"""

_COUNTED: Final = """
    ALTER TABLE receivers ADD COLUMN deliveries INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE receivers ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE receivers ADD COLUMN parkings INTEGER NOT NULL DEFAULT 0;
"""

_RETRAINING: Final = """
    CREATE TABLE retraining (
        id TEXT PRIMARY KEY, model TEXT NOT NULL, owner TEXT NOT NULL, version TEXT NOT NULL, episode TEXT NOT NULL,
        "trigger" TEXT NOT NULL, because TEXT NOT NULL, state TEXT NOT NULL, since INTEGER NOT NULL,
        created_at INTEGER NOT NULL, dry_run INTEGER NOT NULL, target TEXT NOT NULL, evidence TEXT NOT NULL,
        approved_by TEXT NOT NULL, approved_at INTEGER, requested_at INTEGER, request BLOB,
        attempts INTEGER NOT NULL, sending INTEGER NOT NULL, not_before INTEGER NOT NULL, run TEXT NOT NULL,
        url TEXT NOT NULL, new_version TEXT NOT NULL, adopted_at INTEGER, freeze TEXT NOT NULL,
        outcome TEXT NOT NULL, problem TEXT NOT NULL, cost REAL NOT NULL, until INTEGER, UNIQUE (model, episode)
    ) WITHOUT ROWID;
    CREATE INDEX retraining_by_state ON retraining (state, created_at);
    CREATE INDEX retraining_by_request ON retraining (model, requested_at);
    CREATE TABLE retraining_models (
        model TEXT PRIMARY KEY, episode TEXT NOT NULL, episode_since INTEGER NOT NULL, held TEXT NOT NULL,
        fault_at INTEGER, version TEXT NOT NULL, terms TEXT NOT NULL, changed_at INTEGER, changed TEXT NOT NULL,
        labels_before INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE retraining_pauses (
        model TEXT PRIMARY KEY, at INTEGER NOT NULL, author TEXT NOT NULL, because TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE retraining_callbacks (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE retraining_counts (
        model TEXT NOT NULL, decision TEXT NOT NULL, decisions INTEGER NOT NULL, PRIMARY KEY (model, decision)
    ) WITHOUT ROWID;
"""

_SWITCHED: Final = """
    ALTER TABLE retraining ADD COLUMN "switch" TEXT NOT NULL DEFAULT '';
    ALTER TABLE retraining ADD COLUMN learn_from INTEGER;
    ALTER TABLE retraining ADD COLUMN learn_until INTEGER;
    ALTER TABLE retraining ADD COLUMN switched_at INTEGER;
"""

_CHANGES: Final = """
    CREATE TABLE retraining_changes (
        model TEXT NOT NULL, at INTEGER NOT NULL, what TEXT NOT NULL, PRIMARY KEY (model, at, what)
    ) WITHOUT ROWID;
    INSERT INTO retraining_changes
        SELECT model, changed_at, changed FROM retraining_models WHERE changed_at IS NOT NULL;
    CREATE TABLE retraining_known (
        model TEXT PRIMARY KEY, episode TEXT NOT NULL, episode_since INTEGER NOT NULL, held TEXT NOT NULL,
        fault_at INTEGER, version TEXT NOT NULL, terms TEXT NOT NULL, reference TEXT NOT NULL,
        labels_before INTEGER NOT NULL
    ) WITHOUT ROWID;
    INSERT INTO retraining_known
        SELECT model, episode, episode_since, held, fault_at, version, terms, '', labels_before FROM retraining_models;
    DROP TABLE retraining_models;
    ALTER TABLE retraining_known RENAME TO retraining_models;
"""

MIGRATIONS: Final = (_FIRST, _COUNTED, _RETRAINING, _SWITCHED, _CHANGES)
"""Step n leads from version n to n + 1; a released step is never changed."""


class StoreVersionError(Exception):
    """A newer version of the software wrote the store."""

    def __init__(self, path: Path, found: int) -> None:
        super().__init__(
            f"{path}: alerts of version {found}, but this software knows {len(MIGRATIONS)}; install a newer"
        )


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a store to the newest version, each step whole or not at all.

    Raises
    ------
    StoreVersionError
        When it is newer than this software.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StoreVersionError(path, version)
    for number, step in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")
