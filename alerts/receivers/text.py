"""What a message tells people, before any receiver dresses it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from alerts import annotations as names
from alerts.notification import Alert, AlertGroup, State
from alerts.receivers.size import plain
from alerts.receivers.times import for_people

MOST_ENTRIES: Final = 25
"""Alerts of a message that are told one by one at most: nobody reads more."""
_MOST_LABELS: Final = 12
_MOST_URL: Final = 1000
_URL: Final = re.compile(r"https?://[!-~]+", re.IGNORECASE)
_SEVERITIES: Final = ("page", "warn", "info")
_NOT_SHOWN: Final = frozenset({"alertname", "severity"})


@dataclass(frozen=True, slots=True)
class Link:
    """A link and its name."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One alert as it is told."""

    heading: str
    state: State
    facts: tuple[tuple[str, str], ...]
    """What is told and what it says, in order: what moved, how sure, since when, the likely effect, the next step."""
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A group of alerts as it is told. All texts are on one line and hold nothing invisible."""

    title: str
    state: State
    severity: str
    """The gravest of those that fire, or of all when none fires."""
    entries: tuple[Entry, ...]
    left_out: int
    """Alerts of the group that are not told one by one."""
    sent: str
    links: tuple[Link, ...]

    @property
    def remainder(self) -> str:
        """How many are left out, in words; nothing when none is."""
        if not self.left_out:
            return ""
        return f"{self.left_out:,} more {'alert is' if self.left_out == 1 else 'alerts are'} not shown."


def compose(group: AlertGroup, entries: int, width: int) -> Message:
    """Return what the first alerts of a group tell, every text cut to ``width`` characters."""
    shown = group.alerts[:entries]
    state = group.state
    return Message(
        title=plain(_title(group, width), max(width, 60)),
        state=state,
        severity=gravest(group),
        entries=tuple(_entry(alert, width) for alert in shown),
        left_out=len(group.alerts) - len(shown) + group.truncated,
        sent=for_people(group.sent_at),
        links=_links(("Overview", group.url)),
    )


def gravest(group: AlertGroup) -> str:
    """Return the gravest severity of the alerts that fire, or of all when none does."""
    firing = {alert.severity for alert in group.alerts if alert.state == "firing"}
    found = firing or {alert.severity for alert in group.alerts}
    return next((severity for severity in _SEVERITIES if severity in found), "warn")


def in_words(message: Message) -> str:
    """Return a message as plain text."""
    lines = [message.title, ""]
    for entry in message.entries:
        lines.append(f"[{entry.state.upper()}] {entry.heading}")
        lines += [f"  {name}: {value}" for name, value in entry.facts]
        lines += [f"  {link.name}: {link.url}" for link in entry.links]
        lines.append("")
    lines += [line for line in (message.remainder, *(f"{link.name}: {link.url}" for link in message.links)) if line]
    lines.append(f"Sent {message.sent}.")
    return "\n".join(lines) + "\n"


def _title(group: AlertGroup, width: int) -> str:
    states = Counter(alert.state for alert in group.alerts)
    count = states[group.state] + (group.truncated if group.state == "firing" or not states["firing"] else 0)
    kinds = {alert.name for alert in group.alerts}
    what = next(iter(kinds)) if len(kinds) == 1 else f"{len(kinds)} kinds of alert"
    where = [plain(value, 40) for name, value in sorted(group.labels.items()) if name not in _NOT_SHOWN][:4]
    mark = f"{group.state.upper()}{f' {count:,}' if count > 1 else ''}"
    return f"[{mark}] {plain(what, width)}{': ' if where else ''}{', '.join(where)}"


def _entry(alert: Alert, width: int) -> Entry:
    notes = alert.annotations
    heading = notes.get(names.SUMMARY) or alert.name or "alert"
    parts = (("", names.MOVED), ("from ", names.FROM), ("to ", names.TO))
    moved = " ".join(f"{word}{plain(notes[name], width)}" for word, name in parts if notes.get(name))
    labels = [(name, value) for name, value in sorted(alert.labels.items()) if name not in _NOT_SHOWN]
    shown = ", ".join(f"{plain(name, 40)}={plain(value, min(width, 200))}" for name, value in labels[:_MOST_LABELS])
    facts = (
        ("What moved", moved),
        ("How sure", notes.get(names.SURE, "")),
        ("Since", notes.get(names.SINCE) or for_people(alert.starts_at)),
        ("Until", for_people(alert.ends_at) if alert.ends_at is not None else ""),
        ("Likely effect", notes.get(names.EFFECT, "")),
        ("Next step", notes.get(names.NEXT_STEP, "")),
        ("More", notes.get(names.DESCRIPTION, "")),
        ("Where", f"{shown}, …" if len(labels) > _MOST_LABELS else shown),
        ("Severity", alert.severity),
    )
    return Entry(
        heading=plain(heading, width),
        state=alert.state,
        facts=tuple((name, plain(value, width)) for name, value in facts if value),
        links=_links(
            ("Page", alert.url),
            ("Dashboard", notes.get(names.DASHBOARD_URL, "")),
            ("Runbook", notes.get(names.RUNBOOK_URL, "")),
        ),
    )


def is_link(url: str) -> bool:
    """Return whether a text is a web address; a long one is none, since cut it would lead astray.

    >>> is_link("https://h.example/x"), is_link("javascript:alert(1)")
    (True, False)
    """
    return len(url) <= _MOST_URL and _URL.fullmatch(url) is not None


def _links(*candidates: tuple[str, str]) -> tuple[Link, ...]:
    return tuple(Link(name, url) for name, url in candidates if is_link(url))
