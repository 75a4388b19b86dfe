"""The head of a column's page: what each detector says of it now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from dashboards.charts.bars import meter
from dashboards.figures import figure, moment, p_value, share, when
from dashboards.html import Html, join, tag
from dashboards.page.distribution import column_of
from dashboards.page.moved import statistic_name
from dashboards.page.parts import badge, card, nothing, table
from dashboards.page.scene import Scene, rank, ratio
from monitor.findings import worst_status
from monitor.labels import label


@dataclass(frozen=True, slots=True)
class Verdict:
    """One detector's finding."""

    detector: str
    status: str
    statistic: float | None
    effect: float | None
    low: float | None
    high: float | None
    p_value: float | None
    threshold: float | None
    ratio: float | None
    explanation: str


@dataclass(frozen=True, slots=True)
class Verdicts:
    """All findings of a column in the latest window."""

    column: str
    status: str
    drifting_since: datetime | None
    """Start of the unbroken run of windows in drift, as far as windows are shown."""
    verdicts: list[Verdict]
    quality: dict[str, float]
    """Quality kind → share of the rows."""
    quality_reference: dict[str, float]


def read(scene: Scene) -> Verdicts | None:
    """Return what is said of the column, ``None`` without a window."""
    column, chosen = column_of(scene), scene.chosen
    if chosen is None:
        return None
    findings = [finding for finding in chosen.result.findings if finding.column == column]
    findings.sort(key=lambda finding: (rank(finding.status), -(ratio(finding) or 0.0)))
    rates = {} if chosen.frame is None else chosen.frame.rates
    return Verdicts(
        column=label(column),
        status=worst_status(findings),
        drifting_since=_since(scene, column),
        verdicts=[
            Verdict(
                label(one.detector), one.status, _finite(one.statistic), _finite(one.effect), _finite(one.low),
                _finite(one.high), _finite(one.p_value), _finite(one.threshold), ratio(one), one.explanation[:300],
            )
            for one in findings
        ],
        quality={kind: value for (name, kind), value in chosen.quality.items() if name == column},
        quality_reference={kind: value for (name, kind), value in rates.items() if name == column},
    )  # fmt: skip


def show(found: Verdicts, scene: Scene) -> Html:
    """Return the findings as a table, and the quality beside."""
    del scene
    if not found.verdicts:
        return card("Now", nothing("No detector judges this column."), id_="now")
    heads = ("Statistic", "Status", "against its threshold", "Effect, 95 % interval", "p", "in words")
    rows = [
        (
            statistic_name(one.detector), badge(one.status),
            join(meter(one.ratio, one.status),
                 tag("span", f"{figure(one.statistic)} / {figure(one.threshold)}", class_="n")),
            f"{figure(one.effect)}, {figure(one.low)} to {figure(one.high)}" if one.effect is not None else "",
            p_value(one.p_value).removeprefix("p "), one.explanation,
        )
        for one in found.verdicts
    ]  # fmt: skip
    quality = [
        f"{kind} {share(value)} (reference {share(found.quality_reference[kind])})"
        if kind in found.quality_reference
        else f"{kind} {share(value)}"
        for kind, value in found.quality.items()
        if value or found.quality_reference.get(kind)
    ]
    words = tag("p", "Cells not in order: ", "; ".join(quality), ".", class_="note") if quality else None
    return card(
        "Now",
        _lead(found),
        table(heads, rows, caption="What each statistic says", words=True, numbers=(4,)),
        words,
        id_="now",
    )


def _since(scene: Scene, column: str) -> datetime | None:
    grid = scene.grid
    return moment(dict(zip(grid.names, grid.drifting_since, strict=True)).get(column))


def _lead(found: Verdicts) -> Html:
    """Return what one should know first: how it stands, since when, what moved most."""
    worst = found.verdicts[0]
    if found.status not in {"drift", "warn"}:
        return tag("p", badge(found.status), class_="lead")
    since = join(" since ", when(found.drifting_since)) if found.drifting_since else None
    moved = f": {statistic_name(worst.detector)} {figure(worst.statistic)} against {figure(worst.threshold)}"
    words = f", {worst.explanation}" if worst.explanation else ""
    return tag("p", badge(found.status), since, moved, words, ".", class_="lead")


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
