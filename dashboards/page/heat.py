"""The heat map: every column over time, coloured by its drift ratio."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from dashboards.charts.strips import LEVELS, strip
from dashboards.figures import clock, count, figure, moment
from dashboards.html import Html, data, name, tag
from dashboards.page.grid import DRIFT, Grid, grid_of
from dashboards.page.moved import statistic_name
from dashboards.page.parts import badge, card, choice, link, nothing, range_text, sentence
from dashboards.page.scene import Scene
from monitor.findings import STATUSES
from monitor.labels import label

CELLS: Final = 96
"""Cells of a row at most; of more windows each cell shows the worst of several."""
_ROWS: Final = 60
_TICKS: Final = 6


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One column; its values belong to the windows of ``Heat``."""

    column: str
    status: str | None
    """In the latest window."""
    ratio: float | None
    ratios: list[float | None]
    in_drift: list[bool]
    """Whether any of a cell's windows is in drift."""


@dataclass(frozen=True, slots=True)
class Heat:
    """Columns by time."""

    detector: str | None
    detectors: list[str]
    starts: list[datetime | None]
    ends: list[datetime | None]
    window_rows: list[int]
    rows: list[HeatRow]
    columns: int
    """Columns there are, shown or not."""
    events: list[list[float | str]]
    """What people say happened in this time: place among the cells, words."""
    cut: bool
    """Whether the range held more windows than were read."""


def read(scene: Scene) -> Heat | None:
    """Return the map, the columns that are worst now first; ``None`` without a window."""
    if scene.chosen is None:
        return None
    full = scene.grid if scene.ask.detector is None else grid_of(scene.sheets, scene.ask.detector)
    grid = full.pooled(CELLS)
    order = [place for place in _order(full) if full.names[place]]
    wanted = scene.ask.find
    if wanted is not None:
        order = [place for place in order if wanted.casefold() in label(full.names[place]).casefold()]
    shown = order if scene.ask.rows == "all" else order[:_ROWS]
    return Heat(
        detector=scene.ask.detector,
        detectors=grid.detectors,
        starts=[moment(start) for start in grid.starts],
        ends=[moment(end) for end in grid.ends],
        window_rows=grid.rows,
        rows=[_row(full, grid, place) for place in shown],
        columns=len(order),
        events=_events(scene, grid),
        cut=scene.is_cut,
    )


def _events(scene: Scene, grid: Grid) -> list[list[float | str]]:
    """Return events within the windows; a window that reaches far back counts from the end of the one before."""
    ends = np.array(grid.ends, np.float64)
    found: list[list[float | str]] = []
    for event in scene.events:
        if grid.ends and grid.starts[0] <= event.at < grid.ends[-1]:
            place = int(np.searchsorted(ends, event.at, side="right"))
            words = f"{clock(moment(event.at))} {label(event.kind)}: {sentence(event.what, 100)}"
            found.append([float(place), words])
    return found


def _happened(heat: Heat) -> Html | None:
    """Return a row with what people say happened, at its time."""
    if not heat.events:
        return None
    words = "; ".join(str(text) for _, text in heat.events)
    drawing = tag(
        "svg",
        (tag("path", tag("title", text), d=f"M{float(place):g} 0h1v20h-1z", class_="event")
         for place, text in heat.events),
        class_="strip", viewBox=f"0 0 {len(heat.starts)} 20", preserveAspectRatio="none", role="img", aria_label=words,
    )  # fmt: skip
    head = tag("th", tag("span", "◇", class_="diamond", aria_hidden="true"), " change events", scope="row")
    number = tag("td", count(len(heat.events)), class_="n")
    return tag("tr", head, tag("td"), number, tag("td", drawing, class_="time"))


def _order(grid: Grid) -> list[int]:
    """Return columns by status now, then by greatest ratio now, then by greatest ratio ever."""
    if not grid.starts:
        return []
    now = np.nan_to_num(grid.ratios[:, -1], nan=-1.0)
    ever = np.nan_to_num(np.fmax.reduce(grid.ratios, axis=1), nan=-1.0)
    drifted = (grid.statuses == DRIFT).any(axis=1)
    order: list[int] = np.lexsort((-ever, -now, ~drifted, -grid.statuses[:, -1])).tolist()
    return order


def _row(full: Grid, grid: Grid, place: int) -> HeatRow:
    status = int(full.statuses[place, -1])
    ratio = float(full.ratios[place, -1])
    return HeatRow(
        column=label(full.names[place]),
        status=STATUSES[status] if status >= 0 else None,
        ratio=None if np.isnan(ratio) else ratio,
        ratios=[None if np.isnan(value) else round(value, 3) for value in grid.ratios[place].tolist()],
        in_drift=(grid.statuses[place] == DRIFT).tolist(),
    )


