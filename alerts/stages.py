"""From the alerts of a group to what its receiver is told now: a list of stages with one signature.

``MESSAGE`` names them in order. Each takes the context and the entries that are left, and returns those that go on;
when nothing is left, nothing is told. What is resolved passes the mutes, so that who heard of a beginning hears of
the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from alerts.entry import Entry, likely_cause
from alerts.matchers import match_all
from alerts.outbox import Told
from alerts.policy import Inhibition, Receiver
from alerts.routing import Group
from alerts.silences import Silence


class Inhibitors:
    """The alerts that fire and can inhibit others, found by the labels that must be equal."""

    def __init__(self, inhibitions: tuple[Inhibition, ...], firing: Iterable[Entry]) -> None:
        self._inhibitions = inhibitions
        self._sources: list[dict[tuple[str, ...], list[Entry]]] = [{} for _ in inhibitions]
        for entry in firing:
            for inhibition, sources in zip(inhibitions, self._sources, strict=True):
                if match_all(inhibition.source, entry.labels):
                    sources.setdefault(_values(inhibition, entry), []).append(entry)

    def inhibitor(self, entry: Entry) -> Entry | None:
        """Return an alert that inhibits this one. An alert that is source and target at once inhibits no such other."""
        for inhibition, sources in zip(self._inhibitions, self._sources, strict=True):
            if not sources or not match_all(inhibition.target, entry.labels):
                continue
            both = match_all(inhibition.source, entry.labels)
            for source in sources.get(_values(inhibition, entry), ()):
                if not (both and match_all(inhibition.target, source.labels)):
                    return source
        return None


@dataclass(slots=True)
class Context:
    """One group at one moment, and what the stages find out about it."""

    now: int
    group: Group
    limits: Receiver
    told: Told
    inhibitors: Inhibitors
    silences: tuple[Silence, ...] = ()
    sent: tuple[int, ...] = ()
    """When this receiver was sent messages lately, the oldest first."""
    undelivered: bool = False
    """Whether an earlier message of the group is still on its way."""
    muted: dict[str, str] = field(default_factory=dict)
    """Fingerprint → what mutes it."""
    gone: frozenset[str] = frozenset()
    """Fingerprints that were told as firing and no longer fire in this group."""
    firing: dict[str, int] = field(default_factory=dict)
    """What the receiver will know after the message."""
    news: tuple[tuple[str, int], ...] = ()
    reason: str = ""
    truncated: int = 0
    not_before: int = 0
    """When the receiver may be told again, if it has been told too much."""


Stage: TypeAlias = Callable[[Context, tuple[Entry, ...]], tuple[Entry, ...]]


def inhibit(context: Context, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Leave out what another alert explains."""
    left: list[Entry] = []
    for entry in entries:
        source = None if entry.fingerprint in context.gone else context.inhibitors.inhibitor(entry)
        if source is None:
            left.append(entry)
        else:
            context.muted[entry.fingerprint] = f"inhibited by {source.labels.get('alertname', '')}"
    return tuple(left)


def silence(context: Context, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Leave out what people asked not to hear of."""
    active = [each for each in context.silences if each.active(context.now)]
    left: list[Entry] = []
    for entry in entries:
        by = None if entry.fingerprint in context.gone else next((s for s in active if s.silences(entry.labels)), None)
        if by is None:
            left.append(entry)
        else:
            context.muted[entry.fingerprint] = f"silenced by {by.author}"
    return tuple(left)


def dedup(context: Context, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Go on only if the receiver does not know it yet, or not for ``repeat_interval``."""
    told = context.told.firing
    context.firing = {name: told[name] for name in context.muted if name in told}
    fresh: list[tuple[str, int]] = []
    for entry in entries:
        if entry.fingerprint in context.gone:
            continue
        context.firing[entry.fingerprint] = entry.episode
        if told.get(entry.fingerprint) != entry.episode:
            fresh.append((entry.fingerprint, entry.episode))
    over = sorted(context.gone) if context.limits.send_resolved else []
    context.news = (*sorted(fresh), *((name, -told[name]) for name in over))
    context.reason = _reason(context, fresh=bool(fresh), over=bool(over))
    if not context.reason:
        return ()
    return entries if over else tuple(entry for entry in entries if entry.fingerprint not in context.gone)


def limit(context: Context, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Hold the message back while the receiver is told too much; what comes meanwhile joins it."""
    if not entries or len(context.sent) < context.limits.messages:
        return entries
    context.not_before = context.sent[-context.limits.messages] + context.limits.per
    return entries if context.not_before <= context.now else ()


def order(context: Context, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Put the likely cause first, and what is over last."""
    return tuple(sorted(entries, key=lambda entry: (entry.fingerprint in context.gone, likely_cause(entry))))


def cut(context: Context, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Keep as many as one message may hold, and count the rest."""
    context.truncated = max(0, len(entries) - context.limits.max_alerts)
    return entries[: context.limits.max_alerts]


MESSAGE: Final[tuple[Stage, ...]] = (inhibit, silence, dedup, limit, order, cut)
"""The stages of every message, in order."""


def run(stages: Iterable[Stage], context: Context, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Send entries through the stages."""
    for stage in stages:
        entries = stage(context, entries)
    return entries


def _reason(context: Context, *, fresh: bool, over: bool) -> str:
    if fresh:
        return "changed" if context.told.firing else "new"
    if over:
        return "changed" if context.firing else "resolved"
    last = context.told.at
    visible = context.firing.keys() - context.muted.keys()
    due = last is not None and context.now >= last + context.group.branch.repeat_interval
    return "repeat" if visible and due and not context.undelivered else ""


def _values(inhibition: Inhibition, entry: Entry) -> tuple[str, ...]:
    labels: Mapping[str, str] = entry.labels
    return tuple(labels.get(name, "") for name in inhibition.equal)
