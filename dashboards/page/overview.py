"""All models at a glance: how each stands, what moved most, how its windows went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboards.charts.bars import meter
from dashboards.charts.strips import statuses
from dashboards.figures import clock, count, delay, figure, moment, share, when
from dashboards.html import Html, join, name, tag
from dashboards.page.alerts import severity_badge
from dashboards.page.parts import badge, card, link, nothing, sentence, tiles
from dashboards.page.scene import CONCEPT, OF_LABELS, Scene, current, findings_now, of_inputs, rank, ratio, status_of
from monitor.findings import Finding
from monitor.labels import label
from monitor.views import ModelView, WindowView

_WORST: Final = 3
_MARKS: Final = 48
_VERSIONS: Final = 4
_TOLD: Final = 2
"""Alerts that are named on a card."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One column that moved."""

    column: str
    detector: str
    version: str
    window: str
    status: str
    ratio: float | None
    explanation: str


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One alert that fires."""

    name: str
    severity: str
    summary: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model."""

    name: str
    owner: str | None
    status: str
    versions: list[str]
    last_prediction: datetime | None
    rows: int | None
    """Rows in its latest window."""
    window: str | None
    columns: int
    """Columns that are judged."""
    drift: int
    """Columns in drift."""
    warn: int
    worst: list[Moved]
    marks: list[str]
    """Status of the latest windows, oldest first."""
    marks_from: datetime | None
    marks_to: datetime | None
    learning: float | None
    """Progress of learning, 0 to 1."""
    new_columns: int
    changes: int
    """Changes of the configuration since the state was last open."""
    late: float | None
    """Share of the rows that came late."""
    labelled: float | None
    """Share of the latest judged window's predictions that have a label."""
    label_delay_seconds: float | None
    blind_below: float | None
    """Population stability index below which drift of half of its inputs is never found."""
    """Half of the labels come within this."""
    firing: int
    """Alerts that fire."""
    alerts: list[AlertLine]
    """Those that one should know of first."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The service."""

    models: list[ModelRow]
    records: int
    rejected: int
    lag: int | None
    dead_letters: int


def read(scene: Scene) -> Overview:
    """Return what the overview shows, the worst model first."""
    view = scene.view
    models = [_row(scene, model) for model in view.models]
    models.sort(key=lambda row: (rank(row.status), -row.drift, row.name))
    lags = [position.lag for position in view.inputs]
    known = [lag for lag in lags if lag is not None]
    return Overview(
        models=models,
        records=view.counters.get(("", "records"), 0),
        rejected=sum(number for (_, reason), number in view.counters.items() if reason.startswith("rejected:")),
        lag=sum(known) if known else None,
        dead_letters=view.dead_letters_pending,
    )


def _row(scene: Scene, model: ModelView) -> ModelRow:
    windows = scene.windows_of(model)
    whole = current(window for window in windows if not window.result.slice)
    moved = findings_now(whole)
    counted = [window for window in whole if _of_columns(window)]
    drift = {finding.column for _, finding in findings_now(counted) if finding.status == "drift"}
    warn = {finding.column for _, finding in findings_now(counted) if finding.status == "warn"} - drift
    shown = _shown([window for window in whole if of_inputs(window)])
    counters = scene.view.counters
    late, on_time = (counters.get((model.name, outcome), 0) for outcome in ("late", "on_time"))
    marks = [] if shown is None else scene.past.marks(
        model.name, shown.result.version, shown.result.window, limit=_MARKS
    )  # fmt: skip
    return ModelRow(
        name=label(model.name),
        owner=None if model.owner is None else label(model.owner),
        status=status_of(model, windows),
        versions=[label(version) for version in model.versions],
        last_prediction=moment(model.last_prediction),
        rows=None if shown is None else shown.result.n,
        window=None if shown is None else shown.result.window,
        columns=len({finding.column for window in counted for finding in window.result.findings if finding.column}),
        drift=len(drift),
        warn=len(warn),
        worst=_worst(moved),
        marks=[mark.status if mark.n else "insufficient" for mark in marks],
        marks_from=moment(marks[0].start) if marks else None,
        marks_to=moment(marks[-1].end) if marks else None,
        learning=None if model.learning is None else model.learning.progress,
        new_columns=len(model.strangers),
        changes=len(model.changes),
        late=late / (late + on_time) if late + on_time else None,
        labelled=_labelled(model),
        label_delay_seconds=None if model.join is None else model.join.delays.get(0.5),
        blind_below=min(
            (one.blind_below for one in model.evidence if one.fleet == "inputs" and one.blind_below is not None),
            default=None,
        ),
        firing=0 if scene.view.alerts is None else sum(
            number for (_, _, of, phase), number in scene.view.alerts.counts.items()
            if of == model.name and phase == "firing"
        ),
        alerts=_alerts(scene, model.name),
    )  # fmt: skip


