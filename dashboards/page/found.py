"""Slices that were found by themselves: where the model errs most, and whether it errs more than it did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboards.figures import moment, when
from dashboards.html import Html, name
from dashboards.page.correctness import with_interval
from dashboards.page.parts import badge, card, table
from dashboards.page.scene import OF_SLICES, Scene, rank
from monitor.findings import WindowResult
from monitor.labels import label
from monitor.views import FigureView

_LIFT: Final = "lift"


@dataclass(frozen=True, slots=True)
class FoundSlice:
    """One slice of one version in its latest window."""

    slice: str
    version: str
    status: str
    lift: FigureView
    """Its error rate ÷ that of all rows, in the windows since it was found."""
    end: datetime | None
    words: str
    """How large it is and how often wrong, now and in the reference."""
    explanation: str


def has(scene: Scene) -> bool:
    """Return whether slices are watched."""
    return any(result.slice for result in _windows(scene))


def read(scene: Scene) -> list[FoundSlice] | None:
    """Return the slices of the newest windows by lift, those that drift first; ``None`` without any."""
    found = [row for result in _windows(scene) if (row := _row(result)) is not None]
    found.sort(key=lambda row: (rank(row.status), -row.lift.value, row.slice, row.version))
    return found or None


def _windows(scene: Scene) -> list[WindowResult]:
    """Return what was last said of each version's slices that are watched now."""
    every = [window.result for window in scene.windows_of(scene.model) if window.result.window.endswith(OF_SLICES)]
    newest: dict[str, int] = {}
    for result in every:
        newest[result.version] = max(newest.get(result.version, result.end), result.end)
    asked = scene.ask.version
    return [
        result for result in every if result.end == newest[result.version] and (not asked or result.version == asked)
    ]


def _row(result: WindowResult) -> FoundSlice | None:
    lift = next((one for one in result.findings if one.detector == _LIFT), None)
    if lift is None or not result.slice:
        return None
    worst = min(
        (one for one in result.findings if one.detector != _LIFT), key=lambda one: rank(one.status), default=lift
    )
    figure = FigureView(lift.statistic, lift.low, lift.high, result.n)
    explanation = worst.explanation if worst.status in {"warn", "drift"} else ""
    return FoundSlice(
        slice=label(result.slice),
        version=label(result.version),
        status=worst.status,
        lift=figure,
        end=moment(result.end),
        words=lift.explanation,
        explanation=explanation,
    )


def show(found: list[FoundSlice], scene: Scene) -> Html:
    """Return the table."""
    del scene
    heads = ("Slice", "Version", "Status", "Lift", "Since it was found", "in words", "Until (UTC)")
    rows = [
        (
            name(row.slice), name(row.version), badge(row.status), with_interval(row.lift), row.words, row.explanation,
            when(row.end) if row.end else "",
        )
        for row in found
    ]  # fmt: skip
    note = (
        "Found among all parts of features and of any two of them, the worst first. Lift: errors in it ÷ errors in all "
        "rows, from rows that had no part in finding it. It drifts when it errs more than it did."
    )
    shown = table(heads, rows, caption="Slices found by themselves", numbers=(3,))
    return card("Where it errs most", shown, id_="found", note=note)
