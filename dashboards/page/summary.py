"""The head of a model's page: how it stands, its traffic, and what one should know before reading on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboards.figures import count, moment, seconds, share, when
from dashboards.html import Html, join, name, tag
from dashboards.page.parts import badge, card, tiles, window_text
from dashboards.page.scene import Scene, status_of
from monitor.labels import label

_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class NewColumn:
    """A field that the reference does not know."""

    name: str
    first_seen: datetime | None
    rows: int
    """Rows with it, of the one record in 64 that is looked at."""


@dataclass(frozen=True, slots=True)
class Learning:
    """Progress towards a reference."""

    stage: str
    rows: int
    progress: float
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Summary:
    """One model."""

    model: str
    owner: str | None
    status: str
    last_prediction: datetime | None
    version: str | None
    window: str | None
    start: datetime | None
    end: datetime | None
    rows: int | None
    restated: int
    """Rows that came after the window had closed."""
    flagged: float | None
    flagged_reference: float | None
    errors: float | None
    latency_seconds: dict[str, float]
    learning: Learning | None
    new_columns: list[NewColumn]
    configuration_changes: list[str]


def read(scene: Scene) -> Summary:
    """Return how the model stands."""
    model, chosen = scene.model, scene.chosen
    result = None if chosen is None else chosen.result
    learning = model.learning
    rates = {} if chosen is None or chosen.frame is None else chosen.frame.rates
    return Summary(
        model=label(model.name),
        owner=None if model.owner is None else label(model.owner),
        status=status_of(model, scene.windows),
        last_prediction=moment(model.last_prediction),
        version=None if result is None else label(result.version),
        window=None if result is None else label(result.window),
        start=None if result is None else moment(result.start),
        end=None if result is None else moment(result.end),
        rows=None if result is None else result.n,
        restated=0 if result is None else result.revision,
        flagged=None if chosen is None else chosen.flagged,
        flagged_reference=rates.get(("flagged", "flagged")),
        errors=None if chosen is None else chosen.errors,
        latency_seconds={} if chosen is None else {f"{key:g}": value for key, value in chosen.latency.items()},
        learning=None
        if learning is None
        else Learning(learning.stage, learning.rows, learning.progress, moment(learning.until)),
        new_columns=[NewColumn(label(one.name), moment(one.first_seen), one.rows) for one in model.strangers],
        configuration_changes=[change[:_TEXT] for change in model.changes],
    )


def show(summary: Summary, scene: Scene) -> Html:
    """Return the head of the page."""
    return join(_figures(summary, scene), _learning(summary), _news(summary))


def _figures(summary: Summary, scene: Scene) -> Html:
    flagged = share(summary.flagged)
    if summary.flagged is not None and summary.flagged_reference is not None:
        flagged = f"{flagged} (reference {share(summary.flagged_reference)})"
    chosen = scene.chosen
    window = "none yet" if chosen is None else window_text(chosen.result.start, chosen.result.end)
    pairs = [
        ("Status", badge(summary.status)),
        ("Latest window", window),
        ("Rows in it", count(summary.rows)),
        ("of these restated", count(summary.restated) if summary.restated else None),
        ("Flagged", flagged if summary.flagged is not None else None),
        ("Errors", share(summary.errors) if summary.errors is not None else None),
        ("Latency", ", ".join(f"p{float(key) * 100:g} {seconds(value)}" for key, value in
                              summary.latency_seconds.items()) or None),
        ("Last row", when(summary.last_prediction, age=True)),
    ]  # fmt: skip
    return tag("section", tiles((title, value) for title, value in pairs if value is not None), id="summary",
               aria_label="Summary")  # fmt: skip


def _learning(summary: Summary) -> Html | None:
    learning = summary.learning
    if learning is None:
        return None
    stage = "choosing bins" if learning.stage == "edges" else "counting what is normal"
    until = join(", until ", when(learning.until)) if learning.until else None
    return card(
        "Learning",
        tag("p", tag("progress", value=f"{learning.progress:.3f}", max=1, aria_label="Learning"),
            f" {learning.progress:.0%}, {stage}, {count(learning.rows)} rows so far", until, "."),
        id_="learning", note="Nothing can drift before Driftline knows what is normal. Missing values and volume count "
        "from the first minute.",
    )  # fmt: skip


def _news(summary: Summary) -> Html | None:
    parts = []
    if summary.new_columns:
        found = [tag("li", name(one.name), ", first seen ", when(one.first_seen)) for one in summary.new_columns]
        parts.append(join(tag("h3", "Fields that the reference does not know"), tag("ul", found)))
    if summary.configuration_changes:
        changes = [tag("li", change) for change in summary.configuration_changes]
        parts.append(join(tag("h3", "Changes of the configuration"), tag("ul", changes)))
    return card("What is new", *parts, id_="news") if parts else None
