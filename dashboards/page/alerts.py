"""The alerts that fire or are about to: what each is, why it is told or not, and a form to silence it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboards.figures import count, moment, when
from dashboards.html import Child, Html, join, name, tag
from dashboards.page.parts import badge, card, link, more, nothing, sentence, table, tiles
from dashboards.page.scene import Scene
from monitor.labels import label
from monitor.views import AlertView

_SHOWN: Final = 100
_FORMS: Final = 50
_AT_ONCE: Final = 3
"""Alerts of a group that are told at once."""
SEVERITIES: Final = {"page": ("drift", "page"), "warn": ("warn", "warning"), "info": ("insufficient", "info")}
"""Severity → the status whose shape it takes, and its word."""
MODES: Final = {
    "builtin": "Alerts go to the receivers below.",
    "alertmanager": "Alerts go to an Alertmanager, which tells people.",
    "prometheus_only": "Alerts are shown here and exported; nothing is sent.",
    "shadow": "On trial: nothing is sent but a daily digest.",
}
_REACH: Final = {"prometheus_only": "exported", "alertmanager": "handed on", "shadow": "on trial"}
"""Mode → what becomes of an alert that nothing holds back."""
_KNOWN: Final = frozenset({"column", "detector", "slice"})
"""Labels whose values need no name before them."""
_PLAIN: Final = frozenset({"alertname", "severity", "model", "owner"})


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert."""

    fingerprint: str
    name: str
    severity: str
    model: str
    labels: dict[str, str]
    phase: str
    since: datetime | None
    summary: str
    description: str
    next_step: str
    told: str
    """``told``, ``exported``, ``handed on``; or why not: ``silenced``, ``explained by …``, ``on trial``, …"""


@dataclass(frozen=True, slots=True)
class Alerts:
    """What fires now."""

    mode: str
    firing: int
    pages: int
    pending: int
    shadowed: dict[str, datetime | None]
    """Model on trial → when that ends."""
    alerts: list[AlertRow]


def has(scene: Scene) -> bool:
    """Return whether anything is judged at all."""
    return scene.view.alerts is not None


def read(scene: Scene) -> Alerts | None:
    """Return what fires now, ``None`` where nothing is judged."""
    view = scene.view.alerts
    if view is None:
        return None
    return Alerts(
        mode=view.mode,
        firing=sum(number for key, number in view.counts.items() if key[3] == "firing"),
        pages=sum(number for key, number in view.counts.items() if key[1] == "page" and key[3] == "firing"),
        pending=sum(number for key, number in view.counts.items() if key[3] == "pending"),
        shadowed={label(model): moment(until) for model, until in view.shadowed.items()},
        alerts=[_row(one, view.mode) for one in view.alerts],
    )


def show(found: Alerts, scene: Scene) -> Html:
    """Return the figures and the table."""
    mode = MODES.get(found.mode, found.mode)
    head = tiles([
        ("Firing", count(found.firing), f"{count(found.pages)} of them page" if found.firing else None),
        ("About to fire", count(found.pending), None),
        ("On trial", count(len(found.shadowed)), "models whose alerts are not told yet" if found.shadowed else None),
    ])  # fmt: skip
    top = tag("section", head, _trials(found), id="alerts-now", aria_label="Alerts now")
    if not found.alerts:
        return join(top, card("Alerts", nothing("Nothing fires."), id_="alerts", note=mode))
    in_report = scene.links.here(scene.ask) is None
    groups = _grouped(found.alerts[:_SHOWN])
    rows = [_cells(group, scene, form=not in_report and place < _FORMS) for place, group in enumerate(groups)]
    heads = ("Severity", "Alert", "What is wrong", "Since (UTC)", "Told?", "What to do")
    total = found.firing + found.pending
    cut = tag("p", f"The first {_SHOWN} of {count(total)}, likely causes first.", class_="note")
    return join(top, card("Alerts", table(heads, rows, caption="Alerts, likely causes first", words=True),
                          cut if total > _SHOWN else None, id_="alerts", note=mode))  # fmt: skip


def _grouped(alerts: Sequence[AlertRow]) -> list[list[AlertRow]]:
    """Return alerts of one rule and model together, in the order of the first of each."""
    groups: dict[tuple[str, ...], list[AlertRow]] = {}
    for one in alerts:
        groups.setdefault((one.severity, one.name, one.model, one.phase, one.told), []).append(one)
    return list(groups.values())


