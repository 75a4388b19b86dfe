"""What a range of time held for every model: the head of a report for those who answer for the models' risk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from dashboards.figures import NONE, clock, count, figure, moment
from dashboards.html import Child, Html, join, name, tag
from dashboards.page import gathered
from dashboards.page.parts import badge, card, link, nothing, table
from dashboards.page.scene import MOST_SHEETS, OF_LABELS, Scene, of_inputs, status_of
from monitor.labels import label
from monitor.sheets import Sheet
from monitor.views import ModelView, WindowView

_MODELS: Final = 100
_INCIDENTS: Final = 200
_VERDICTS: Final = {"useful": "useful", "expected": "expected", "noise": "noise", "": "not marked"}
_SEVERITIES: Final = ("page", "warn", "info")
HEADS: Final = (
    "Model", "Now", "Versions", "Windows in drift", "Worst figure / allowed", "Incidents", "Alerts", "Retraining",
    "Events",
)  # fmt: skip
_UNLIMITED: Final = (0, 1 << 62)


@dataclass(frozen=True, slots=True)
class ModelRisk:
    """One model over the range."""

    model: str
    owner: str
    status: str
    """Of now."""
    versions: list[str]
    """That had rows."""
    windows: Mapping[str, int]
    """Status → windows of its inputs."""
    judged: int
    """Windows that labels judged."""
    worst: str
    """The figure that was worse than its baseline by most of what is allowed."""
    drop: float | None
    """By how much: 1 is the drop that is allowed."""
    incidents: Mapping[str, int]
    """What people said of incidents of evidence, empty for nothing → how many."""
    alerts: Mapping[str, int]
    """Severity → alerts that fired."""
    proposals: Mapping[str, int]
    """State → retrainings that were proposed."""
    events: int
    """Deploys, campaigns and the like that somebody told of."""


@dataclass(frozen=True, slots=True)
class Risk:
    """All models over a range."""

    first: datetime | None
    last: datetime | None
    models: list[ModelRisk]


def read(scene: Scene) -> Risk | None:
    """Return what the range held, ``None`` when no range is asked for."""
    first, last = scene.ask.range(None)
    if first is None and last is None:
        return None
    begin, end = first if first is not None else _UNLIMITED[0], last if last is not None else _UNLIMITED[1]
    models = [_model(scene, model, begin, end) for model in scene.view.models[:_MODELS]]
    return Risk(moment(first), moment(last), models)


def _model(scene: Scene, model: ModelView, first: int, last: int) -> ModelRisk:
    latest = [WindowView(result) for result in scene.past.latest(model.name) if not result.slice]
    windows: Counter[str] = Counter()
    versions, judged, worst = set(), 0, (float("-inf"), "")
    for window in latest:
        one = window.result
        if one.window.endswith(OF_LABELS):
            sheets = scene.past.sheets(one.model, one.version, one.window, first, last, limit=MOST_SHEETS)
            judged += len(sheets)
            worst = max([worst, *map(_drop, sheets)])
        elif of_inputs(window) and one.window != gathered.WINDOW:
            marks = scene.past.marks(one.model, one.version, one.window, first, last, limit=MOST_SHEETS)
            windows.update(mark.status for mark in marks)
            if any(mark.n for mark in marks):
                versions.add(label(one.version))
    incidents = scene.past.incidents(model.name, limit=_INCIDENTS)
    return ModelRisk(
        model=label(model.name),
        owner=label(model.owner or ""),
        status=status_of(model, scene.windows_of(model)),
        versions=sorted(versions),
        windows=windows,
        judged=judged,
        worst=label(worst[1]),
        drop=worst[0] if np.isfinite(worst[0]) else None,
        incidents=Counter(one.verdict for one in incidents if first <= one.start < last),
        alerts=_alerts(scene, model.name, first, last),
        proposals=_proposals(scene, model.name, first, last),
        events=sum(first <= one.at < last for one in scene.past.events(model.name)),
    )


def _drop(sheet: Sheet) -> tuple[float, str]:
    """Return the worst change of a figure against its baseline, as a share of what is allowed."""
    block = sheet.blocks.get("performance_change")
    if block is None:
        return float("-inf"), ""
    with np.errstate(all="ignore"):
        ratios = block.figures[:, 0] / block.figures[:, 5]
    known = np.array([block.statuses[code] != "insufficient" for code in block.codes], dtype=bool)
    ratios = np.where(known & np.isfinite(ratios), ratios, -np.inf)
    place = int(np.argmax(ratios)) if ratios.size else -1
    return (float(ratios[place]), block.names[place]) if place >= 0 else (float("-inf"), "")


def _alerts(scene: Scene, model: str, first: int, last: int) -> Mapping[str, int]:
    changes = () if scene.view.alerts is None else scene.view.alerts.changes
    return Counter(
        one.severity for one in changes if one.model == model and one.state == "firing" and first <= one.at < last
    )


def _proposals(scene: Scene, model: str, first: int, last: int) -> Mapping[str, int]:
    found = () if scene.view.retraining is None else scene.view.retraining.proposals
    return Counter(one.state for one in found if one.model == model and first <= one.created_at < last)


def show(found: Risk, scene: Scene) -> Html:
    """Return one row a model."""
    told = f"{clock(found.first)} to {clock(found.last)} UTC. As far as history is kept."
    if not found.models:
        return card("What the time held", nothing("No model is watched."), id_="risk", note=told)
    rows = [_row(one, scene) for one in found.models]
    return card("What the time held", table(HEADS, rows, caption="Models over the time of this report", words=True),
                id_="risk", note=told)  # fmt: skip


def _row(one: ModelRisk, scene: Scene) -> tuple[Child, ...]:
    owner = tag("p", name(one.owner), class_="note") if one.owner else None
    return (
        join(link(scene.links.model(one.model), name(one.model)), owner), badge(one.status), *map(name, words(one)[2:])
    )  # fmt: skip


def words(one: ModelRisk) -> tuple[str, ...]:
    """Return a row in words, as Markdown has it; the first two are the model and its status."""
    windows = sum(one.windows.values())
    drift = f"{count(one.windows.get('drift', 0))} of {count(windows)}" if windows else "none closed"
    judged = "no labels judged" if one.judged else NONE
    drop = f"{one.worst} {figure(one.drop)} in {count(one.judged)} windows" if one.drop is not None else judged
    return (
        one.model, one.status, ", ".join(one.versions) or NONE, drift, drop,
        _counts(one.incidents, {verdict: _VERDICTS.get(verdict, verdict) for verdict in one.incidents}),
        _counts(one.alerts, {severity: severity for severity in (*_SEVERITIES, *one.alerts)}),
        _counts(one.proposals, {state: state.replace("_", " ") for state in one.proposals}), count(one.events),
    )  # fmt: skip


def _counts(numbers: Mapping[str, int], named: Mapping[str, str]) -> str:
    told: Iterable[str] = (f"{count(numbers[key])} {text}" for key, text in named.items() if numbers.get(key))
    return ", ".join(told) or "none"
