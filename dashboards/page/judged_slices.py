"""Slices by how wrong the model is in them, those furthest from the whole first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dashboards.figures import count, figure
from dashboards.html import Html, name, tag
from dashboards.page import judged
from dashboards.page.correctness import with_interval
from dashboards.page.parts import badge, card, link, table
from dashboards.page.scene import Scene, rank
from monitor.labels import label
from monitor.views import FigureView

_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class SliceRow:
    """One slice of the judged window."""

    slice: str
    status: str
    labelled: int
    figure: FigureView
    """The headline figure, judged for good where there are enough labels, otherwise as known now."""
    apart: float
    """The figure less that of the whole population."""
    sure: bool
    """Whether the interval leaves the whole population's figure out."""
    explanation: str


@dataclass(frozen=True, slots=True)
class JudgedSlices:
    """Slices of one judged window."""

    metric: str
    whole: FigureView
    total: int
    rows: list[SliceRow]


def read(scene: Scene) -> JudgedSlices | None:
    """Return the slices, ``None`` without any."""
    whole = judged.whole(scene)
    if whole is None:
        return None
    changed = [one.column for one in whole.result.findings if one.detector == "performance_change"]
    metric = next(iter(dict.fromkeys([*changed, *whole.final, *whole.running])), None)
    own = None if metric is None else whole.final.get(metric) or whole.running.get(metric)
    if metric is None or own is None:
        return None
    rows = []
    for view in judged.slices(scene, whole):
        found = _known(view.final.get(metric)) or _known(view.running.get(metric))
        if found is None:
            continue
        worst = min(view.result.findings, key=lambda one: rank(one.status), default=None)
        rows.append(
            SliceRow(
                label(view.result.slice), "ok" if worst is None else worst.status, view.labelled, found,
                found.value - own.value, not found.low <= own.value <= found.high,
                "" if worst is None or worst.status not in {"warn", "drift"} else worst.explanation,
            )
        )  # fmt: skip
    if not rows:
        return None
    rows.sort(key=lambda row: (rank(row.status), not row.sure, -abs(row.apart), row.slice))
    return JudgedSlices(metric, own, len(rows), rows if scene.ask.rows == "all" else rows[:_SHOWN])


def _known(found: FigureView | None) -> FigureView | None:
    return found if judged.is_known(found) else None


def show(found: JudgedSlices, scene: Scene) -> Html:
    """Return the table."""
    title = judged.figure_name(found.metric)
    heads = ("Slice", "Status", title, "from the whole", "Labelled", "in words")
    rows = [
        (
            name(row.slice), badge(row.status), with_interval(row.figure),
            tag("span", f"{'+' if row.apart > 0 else ''}{figure(row.apart)}", class_=None if row.sure else "beside"),
            count(row.labelled), row.explanation or ("" if row.sure else "within chance"),
        )
        for row in found.rows
    ]  # fmt: skip
    rest = None
    if len(found.rows) < found.total:
        every = link(scene.links.here(scene.ask, rows="all"), "Show all")
        rest = tag("p", f"{len(found.rows)} of {count(found.total)} slices. ", every)
    note = f"{title} of all rows: {figure(found.whole.value)}. Slices furthest from it first."
    return card("Where it is wrong", table(heads, rows, caption="Slices by performance", numbers=(3, 4)), rest,
                id_="judged-slices", note=note)  # fmt: skip
