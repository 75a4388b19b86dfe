"""Differences with their intervals, one under the other, around a line of no difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from dashboards.figures import figure
from dashboards.html import Html, tag

_WIDTH: Final = 460
_ROW: Final = 34
_LEFT: Final = 8
_FOOT: Final = 34
_MARGIN: Final = 1.15


def forest(rows: Sequence[tuple[str, float, float, float]], better: str, worse: str, summary: str) -> Html | None:
    """Return the picture, ``None`` when no row has finite figures.

    Parameters
    ----------
    rows
        Name, difference and the ends of its interval.
    better, worse
        What lies left and right of no difference.
    summary
        What a screen reader says.
    """
    shown = [row for row in rows if all(math.isfinite(value) for value in row[1:])]
    if not shown:
        return None
    most = max(max(abs(low), abs(high), abs(value)) for _, value, low, high in shown) * _MARGIN or 1.0
    height = len(shown) * _ROW
    return tag(
        "svg",
        tag("path", d=f"M{_x(0.0, most):.1f} 0V{height}", class_="axis"),
        [_row(place, row, most) for place, row in enumerate(shown)],
        tag("text", f"← {better}", x=_LEFT, y=height + 14),
        tag("text", f"{worse} →", x=_WIDTH - _LEFT, y=height + 14, text_anchor="end"),
        [_tick(value, most, height) for value in (-most / _MARGIN, 0.0, most / _MARGIN)],
        class_="forest", viewBox=f"0 0 {_WIDTH} {height + _FOOT}", role="img", aria_label=summary,
    )  # fmt: skip


def _row(place: int, row: tuple[str, float, float, float], most: float) -> Html:
    name, value, low, high = row
    middle = place * _ROW + 22
    side = "left" if high < 0 else "right" if low > 0 else "both"
    return tag(
        "g",
        tag("text", name, x=_LEFT, y=place * _ROW + 11),
        tag("path", d=f"M{_x(low, most):.1f} {middle}H{_x(high, most):.1f}", class_="whisker"),
        tag("path", d=f"M{_x(low, most):.1f} {middle - 4}v8M{_x(high, most):.1f} {middle - 4}v8", class_="whisker"),
        tag("circle", cx=f"{_x(value, most):.1f}", cy=middle, r=4.5, class_="dot"),
        class_=f"side-{side}",
    )


def _tick(value: float, most: float, height: int) -> Html:
    return tag("text", figure(value), x=f"{_x(value, most):.1f}", y=height + 30, text_anchor="middle")


def _x(value: float, most: float) -> float:
    return _WIDTH / 2 + value / most * (_WIDTH / 2 - _LEFT)