def _of_columns(window: WindowView) -> bool:
    """Return whether a window judges columns: not monitors of evidence, nor figures of labels."""
    return of_inputs(window) and window.result.window != "evidence"


def _alerts(scene: Scene, model: str) -> list[AlertLine]:
    """Return the alerts of a model that fire and are no consequence of another, each rule once."""
    if scene.view.alerts is None:
        return []
    found: dict[str, AlertLine] = {}
    for one in scene.view.alerts.alerts:
        if one.model == model and one.phase == "firing" and not one.inhibited_by and len(found) < _TOLD:
            line = AlertLine(label(one.name), one.severity, sentence(one.summary, 200), moment(one.since))
            found.setdefault(line.name, line)
    return list(found.values())


def _labelled(model: ModelView) -> float | None:
    """Return the coverage of the latest window, of the longest kind, that was judged."""
    whole = [view for view in model.performance if not view.result.slice and view.predictions]
    newest = max(whole, key=lambda view: (view.result.end - view.result.start, view.result.end), default=None)
    return None if newest is None else newest.labelled / newest.predictions


def _shown(whole: list[WindowView]) -> WindowView | None:
    """Return the latest window of the longest kind."""
    return max(whole, key=lambda w: (w.result.end - w.result.start, w.result.end, w.result.n), default=None)


def _worst(moved: list[tuple[WindowView, Finding]]) -> list[Moved]:
    found: dict[str, Moved] = {}
    for window, finding in moved:
        if finding.column not in found and len(found) < _WORST:
            found[finding.column] = Moved(
                label(finding.column), finding.detector, label(window.result.version), label(window.result.window),
                finding.status, ratio(finding), finding.explanation[:200],
            )  # fmt: skip
    return list(found.values())


def show(overview: Overview, scene: Scene) -> Html:
    """Return the overview."""
    drifting = sum(row.status == "drift" for row in overview.models)
    head = tiles(
        [
            ("Models", count(len(overview.models)), None),
            ("In drift", badge("drift", count(drifting)) if drifting else "none", None),
            ("Records read", count(overview.records), None),
            ("Not yet read", count(overview.lag), "records"),
            ("Set aside", count(overview.rejected), "could not be counted"),
            ("Waiting", count(overview.dead_letters), "dead letters to be sent"),
        ]
    )
    if not overview.models:
        return join(head, card(None, nothing("No model is configured."), id_="models"))
    cards = [_card(row, scene) for row in overview.models]
    return join(head, tag("ul", cards, class_="models", id="models", aria_label="Models"))


