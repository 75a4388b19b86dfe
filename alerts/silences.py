"""Silences: for a while, alerts with these labels are not told. Each has an author, a reason and an end."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from alerts.labels import digest
from alerts.matchers import Matcher, match_all, parse_matchers
from alerts.records import note
from alerts.store import Store


class SilenceError(ValueError):
    """A silence that must not be."""


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence; times are wall clock, the end is exclusive."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: int
    ends_at: int
    author: str
    comment: str
    created_at: int

    def active(self, now: int) -> bool:
        """Tell whether it holds now."""
        return self.starts_at <= now < self.ends_at

    def silences(self, labels: Mapping[str, str]) -> bool:
        """Tell whether it speaks of an alert."""
        return match_all(self.matchers, labels)


class Silences:
    """The silences of a store. Every call may come from any thread and from any process."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock

    def add(self, matchers: str, ends_at: int, *, author: str, comment: str, starts_at: int | None = None) -> Silence:
        """Begin a silence.

        Parameters
        ----------
        matchers
            Such as ``model="fraud", alertname=~"FeatureDrift|SliceDrift"``.

        Raises
        ------
        SilenceError
            Without author, comment or matchers, with matchers that match everything, or when it would be over already.
        MatcherError
            When a matcher cannot be understood.
        """
        now = self._clock()
        parsed = parse_matchers(matchers)
        begin = now if starts_at is None else starts_at
        if not author.strip() or not comment.strip():
            raise SilenceError("a silence needs an author and a comment")
        if match_all(parsed, {}):
            raise SilenceError("a silence needs a matcher that does not match the empty label")
        if ends_at <= max(now, begin):
            raise SilenceError("a silence must end after it begins, and in the future")
        silence = Silence(uuid.uuid4().hex[:12], parsed, begin, ends_at, author.strip(), comment.strip(), now)
        with self._store.transaction() as connection:
            write_silence(connection, silence)
        return silence

    def ensure(self, matchers: str, starts_at: int | None, ends_at: int, *, author: str, comment: str) -> str | None:
        """Begin a silence unless the same was begun before; return its id, ``None`` when there was nothing to begin.

        One that somebody ended stays ended.

        Raises
        ------
        MatcherError
            When a matcher cannot be understood.
        """
        now, parsed = self._clock(), parse_matchers(matchers)
        text = ", ".join(map(str, parsed))
        name = digest([text, starts_at, ends_at, author, comment], 12)
        if ends_at <= now:
            return None
        row = (name, text, now if starts_at is None else starts_at, ends_at, author, comment, now)
        with self._store.transaction() as connection:
            if not connection.execute("INSERT OR IGNORE INTO silences VALUES (?, ?, ?, ?, ?, ?, ?)", row).rowcount:
                return None
            note(connection, now, author, "silence", name, f"{text}: {comment}")
        return name

    def expire(self, silence: str, *, author: str) -> bool:
        """End a silence now; return whether there was one to end."""
        with self._store.transaction() as connection:
            return end_silence(connection, silence, self._clock(), author)

    def list(self, *, over: bool = False) -> list[Silence]:
        """Return the silences that hold or will hold, and with ``over`` also those of the past; by their end."""
        with self._store.reading() as connection:
            return read_silences(connection, -1 if over else self._clock())


def write_silence(connection: sqlite3.Connection, silence: Silence) -> None:
    """Keep a new silence, with a line in the audit."""
    text = ", ".join(map(str, silence.matchers))
    row = (silence.id, text, silence.starts_at, silence.ends_at, silence.author, silence.comment, silence.created_at)
    connection.execute("INSERT INTO silences VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    note(connection, silence.created_at, silence.author, "silence", silence.id, f"{text}: {silence.comment}")


def end_silence(connection: sqlite3.Connection, silence: str, now: int, author: str) -> bool:
    """End a silence, with a line in the audit; return whether there was one to end."""
    statement = "UPDATE silences SET ends_at = ?1, starts_at = min(starts_at, ?1) WHERE id = ?2 AND ends_at > ?1"
    found = connection.execute(statement, (now, silence)).rowcount > 0
    if found:
        note(connection, now, author, "expire", silence, "")
    return found


def read_silences(connection: sqlite3.Connection, now: int) -> list[Silence]:
    """Return the silences that end after a time."""
    rows = connection.execute("SELECT * FROM silences WHERE ends_at > ? ORDER BY ends_at, id", (now,))
    return [Silence(name, parse_matchers(text), *rest) for name, text, *rest in rows]
