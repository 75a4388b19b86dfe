"""What is in drift or warning now, the worst first, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

import numpy as np

from dashboards.charts.bars import meter
from dashboards.figures import count, figure, moment, p_value, when
from dashboards.html import Html, join, name, tag
from dashboards.page.parts import badge, card, link, more, nothing, table
from dashboards.page.scene import Scene, findings_now, ratio
from monitor.labels import label

_SHOWN: Final = 100
_AT_ONCE: Final = 12
_TEXT: Final = 300
_RATES: Final = "_rate"
_NAMES: Final = {
    "psi": "PSI", "mmd": "MMD²", "ks": "KS", "chi2": "χ²", "g_test": "G-test", "jensen_shannon": "Jensen-Shannon",
    "cramer_von_mises": "Cramér-von Mises", "l_infinity": "largest gap", "new_column": "new column",
    "vanished_column": "vanished column", "total_variation": "total variation", "low_rate": "below range",
    "high_rate": "above range", "bad_rate": "wrong type", "unseen_rate": "unseen category",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MovedRow:
    """One finding in drift or warning."""

    column: str
    detector: str
    status: str
    statistic: float | None
    threshold: float | None
    ratio: float | None
    effect_low: float | None
    effect_high: float | None
    """95 % interval of what is left of the statistic without chance."""
    p_value: float | None
    explanation: str
    drifting_since: datetime | None


@dataclass(frozen=True, slots=True)
class Moved:
    """The findings of the window that is looked at."""

    rows: list[MovedRow]
    total: int
    judged: int
    """Columns with a verdict."""


def read(scene: Scene) -> Moved | None:
    """Return what moved in the latest window, ``None`` without one."""
    chosen = scene.chosen
    if chosen is None:
        return None
    moved = findings_now([chosen])
    grid = scene.grid
    since = dict(zip(grid.names, grid.drifting_since, strict=True))
    rows = [
        MovedRow(
            column=label(finding.column), detector=label(finding.detector), status=finding.status,
            statistic=_finite(finding.statistic), threshold=_finite(finding.threshold), ratio=ratio(finding),
            effect_low=_finite(finding.low), effect_high=_finite(finding.high), p_value=_finite(finding.p_value),
            explanation=finding.explanation[:_TEXT],
            drifting_since=moment(since.get(finding.column)) if finding.status == "drift" else None,
        )
        for _, finding in moved[:_SHOWN]
    ]  # fmt: skip
    judged = {finding.column for finding in chosen.result.findings if finding.status != "insufficient"}
    return Moved(rows, len(moved), len(judged))


def show(moved: Moved, scene: Scene) -> Html:
    """Return the list."""
    chosen = scene.chosen
    if not moved.rows:
        words = "Nothing is compared yet: there is no reference."
        if moved.judged:
            words = f"Nothing: all {count(moved.judged)} columns are in order."
        elif chosen is not None and chosen.result.findings:
            words = "The latest window has too few rows to say anything."
        return card("What moved", nothing(words), id_="moved")
    heads = ("Column", "Status", "Since (UTC)", "Against its threshold", "From what to what, and how sure")
    cells = [_cells(list(rows), scene) for _, rows in groupby(_by_column(moved.rows), key=lambda row: row.column)]
    cut = f"The {_SHOWN} worst of {count(moved.total)} findings." if moved.total > len(moved.rows) else None
    first = table(heads, cells[:_AT_ONCE], caption="Columns that moved", words=True)
    rest = None
    if len(cells) > _AT_ONCE:
        rest = more(
            f"{len(cells) - _AT_ONCE} more columns",
            table(heads, cells[_AT_ONCE:], caption="More that moved", words=True),
        )
    return card("What moved", first, rest, id_="moved", note=cut)


def _by_column(rows: list[MovedRow]) -> list[MovedRow]:
    """Return the findings of a column one after the other, the columns in the order of their worst."""
    order = {column: place for place, column in enumerate(dict.fromkeys(row.column for row in rows))}
    return sorted(rows, key=lambda row: order[row.column])


def statistic_name(detector: str) -> str:
    """Return a detector as people call it.

    >>> statistic_name("mmd"), statistic_name("missing_rate"), statistic_name("jensen_shannon")
    ('MMD²', 'missing', 'Jensen-Shannon')
    """
    return _NAMES.get(detector) or detector.removesuffix(_RATES).replace("_", " ")


def _cells(rows: list[MovedRow], scene: Scene) -> tuple[Html | str | None, ...]:
    worst, chosen = rows[0], scene.chosen
    version, window = (None, None) if chosen is None else (chosen.result.version, chosen.result.window)
    address = scene.links.column(scene.model.name, worst.column, version, window) if worst.column else None
    return (
        link(address, name(worst.column or "volume of rows")),
        badge(worst.status),
        when(worst.drifting_since) if worst.drifting_since else "",
        join(tag("p", meter(row.ratio, row.status),
                 tag("span", f"{statistic_name(row.detector)} {figure(row.statistic)} / {figure(row.threshold)}",
                     class_="n")) for row in rows),
        join(tag("p", row.explanation or statistic_name(row.detector), " ", tag("span", _sure(row), class_="beside"))
             for row in rows),
    )  # fmt: skip


def _sure(row: MovedRow) -> str:
    effect = f"effect {figure(row.effect_low)} to {figure(row.effect_high)}" if row.effect_low is not None else ""
    return ", ".join(filter(None, [effect, p_value(row.p_value)]))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
