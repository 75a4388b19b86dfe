"""Whether the model is right: every figure as known now, judged for good, against the baseline, and estimated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from dashboards.figures import NONE, clock, count, figure, moment, share
from dashboards.html import Html, join, tag
from dashboards.page import judged
from dashboards.page.parts import badge, card, more, nothing, table, tiles
from dashboards.page.scene import Scene
from monitor.views import FigureView, PerformanceView

_AT_ONCE: Final = 8
_LIGHTS: Final = {
    "holds": ("ok", "holds: late labels bear it out"),
    "unproven": ("insufficient", "unproven: too few labels to tell"),
    "broken": ("drift", "broken: late labels contradict it"),
}


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure; NaN intervals are of figures that have none."""

    metric: str
    status: str | None
    """Of its change against the baseline, ``None`` when it is not judged."""
    running: FigureView | None
    final: FigureView | None
    change: FigureView | None
    estimated: FigureView | None
    explanation: str


@dataclass(frozen=True, slots=True)
class Correctness:
    """One window of one version."""

    version: str
    window: str
    start: datetime | None
    end: datetime | None
    predictions: int
    labelled: int
    coverage: FigureView | None
    matured: int
    unlabelled: int
    light: str | None
    unsupported: float | None
    rows: list[FigureRow]
    reweighted: Mapping[str, FigureView] = field(default_factory=dict)
    """Estimates by slices."""
    reweighted_light: str | None = None


def read(scene: Scene) -> Correctness | None:
    """Return the figures of the judged window looked at, ``None`` where no labels are read."""
    if not judged.has(scene):
        return None
    view = judged.whole(scene)
    if view is None:
        return Correctness("", "", None, None, 0, 0, None, 0, 0, None, None, [])
    return Correctness(
        view.result.version, view.name, moment(view.result.start), moment(view.result.end), view.predictions,
        view.labelled, view.coverage, view.matured, view.unlabelled, view.light, view.unsupported, _rows(view),
        view.reweighted, view.reweighted_light,
    )  # fmt: skip


def _rows(view: PerformanceView) -> list[FigureRow]:
    """Return the figures that are judged first, then all others."""
    changed = {one.column: one for one in view.result.findings if one.detector == "performance_change"}
    names = dict.fromkeys([*changed, *view.running, *view.final, *view.estimated])
    return [
        FigureRow(
            metric, changed[metric].status if metric in changed else None, view.running.get(metric),
            view.final.get(metric), view.changes.get(metric), view.estimated.get(metric),
            changed[metric].explanation if metric in changed else "",
        )
        for metric in names
    ]  # fmt: skip


def show(found: Correctness, scene: Scene) -> Html:
    """Return the tiles and the table."""
    del scene
    if found.end is None:
        words = "No window with labels has closed yet. A window is judged once its predictions had time to get labels."
        return card("Is it right?", nothing(words), id_="correctness")
    head = tiles([
        ("Predictions", count(found.predictions), f"{clock(found.start)} to {clock(found.end)}"),
        ("Labelled", count(found.labelled), share(None if found.coverage is None else found.coverage.value)),
        ("Judged for good", count(found.matured), "old enough, with a label"),
        ("Without label", count(found.unlabelled), "old enough, none came"),
    ])  # fmt: skip
    estimated = any(row.estimated is not None for row in found.rows)
    heads = ["Figure", "Status", "Judged for good", "Against the baseline", "Known now"]
    heads += ["Estimated"] if estimated else []
    judged_rows = [row for row in found.rows if row.status is not None] or found.rows[:_AT_ONCE]
    others = [_cells(row, estimated=estimated) for row in found.rows if row not in judged_rows]
    rows = [_cells(row, estimated=estimated) for row in judged_rows]
    body: Html = nothing("Too few labels yet.") if not rows else table(heads, rows, caption="Figures of the window")
    if others:
        body = join(body, more(f"{len(others)} more figures", table(heads, others, caption="More figures")))
    if found.reweighted:
        body = join(body, more("Estimated by slices", _by_slices(found)))
    note = (
        "With 95 % intervals. “Judged for good” rests on predictions whose time for labels is over and moves no more; "
        "“known now” moves as labels come."
    )
    return join(
        tag("section", head, id="labelled", aria_label="Labels of the window"),
        card("Is it right?", body, _light(found) if estimated else None, id_="correctness", note=note),
    )


def _cells(row: FigureRow, *, estimated: bool) -> list[Html | str]:
    change = "" if row.change is None else with_interval(row.change, sign=True)
    status = "" if row.status is None else badge(row.status)
    cells = [judged.figure_name(row.metric), status, with_interval(row.final), change, with_interval(row.running)]
    return [*cells, with_interval(row.estimated)] if estimated else cells


def with_interval(found: FigureView | None, *, sign: bool = False) -> Html | str:
    """Return a figure with its interval behind it."""
    if found is None or math.isnan(found.value):
        return NONE
    value = f"{'+' if sign and found.value > 0 else ''}{figure(found.value)}"
    if math.isnan(found.low):
        return tag("span", value, class_="n")
    return join(tag("b", value), tag("span", f" {figure(found.low)} to {figure(found.high)}", class_="beside n"))


def _by_slices(found: Correctness) -> Html:
    rows: list[list[Html | str]] = [
        [judged.figure_name(metric), with_interval(figure)] for metric, figure in found.reweighted.items()
    ]
    status, words = _LIGHTS.get(found.reweighted_light or "", ("insufficient", "nothing said"))
    text = "The baseline's outcomes by slice and score, weighted as the predictions fall now: "
    return join(
        table(["Figure", "Estimated"], rows, caption="Estimated by slices"),
        tag("p", text, badge(status, words), ".", class_="note"),
    )


def _light(found: Correctness) -> Html:
    status, words = _LIGHTS.get(found.light or "", ("insufficient", "nothing said"))
    unknown = f" {share(found.unsupported)} of the scores are unlike any of the baseline." if found.unsupported else ""
    return tag("p", "The estimate from scores alone ", badge(status, words), ".", unknown, class_="note")
