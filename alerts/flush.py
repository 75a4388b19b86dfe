"""A group's turn: what its receiver does not know yet becomes one message of the outbox, or a line of the shadow's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog

from alerts import outbox
from alerts.entry import Entry, to_alert
from alerts.labels import digest
from alerts.memory import GroupState, Memory
from alerts.notification import Alert, AlertGroup, State
from alerts.policy import Policy
from alerts.rules import SEVERITIES, Rule
from alerts.silences import Silence
from alerts.stages import MESSAGE, Context, Inhibitors, run

log = structlog.get_logger(__name__)
_SHOWN: Final = 5


class Flushed(NamedTuple):
    """What came of a group's turn."""

    message: bool
    """Whether a message was stored."""
    due: int | None
    """When it is its turn again, ``None`` when there is nothing left to say."""


@dataclass(frozen=True, slots=True)
class Flusher:
    """All that groups have in common at one moment."""

    policy: Policy
    rules: Mapping[str, Rule]
    memory: Memory
    inhibitors: Inhibitors
    silences: tuple[Silence, ...]
    disabled: frozenset[str]

    def flush(self, connection: sqlite3.Connection, state: GroupState, now: int) -> Flushed:
        """Give a group its turn."""
        group, interval = state.group, state.group.branch.group_interval
        if group.receiver in self.disabled:
            return Flushed(False, now + interval)
        context, entries = self._context(connection, state, now)
        chosen = run(MESSAGE, context, entries)
        if chosen:
            waiting, _ = outbox.open_messages(connection, group.receiver, group.key)
            stored = self._tell(connection, context, chosen, waiting)
            return Flushed(stored, now + interval)
        if context.not_before > now:
            return Flushed(False, context.not_before)
        if context.gone and not context.limits.send_resolved and not context.reason:
            outbox.correct_told(connection, group.key, context.firing)
        outbox.withdraw(connection, group.receiver, group.key)
        return Flushed(False, now + interval if state.members or context.undelivered else None)

    def _context(
        self, connection: sqlite3.Connection, state: GroupState, now: int
    ) -> tuple[Context, tuple[Entry, ...]]:
        group, limits = state.group, self.policy.receiver(state.group.receiver)
        told = outbox.read_told(connection, group.key)
        lost = [name for name in told.firing if name not in self.memory.entries]
        if lost:
            log.error("alerts that were told are not known any more", group=group.key, alerts=len(lost))
            told = told._replace(firing={name: each for name, each in told.firing.items() if name not in lost})
            outbox.correct_told(connection, group.key, told.firing)
        gone = frozenset(told.firing) - state.members
        entries = tuple(self.memory.entries[name] for name in (*sorted(state.members), *sorted(gone)))
        _, undelivered = outbox.open_messages(connection, group.receiver, group.key)
        sent: tuple[int, ...] = ()
        if not group.shadow:
            sent = tuple(outbox.sent_since(connection, group.receiver, now - limits.per, group.key))
        context = Context(
            now, group, limits, told, self.inhibitors, self.silences, sent, undelivered=undelivered, gone=gone
        )
        return context, entries

    def _tell(
        self, connection: sqlite3.Connection, context: Context, entries: tuple[Entry, ...], waiting: str | None
    ) -> bool:
        group = context.group
        message = "msg_" + digest(_identity(context, str(self.memory.meta.get("origin", ""))), 32)
        if waiting == message:
            return False
        if group.shadow:
            _remember(connection, context, entries)
            outbox.write_told(connection, group.key, context.firing, context.now)
            return False
        content = AlertGroup(
            receiver=group.receiver,
            key=group.key,
            labels=group.labels,
            alerts=tuple(self._alert(entry, context) for entry in entries),
            message_id=message,
            sent_at=context.now,
            truncated=context.truncated,
            url=self.policy.url,
            reason=context.reason,
        )
        outbox.put(connection, content, context.firing)
        return True

    def _alert(self, entry: Entry, context: Context) -> Alert:
        state: State = "resolved" if entry.fingerprint in context.gone else "firing"
        return to_alert(entry, self.rules.get(entry.rule), state, self.policy)


def _identity(context: Context, origin: str) -> list[object]:
    """Return what tells a message from all others, also from those about the same group after it was forgotten.

    Firings are named by the signal that they began with, so they never come again within one sequence of signals. A
    repetition brings no news, and is told from those of earlier firings by what it repeats.
    """
    told = context.told.messages
    return [context.group.key, origin, told, context.reason, context.news, sorted(context.firing.items())]


def _remember(connection: sqlite3.Connection, context: Context, entries: Iterable[Entry]) -> None:
    """Note a message that would have been sent; what is over would have been no page."""
    firing = [entry for entry in entries if entry.fingerprint not in context.gone]
    if not firing:
        return
    worst = min((entry.labels["severity"] for entry in firing), key=SEVERITIES.index)
    names = list(dict.fromkeys(entry.labels["alertname"] for entry in firing))[:_SHOWN]
    models = list(dict.fromkeys(entry.model for entry in firing))[:_SHOWN]
    row = (context.now, ", ".join(models), worst, ", ".join(names), len(context.firing))
    connection.execute("INSERT INTO shadow (at, model, severity, alertname, alerts) VALUES (?, ?, ?, ?, ?)", row)
