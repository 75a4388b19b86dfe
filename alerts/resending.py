"""Receivers that forget: an Alertmanager must hear again and again of what fires, and for a while of what is over."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final, Protocol, runtime_checkable

from alerts.durations import MINUTE
from alerts.entry import to_alert
from alerts.memory import Memory
from alerts.notification import Alert, Deadline, Outcome
from alerts.outbox import decode_told
from alerts.policy import Policy
from alerts.rules import Rule

EVERY: Final = 60.0
"""Seconds between two times."""
_OVER_FOR: Final = 5 * MINUTE


@runtime_checkable
class Forgetful(Protocol):
    """A receiver that must be told again."""

    def resend(self, alerts: Iterable[Alert], now: int, deadline: Deadline) -> Outcome:
        """Tell it again of what fires, and of what ended lately."""
        ...


def known_alerts(
    connection: sqlite3.Connection, receiver: str, policy: Policy, rules: Mapping[str, Rule], now: int
) -> list[Alert]:
    """Return what a receiver was told and still fires, and what it was told of and ended within five minutes.

    What is muted and was never told is not among them.
    """
    rows = connection.execute("SELECT told FROM groups WHERE receiver = ? AND key LIKE 'live/%'", (receiver,))
    told = {name for (data,) in rows for name in decode_told(data)}
    known: list[Alert] = []
    for name, entry in sorted(Memory.load(connection).entries.items()):
        lately = bool(entry.because) and now - entry.heard_at <= _OVER_FOR and policy.receiver(receiver).send_resolved
        if entry.firing and name in told:
            known.append(to_alert(entry, rules.get(entry.rule), "firing", policy))
        elif not entry.firing and (name in told or lately):
            known.append(to_alert(entry, rules.get(entry.rule), "resolved", policy))
    return known
