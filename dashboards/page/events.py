"""Change events: what people say happened (deploys, flags, campaigns), drawn on every chart and listed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dashboards.figures import count, moment, when
from dashboards.html import Html, join, name, tag
from dashboards.page.alerts import field, token_field
from dashboards.page.parts import card, more, nothing, sentence, table
from dashboards.page.scene import Scene
from monitor.labels import label
from monitor.views import EventView

_SHOWN: Final = 100
_DRAWN: Final = 60
"""Events that one chart has at most, the latest."""
_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event."""

    at: datetime | None
    kind: str
    what: str
    who: str
    model: str
    """Empty for what concerns all models."""


@dataclass(frozen=True, slots=True)
class Events:
    """Events of the model, newest first."""

    model: str
    total: int
    rows: list[EventRow]


def row(event: EventView) -> EventRow:
    """Return an event as plain data."""
    return EventRow(
        moment(event.at), label(event.kind), sentence(event.what, _TEXT), label(event.who), label(event.model)
    )


def sentence_of(event: EventRow) -> Html:
    """Return an event in one line."""
    return join(when(event.at), " ", tag("b", event.kind), " ", name(event.what))


def drawn(scene: Scene) -> list[list[Any]]:
    """Return what charts of the range draw: seconds, kind, words; in the order of time."""
    first, last = scene.ask.range(scene.newest)
    fitting = [
        event for event in scene.events if (first is None or event.at >= first) and (last is None or event.at < last)
    ]
    return [[event.at // 1_000_000, label(event.kind), sentence(event.what, _TEXT)] for event in fitting[-_DRAWN:]]


def read(scene: Scene) -> Events | None:
    """Return the events, newest first."""
    found = scene.events
    rows = [row(event) for event in reversed(found[-_SHOWN:])]
    return Events(label(scene.model.name), len(found), rows)


def show(found: Events, scene: Scene) -> Html | None:
    """Return the list, and a form to note one."""
    forms = scene.links.here(scene.ask) is not None
    if not found.rows and not forms:
        return None
    body = _table(found.rows) if found.rows else nothing("None noted. A deploy that is noted stands beside the onset.")
    cut = f"The latest {_SHOWN} of {count(found.total)}." if found.total > len(found.rows) else None
    note = join("Deploys, flags, campaigns: drawn on the charts as ", tag("span", "◇", class_="diamond"),
                ". Pipelines note theirs by ", tag("code", "POST /api/v1/events"), ".", cut)  # fmt: skip
    form = more("Note an event", _form(found.model)) if forms else None
    return card("Change events", body, form, id_="events", note=note)


def _table(rows: Sequence[EventRow]) -> Html:
    cells = [
        (when(one.at), tag("b", one.kind), name(one.what), "this model" if one.model else "all models", name(one.who))
        for one in rows
    ]
    return table(
        ("At (UTC)", "Kind", "What", "Concerns", "Noted by"), cells, caption="Change events, newest first", words=True
    )


def _form(model: str) -> Html:
    return tag(
        "form",
        tag("input", type="hidden", name="model", value=model),
        field("What", "what", maxlength=200),
        field("Kind", "kind", value="deploy", maxlength=50),
        field("At (UTC)", "at", needed=False, placeholder="now"),
        token_field(),
        tag("button", "Note it"),
        method="post", action="/evidence/event",
    )  # fmt: skip
