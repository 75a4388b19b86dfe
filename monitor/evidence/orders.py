"""What operators ask for and say, in a file of its own that any process may add to.

The pipeline reads orders it has not seen and remembers, with its state, how far it read; so an order takes effect once,
whatever crashes. Orders are never changed or dropped: they are the audit trail.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from monitor.store.port import StateUnavailableError

FILE: Final = "orders.sqlite"
_WAIT: Final = 10.0
OrderKind: TypeAlias = Literal["accept", "useful", "expected", "noise", "event", "promote", "switch", "switch_back"]
MARKS: Final[tuple[OrderKind, ...]] = ("useful", "expected", "noise")
"""What an incident can turn out to have been."""
_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS orders (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        who TEXT NOT NULL,
        kind TEXT NOT NULL,
        model TEXT NOT NULL,
        "column" TEXT NOT NULL,
        until INTEGER NOT NULL,
        because TEXT NOT NULL
    )
"""
_PLACES: Final = """
    CREATE TABLE IF NOT EXISTS places (
        topic TEXT NOT NULL,
        partition INTEGER NOT NULL,
        incarnation TEXT NOT NULL,
        next_offset INTEGER NOT NULL,
        PRIMARY KEY (topic, partition)
    )
"""
READ_MOST: Final = 10_000
"""Events that are kept of one topic, which has them itself; what people said is kept for ever."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading of a topic's partition goes on."""

    partition: int
    incarnation: str
    """Tells the topic from another of the same name."""
    next_offset: int


@dataclass(frozen=True, slots=True)
class Event:
    """A change that a topic told of."""

    model: str
    kind: str
    at: int
    what: str


@dataclass(frozen=True, slots=True)
class Order:
    """One wish or word of an operator."""

    number: int
    at: int
    """Wall clock, microseconds."""
    who: str
    kind: OrderKind
    model: str
    """Empty for an event that concerns all."""
    column: str
    """A column, or one of its rates, such as ``age.missing``, of one slice as ``in_slice`` has it; of an event, what
    kind it is; of a switch of the reference, the event time of its first row (RFC 3339); of a switch back, the number
    of the order that it undoes."""
    until: int
    """Event time, microseconds: the end of what is accepted, the start of the window of the alarm that is marked, the
    time of the event, the end of the rows that were made a reference or are to become one."""
    because: str


def in_slice(column: str, piece: str) -> str:
    """Return what an order calls a column of one slice; of no slice, the column.

    >>> in_slice("recall", "country=fr"), in_slice("recall", "")
    ('recall in country=fr', 'recall')
    """
    return f"{column} in {piece}" if piece else column


class Orders:
    """The file of orders. Every call opens it anew, so it may come from any thread or process."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def add(
        self, *, at: int, who: str, model: str, column: str, until: int, because: str, kind: OrderKind = "accept"
    ) -> int:
        """Add one; return its number.

        Raises
        ------
        StateUnavailableError
            When the file cannot be written.
        """
        statement = 'INSERT INTO orders (at, who, kind, model, "column", until, because) VALUES (?, ?, ?, ?, ?, ?, ?)'
        with self._open() as connection, connection:
            connection.execute(_TABLE)
            cursor = connection.execute(statement, (at, who, kind, model, column, until, because))
            return int(cursor.lastrowid or 0)

    def ensure(self, *, at: int, who: str, model: str, column: str, until: int, because: str, kind: OrderKind) -> int:
        """Add one unless there is one of the same kind and reason; return its number.

        Raises
        ------
        StateUnavailableError
            When the file cannot be read or written.
        """
        for order in self.after(0):
            if (order.kind, order.model, order.because) == (kind, model, because):
                return order.number
        return self.add(at=at, who=who, model=model, column=column, until=until, because=because, kind=kind)

    def after(self, number: int) -> list[Order]:
        """Return the orders that came after one, in order; none while there is no file."""
        if not self.path.exists():
            return []
        with self._open() as connection:
            connection.execute(_TABLE)
            rows = connection.execute(
                'SELECT number, at, who, kind, model, "column", until, because FROM orders WHERE number > ? '
                "ORDER BY number",
                (number,),
            ).fetchall()
        return [Order(*row) for row in rows]

    def read(self, topic: str, events: Sequence[Event], place: Place, at: int) -> None:
        """Add what a topic told and note how far it was read, both or neither; each event once, whatever crashes.

        Raises
        ------
        StateUnavailableError
            When the file cannot be written.
        """
        who = f"topic {topic}"
        statement = 'INSERT INTO orders (at, who, kind, model, "column", until, because) VALUES (?, ?, ?, ?, ?, ?, ?)'
        oldest = "DELETE FROM orders WHERE who = ? AND kind = 'event' AND number NOT IN (SELECT number FROM orders "
        oldest += "WHERE who = ? AND kind = 'event' ORDER BY number DESC LIMIT ?)"
        rows = [(at, who, "event", one.model, one.kind, one.at, one.what) for one in events]
        with self._open() as connection, connection:
            connection.execute(_TABLE)
            connection.execute(_PLACES)
            connection.executemany(statement, rows)
            if rows:
                connection.execute(oldest, (who, who, READ_MOST))
            connection.execute(
                "INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?)",
                (topic, place.partition, place.incarnation, place.next_offset),
            )

    def places(self, topic: str) -> list[Place]:
        """Return how far the partitions of a topic were read; those that never were are absent."""
        if not self.path.exists():
            return []
        with self._open() as connection:
            connection.execute(_PLACES)
            found = connection.execute(
                "SELECT partition, incarnation, next_offset FROM places WHERE topic = ? ORDER BY partition", (topic,)
            )
            return [Place(*row) for row in found.fetchall()]

    def newest(self) -> int:
        """Return the number of the newest order, 0 while there is none."""
        if not self.path.exists():
            return 0
        with self._open() as connection:
            connection.execute(_TABLE)
            return int(connection.execute("SELECT coalesce(max(number), 0) FROM orders").fetchone()[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=_WAIT)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                yield connection
        except (sqlite3.DatabaseError, OSError) as error:
            raise StateUnavailableError(f"{self.path}: {error}") from error
