"""The alerts that fire or are about to: what each is, why it is told or not, and a form to silence it."""

from __future__ import annotations

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
SEVERITIES: Final = {"page": ("drift", "page"), "warn": ("warn", "warning"), "info": ("insufficient", "info")}
"""Severity → the status whose shape it takes, and its word."""
MODES: Final = {
    "builtin": "Alerts go to the receivers below.",
    "alertmanager": "Alerts go to an Alertmanager, which tells people.",
    "prometheus_only": "Alerts are shown here and exported; nothing is sent.",
    "shadow": "On trial: nothing is sent but a daily digest.",
}
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
    """``told``, or why it is not: ``silenced``, ``explained by …``, ``on trial``, ``pending``."""


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
        alerts=[_row(one) for one in view.alerts],
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
    rows = [_cells(one, scene, form=not in_report and place < _FORMS)
            for place, one in enumerate(found.alerts[:_SHOWN])]  # fmt: skip
    heads = ("Severity", "Alert", "About", "Since (UTC)", "Told?", "What to do")
    total = found.firing + found.pending
    cut = tag("p", f"The first {_SHOWN} of {count(total)}, likely causes first.", class_="note")
    return join(top, card("Alerts", table(heads, rows, caption="Alerts, likely causes first"),
                          cut if total > _SHOWN else None, id_="alerts", note=mode))  # fmt: skip


def severity_badge(severity: str, phase: str = "firing") -> Html:
    """Return a severity as a shape and a word; what only may come to fire is hollow."""
    status, word = SEVERITIES.get(severity, ("insufficient", severity))
    return badge("insufficient" if phase == "pending" else status, f"{word}, pending" if phase == "pending" else word)


def _row(one: AlertView) -> AlertRow:
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
        told=_told(one),
    )


def _told(one: AlertView) -> str:
    if one.phase == "pending":
        return "pending"
    if one.silenced_by:
        return "silenced"
    if one.inhibited_by:
        return f"explained by {label(one.inhibited_by)}"
    return "on trial" if one.shadow else "told"


def _trials(found: Alerts) -> Html | None:
    if not found.shadowed:
        return None
    parts: list[Child] = []
    for place, (model, until) in enumerate(list(found.shadowed.items())[:20]):
        parts.append(join(", " if place else "", name(model), *(["" if until is None else " until ", when(until)]
                                                                  if until is not None else [])))  # fmt: skip
    return tag("p", "On trial, so that only a daily digest tells of them: ", parts, ".", class_="note")


def _cells(one: AlertRow, scene: Scene, *, form: bool) -> tuple[Child, ...]:
    about = [join(tag("span", f"{key} ", class_="of"), name(value), " ")
             for key, value in sorted(one.labels.items()) if key not in _PLAIN]  # fmt: skip
    model = link(scene.links.model(one.model), name(one.model)) if one.model else "the service"
    return (
        severity_badge(one.severity, one.phase),
        join(tag("b", one.name), tag("p", one.summary, class_="note"),
             more("In full", tag("p", one.description)) if one.description else None),
        join(model, tag("p", about, class_="note") if about else None),
        when(one.since, age=True),
        one.told,
        join(tag("p", one.next_step, class_="note") if one.next_step else None, _forms(one) if form else None),
    )  # fmt: skip


def _forms(one: AlertRow) -> Html:
    matchers = ", ".join(f'{key}="{_quoted(value)}"' for key, value in sorted(one.labels.items()) if key != "severity")
    silence = tag(
        "form",
        tag("input", type="hidden", name="matchers", value=matchers),
        field("For", "for", value="4h", pattern="[0-9]+[smhdw]", title="such as 30m, 4h or 2d"),
        field("Because", "comment", maxlength=300),
        token_field(),
        tag("button", "Silence"),
        method="post", action="/alerts/silence",
    )  # fmt: skip
    return more("Silence", silence)


def field(head: str, key: str, /, *, value: str | None = None, kind: str = "text", **more_: str | int | None) -> Html:
    """Return a labelled field that must be filled."""
    box = tag("input", type=kind, name=key, value=value, required=True, **more_)
    return tag("label", tag("span", head), box)


def token_field() -> Html:
    """Return the field for the token that says who asks."""
    return field("Token", "token", kind="password", autocomplete="current-password",
                 title="one of http.tokens in the configuration")  # fmt: skip


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
