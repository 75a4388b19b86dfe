"""Detectors of concept drift: what they saw of errors and losses, and when they last spoke."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from dashboards.figures import count, figure, moment, when
from dashboards.html import Html, name
from dashboards.page.parts import badge, card, table
from dashboards.page.scene import Scene, rank
from monitor.labels import label


@dataclass(frozen=True, slots=True)
class Detector:
    """One detector on the errors or losses of one version."""

    version: str
    column: str
    detector: str
    rows: int
    refused: int
    drifts: int
    warnings: int
    last_alarm: datetime | None
    level: str
    rose: bool | None
    """Whether the latest alarm was of more errors; ``None`` where it has no direction, or there was none."""
    before: float
    after: float


def read(scene: Scene) -> list[Detector] | None:
    """Return the detectors, those that spoke last first; ``None`` without any."""
    if not scene.model.concept:
        return None
    found = [
        Detector(
            label(one.version), one.column, one.detector, one.rows, one.refused, one.drifts, one.warnings,
            moment(one.last_alarm), one.level, one.direction > 0 if one.direction else None, one.before, one.after,
        )
        for one in sorted(scene.model.concept, key=lambda one: (-(one.last_alarm or 0), one.detector))
    ]  # fmt: skip
    return sorted(found, key=lambda one: rank(one.level or "ok"))


def show(found: list[Detector], scene: Scene) -> Html:
    """Return the table."""
    del scene
    heads = ("Detector", "Version", "of", "Last alarm (UTC)", "Level", "It went", "Drifts", "Warnings", "Rows")
    rows = [
        (
            one.detector.replace("_", " ").upper(), name(one.version), one.column,
            when(one.last_alarm) if one.last_alarm else "never",
            badge("drift" if one.level == "drift" else "warn") if one.level else badge("ok", "quiet"),
            _went(one), count(one.drifts), count(one.warnings), count(one.rows),
        )
        for one in found
    ]  # fmt: skip
    note = "Each reads errors or losses one by one, in the order in which they were joined."
    shown = table(heads, rows, caption="Detectors of concept drift", words=True, numbers=(6, 7, 8))
    return card("Has the concept moved?", shown, id_="concepts", note=note)


def _went(one: Detector) -> str:
    if one.rose is None:
        return ""
    words = "up" if one.rose else "down"
    known = not (math.isnan(one.before) or math.isnan(one.after))
    return f"{words}, {figure(one.before)} to {figure(one.after)}" if known else words
