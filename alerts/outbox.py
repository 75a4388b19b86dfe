"""Messages, stored before they are sent.

A message *waits* until its first attempt; until then news about its group replaces it, so the last state wins. With
the first attempt its body and id are *frozen*, and what the group's receiver was told is noted in the same
transaction. A group has at most one of each, in this order. So while a receiver is down, its outbox does not grow.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
import structlog

from alerts.notification import AlertGroup
from alerts.records import note
from alerts.seal import BrokenSealError, seal, unseal

log = structlog.get_logger(__name__)
PARKED_KEPT: Final = 1_000
"""Parked messages that are kept of each receiver."""
_DOUBTFUL: Final = -1
"""As the name of a firing: it may or may not have been heard."""
_GROUP: Final = msgspec.msgpack.Decoder(AlertGroup)
_TOLD: Final = msgspec.msgpack.Decoder(dict[str, int])
_NEXT: Final = """
    SELECT seq, id, "group", state, created_at, attempts, first_at, content, body FROM outbox AS each
    WHERE receiver = ? AND state IN ('waiting', 'frozen') AND NOT EXISTS (
        SELECT 1 FROM outbox AS earlier WHERE earlier.receiver = each.receiver AND earlier."group" = each."group"
        AND earlier.state IN ('waiting', 'frozen') AND earlier.seq < each.seq)
    ORDER BY attempts, seq LIMIT 1
"""
_HEALTH: Final = """
    SELECT receiver, count(*), min(created_at) FROM outbox WHERE state IN ('waiting', 'frozen') GROUP BY receiver
"""


class Told(NamedTuple):
    """What a group's receiver knows: fingerprints that fire, with the numbers that name their firings."""

    firing: Mapping[str, int]
    at: int | None
    """When it was told last."""
    messages: int
    """How many it was told."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the outbox."""

    seq: int
    id: str
    group: str
    frozen: bool
    created_at: int
    attempts: int
    first_at: int | None
    content: bytes | None
    body: bytes | None

    def decoded(self) -> AlertGroup:
        """Return what is to be told, before it is frozen."""
        return _GROUP.decode(self.content or b"")


@dataclass(frozen=True, slots=True)
class Health:
    """How delivery to one receiver goes."""

    receiver: str
    open: int = 0
    """Messages that are not delivered yet."""
    oldest: int | None = None
    failures: int = 0
    """Failed attempts in a row."""
    not_before: int = 0
    delivered_at: int | None = None
    parked_at: int | None = None
    disabled_at: int | None = None
    problem: str = ""
    deliveries: int = 0
    """Messages that got through since the store was made."""
    retries: int = 0
    """Attempts that failed and were to be repeated."""
    parkings: int = 0
    """Messages that were given up."""

    @property
    def parked(self) -> bool:
        """Whether a message was given up after the last that was delivered."""
        return self.parked_at is not None and (self.delivered_at is None or self.delivered_at < self.parked_at)


def encode_told(firing: Mapping[str, int]) -> bytes:
    """Return what a receiver was told as bytes."""
    return seal(msgspec.msgpack.encode(firing))


def decode_told(data: bytes) -> dict[str, int]:
    """Return what a receiver was told; nothing when the bytes are damaged, so that it is told anew."""
    with suppress(BrokenSealError, msgspec.MsgspecError):
        return _TOLD.decode(unseal(data))
    log.error("what a receiver was told is damaged; it is told anew")
    return {}


def read_told(connection: sqlite3.Connection, group: str) -> Told:
    """Return what a group's receiver was told, frozen messages included."""
    row = connection.execute("SELECT told, told_at, messages FROM groups WHERE key = ?", (group,)).fetchone()
    return Told({}, None, 0) if row is None else Told(decode_told(row[0]), row[1], row[2])


def read_all_told(connection: sqlite3.Connection) -> set[str]:
    """Return the fingerprints that any receiver was told as firing."""
    return {name for (data,) in connection.execute("SELECT told FROM groups") for name in decode_told(data)}


def write_told(connection: sqlite3.Connection, group: str, firing: Mapping[str, int], now: int) -> None:
    """Note what a group's receiver was told."""
    connection.execute(
        "UPDATE groups SET told = ?, told_at = ?, messages = messages + 1 WHERE key = ?",
        (encode_told(firing), now, group),
    )


def correct_told(connection: sqlite3.Connection, group: str, firing: Mapping[str, int]) -> None:
    """Change what a group's receiver counts as knowing, without a message."""
    connection.execute("UPDATE groups SET told = ? WHERE key = ?", (encode_told(firing), group))


def open_messages(connection: sqlite3.Connection, receiver: str, group: str) -> tuple[str | None, bool]:
    """Return the id of a group's waiting message, and whether it has a frozen one."""
    rows = connection.execute(
        "SELECT state, id FROM outbox WHERE receiver = ? AND \"group\" = ? AND state IN ('waiting', 'frozen')",
        (receiver, group),
    ).fetchall()
    ids: dict[str, str] = dict(rows)
    return ids.get("waiting"), "frozen" in ids


def put(connection: sqlite3.Connection, content: AlertGroup, firing: Mapping[str, int]) -> None:
    """Store a message; a waiting one of its group is replaced."""
    connection.execute(
        "DELETE FROM outbox WHERE receiver = ? AND \"group\" = ? AND state = 'waiting'", (content.receiver, content.key)
    )
    connection.execute(
        'INSERT INTO outbox (id, receiver, "group", state, created_at, content, told)'
        " VALUES (?, ?, ?, 'waiting', ?, ?, ?)",
        (content.message_id, content.receiver, content.key, content.sent_at, msgspec.msgpack.encode(content),
         encode_told(firing)),
    )  # fmt: skip


