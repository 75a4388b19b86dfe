"""The head of a model's page: how it stands, its traffic, and what one should know before reading on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboards.figures import count, moment, seconds, share, span, when
from dashboards.html import Child, Html, join, name, tag
from dashboards.page.parts import badge, card, tiles
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
        status=status_of(model, scene.windows_of(model)),
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
    chosen = scene.chosen
    none = summary.start is None or summary.end is None
    length = "" if chosen is None else span(chosen.result.end - chosen.result.start)
    late = f"{count(summary.restated)} came late" if summary.restated else None
    reference = None if summary.flagged_reference is None else f"reference {share(summary.flagged_reference)}"
    latency = sorted(summary.latency_seconds.items(), key=lambda pair: float(pair[0]))
    slower = ", ".join(f"p{float(key) * 100:g} {seconds(value)}" for key, value in latency[1:])
    figures: list[tuple[str, Child, Child]] = [("Status", badge(summary.status), None)]
    figures.append(("Latest window", "none yet" if none else when(summary.end), f"{length}, to this time"))
    figures.append(("Rows in it", count(summary.rows), late))
    if summary.flagged is not None:
        figures.append(("Flagged", share(summary.flagged), reference))
    if summary.errors is not None:
        figures.append(("Errors", share(summary.errors), None))
    if latency:
        figures.append(("Latency", seconds(latency[0][1]), slower or None))
    figures.append(("Last row", when(summary.last_prediction, age=True), None))
    return tag("section", tiles(figures), id="summary", aria_label="Summary")


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
