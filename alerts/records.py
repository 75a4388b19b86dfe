"""What happened, for good: transitions of alerts, and an audit of whatever people and the machine changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Transition:
    """One alert that began or ceased to fire."""

    at: int
    """In the signals' own time."""
    observed_at: int
    """Wall clock when the service found it out."""
    number: int
    """The signal that did it; 0 when none did."""
    fingerprint: str
    rule: str
    model: str
    state: str
    """``firing`` or ``resolved``."""
    because: str
    labels: Mapping[str, str]
    explanation: str


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One change of state, who made it, and why. ``driftline`` made what nobody asked for."""

    at: int
    actor: str
    action: str
    subject: str
    detail: str


def record(connection: sqlite3.Connection, transitions: list[Transition]) -> None:
    """Write transitions down."""
    rows = [
        (each.at, each.observed_at, each.number, each.fingerprint, each.rule, each.model, each.state, each.because,
         msgspec.json.encode(each.labels).decode(), each.explanation)
        for each in transitions
    ]  # fmt: skip
    connection.executemany(
        "INSERT INTO history (at, observed_at, number, fingerprint, rule, model, state, because, labels, explanation)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


def note(connection: sqlite3.Connection, at: int, actor: str, action: str, subject: str, detail: str) -> None:
    """Write an audit line."""
    connection.execute(
        "INSERT INTO audit (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)",
        (at, actor, action, subject, detail),
    )


def read_history(connection: sqlite3.Connection, model: str | None, limit: int) -> list[Transition]:
    """Return the latest transitions, newest first."""
    rows = connection.execute(
        "SELECT at, observed_at, number, fingerprint, rule, model, state, because, labels, explanation FROM history"
        " WHERE ?1 IS NULL OR model = ?1 ORDER BY seq DESC LIMIT ?2",
        (model, limit),
    )
    return [
        Transition(at, observed_at, number, name, rule, about, state, because, json.loads(labels), text)
        for at, observed_at, number, name, rule, about, state, because, labels, text in rows
    ]


def read_audit(connection: sqlite3.Connection, limit: int) -> list[AuditLine]:
    """Return the latest audit lines, newest first."""
    rows = connection.execute(
        "SELECT at, actor, action, subject, detail FROM audit ORDER BY seq DESC LIMIT ?", (limit,)
    )
    return [AuditLine(*row) for row in rows]


def prune(connection: sqlite3.Connection, before: int) -> None:
    """Drop what is older than a time, some of it at each call."""
    for table, column in (("history", "observed_at"), ("audit", "at"), ("shadow", "at")):
        connection.execute(
            f"DELETE FROM {table} WHERE seq IN (SELECT seq FROM {table} WHERE {column} < ? ORDER BY seq LIMIT ?)",  # noqa: S608
            (before, _AT_ONCE),
        )
    connection.execute(
        "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE created_at < ?"
        " AND state IN ('delivered', 'parked') ORDER BY seq LIMIT ?)",
        (before, _AT_ONCE),
    )
    connection.execute("DELETE FROM silences WHERE ends_at < ?", (before,))
