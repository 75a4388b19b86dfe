"""Bars over time in one row: from when to when something was so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dashboards.html import Html, tag

_WIDTH: Final = 1000
_HEIGHT: Final = 16
_LEAST: Final = 4.0
"""So wide is a bar at least, or a short one would not be seen."""


@dataclass(frozen=True, slots=True)
class Span:
    """One bar; times in seconds."""

    start: float
    end: float | None
    """``None`` for what goes on; its end is drawn open."""
    status: str
    """Decides the colour, as statuses of findings do."""


def spans(bars: Sequence[Span], first: float, last: float, summary: str) -> Html:
    """Return a row of bars between two times.

    >>> "M500 3h250v10h-250z" in spans([Span(50.0, 75.0, "warn")], 0.0, 100.0, "")
    True
    """
    width = max(last - first, 1e-9)
    parts = []
    for bar in bars:
        begin = (bar.start - first) / width * _WIDTH
        end = _WIDTH if bar.end is None else (bar.end - first) / width * _WIDTH
        size = max(end - begin, _LEAST)
        path = f"M{begin:g} 3h{size:g}v10h-{size:g}z"
        parts.append(tag("path", d=path, class_=f"s-{bar.status}" + (" open" if bar.end is None else "")))
    return tag(
        "svg", tag("path", d=f"M0 8h{_WIDTH}", class_="axis"), parts, class_="bars", viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        preserveAspectRatio="none", role="img", aria_label=summary,
    )  # fmt: skip
