"""Proposals and what is remembered of models, in the alerts' store. Every function works within a transaction."""

from __future__ import annotations

import dataclasses
import sqlite3
from dataclasses import dataclass
from typing import Final, NamedTuple

from alerts.durations import DAY
from alerts.records import note
from alerts.retraining.facts import OwnChange
from alerts.retraining.guardrails import Past
from alerts.retraining.states import OPEN, UNDER_WAY, Proposal

SYSTEM: Final = "driftline"
_NAMES: Final = tuple(field.name for field in dataclasses.fields(Proposal))
_COLUMNS: Final = tuple(f'"{name}"' for name in _NAMES)
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM retraining"  # noqa: S608 - names of columns
_OPEN: Final = ", ".join(f"'{state}'" for state in sorted(OPEN | {"cooldown"}))
_AT_ONCE: Final = 1_000
_CHANGES_KEPT: Final = 100
_KEPT: Final = 400 * DAY


@dataclass(frozen=True, slots=True)
class ModelState:
    """What is remembered of one model beside its proposals.

    Parameters
    ----------
    episode
        The condition's present episode, empty while it does not hold.
    episode_since
        Wall clock when that began.
    held
        Why nothing happens in it, as it was audited last.
    fault_at
        When a fault of the data or the pipeline fired last.
    version, terms, reference
        The live version, the identity of the operator's own settings, and that of what the version is compared with,
        as they were seen last.
    labels_before
        Matured labels at the last request.
    """

    model: str
    episode: str = ""
    episode_since: int = 0
    held: str = ""
    fault_at: int | None = None
    version: str = ""
    terms: str = ""
    reference: str = ""
    labels_before: int = 0


class Pause(NamedTuple):
    """Retraining is paused, of one model or of all (empty ``model``)."""

    model: str
    at: int
    author: str
    because: str


def read_proposal(connection: sqlite3.Connection, name: str) -> Proposal | None:
    """Return one proposal."""
    row = connection.execute(f"{_SELECT} WHERE id = ?", (name,)).fetchone()
    return None if row is None else _proposal(row)


def find_proposal(connection: sqlite3.Connection, prefix: str) -> list[Proposal]:
    """Return the proposals whose id begins so, three at most."""
    if not prefix or not prefix.isalnum():
        return []
    rows = connection.execute(f"{_SELECT} WHERE substr(id, 1, ?) = ? LIMIT 3", (len(prefix), prefix))
    return [_proposal(row) for row in rows]


def read_open(connection: sqlite3.Connection) -> list[Proposal]:
    """Return the proposals that are not over, the oldest first."""
    return [_proposal(row) for row in connection.execute(f"{_SELECT} WHERE state IN ({_OPEN}) ORDER BY created_at, id")]


def read_latest(connection: sqlite3.Connection, model: str | None = None, limit: int = 100) -> list[Proposal]:
    """Return the latest proposals of all models or of one, newest first."""
    rows = connection.execute(
        f"{_SELECT} WHERE ?1 IS NULL OR model = ?1 ORDER BY created_at DESC, id LIMIT ?2", (model, limit)
    )
    return [_proposal(row) for row in rows]


def next_requested(connection: sqlite3.Connection, now: int) -> Proposal | None:
    """Return what is to be sent next: of what may be tried now, the one tried least."""
    row = connection.execute(
        f"{_SELECT} WHERE state = 'requested' AND (not_before <= ?1 OR not_before > ?2)"
        " ORDER BY attempts, since LIMIT 1",
        (now, now + DAY),
    ).fetchone()
    return None if row is None else _proposal(row)


def read_episode(connection: sqlite3.Connection, model: str, episode: str) -> Proposal | None:
    """Return the proposal for an episode."""
    row = connection.execute(f"{_SELECT} WHERE model = ? AND episode = ?", (model, episode)).fetchone()
    return None if row is None else _proposal(row)


def in_flight(connection: sqlite3.Connection, model: str, but: str) -> tuple[str, ...]:
    """Return the ids of a model's proposals that are under way, but for one."""
    states = ", ".join(f"'{state}'" for state in sorted(UNDER_WAY))
    query = f"SELECT id FROM retraining WHERE model = ? AND id <> ? AND state IN ({states}) ORDER BY id"  # noqa: S608
    return tuple(name for (name,) in connection.execute(query, (model, but)))


def past_requests(connection: sqlite3.Connection, model: str, after: int, *, dry_run: bool, but: str) -> list[Past]:
    """Return a model's requests after a time; those of dry runs are counted apart."""
    rows = connection.execute(
        "SELECT requested_at, cost FROM retraining WHERE model = ? AND requested_at > ? AND dry_run = ? AND id <> ?",
        (model, after, dry_run, but),
    )
    return [Past(*row) for row in rows]


def insert(connection: sqlite3.Connection, proposal: Proposal) -> bool:
    """Keep a new proposal; return whether its episode had none."""
    marks = ", ".join("?" * len(_COLUMNS))
    statement = f"INSERT INTO retraining ({', '.join(_COLUMNS)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
    return connection.execute(statement, dataclasses.astuple(proposal)).rowcount > 0


