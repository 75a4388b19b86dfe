"""The confusion matrix: what was said against what was true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dashboards.figures import count, share
from dashboards.html import Html, name, tag
from dashboards.page import judged
from dashboards.page.parts import card, table
from dashboards.page.scene import Scene

_SHOWN: Final = 20
_LEVELS: Final = 5


@dataclass(frozen=True, slots=True)
class Confused:
    """Rows by true class and predicted class, as labels are known now."""

    classes: tuple[str, ...]
    """Names of the true classes."""
    counts: tuple[tuple[int, ...], ...]
    """True class by predicted class; a further column holds predictions of no known class."""


def read(scene: Scene) -> Confused | None:
    """Return the matrix of the judged window looked at, ``None`` where there is none."""
    view = judged.whole(scene)
    if view is None or not view.confusion or not any(map(any, view.confusion)):
        return None
    names = view.classes or tuple(str(place) for place in range(len(view.confusion)))
    return Confused(names, view.confusion)


def show(found: Confused, scene: Scene) -> Html:
    """Return the matrix; shades tell shares of the row, and so do the figures."""
    del scene
    classes, counts = found.classes[:_SHOWN], [row[: _SHOWN + 1] for row in found.counts[:_SHOWN]]
    wide = max(map(len, counts))
    heads = [*(name(one) for one in found.classes[:wide]), *(["(none of these)"] if wide > len(found.classes) else [])]
    rows = [[name(one), *(_cell(rows, sum(row)) for rows in row)] for one, row in zip(classes, counts, strict=True)]
    note = "Rows are the true class, columns what the model said. Shares are of the row."
    cut = f" The first {_SHOWN} of {count(len(found.classes))} classes." if len(found.classes) > _SHOWN else ""
    return card("What it takes for what", table(["True class", *heads], rows, caption="Confusion matrix"),
                id_="confused", note=note + cut)  # fmt: skip


def _cell(rows: int, total: int) -> Html:
    part = rows / total if total else 0.0
    return tag("span", tag("b", count(rows)), " ", tag("span", share(part), class_="beside"),
               class_=f"shade l{round(part * _LEVELS)}")  # fmt: skip
