"""One column's distribution: the latest window over the reference."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from dashboards.charts.bars import pair
from dashboards.charts.histogram import histogram
from dashboards.figures import clock, count, figure, moment, share
from dashboards.html import Html, name, tag
from dashboards.page.parts import card, more, nothing, table
from dashboards.page.scene import NotThereError, Scene
from monitor.labels import label

_BARS: Final = 24


@dataclass(frozen=True, slots=True)
class Bin:
    """One drawn bin, a sum of counted ones."""

    name: str
    reference: int
    window: int
    reference_share: float
    window_share: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """A column in the latest window and in the reference; missing and bad values stand apart."""

    column: str
    numeric: bool
    few: bool
    borders: list[float]
    bins: list[Bin]
    reference_rows: int
    """Rows of the reference that have a value in the bins."""
    window_rows: int


def column_of(scene: Scene) -> str:
    """Return the column that is asked for, as the model writes it.

    Raises
    ------
    NotThereError
        When the model has none of this name.
    """
    wanted = scene.ask.column
    for window in scene.whole:
        names = dict.fromkeys(finding.column for finding in window.result.findings)
        if window.frame is not None:
            names |= dict.fromkeys(window.frame.columns)
        for column in names:
            if column and label(column) == wanted:
                return column
    raise NotThereError(f"the model has no column {wanted!r}" if wanted else "no column is named")


def read(scene: Scene) -> Distribution | None:
    """Return both distributions, ``None`` where there is no window or no reference."""
    column, chosen = column_of(scene), scene.chosen
    if chosen is None or chosen.frame is None or chosen.counts is None:
        return None
    frame = chosen.frame.columns.get(column)
    if frame is None:
        return None
    before = frame.of(chosen.frame.reference)[: frame.bins].tolist()
    now = frame.of(chosen.counts)[: frame.bins].tolist()
    totals = sum(before), sum(now)
    names = [label(one) for one in frame.names] or _ranges(frame.borders)
    bins = [
        Bin(name, first, last, first / totals[0] if totals[0] else 0.0, last / totals[1] if totals[1] else 0.0)
        for name, first, last in zip(names, before, now, strict=True)
    ]
    return Distribution(label(column), not frame.names, frame.few, list(frame.borders), bins, *totals)


def _ranges(borders: tuple[float, ...]) -> list[str]:
    inner = [f"{figure(low)} to {figure(high)}" for low, high in pairwise(borders[1:-1])]
    if len(borders) <= 2:
        return ["all"]
    return [f"up to {figure(borders[1])}", *inner, f"above {figure(borders[-2])}"]


def show(found: Distribution | None, scene: Scene) -> Html:
    """Return the picture and its table."""
    chosen = scene.chosen
    if found is None or chosen is None:
        words = "No counts of this column are at hand; they come with the next window." if scene.whole else "No window."
        return card("Distribution", nothing(words), id_="distribution")
    result = chosen.result
    legend = tag(
        "p",
        tag("span", tag("i", class_="key k-reference"), f"reference, {count(found.reference_rows)} rows"),
        tag("span", tag("i", class_="key k-window"), f"window to {clock(moment(result.end))} UTC, "
            f"{count(found.window_rows)} rows"),
        class_="legend",
    )  # fmt: skip
    if found.numeric and not found.few and found.borders[-1] > found.borders[0]:
        summary = f"Distribution of {found.column}: {_largest(found)}"
        drawn = histogram(found.borders, [one.reference for one in found.bins], [one.window for one in found.bins],
                          summary)  # fmt: skip
        figures: Html | None = more("Figures", _table(found, found.bins))
    else:
        bins = found.bins if found.numeric else _commonest(found)
        drawn, figures = _table(found, bins, bars=True), None
        if len(bins) < len(found.bins):
            figures = more(f"All {len(found.bins)}", _table(found, found.bins))
    return card("Distribution", legend, drawn, figures, id_="distribution", note=_largest(found))


def _commonest(found: Distribution) -> list[Bin]:
    if len(found.bins) <= _BARS:
        return [one for one in found.bins if one.reference or one.window] or found.bins
    return sorted(found.bins, key=lambda one: -max(one.reference_share, one.window_share))[:_BARS]


def _largest(found: Distribution) -> str:
    """Return the largest change in words."""
    if not found.window_rows or not found.reference_rows:
        return "One of the two has no values."
    one = max(found.bins, key=lambda one: abs(one.window_share - one.reference_share))
    return f"Largest change: {one.name}, from {share(one.reference_share)} to {share(one.window_share)} of the rows."


def _table(found: Distribution, bins: list[Bin], *, bars: bool = False) -> Html:
    most = max((max(one.reference_share, one.window_share) for one in bins), default=0.0)
    heads = ["Values" if found.numeric else "Category", "Reference", "Window", "Change"]
    if bars:
        heads.insert(1, "")
    rows = []
    for one in bins:
        change = (one.window_share - one.reference_share) * 100
        row: list[Html | str] = [
            name(one.name),
            share(one.reference_share),
            share(one.window_share),
            f"{change:+.2f} points",
        ]
        if bars:
            row.insert(1, pair(one.reference_share, one.window_share, most))
        rows.append(row)
    first = 2 if bars else 1
    return table(heads, rows, caption=f"Distribution of {found.column}", numbers=range(first, first + 3))
