"""The alerts of the past: when each began and ended, as bars over time and as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboards.charts.spans import Span, spans
from dashboards.figures import clock, count, moment, when
from dashboards.html import Child, Html, join, name, tag
from dashboards.page.alerts import SEVERITIES, severity_badge
from dashboards.page.parts import card, link, more, nothing, sentence, table
from dashboards.page.scene import Scene
from monitor.labels import label
from monitor.views import AlertChangeView

_DRAWN: Final = 40
_LISTED: Final = 200
_RANKS: Final = {"page": 0, "warn": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert from its beginning to its end."""

    fingerprint: str
    name: str
    severity: str
    model: str
    about: str
    began: datetime | None
    ended: datetime | None
    """``None`` while it fires, or when its end is not known any more."""
    because: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The latest episodes, newest first."""

    episodes: list[Episode]
    firing: int
    resolved: int
    """How many there were since the store was made."""


def read(scene: Scene) -> Timeline | None:
    """Return the latest episodes, ``None`` where nothing is judged."""
    view = scene.view.alerts
    if view is None:
        return None
    firing = {one.fingerprint for one in view.alerts if one.phase == "firing"}
    return Timeline(
        episodes=list(episodes(reversed(view.changes), firing))[::-1],
        firing=view.totals.get("firing", 0),
        resolved=view.totals.get("resolved", 0),
    )


def episodes(changes: Iterable[AlertChangeView], firing: set[str]) -> Iterable[Episode]:
    """Yield episodes in the order in which they began; ``changes`` come in the order in which they were observed."""
    begun: dict[str, int] = {}
    found: list[tuple[AlertChangeView, AlertChangeView | None]] = []
    for change in changes:
        if change.state == "firing":
            begun[change.fingerprint] = len(found)
            found.append((change, None))
        elif change.fingerprint in begun:
            place = begun.pop(change.fingerprint)
            found[place] = (found[place][0], change)
    for start, end in found:
        lost = end is None and start.fingerprint not in firing
        yield Episode(
            start.fingerprint, label(start.name), start.severity, label(start.model), label(start.about),
            moment(start.at), None if end is None else moment(max(end.at, start.at)),
            "its end is not known" if lost else "" if end is None else sentence(end.because),
            sentence(start.explanation, 300),
        )  # fmt: skip


def show(found: Timeline, scene: Scene) -> Html:
    """Return bars over time, and the table behind them."""
    if not found.episodes:
        return card("Timeline", nothing("Nothing has fired yet."), id_="timeline")
    totals = f"{count(found.firing)} began and {count(found.resolved)} ended since the alerts' store was made."
    heads = ("Severity", "Alert", "About", "Began (UTC)", "Ended (UTC)", "In words")
    rows = [_cells(one, scene) for one in found.episodes[:_LISTED]]
    return card(
        "Timeline", drawing(found.episodes),
        more("As a table", table(heads, rows, caption="Alerts of the past", words=True)),
        id_="timeline", note=totals,
    )  # fmt: skip


def drawing(found: list[Episode]) -> Html | None:
    """Return one row a rule, model and column, the worst and latest first, with the bars of all its alerts."""
    known = [one for one in found if one.began is not None]
    ends = [time for one in known for time in (one.began, one.ended) if time is not None]
    if not ends:
        return None
    first, last = min(ends).timestamp(), max(ends).timestamp()
    margin = max((last - first) * 0.03, 60.0)
    lines: dict[tuple[str, ...], list[Episode]] = {}
    for one in sorted(known, key=lambda one: _RANKS.get(one.severity, 3)):
        lines.setdefault((one.severity, one.name, one.model, subject(one.about)), []).append(one)
    shown = list(lines.values())[:_DRAWN]
    rows = [_line(parts, first - margin, last + margin) for parts in shown]
    axis = tag("div", tag("span", clock(min(ends))), tag("span", clock(max(ends))), class_="ticks")
    cut = tag("p", f"The first {_DRAWN} of {count(len(lines))}.", class_="note")
    return join(tag("ul", rows, class_="episodes"), axis, cut if len(lines) > _DRAWN else None)


def _line(parts: list[Episode], first: float, last: float) -> Html:
    one = parts[0]
    status = SEVERITIES.get(one.severity, ("insufficient", ""))[0]
    bars = [
        Span(each.began.timestamp(), None if each.ended is None else each.ended.timestamp(), status)
        for each in parts
        if each.began is not None
    ]
    words = "; ".join(f"from {clock(each.began)} to {clock(each.ended) if each.ended else 'now'}" for each in parts)
    alerts = len({each.fingerprint for each in parts})
    about = subject(one.about)
    title = join(
        severity_badge(one.severity, word=""), " ", tag("b", one.name), " ", name(one.model) if one.model else "", " ",
        tag("span", name(about) if about else None, f" × {count(alerts)}" if alerts > 1 else None, class_="who"),
    )  # fmt: skip
    return tag("li", tag("div", title), spans(bars, first, last, f"{one.severity} {one.name}: {words}"))


def subject(about: str) -> str:
    """Return the column and slice that an alert is about, without detector, version and window.

    >>> subject("column score, detector low_rate, slice tier=gold, version 1, window day")
    'score, tier=gold'
    """
    parts = dict(part.partition(" ")[::2] for part in about.split(", "))
    return ", ".join(parts[key] for key in ("column", "slice") if parts.get(key))


def _cells(one: Episode, scene: Scene) -> tuple[Child, ...]:
    model = link(scene.links.model(one.model), name(one.model)) if one.model else "the service"
    words = one.explanation if one.because in {"", "cleared"} else f"{one.because}. {one.explanation}"
    return (
        severity_badge(one.severity), tag("b", one.name), join(model, " ", tag("span", name(one.about), class_="who")),
        when(one.began), when(one.ended) if one.ended is not None else "fires" if not one.because else "", words,
    )  # fmt: skip
