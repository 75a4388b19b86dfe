"""Versions of a model side by side, in their latest windows of one length."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from dashboards.charts.bars import meter
from dashboards.figures import count, figure, moment, seconds, share, when
from dashboards.html import Html, join, name, tag
from dashboards.page.parts import badge, card, link, nothing, table
from dashboards.page.scene import Scene, rank, ratio
from monitor.findings import worst_status
from monitor.labels import label
from monitor.views import WindowView

_COLUMNS: Final = 60


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version."""

    version: str
    status: str
    reference: str | None
    """Identity of what it is compared with."""
    start: datetime | None
    end: datetime | None
    rows: int
    share: float | None
    """Of the rows of all versions in windows of the same time."""
    flagged: float | None
    errors: float | None
    latency_seconds: dict[str, float]
    drift: int
    """Columns in drift."""
    warn: int


@dataclass(frozen=True, slots=True)
class ColumnRow:
    """One column: status and ratio by version, ``None`` where a version does not have it."""

    column: str
    statuses: list[str | None]
    ratios: list[float | None]


@dataclass(frozen=True, slots=True)
class Versions:
    """All versions."""

    window: str
    versions: list[VersionRow]
    columns: list[ColumnRow]
    total: int
    """Columns there are."""


def has(scene: Scene) -> bool:
    """Return whether there is more than one version."""
    return len({window.result.version for window in scene.whole}) > 1


def read(scene: Scene) -> Versions | None:
    """Return the versions, newest window first; ``None`` without any."""
    chosen = scene.chosen
    if chosen is None:
        return None
    windows = [window for window in scene.whole if window.result.window == chosen.result.window]
    windows.sort(key=lambda window: (-window.result.end, -window.result.n, window.result.version))
    together = {window.result.start: 0 for window in windows}
    for window in windows:
        together[window.result.start] += window.result.n
    columns = _columns(windows)
    shown = columns if scene.ask.rows == "all" else columns[:_COLUMNS]
    rows = [_row(window, scene, together[window.result.start]) for window in windows]
    return Versions(label(chosen.result.window), rows, shown, len(columns))


def _row(window: WindowView, scene: Scene, together: int) -> VersionRow:
    result = window.result
    drift = {finding.column for finding in result.findings if finding.status == "drift"}
    warn = {finding.column for finding in result.findings if finding.status == "warn"}
    reference = scene.model.references.get(result.version)
    return VersionRow(
        version=label(result.version), status=worst_status(result.findings),
        reference=None if reference is None else reference[:12], start=moment(result.start), end=moment(result.end),
        rows=result.n, share=result.n / together if together else None, flagged=window.flagged, errors=window.errors,
        latency_seconds={f"{key:g}": value for key, value in window.latency.items()}, drift=len(drift),
        warn=len(warn - drift),
    )  # fmt: skip


def _columns(windows: list[WindowView]) -> list[ColumnRow]:
    """Return all columns, those that differ most between versions or moved most first."""
    found: dict[str, tuple[list[str | None], list[float | None]]] = {}
    for place, window in enumerate(windows):
        for finding in window.result.findings:
            if not finding.column:
                continue
            statuses, ratios = found.setdefault(finding.column, ([None] * len(windows), [None] * len(windows)))
            value, status = ratio(finding), statuses[place]
            if status is None or rank(finding.status) < rank(status):
                statuses[place] = finding.status
            known = ratios[place]
            if value is not None and (known is None or value > known):
                ratios[place] = value
    rows = [ColumnRow(label(column), *both) for column, both in found.items()]
    rows.sort(key=lambda row: (min(rank(one or "insufficient") for one in row.statuses), -_most(row), row.column))
    return rows


def _most(row: ColumnRow) -> float:
    return float(np.max([0.0, *(one for one in row.ratios if one is not None)]))


def show(versions: Versions | None, scene: Scene) -> Html:
    """Return both tables."""
    if versions is None or not versions.versions:
        return card("Versions", nothing("No version has a window yet."), id_="versions")
    heads = ["", *(name(row.version or "(none)") for row in versions.versions)]
    facts = table(heads, _facts(versions.versions), caption="Versions side by side")
    body = [
        [link(scene.links.column(scene.model.name, row.column), name(row.column)),
         *(_cell(status, value) for status, value in zip(row.statuses, row.ratios, strict=True))]
        for row in versions.columns
    ]  # fmt: skip
    rest = None
    if len(versions.columns) < versions.total:
        every = link(scene.links.here(scene.ask, rows="all"), "Show all")
        rest = tag("p", f"{len(versions.columns)} of {count(versions.total)} columns. ", every)
    return join(
        card("Versions side by side", facts, id_="versions", note=f"Each in its latest {versions.window} window."),
        card("Columns by version", table(heads, body, caption="Drift ratio of columns by version"), rest,
             id_="version-columns", note="Statistic ÷ threshold, the worst of a column's statistics."),
    )  # fmt: skip


def _facts(rows: list[VersionRow]) -> list[list[Html | str]]:
    quantiles = sorted({key for row in rows for key in row.latency_seconds}, key=float)
    facts: list[list[Html | str]] = [
        ["Status", *(badge(row.status) for row in rows)],
        ["Latest window", *(when(row.end) for row in rows)],
        ["Rows", *(count(row.rows) for row in rows)],
        ["of all rows then", *(share(row.share) for row in rows)],
        ["Columns in drift", *(count(row.drift) for row in rows)],
        ["Columns with a warning", *(count(row.warn) for row in rows)],
        ["Reference", *(row.reference or "none" for row in rows)],
    ]
    if any(row.flagged is not None for row in rows):
        facts.insert(4, ["Flagged", *(share(row.flagged) for row in rows)])
    if any(row.errors is not None for row in rows):
        facts.insert(5, ["Errors", *(share(row.errors) for row in rows)])
    for key in quantiles:
        facts.append([f"Latency p{float(key) * 100:g}", *(seconds(row.latency_seconds.get(key)) for row in rows)])  # noqa: PERF401
    return facts


def _cell(status: str | None, value: float | None) -> Html:
    if status is None:
        return tag("span", "–")
    return join(badge(status, ""), " ", meter(value, status), tag("span", figure(value), class_="n"))
