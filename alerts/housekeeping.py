"""What keeps the store from growing: alerts that nobody hears of, hours and windows long past, old records."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from alerts import records
from alerts.durations import spoken
from alerts.entry import Entry, limits_of
from alerts.judging import end
from alerts.lifecycle import is_quiet
from alerts.memory import Memory
from alerts.outbox import read_all_told
from alerts.records import Transition
from alerts.rules import Rule
from alerts.week import place

_WEEKS_KEPT = 8


def forgotten(memory: Memory, rules: Mapping[str, Rule], now: int) -> list[Transition]:
    """End the alerts whose rule is gone, or that no signal was heard of for too long."""
    transitions: list[Transition] = []
    for entry in list(memory.entries.values()):
        because = _why_forgotten(entry, rules.get(entry.rule), now)
        if not because:
            continue
        if entry.firing:
            transitions.append(end(memory, entry, now, because))
        elif entry.track.machine.phase == "pending":
            memory.drop(entry.fingerprint)
    return transitions


def tidy(connection: sqlite3.Connection, memory: Memory, rules: Mapping[str, Rule], now: int, keep: int) -> None:
    """Drop what is over and told, and what is older than ``keep``."""
    told = read_all_told(connection)
    for entry in list(memory.entries.values()):
        rule = rules.get(entry.rule)
        idle = entry.track.machine.phase == "inactive" and entry.fingerprint not in told
        if idle and (rule is None or is_quiet(limits_of(rule), entry.track, now)):
            memory.drop(entry.fingerprint)
    _, week = place(now)
    memory.forget(before=now - keep, before_week=week - _WEEKS_KEPT)
    records.prune(connection, now - keep)


def _why_forgotten(entry: Entry, rule: Rule | None, now: int) -> str:
    if rule is None:
        return "its rule is gone"
    if rule.forget_after is not None and now - entry.heard_at > rule.forget_after:
        return f"forgotten: nothing was heard of it for {spoken(rule.forget_after)}"
    return ""
