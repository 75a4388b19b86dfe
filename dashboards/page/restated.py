"""Figures of performance over time, with their intervals; earlier windows are restated as labels come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from dashboards.figures import clock, count, figure, moment
from dashboards.html import Html, tag
from dashboards.page import events, judged
from dashboards.page.parts import card, nothing, series
from dashboards.page.scene import MOST_SHEETS, Scene
from monitor.sheets import Sheet

_KINDS: Final = {"performance_matured": "final", "performance": "running", "estimate": "estimated"}
_WINDOWS: Final = 90
"""Windows that are shown when no range is asked for."""
_MOST: Final = 8
"""Figures that are drawn, those that are judged first."""


@dataclass(frozen=True, slots=True)
class Point:
    """One window; a figure that does not exist is ``None``."""

    end: datetime | None
    n: int
    revision: int
    """Rows (predictions, labels, corrections) that made it what it is."""
    final: float | None
    low: float | None
    high: float | None
    running: float | None
    estimated: float | None
    status: str
    """Of the change against the baseline."""


@dataclass(frozen=True, slots=True)
class Line:
    """One figure over time."""

    metric: str
    points: list[Point]


def read(scene: Scene) -> list[Line] | None:
    """Return the figures over time, ``None`` without a judged window."""
    view = judged.whole(scene)
    if view is None:
        return None
    result = view.result
    first, last = scene.ask.range(result.end)
    limit = _WINDOWS if first is None and last is None else MOST_SHEETS
    last = result.start + 1 if last is None else last
    sheets = scene.past.sheets(result.model, result.version, result.window, first, last, limit=limit)
    changed = [one.column for one in result.findings if one.detector == "performance_change"]
    names = dict.fromkeys([*changed, *(one.column for one in result.findings if one.detector == "performance")])
    return [Line(metric, [_point(sheet, metric) for sheet in sheets]) for metric in list(names)[:_MOST]]


def _point(sheet: Sheet, metric: str) -> Point:
    found: dict[str, tuple[float | None, float | None, float | None]] = {}
    for detector, kind in _KINDS.items():
        block = sheet.blocks.get(detector)
        if block is not None and metric in block.names:
            value, _, low, high, _, _ = block.figures[block.names.index(metric)].tolist()
            found[kind] = (_finite(value), _finite(low), _finite(high))
    nothing_known = (None, None, None)
    final, low, high = found.get("final", nothing_known)
    return Point(
        moment(sheet.end), sheet.n, sheet.revision, final, low, high, found.get("running", nothing_known)[0],
        found.get("estimated", nothing_known)[0], _status(sheet, metric),
    )  # fmt: skip


def _status(sheet: Sheet, metric: str) -> str:
    block = sheet.blocks.get("performance_change")
    if block is None or metric not in block.names:
        return "insufficient"
    return block.statuses[block.codes[block.names.index(metric)]]


def show(lines: list[Line], scene: Scene) -> Html:
    """Return a chart a figure."""
    if not lines:
        return card("Over time", nothing("No window of this range has been judged."), id_="restated")
    happened = events.drawn(scene)
    charts = [_chart(line, scene.table_rows, happened) for line in lines]
    note = "Judged for good with its 95 % interval; dashed as known now; dotted as estimated before labels came."
    return card("Over time", tag("div", charts, class_="charts"), id_="restated", note=note)


def _chart(line: Line, limit: int, happened: list[list[Any]]) -> Html:
    points, title = line.points, judged.figure_name(line.metric)
    drawn: list[tuple[str, str, list[float | None]]] = [
        ("95 % interval, lower", "low", [point.low for point in points]),
        ("95 % interval, upper", "high", [point.high for point in points]),
        ("estimated", "estimated", [point.estimated for point in points]),
        ("known now", "running", [point.running for point in points]),
        ("judged for good", "value", [point.final for point in points]),
    ]
    spec: dict[str, Any] = {
        "t": [None if point.end is None else int(point.end.timestamp()) for point in points],
        "lines": [{"label": text, "kind": kind, "values": [_short(value) for value in values]}
                  for text, kind, values in drawn if kind != "estimated" or any(v is not None for v in values)],
        "drift": [place for place, point in enumerate(points) if point.status == "drift"],
        "unit": "", "free": True, "events": happened,
    }  # fmt: skip
    heads = ("Window end (UTC)", "Rows", "Judged for good", "95 % interval", "Known now", "Estimated")
    rows = [
        (clock(point.end), f"{count(point.n)} (revision {point.revision:,})", figure(point.final),
         f"{figure(point.low)} to {figure(point.high)}", figure(point.running), figure(point.estimated))
        for point in points[: -limit - 1 : -1]
    ]  # fmt: skip
    return series(title, spec, rows, heads, f"restated-{line.metric}")


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
