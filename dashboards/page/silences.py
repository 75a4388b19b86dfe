"""Silences that hold or are to come, and forms to begin and end one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboards.figures import moment, when
from dashboards.html import Child, Html, join, name, tag
from dashboards.page.alerts import field, token_field
from dashboards.page.parts import card, more, nothing, sentence, table
from dashboards.page.scene import Scene
from monitor.labels import label


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """One silence."""

    id: str
    matchers: str
    starts_at: datetime | None
    ends_at: datetime | None
    author: str
    comment: str


@dataclass(frozen=True, slots=True)
class Silences:
    """All silences that are not over."""

    silences: list[SilenceRow]


def read(scene: Scene) -> Silences | None:
    """Return the silences, ``None`` where nothing is judged."""
    view = scene.view.alerts
    if view is None:
        return None
    return Silences([
        SilenceRow(one.id, sentence(one.matchers), moment(one.starts_at), moment(one.ends_at), label(one.author),
                   sentence(one.comment))
        for one in view.silences
    ])  # fmt: skip


def show(found: Silences, scene: Scene) -> Html:
    """Return the table and the forms."""
    in_report = scene.links.here(scene.ask) is None
    heads = ["Labels", "From (UTC)", "Until (UTC)", "By", "Because", "" if in_report else "End it"]
    rows = [_cells(one, form=not in_report) for one in found.silences]
    shown = table(heads, rows, caption="Silences", words=True) if rows else nothing("Nothing is silenced.")
    return card("Silences", shown, None if in_report else more("Silence something", _begin()), id_="silences")


def _cells(one: SilenceRow, *, form: bool) -> tuple[Child, ...]:
    end = tag(
        "form", tag("input", type="hidden", name="id", value=one.id), token_field(), tag("button", "End"),
        method="post", action="/alerts/expire",
    )  # fmt: skip
    return (tag("code", name(one.matchers)), when(one.starts_at), when(one.ends_at), name(one.author),
            name(one.comment), more("End", end) if form else "")  # fmt: skip


def _begin() -> Html:
    words = 'Alerts with all of these labels are not told, such as model="fraud", alertname=~"FeatureDrift|ScoreDrift".'
    return join(
        tag("p", words, class_="note"),
        tag(
            "form",
            field("Labels", "matchers", maxlength=1000),
            field("For", "for", value="4h", pattern="[0-9]+[smhdw]", title="such as 30m, 4h or 2d"),
            field("Because", "comment", maxlength=300),
            token_field(),
            tag("button", "Silence"),
            method="post", action="/alerts/silence",
        ),
    )  # fmt: skip