def show(heat: Heat, scene: Scene) -> Html:
    """Return the map as a table: a row a column, each with its strip."""
    if not heat.starts:
        return card("Columns over time", nothing("No window of this range has been evaluated."), id_="heat")
    if not heat.columns and heat.detector is None and scene.ask.find is None:
        return card("Columns over time", nothing("Nothing is compared yet: there is no reference."), id_="heat")
    note = f"Statistic ÷ threshold, {range_text(scene)} UTC, worst now first. Above 1 the threshold is passed."
    if heat.cut:
        note += (
            f" Only the latest {count(scene.sheets_limit)} windows of this range; narrow it, or take a longer window."
        )
    here = scene.links.here(scene.ask, rows="all")
    rest = None
    if len(heat.rows) < heat.columns:
        rest = tag(
            "p", f"{len(heat.rows)} of {count(heat.columns)} columns. ", link(here, "Show all") if here else None
        )
    body = [_happened(heat), *(_cells(row, scene) for row in heat.rows)] if heat.rows else []
    return card(
        "Columns over time",
        _tools(heat, scene),
        tag(
            "div",
            tag("table", tag("caption", "Drift ratio by column and window", class_="unseen"), _head(heat),
                tag("tbody", body), class_="heat"),
            class_="scroll", tabindex="0", role="region", aria_label="Drift ratio by column and window",
        ),
        None if body else nothing("No column fits."),
        rest, _legend(), _times(heat), id_="heat", note=note,
    )  # fmt: skip


def _tools(heat: Heat, scene: Scene) -> Html | None:
    here = scene.links.here
    if here(scene.ask) is None:
        return None
    options = [("worst of all", here(scene.ask, detector=None), heat.detector is None)]
    options += [(statistic_name(kind), here(scene.ask, detector=kind), kind == heat.detector)
                for kind in heat.detectors]  # fmt: skip
    kept = [(key, value) for key, value in (
        ("model", scene.ask.model), ("version", scene.ask.version), ("window", scene.ask.window),
        ("detector", scene.ask.detector), ("from", scene.ask.from_), ("to", scene.ask.to), ("last", scene.ask.last),
    ) if value is not None]  # fmt: skip
    form = tag(
        "form",
        [tag("input", type="hidden", name=key, value=value) for key, value in kept],
        tag("label", "Find ", tag("input", type="search", name="find", value=scene.ask.find or "", size=18,
                                  placeholder="column", autocomplete="off")),
        method="get", role="search", class_="find",
    )  # fmt: skip
    return tag("div", choice("Statistic", options), form, class_="choices")


def _head(heat: Heat) -> Html:
    ticks = min(_TICKS, len(heat.starts))
    places = [tick * len(heat.starts) // ticks for tick in range(ticks)]
    labels = [tag("span", clock(heat.starts[place])[5:]) for place in places]
    axis = tag("div", labels, class_="ticks even", aria_hidden="true")
    return tag("thead", tag("tr", tag("th", "Column", scope="col"), tag("th", "now", scope="col"),
                            tag("th", "ratio", scope="col", class_="n"), tag("th", axis, scope="col",
                            class_="time", aria_label="over time")))  # fmt: skip


def _cells(row: HeatRow, scene: Scene) -> Html:
    chosen = scene.chosen
    version, window = (None, None) if chosen is None else (chosen.result.version, chosen.result.window)
    drifts = sum(row.in_drift)
    known = [value for value in row.ratios if value is not None]
    words = f"{drifts} of {len(row.ratios)} in drift, highest {figure(max(known))}" if known else "never judged"
    address = scene.links.column(scene.model.name, row.column, version, window)
    values = ",".join("" if value is None else f"{value:.2f}" for value in row.ratios)
    return tag(
        "tr",
        tag("th", link(address, name(row.column)), scope="row"),
        tag("td", badge(row.status or "insufficient")),
        tag("td", figure(row.ratio), class_="n"),
        tag("td", strip(row.ratios, row.in_drift, words), class_="time", data_ratios=values),
    )


def _legend() -> Html:
    bounds = ["0", *(f"{bound:g}" for bound in LEVELS)]
    swatches = [
        tag("span", tag("svg", tag("path", d="M0 0h16v12h-16z", class_=f"h{place}"), viewBox="0 0 16 12",
                        class_="swatch", aria_hidden="true"), f"≥ {bound}" if place else f"< {LEVELS[0]:g}")
        for place, bound in enumerate(bounds)
    ]  # fmt: skip
    foot = tag("span", tag("svg", tag("path", d="M0 0h16v12h-16z", class_="h4"),
                           tag("path", d="M0 9h16v3h-16z", class_="foot0"), viewBox="0 0 16 12", class_="swatch",
                           aria_hidden="true"), "in drift")  # fmt: skip
    return tag("p", swatches, foot, class_="legend")


def _times(heat: Heat) -> Html:
    """Return the times of the cells, for the script that tells what is under the pointer."""
    times = [[clock(start), clock(end)] for start, end in zip(heat.starts, heat.ends, strict=True)]
    return data({"times": times, "rows": heat.window_rows}, class_="times")
