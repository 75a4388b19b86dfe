"""Evidence that the model errs within a declared slice: each slice against itself, the worst first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboards.figures import moment, when
from dashboards.html import Html, join, name
from dashboards.page.gathered import SEVERITIES, against
from dashboards.page.gathered_outcomes import WINDOW
from dashboards.page.parts import badge, card, more, table
from dashboards.page.scene import Scene, rank, ratio
from monitor.findings import WindowResult
from monitor.labels import label

_SHOWN: Final = 100
_AT_ONCE: Final = 15


@dataclass(frozen=True, slots=True)
class SliceMonitor:
    """One monitor of one slice in the latest window of its version. Evidence is a natural logarithm."""

    slice: str
    version: str
    monitor: str
    severity: str
    status: str
    rows: int
    log_evidence: float
    log_threshold: float
    end: datetime | None
    explanation: str


@dataclass(frozen=True, slots=True)
class InSlices:
    """Monitors of outcomes within slices."""

    total: int
    monitors: list[SliceMonitor]


def has(scene: Scene) -> bool:
    """Return whether a slice is judged."""
    return any(_windows(scene))


def read(scene: Scene) -> InSlices | None:
    """Return the monitors that drift first, then those nearest to their thresholds; ``None`` without any."""
    found = [
        (rank(finding.status), -(ratio(finding) or 0.0), result.slice, finding.column, result, finding)
        for result in _windows(scene)
        for finding in result.findings
        if finding.detector in SEVERITIES
    ]
    found.sort(key=lambda one: one[:4])
    shown = [
        SliceMonitor(
            label(result.slice), label(result.version), label(one.column), SEVERITIES[one.detector], one.status,
            result.n, one.statistic, one.threshold, moment(result.end), one.explanation,
        )
        for *_, result, one in found[:_SHOWN]
    ]  # fmt: skip
    return InSlices(len(found), shown) if shown else None


def _windows(scene: Scene) -> Iterator[WindowResult]:
    """Yield what was last said of each version's slices."""
    every = [window.result for window in scene.windows_of(scene.model) if window.result.window == WINDOW]
    newest: dict[str, int] = {}
    for result in every:
        newest[result.version] = max(newest.get(result.version, result.end), result.end)
    for result in every:
        asked = scene.ask.version or result.version
        if result.slice and result.end == newest[result.version] and result.version == asked:
            yield result


def show(found: InSlices, scene: Scene) -> Html:
    """Return the table."""
    del scene
    first, others = found.monitors[:_AT_ONCE], found.monitors[_AT_ONCE:]
    hidden = more(f"{len(others)} more", _table(others)) if others else None
    rest = f" The {_SHOWN} nearest of {found.total:,}." if found.total > len(found.monitors) else ""
    note = (
        "Declared slices, each against its own first judged rows. Natural logarithm of the evidence; it is an alarm "
        f"from the threshold on.{rest}"
    )
    return card("Evidence of outcomes in slices", join(_table(first), hidden), id_="judged-in-slices", note=note)


def _table(monitors: list[SliceMonitor]) -> Html:
    heads = ("Slice", "Version", "Monitor", "Alarm", "Status", "Evidence against its threshold", "in words",
             "Until (UTC)")  # fmt: skip
    rows = [
        (
            name(one.slice), name(one.version), name(one.monitor), one.severity, badge(one.status),
            against(one.log_evidence, one.log_threshold, one.status), one.explanation, when(one.end) if one.end else "",
        )
        for one in monitors
    ]  # fmt: skip
    return table(heads, rows, caption="Monitors of slices, nearest to their threshold first", words=True)
