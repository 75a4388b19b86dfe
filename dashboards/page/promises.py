"""What the alarms promise, and what came: incidents by chance that the budget allowed, beside those there were."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dashboards.figures import count, figure, span
from dashboards.html import Html, join, name, tag
from dashboards.page.parts import badge, card, table
from dashboards.page.scene import Scene
from monitor.labels import label

_NAMED: Final = 4


@dataclass(frozen=True, slots=True)
class Promise:
    """One fleet of monitors at one severity."""

    fleet: str
    severity: str
    window_micros: int
    chosen: str
    """Why windows are so long."""
    once_in_micros: float
    """Time between two incidents by chance, on average, at least."""
    monitors: int
    unstable: list[str]
    drifted: list[str]
    windows: int
    promised: float
    incidents: int
    blind_below: float | None


def has(scene: Scene) -> bool:
    """Return whether the model has monitors that gather evidence."""
    return bool(scene.model.evidence)


def read(scene: Scene) -> list[Promise] | None:
    """Return the fleets, ``None`` without any."""
    if not has(scene):
        return None
    return [
        Promise(
            label(one.fleet), one.severity, one.window, one.chosen, one.patience * one.window, one.monitors,
            [label(text) for text in one.unstable], [label(text) for text in one.drifted], one.windows, one.promised,
            one.incidents, one.blind_below,
        )
        for one in scene.model.evidence
    ]  # fmt: skip


def show(found: list[Promise], scene: Scene) -> Html:
    """Return the table."""
    del scene
    heads = ("Alarm", "Monitors", "Blind below PSI", "One by chance in", "Windows of", "judged", "By chance, at most",
             "Incidents", "Now")  # fmt: skip
    rows = [
        (
            f"{one.severity}, {one.fleet}", count(one.monitors), figure(one.blind_below),
            _long(one.once_in_micros), span(one.window_micros),
            count(one.windows), figure(one.promised), count(one.incidents), _now(one),
        )
        for one in found
    ]  # fmt: skip
    shaky = [
        tag("p", f"{one.severity}: shown, not judged, since their reference differs too much from itself: ",
            _named(one.unstable), ".", class_="note")
        for one in found if one.unstable
    ]  # fmt: skip
    note = join(
        "Drift smaller than “blind below” is never found in half of the shapes. "
        "“By chance, at most” is how many incidents the budget allows if nothing ever drifted; incidents are all that "
        "came. ",
        tag("code", "driftline explain MODEL.COLUMN"),
        " says what would be seen how soon, and what never.",
    )
    shown = table(heads, rows, caption="Alarms and their budgets", words=True, numbers=(1, 2, 5, 6, 7))
    return card("What the alarms promise", shown, shaky, id_="promises", note=note)


def _now(one: Promise) -> Html:
    if not one.drifted:
        return badge("ok", "quiet")
    return join(badge("drift", f"{count(len(one.drifted))} not recovered"), " ", _named(one.drifted))


def _named(names: Iterable[str]) -> Html:
    found = list(names)
    rest = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    shown = [join(", " if place else "", name(text)) for place, text in enumerate(found[:_NAMED])]
    return join(shown, rest)


def _long(micros: float) -> str:
    days = micros / 86_400_000_000
    return f"{days:,.0f} days" if days >= 2 else f"{days * 24:.0f} hours"
