"""Whether scores mean what they say: the reliability diagram and the figures of calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dashboards.charts.diagonal import diagonal
from dashboards.figures import count, figure
from dashboards.html import Html, tag
from dashboards.page import judged
from dashboards.page.correctness import with_interval
from dashboards.page.parts import card, more, table
from dashboards.page.scene import Scene
from monitor.views import FigureView, ReliabilityPoint


@dataclass(frozen=True, slots=True)
class Reliability:
    """The scores of one judged window."""

    points: tuple[ReliabilityPoint, ...]
    figures: Mapping[str, FigureView]


def read(scene: Scene) -> Reliability | None:
    """Return the diagram's points and the figures, ``None`` where there are no scores with labels."""
    view = judged.whole(scene)
    if view is None or not (view.reliability or view.calibration):
        return None
    return Reliability(tuple(point for point in view.reliability if point.n), view.calibration)


def show(found: Reliability, scene: Scene) -> Html:
    """Return the diagram with the figures beside it."""
    del scene
    rows = [(judged.figure_name(metric), with_interval(value)) for metric, value in found.figures.items()]
    figures = table(("Figure", "with its 95 % interval"), rows, caption="Figures of calibration") if rows else None
    picture = None
    if found.points:
        points = [(point.score, point.rate, point.low, point.high, point.n) for point in found.points]
        apart = max(found.points, key=lambda point: abs(point.rate - point.score))
        summary = (
            f"Reliability diagram of {len(points)} bins. Furthest from the diagonal: score {figure(apart.score)}, "
            f"rate {figure(apart.rate)}. The figures are in the table below."
        )
        heads = ("Mean score", "Share of positives", "95 % interval", "Rows")
        cells = [(figure(p.score), figure(p.rate), f"{figure(p.low)} to {figure(p.high)}", count(p.n))
                 for p in found.points]  # fmt: skip
        picture = tag(
            "figure", diagonal(points, summary),
            more("Figures", table(heads, cells, caption="Reliability by score bin", numbers=range(4))),
            class_="reliability",
        )  # fmt: skip
    note = "A calibrated model's points lie on the diagonal: of the rows with score 0.3, three in ten are positive."
    return card("Do scores mean what they say?", tag("div", picture, figures, class_="beside-each-other"),
                id_="reliability", note=note)  # fmt: skip
