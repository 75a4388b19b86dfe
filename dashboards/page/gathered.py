"""Evidence of drift, monitor by monitor, against the threshold at which an alarm is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from dashboards.charts.bars import meter
from dashboards.figures import clock, figure, moment
from dashboards.html import Html, join, name, tag
from dashboards.page import events
from dashboards.page.parts import badge, card, more, nothing, series, table
from dashboards.page.scene import MOST_SHEETS, Scene, rank, ratio
from monitor.labels import label
from monitor.sheets import Sheet
from monitor.views import WindowView

WINDOW: Final = "evidence"
"""Name of the windows in which evidence is gathered."""
SEVERITIES: Final = {"evidence_page": "page", "evidence": "warn"}
_SHOWN: Final = 60
_AT_ONCE: Final = 15
_DRAWN: Final = 5
_CAP: Final = 5
_WINDOWS: Final = 120
"""Windows that are drawn when no range is asked for."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """One monitor in its latest window. Evidence is a natural logarithm."""

    monitor: str
    severity: str
    status: str
    log_evidence: float
    log_threshold: float
    explanation: str


@dataclass(frozen=True, slots=True)
class Course:
    """Log evidence of one monitor over time."""

    monitor: str
    severity: str
    values: list[float | None]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Evidence of one version."""

    end: datetime | None
    total: int
    monitors: list[Monitor]
    times: list[datetime | None]
    thresholds: list[float | None]
    """The lowest that any of the drawn monitors had."""
    courses: list[Course]


def read(scene: Scene) -> Gathered | None:
    """Return all monitors, the nearest to their thresholds first; ``None`` without evidence windows."""
    return gathered(scene, lambda _: True)


def show(found: Gathered, scene: Scene) -> Html:
    """Return the chart and the table."""
    if not found.monitors:
        return card("Evidence", nothing("No evidence window has closed yet."), id_="gathered")
    rest = f" The {_SHOWN} nearest of {found.total:,}." if found.total > _SHOWN else ""
    note = (
        "Natural logarithm of the evidence; from the threshold on it is an alarm. "
        f"The chart ends at {_CAP} thresholds.{rest}"
    )
    first, others = found.monitors[:_AT_ONCE], found.monitors[_AT_ONCE:]
    hidden = more(f"{len(others)} more", monitors_table(others)) if others else None
    return card("Evidence", drawn(found, scene, "gathered"), monitors_table(first), hidden, id_="gathered", note=note)


def gathered(scene: Scene, chosen: Callable[[str], bool], windows: str = WINDOW) -> Gathered | None:
    """Return the monitors whose names are chosen, of the version that is looked at."""
    window = latest(scene, windows)
    if window is None:
        return None
    monitors = [
        Monitor(label(one.column), SEVERITIES[one.detector], one.status, one.statistic, one.threshold, one.explanation)
        for one in sorted(window.result.findings, key=lambda one: (rank(one.status), -(ratio(one) or -np.inf)))
        if one.detector in SEVERITIES and chosen(label(one.column))
    ]
    sheets = _sheets(scene, window)
    worst = _nearest(monitors)
    return Gathered(
        moment(window.result.end), len(monitors), monitors[:_SHOWN], [moment(sheet.end) for sheet in sheets],
        [_threshold(sheet, worst) for sheet in sheets],
        [Course(one.monitor, one.severity, [_value(sheet, one) for sheet in sheets]) for one in worst],
    )  # fmt: skip


def _nearest(monitors: Sequence[Monitor]) -> list[Monitor]:
    """Return the monitors to draw, each once: a page and a warning rest on the same evidence."""
    found: dict[str, Monitor] = {}
    for one in monitors:
        if one.status != "insufficient":
            found.setdefault(one.monitor, one)
    return list(found.values())[:_DRAWN]


def latest(scene: Scene, windows: str = WINDOW) -> WindowView | None:
    """Return the latest evidence window of the version that is looked at, otherwise of any."""
    found = [window for window in scene.whole if window.result.window == windows]
    version = None if scene.chosen is None else scene.chosen.result.version
    own = [window for window in found if window.result.version == version]
    return max(own or found, key=lambda window: window.result.end, default=None)


def drawn(found: Gathered, scene: Scene, id_: str) -> Html | None:
    """Return the course of the monitors nearest to their thresholds."""
    if not found.courses:
        return None
    lines: list[dict[str, Any]] = [
        {"label": f"{one.monitor} ({one.severity})", "kind": "share", "values": one.values} for one in found.courses
    ]
    lines.append({"label": "lowest threshold", "kind": "threshold", "values": found.thresholds})
    times = [None if time is None else int(time.timestamp()) for time in found.times]
    spec = {"t": times, "lines": lines, "drift": [], "unit": "", "cap": _cap(found), "events": events.drawn(scene)}
    heads = ("Window end (UTC)", *(f"{one.monitor} ({one.severity})" for one in found.courses), "Threshold")
    rows = [
        (clock(found.times[place]), *(figure(one.values[place]) for one in found.courses),
         figure(found.thresholds[place]))
        for place in range(len(found.times) - 1, max(-1, len(found.times) - 1 - scene.table_rows), -1)
    ]  # fmt: skip
    return series("Evidence over time", spec, rows, heads, f"{id_}-course")


def _cap(found: Gathered) -> float:
    """Return where the chart ends: one great alarm would press all else to the ground."""
    return _CAP * max((one for one in found.thresholds if one is not None), default=1.0)


def against(log_evidence: float, log_threshold: float, status: str) -> Html:
    """Return evidence and its threshold as a bar with both figures."""
    share = max(log_evidence, 0.0) / log_threshold if log_threshold > 0 else None
    return join(meter(share, status), tag("span", f"{figure(log_evidence)} / {figure(log_threshold)}", class_="n"))


def monitors_table(monitors: Sequence[Monitor]) -> Html:
    """Return one row a monitor."""
    heads = ("Monitor", "Alarm", "Status", "Evidence against its threshold", "in words")
    rows = [
        (
            name(one.monitor), one.severity, badge(one.status),
            against(one.log_evidence, one.log_threshold, one.status), one.explanation,
        )
        for one in monitors
    ]  # fmt: skip
    return table(heads, rows, caption="Monitors, nearest to their threshold first", words=True)


def _sheets(scene: Scene, window: WindowView) -> Sequence[Sheet]:
    result = window.result
    first, last = scene.ask.range(result.end)
    limit = _WINDOWS if first is None and last is None else MOST_SHEETS
    last = result.start + 1 if last is None else last
    return scene.past.sheets(result.model, result.version, result.window, first, last, limit=limit)


def _value(sheet: Sheet, monitor: Monitor, place: int = 0) -> float | None:
    for detector, severity in SEVERITIES.items():
        block = sheet.blocks.get(detector)
        if block is None or severity != monitor.severity:
            continue
        for at, column in enumerate(block.names):
            if label(column) == monitor.monitor:
                value = float(block.figures[at, place])
                return float(f"{value:.6g}") if np.isfinite(value) else None
    return None


def _threshold(sheet: Sheet, monitors: Sequence[Monitor]) -> float | None:
    found = [value for one in monitors if (value := _value(sheet, one, 5)) is not None]
    return min(found, default=None)
