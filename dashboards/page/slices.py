"""Slices of the traffic, those that moved most first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dashboards.charts.bars import meter
from dashboards.figures import count, figure, share
from dashboards.html import Html, join, name, tag
from dashboards.page.moved import statistic_name
from dashboards.page.parts import badge, card, choice, link, nothing, table
from dashboards.page.scene import Scene, rank, ratio
from monitor.findings import Finding, worst_status
from monitor.labels import label
from monitor.views import WindowView

_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class SliceRow:
    """One slice in its latest window."""

    slice: str
    status: str
    rows: int
    share: float | None
    """Of the rows of the same window."""
    flagged: float | None
    lift: float | None
    """Its flagged share over that of the whole population."""
    errors: float | None
    column: str | None
    detector: str | None
    ratio: float | None
    explanation: str
    """Of the finding nearest to its threshold, or furthest beyond."""


@dataclass(frozen=True, slots=True)
class Slices:
    """All slices of the window looked at."""

    total: int
    rows: list[SliceRow]


def has(scene: Scene) -> bool:
    """Return whether the model has slices."""
    return any(window.result.slice for window in scene.windows)


def read(scene: Scene) -> Slices | None:
    """Return the slices ranked by status, then drift ratio, then rows; ``None`` without any."""
    chosen = scene.chosen
    if chosen is None or not has(scene):
        return None
    same = [
        window
        for window in scene.windows
        if window.result.slice
        and (window.result.version, window.result.window, window.result.start)
        == (chosen.result.version, chosen.result.window, chosen.result.start)
    ]
    rows = [_row(window, chosen) for window in same]
    rows.sort(key=_lifted if scene.ask.by == "lift" else _moved)
    return Slices(len(rows), rows if scene.ask.rows == "all" else rows[:_SHOWN])


def _moved(row: SliceRow) -> tuple[float | str, ...]:
    return (rank(row.status), -(row.ratio or 0.0), -row.rows, row.slice)


def _lifted(row: SliceRow) -> tuple[float | str, ...]:
    """Return a key that puts the slices first that are flagged most, those of unknown lift last."""
    return (1.0 if row.lift is None else -row.lift, -row.rows, row.slice)


def _row(window: WindowView, whole: WindowView) -> SliceRow:
    result = window.result
    worst: Finding | None = min(
        result.findings, key=lambda one: (rank(one.status), -(ratio(one) or 0.0)), default=None
    )  # fmt: skip
    return SliceRow(
        slice=label(result.slice),
        status=worst_status(result.findings),
        rows=result.n,
        share=result.n / whole.result.n if whole.result.n else None,
        flagged=window.flagged,
        lift=window.flagged / whole.flagged if window.flagged is not None and whole.flagged else None,
        errors=window.errors,
        column=None if worst is None else label(worst.column),
        detector=None if worst is None else worst.detector,
        ratio=None if worst is None else ratio(worst),
        explanation="" if worst is None else worst.explanation[:200],
    )


def show(slices: Slices | None, scene: Scene) -> Html:
    """Return the table."""
    if slices is None or not slices.rows:
        return card("Slices", nothing("No slice has rows in this window."), id_="slices")
    errors = any(row.errors is not None for row in slices.rows)
    flagged = any(row.flagged is not None for row in slices.rows)
    heads = ["Slice", "Status", "Rows", "of all", *(["Flagged", "Lift"] if flagged else []),
             *(["Errors"] if errors else []), "Moved most", "ratio", "in words"]  # fmt: skip
    rows = [_cells(row, flagged=flagged, errors=errors) for row in slices.rows]
    numbers = range(2, 4 + 2 * flagged + errors)
    rest = None
    if len(slices.rows) < slices.total:
        every = link(scene.links.here(scene.ask, rows="all"), "Show all")
        rest = tag("p", f"{len(slices.rows)} of {count(slices.total)} slices. ", every)
    note = "Each slice is compared with the same slice of the reference. Lift: its flagged share over that of all rows."
    shown = table(heads, rows, caption="Slices, worst first", words=True, numbers=numbers)
    here = scene.links.here
    by_lift = scene.ask.by == "lift"
    order = choice("Order", [("by drift", here(scene.ask, by=None), not by_lift),
                             ("by lift", here(scene.ask, by="lift"), by_lift)]) if flagged else None  # fmt: skip
    shown = join(tag("div", order, class_="choices") if order is not None and here(scene.ask) else None, shown)
    return card("Slices", shown, rest, id_="slices", note=note)


def _cells(row: SliceRow, *, flagged: bool, errors: bool) -> list[Html | str]:
    cells: list[Html | str] = [name(row.slice), badge(row.status), count(row.rows), share(row.share)]
    if flagged:
        cells += [share(row.flagged), "" if row.lift is None else f"×{figure(row.lift)}"]
    if errors:
        cells.append(share(row.errors))
    moved = "" if row.detector is None else join(name(row.column or ""), " ", statistic_name(row.detector))
    ratio_cell = (
        "" if row.ratio is None else join(meter(row.ratio, row.status), tag("span", figure(row.ratio), class_="n"))
    )
    return [*cells, moved, ratio_cell, row.explanation]