def update(connection: sqlite3.Connection, proposal: Proposal) -> None:
    """Keep a proposal as it is now."""
    changes = ", ".join(f"{name} = ?" for name in _COLUMNS[1:])
    row = (*dataclasses.astuple(proposal)[1:], proposal.id)
    connection.execute(f"UPDATE retraining SET {changes} WHERE id = ?", row)  # noqa: S608


def read_model(connection: sqlite3.Connection, model: str) -> ModelState:
    """Return what is remembered of a model."""
    row = connection.execute("SELECT * FROM retraining_models WHERE model = ?", (model,)).fetchone()
    return ModelState(model) if row is None else ModelState(*row)


def write_model(connection: sqlite3.Connection, state: ModelState) -> None:
    """Keep what is remembered of a model."""
    marks = ", ".join("?" * len(dataclasses.fields(ModelState)))
    connection.execute(
        f"INSERT OR REPLACE INTO retraining_models VALUES ({marks})",  # noqa: S608
        dataclasses.astuple(state),
    )


def read_changes(connection: sqlite3.Connection, model: str) -> tuple[OwnChange, ...]:
    """Return what the operator of a model changed lately, the oldest first."""
    rows = connection.execute("SELECT at, what FROM retraining_changes WHERE model = ? ORDER BY at, what", (model,))
    return tuple(OwnChange(*row) for row in rows)


def note_change(connection: sqlite3.Connection, model: str, change: OwnChange) -> None:
    """Keep an own change; of one model the latest are kept."""
    connection.execute("INSERT OR IGNORE INTO retraining_changes VALUES (?, ?, ?)", (model, change.at, change.what))
    connection.execute(
        "DELETE FROM retraining_changes WHERE model = ?1 AND at < (SELECT at FROM retraining_changes WHERE model = ?1"
        " ORDER BY at DESC LIMIT 1 OFFSET ?2)",
        (model, _CHANGES_KEPT - 1),
    )


def read_pauses(connection: sqlite3.Connection) -> list[Pause]:
    """Return what is paused."""
    rows = connection.execute("SELECT model, at, author, because FROM retraining_pauses ORDER BY model")
    return [Pause(*row) for row in rows]


def write_pause(connection: sqlite3.Connection, pause: Pause) -> None:
    """Pause retraining."""
    connection.execute("INSERT OR REPLACE INTO retraining_pauses VALUES (?, ?, ?, ?)", pause)


def end_pause(connection: sqlite3.Connection, model: str) -> bool:
    """End a pause; return whether there was one."""
    return connection.execute("DELETE FROM retraining_pauses WHERE model = ?", (model,)).rowcount > 0


def decide(connection: sqlite3.Connection, now: int, proposal: Proposal | str, decision: str, detail: str,
           actor: str = SYSTEM) -> None:  # fmt: skip
    """Write a decision to the audit and count it.

    Parameters
    ----------
    proposal
        The proposal, or the model when there is none.
    decision
        One word; ``driftline_retraining_decisions_total`` counts by it.
    """
    model = proposal if isinstance(proposal, str) else proposal.model
    subject = model if isinstance(proposal, str) else f"{model} {proposal.id}"
    note(connection, now, actor, f"retraining {decision}", subject, detail)
    connection.execute(
        "INSERT INTO retraining_counts VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET decisions = decisions + 1",
        (model, decision),
    )


def read_decision(connection: sqlite3.Connection, proposal: Proposal) -> str:
    """Return the latest decision on a proposal in words, empty when there is none in the audit any more."""
    row = connection.execute(
        "SELECT action, detail FROM audit WHERE subject = ? ORDER BY seq DESC LIMIT 1",
        (f"{proposal.model} {proposal.id}",),
    ).fetchone()
    return "" if row is None else f"{row[0].removeprefix('retraining ')}: {row[1]}"


def read_counts(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Return (model, decision) → how often it was taken, since the store began."""
    rows = connection.execute("SELECT model, decision, decisions FROM retraining_counts")
    return {(model, decision): count for model, decision, count in rows}


def remember_callback(connection: sqlite3.Connection, name: str, now: int) -> bool:
    """Keep the id of a callback; return whether it is new."""
    statement = "INSERT INTO retraining_callbacks VALUES (?, ?) ON CONFLICT DO NOTHING"
    return connection.execute(statement, (name, now)).rowcount > 0


def prune(connection: sqlite3.Connection, now: int) -> None:
    """Drop what is long over, some of it at each call; budgets look back 30 days."""
    connection.execute("DELETE FROM retraining_callbacks WHERE at < ?", (now - DAY,))
    connection.execute(
        f"DELETE FROM retraining WHERE id IN (SELECT id FROM retraining WHERE since < ?"  # noqa: S608
        f" AND state NOT IN ({_OPEN}) LIMIT ?)",
        (now - _KEPT, _AT_ONCE),
    )


def _proposal(row: tuple[object, ...]) -> Proposal:
    values = dict(zip(_NAMES, row, strict=True))
    values |= {"dry_run": bool(values["dry_run"]), "sending": bool(values["sending"])}
    return Proposal(**values)  # type: ignore[arg-type]  # as they were written