def severity_badge(severity: str, phase: str = "firing", *, word: str | None = None) -> Html:
    """Return a severity as a shape and a word; what only may come to fire is hollow."""
    status, known = SEVERITIES.get(severity, ("insufficient", severity))
    if word is not None:
        return badge(status, word)
    word = known
    return badge("insufficient" if phase == "pending" else status, "pending" if phase == "pending" else word)


def _row(one: AlertView, mode: str) -> AlertRow:
    return AlertRow(
        fingerprint=one.fingerprint,
        name=label(one.name),
        severity=one.severity,
        model=label(one.model),
        labels={label(key): label(value) for key, value in one.labels.items()},
        phase=one.phase,
        since=moment(one.since),
        summary=sentence(one.summary),
        description=sentence(one.description, 2_000),
        next_step=sentence(one.next_step),
        told=_told(one, mode),
    )


def _told(one: AlertView, mode: str) -> str:
    if one.phase == "pending":
        return "pending"
    if one.silenced_by:
        return "silenced"
    if one.inhibited_by:
        return f"explained by {label(one.inhibited_by)}"
    if one.shadow:
        return "on trial"
    return _REACH.get(mode, "told")


def _trials(found: Alerts) -> Html | None:
    if not found.shadowed:
        return None
    parts: list[Child] = []
    for place, (model, until) in enumerate(list(found.shadowed.items())[:20]):
        parts.append(join(", " if place else "", name(model), *(["" if until is None else " until ", when(until)]
                                                                  if until is not None else [])))  # fmt: skip
    return tag("p", "On trial, so that only a daily digest tells of them: ", parts, ".", class_="note")


def _cells(group: Sequence[AlertRow], scene: Scene, *, form: bool) -> tuple[Child, ...]:
    one = group[0]
    model = link(scene.links.model(one.model), name(one.model)) if one.model else "the service"
    many = tag("span", f" × {count(len(group))}", class_="of") if len(group) > 1 else None
    since = min((each.since for each in group if each.since is not None), default=None)
    plain = _PLAIN if _versions(scene, one.model) > 1 else _PLAIN | {"version"}
    told = [_told_line(each, plain) for each in group]
    rest = more(f"{count(len(told) - _AT_ONCE)} more", told[_AT_ONCE:]) if len(told) > _AT_ONCE else None
    full = next((each.description for each in group if each.description), "")
    return (
        severity_badge(one.severity, one.phase),
        join(tag("span", tag("b", one.name), many, class_="whole"), tag("p", model, class_="note")),
        join(told[:_AT_ONCE], rest, more("In full", tag("p", full)) if full else None),
        when(since, age=True),
        one.told,
        join(tag("p", one.next_step, class_="note") if one.next_step else None, _forms(group) if form else None),
    )  # fmt: skip


def _versions(scene: Scene, model: str) -> int:
    return max((len(one.versions) for one in scene.view.models if label(one.name) == model), default=0)


def _told_line(one: AlertRow, plain: frozenset[str]) -> Html:
    """Return what one alert says, and what tells it from others of its rule."""
    words = one.summary or one.name
    about = [
        value if key in _KNOWN else f"{key} {value}"
        for key, value in sorted(one.labels.items())
        if key not in plain and value not in words
    ]
    return tag("p", words, " ", tag("span", name(", ".join(about)), class_="beside wraps") if about else None)


def _forms(group: Sequence[AlertRow]) -> Html:
    """Return a form that silences what all of the group have in common; its matchers can be narrowed."""
    shared = set.intersection(*(set(one.labels.items()) for one in group))
    matchers = ", ".join(f'{key}="{_quoted(value)}"' for key, value in sorted(shared) if key != "severity")
    silence = tag(
        "form",
        field("Alerts with", "matchers", value=matchers, maxlength=2000, class_="long"),
        field("For", "for", value="4h", pattern="[0-9]+[smhdw]", title="such as 30m, 4h or 2d"),
        field("Because", "comment", maxlength=300),
        token_field(),
        tag("button", "Silence"),
        method="post", action="/alerts/silence",
    )  # fmt: skip
    return more("Silence", silence)


def field(
    head: str, key: str, /, *, value: str | None = None, kind: str = "text", needed: bool = True,
    **more_: str | int | None,
) -> Html:  # fmt: skip
    """Return a labelled field, which must be filled where it is needed."""
    box = tag("input", type=kind, name=key, value=value, required=needed, **more_)
    return tag("label", tag("span", head, None if needed else " (optional)"), box)


def token_field() -> Html:
    """Return the field for the token that says who asks."""
    return field("Token", "token", kind="password", autocomplete="current-password",
                 title="one of http.tokens in the configuration")  # fmt: skip


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
