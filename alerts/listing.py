"""Alerts as people ask for them: with what mutes them. Reads the store, so any thread or process may ask."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from alerts.entry import likely_cause, to_alert
from alerts.lifecycle import Phase
from alerts.memory import Memory
from alerts.notification import Alert
from alerts.policy import Policy
from alerts.rules import Rule
from alerts.shadow import in_shadow
from alerts.silences import read_silences
from alerts.stages import Inhibitors


@dataclass(frozen=True, slots=True)
class Listed:
    """One alert and why it is told or not."""

    alert: Alert
    rule: str
    phase: Phase
    since: int | None
    """When it first was in breach, in the signals' time."""
    heard_at: int
    """Wall clock of the last signal about it."""
    silenced_by: tuple[str, ...] = ()
    """Ids of silences."""
    inhibited_by: str = ""
    """Fingerprint of the alert that explains it."""
    shadow: bool = False
    """Whether its model is in shadow."""


def list_alerts(
    connection: sqlite3.Connection,
    memory: Memory,
    policy: Policy,
    rules: Mapping[str, Rule],
    now: int,
    *,
    over: bool = False,
    limit: int | None = None,
) -> list[Listed]:
    """Return pending and firing alerts, and with ``over`` those lately resolved; likely causes first."""
    inhibitors = Inhibitors(policy.inhibitions, memory.firing())
    silences = [silence for silence in read_silences(connection, now) if silence.active(now)]
    listed: list[Listed] = []
    for entry in sorted(memory.entries.values(), key=lambda each: (not each.firing, likely_cause(each))):
        phase = entry.track.machine.phase
        if phase == "inactive" and not (over and entry.because):
            continue
        if limit is not None and len(listed) >= limit:
            break
        source = inhibitors.inhibitor(entry)
        listed.append(
            Listed(
                alert=to_alert(entry, rules.get(entry.rule), "resolved" if phase == "inactive" else "firing", policy),
                rule=entry.rule,
                phase=phase,
                since=entry.track.machine.since,
                heard_at=entry.heard_at,
                silenced_by=tuple(silence.id for silence in silences if silence.silences(entry.labels)),
                inhibited_by="" if source is None else source.fingerprint,
                shadow=in_shadow(policy.shadow, entry.labels, memory.models, now),
            )
        )
    return listed
