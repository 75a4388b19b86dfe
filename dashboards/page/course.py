"""One column over time: every statistic with its threshold and interval, and the shares of cells not in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from dashboards.figures import clock, count, figure, moment, share
from dashboards.html import Child, Html, tag
from dashboards.page.distribution import column_of
from dashboards.page.events import drawn
from dashboards.page.moved import statistic_name
from dashboards.page.parts import badge, card, nothing, range_text, series
from dashboards.page.scene import Scene
from monitor.sheets import Sheet

_RATES: Final = "_rate"


@dataclass(frozen=True, slots=True)
class Point:
    """One window."""

    start: datetime | None
    end: datetime | None
    n: int
    value: float | None
    """The statistic, or the share."""
    low: float | None
    high: float | None
    """95 % interval of it."""
    chance: float | None
    """What chance alone adds to the statistic."""
    threshold: float | None
    status: str
    revision: int


@dataclass(frozen=True, slots=True)
class Line:
    """One detector's findings of the column."""

    detector: str
    share: bool
    """Whether values are shares of the rows."""
    reference: float | None
    """The share in the reference."""
    points: list[Point]


@dataclass(frozen=True, slots=True)
class Course:
    """All that is known of a column over time."""

    column: str
    statistics: list[Line]
    quality: list[Line]


def read(scene: Scene) -> Course | None:
    """Return the course of the column that is asked for, ``None`` without a window."""
    column, chosen = column_of(scene), scene.chosen
    if chosen is None:
        return None
    rates = {} if chosen.frame is None else chosen.frame.rates
    detectors = dict.fromkeys(kind for sheet in scene.sheets for kind in sheet.blocks)
    statistics: list[Line] = []
    quality: list[Line] = []
    for detector in detectors:
        kind = detector.removesuffix(_RATES)
        reference = rates.get((column, kind)) if detector.endswith(_RATES) else None
        points = [point for sheet in scene.sheets if (point := _point(sheet, column, detector, reference)) is not None]
        if not points:
            continue
        line = Line(detector, reference is not None, reference, points)
        (quality if line.share else statistics).append(line)
    return Course(column, statistics, quality)


def _point(sheet: Sheet, column: str, detector: str, reference: float | None) -> Point | None:
    block = sheet.blocks.get(detector)
    if block is None or column not in block.names:
        return None
    place = block.names.index(column)
    statistic, effect, low, high, _, threshold = block.figures[place].tolist()
    chance = statistic - effect
    if reference is None:
        value, below, above = statistic, max(low + chance, 0.0), high + chance
    else:
        sign = block.directions[place] or 1
        value = reference + sign * statistic
        ends = sorted((reference + sign * low, reference + sign * high))
        below, above, chance = max(ends[0], 0.0), min(ends[1], 1.0), float("nan")
    return Point(
        moment(sheet.start), moment(sheet.end), sheet.n, _finite(value), _finite(below), _finite(above),
        _finite(chance), _finite(threshold), block.statuses[block.codes[place]], sheet.revision,
    )  # fmt: skip


def show(course: Course, scene: Scene) -> Html:
    """Return a chart a statistic, and one of all quality shares."""
    if not course.statistics and not course.quality:
        return card("Over time", nothing("No window of this range has been evaluated."), id_="course")
    happened = drawn(scene)
    charts = [_statistic(line, scene.table_rows, happened) for line in course.statistics]
    if course.quality:
        charts.append(_quality(course.quality, scene.table_rows, happened))
    note = f"{range_text(scene)} UTC. Drag over a chart to look closer."
    return card("Over time", tag("div", charts, class_="charts"), id_="course", note=note)


def _statistic(line: Line, limit: int, happened: list[list[Any]]) -> Html:
    points = line.points
    title = statistic_name(line.detector)
    spec = _spec(points, [
        _drawn("95 % interval, lower", "low", points, lambda p: p.low),
        _drawn("95 % interval, upper", "high", points, lambda p: p.high),
        _drawn("chance alone", "chance", points, lambda p: p.chance),
        _drawn(title, "value", points, lambda p: p.value),
        _drawn("threshold", "threshold", points, lambda p: p.threshold),
    ])  # fmt: skip
    heads = ("Window (UTC)", "Rows", title, "95 % interval", "Threshold", "Status")
    rows = [(clock(p.start), _rows(p), figure(p.value), f"{figure(p.low)} to {figure(p.high)}", figure(p.threshold),
             badge(p.status)) for p in points[:-limit - 1 : -1]]  # fmt: skip
    return series(f"{title} and its threshold", spec | {"events": happened}, rows, heads, f"course-{line.detector}")


def _quality(lines: Sequence[Line], limit: int, happened: list[list[Any]]) -> Html:
    longest = max(lines, key=lambda line: len(line.points))
    by_start = [{point.start: point.value for point in line.points} for line in lines]
    told_lines = []
    for line, values in zip(lines, by_start, strict=True):
        shown = [values.get(point.start) for point in longest.points]
        title = statistic_name(line.detector)
        told_lines.append({"label": title, "kind": "share", "values": shown})
    spec = _spec(longest.points, told_lines) | {"unit": "share"}
    heads = ("Window (UTC)", "Rows", *(statistic_name(line.detector) for line in lines))
    rows: list[tuple[Child, ...]] = [
        (clock(point.start), _rows(point), *(share(values.get(point.start)) for values in by_start))
        for point in longest.points[: -limit - 1 : -1]
    ]
    told = ", ".join(f"{statistic_name(line.detector)} {share(line.reference)}" for line in lines)
    return series(f"Share of the rows; reference: {told}", spec | {"events": happened}, rows, heads, "course-quality")


def _spec(points: Sequence[Point], lines: list[dict[str, Any]]) -> dict[str, Any]:
    times = [None if point.end is None else int(point.end.timestamp()) for point in points]
    drift = [place for place, point in enumerate(points) if point.status == "drift"]
    return {"t": times, "lines": lines, "drift": drift, "unit": ""}


def _drawn(label: str, kind: str, points: Sequence[Point], value: Callable[[Point], float | None]) -> dict[str, Any]:
    shown = [value(point) for point in points]
    return {"label": label, "kind": kind, "values": [None if one is None else float(f"{one:.6g}") for one in shown]}


def _rows(point: Point) -> str:
    return f"{count(point.n)} (+{count(point.revision)} late)" if point.revision else count(point.n)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