def withdraw(connection: sqlite3.Connection, receiver: str, group: str) -> None:
    """Drop a group's waiting message, since what it says is over and nobody heard of it."""
    connection.execute(
        "DELETE FROM outbox WHERE receiver = ? AND \"group\" = ? AND state = 'waiting'", (receiver, group)
    )


def sent_since(connection: sqlite3.Connection, receiver: str, since: int, group: str) -> list[int]:
    """Return when the messages to a receiver after a time were made, the oldest first.

    What waits in ``group`` does not count, since the next message of that group replaces it.
    """
    rows = connection.execute(
        "SELECT created_at FROM outbox WHERE receiver = ? AND created_at > ?"
        " AND NOT (\"group\" = ? AND state = 'waiting') ORDER BY created_at",
        (receiver, since, group),
    )
    return [at for (at,) in rows]


def next_message(connection: sqlite3.Connection, receiver: str) -> Message | None:
    """Return what a receiver is to be told next: of the oldest message of each group, the one tried least."""
    row = connection.execute(_NEXT, (receiver,)).fetchone()
    if row is None:
        return None
    seq, name, group, state, *rest = row
    return Message(seq, name, group, state == "frozen", *rest)


def freeze(connection: sqlite3.Connection, message: Message, body: bytes, now: int) -> bool:
    """Make a waiting message final; return whether it was still there as it was read."""
    found = connection.execute(
        "UPDATE outbox SET state = 'frozen', body = ?, first_at = ?, content = NULL"
        " WHERE seq = ? AND id = ? AND state = 'waiting' RETURNING told",
        (body, now, message.seq, message.id),
    ).fetchone()
    if found is None:
        return False
    write_told(connection, message.group, decode_told(found[0]), now)
    return True


def delivered(connection: sqlite3.Connection, receiver: str, message: Message, now: int) -> None:
    """Note that a receiver has a message."""
    _close(connection, message, "delivered", "", now)
    connection.execute(
        "INSERT INTO receivers (name, delivered_at, deliveries) VALUES (?1, ?2, 1) ON CONFLICT (name) DO UPDATE SET"
        " failures = 0, not_before = 0, delivered_at = ?2, problem = '', deliveries = deliveries + 1",
        (receiver, now),
    )


def failed(connection: sqlite3.Connection, receiver: str, message: Message, problem: str, now: int, until: int) -> None:
    """Note that an attempt failed, and that the receiver is left alone until a time."""
    connection.execute(
        "UPDATE outbox SET attempts = attempts + 1, last_at = ?, problem = ? WHERE seq = ?", (now, problem, message.seq)
    )
    connection.execute(
        "INSERT INTO receivers (name, failures, not_before, problem, retries) VALUES (?1, 1, ?2, ?3, 1)"
        " ON CONFLICT (name) DO UPDATE SET failures = failures + 1, not_before = ?2, problem = ?3,"
        " retries = retries + 1",
        (receiver, until, problem),
    )


def parked(
    connection: sqlite3.Connection, receiver: str, message: Message, problem: str, now: int, *, disable: bool = False
) -> None:
    """Give a message up; with ``disable`` the receiver hears nothing more until it is enabled."""
    _close(connection, message, "parked", problem, now)
    connection.execute(
        "INSERT INTO receivers (name, parked_at, disabled_at, problem, parkings) VALUES (?1, ?2, ?3, ?4, 1)"
        " ON CONFLICT (name) DO UPDATE SET parked_at = ?2, disabled_at = ifnull(?3, disabled_at), problem = ?4,"
        " parkings = parkings + 1",
        (receiver, now, now if disable else None, problem),
    )
    connection.execute(
        "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE receiver = ? AND state = 'parked'"
        " ORDER BY seq DESC LIMIT -1 OFFSET ?)",
        (receiver, PARKED_KEPT),
    )
    note(connection, now, "driftline", "disable" if disable else "park", f"{receiver} {message.id}", problem)


def enable(connection: sqlite3.Connection, receiver: str) -> None:
    """Let a receiver hear again: all that fires is told anew, and what it was told before and is over, as resolved."""
    connection.execute(
        "UPDATE receivers SET disabled_at = NULL, parked_at = NULL, failures = 0, not_before = 0, problem = ''"
        " WHERE name = ?",
        (receiver,),
    )
    connection.execute("DELETE FROM outbox WHERE receiver = ? AND state IN ('waiting', 'frozen')", (receiver,))
    for group, data in connection.execute("SELECT key, told FROM groups WHERE receiver = ?", (receiver,)).fetchall():
        doubtful = dict.fromkeys(decode_told(data), _DOUBTFUL)
        correct_told(connection, group, doubtful)


def read_health(connection: sqlite3.Connection, receivers: Iterable[str]) -> dict[str, Health]:
    """Return how delivery goes, for each receiver."""
    waiting = {name: (count, oldest) for name, count, oldest in connection.execute(_HEALTH)}
    known = {row[0]: row[1:] for row in connection.execute(
        "SELECT name, failures, not_before, delivered_at, parked_at, disabled_at, problem, deliveries, retries,"
        " parkings FROM receivers"
    )}  # fmt: skip
    fresh = (0, 0, None, None, None, "", 0, 0, 0)
    return {name: Health(name, *waiting.get(name, (0, None)), *known.get(name, fresh)) for name in receivers}


def _close(connection: sqlite3.Connection, message: Message, state: str, problem: str, now: int) -> None:
    connection.execute(
        "UPDATE outbox SET state = ?, attempts = attempts + 1, last_at = ?, problem = ?,"
        " content = NULL, told = NULL, body = CASE WHEN ?1 = 'parked' THEN body END WHERE seq = ?",
        (state, now, problem, message.seq),
    )