def _card(row: ModelRow, scene: Scene) -> Html:
    versions = row.versions[:_VERSIONS]
    rest = len(row.versions) - len(versions)
    facts = [
        join("last row ", when(row.last_prediction, age=True)) if row.last_prediction else None,
        None if row.rows is None else f"{count(row.rows)} rows in the latest window",
        f"{share(row.late)} late" if row.late else None,
        None if row.labelled is None else f"{share(row.labelled)} labelled",
        None if row.label_delay_seconds is None else f"labels after {delay(row.label_delay_seconds)}",
        None if row.blind_below is None else f"blind below PSI {figure(row.blind_below)}",
        f"{row.new_columns} new field{'s' if row.new_columns != 1 else ''}" if row.new_columns else None,
        "configuration changed" if row.changes else None,
    ]
    return tag(
        "li",
        tag("div", badge(row.status), tag("h2", link(scene.links.model(row.name), name(row.name))), class_="title"),
        tag("p", tag("span", row.owner, " · ", class_="owner") if row.owner else None,
            tag("span", "version " if len(row.versions) == 1 else "versions "),
            [tag("span", name(version or "(none)"), class_="chip") for version in versions],
            f" and {rest} more" if rest else None, class_="who"),
        _learning(row),
        tag("div", tag("div", _columns(row, scene)), tag("div", _firing(row, scene)), class_="both"),
        _course(row),
        tag("p", [tag("span", fact) for fact in facts if fact], class_="facts"),
        class_=f"model m-{row.status}",
    )  # fmt: skip


def _firing(row: ModelRow, scene: Scene) -> Html | None:
    """Return what fires: the first alerts in words, a link to all."""
    if not row.firing:
        return None
    lines = [
        tag("li", severity_badge(one.severity), " ", one.summary or one.name, " ",
            join(tag("span", when(one.since, age=True), class_="of")) if one.since else None)
        for one in row.alerts
    ]  # fmt: skip
    words = f"{count(row.firing)} alert{'s' if row.firing != 1 else ''} firing"
    return join(tag("ul", lines, class_="firing") if lines else None, tag("p", link(scene.links.alerts(), words)))


def _course(row: ModelRow) -> Html | None:
    """Return how the latest windows went, with the times at both ends."""
    if not row.marks:
        return None
    ends = tag("div", tag("span", clock(row.marks_from)), tag("span", f"{len(row.marks)} {row.window} windows"),
               tag("span", clock(row.marks_to)), class_="ticks")  # fmt: skip
    return tag("div", statuses(row.marks, _history(row.marks)), ends, class_="went")


def _learning(row: ModelRow) -> Html | None:
    if row.learning is None:
        return None
    words = f"learning what is normal: {row.learning:.0%}"
    return tag("p", tag("progress", value=f"{row.learning:.3f}", max=1, aria_label=words), " ", words)


def _columns(row: ModelRow, scene: Scene) -> Html | None:
    if not row.columns:
        return None
    if not row.worst:
        return tag("p", f"all {count(row.columns)} columns in order", class_="calm")
    told = [f"{row.drift} in drift" if row.drift else None, f"{row.warn} with a warning" if row.warn else None]
    rows = [
        tag("li", badge(moved.status, ""), link(_address(row, moved, scene), name(moved.column or "volume of rows")),
            meter(moved.ratio, moved.status), tag("span", _times(moved.ratio), class_="n"))
        for moved in row.worst
    ]  # fmt: skip
    words = f"{', '.join(filter(None, told))}, of {count(row.columns)} columns"
    calm = f"all {count(row.columns)} columns in order, but:"
    return join(tag("p", words if row.drift or row.warn else calm), tag("ul", rows, class_="worst"))


def _address(row: ModelRow, moved: Moved, scene: Scene) -> str | None:
    labelled = moved.window == CONCEPT or moved.window.endswith(OF_LABELS)
    if not moved.column or labelled:
        if labelled:
            return scene.links.labels(row.name, moved.version)
        return scene.links.model(row.name, moved.version, moved.window)
    return scene.links.column(row.name, moved.column, moved.version, moved.window)


def _times(ratio: float | None) -> str:
    return "" if ratio is None or ratio < 0 else f"{figure(ratio)} × threshold"


def _history(marks: list[str]) -> str:
    drift = marks.count("drift")
    return f"the last {len(marks)} windows: {drift} in drift, {marks.count('warn')} with a warning"
