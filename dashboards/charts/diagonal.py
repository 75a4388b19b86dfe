"""A reliability diagram: what happened against what was said, each point with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from dashboards.html import Html, tag

_SIDE: Final = 320
_LEFT: Final = 38
_FOOT: Final = 30
_TOP: Final = 8
_TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


def diagonal(points: Sequence[tuple[float, float, float, float, int]], summary: str) -> Html:
    """Return the picture.

    Parameters
    ----------
    points
        Mean score, share of positives, ends of its interval, and rows, by bin.
    summary
        What a screen reader says.
    """
    most = max((rows for *_, rows in points), default=1)
    line = "".join(
        f"{'M' if not place else 'L'}{_x(score):.1f} {_y(rate):.1f}" for place, (score, rate, *_) in enumerate(points)
    )
    return tag(
        "svg",
        [_tick(value) for value in _TICKS],
        tag("path", d=f"M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}", class_="chance-line"),
        tag("path", d=line, class_="line-window") if points else None,
        (tag("path", d=f"M{_x(score):.1f} {_y(low):.1f}V{_y(high):.1f}", class_="whisker")
         for score, _, low, high, _ in points if math.isfinite(low) and math.isfinite(high)),
        (tag("circle", cx=f"{_x(score):.1f}", cy=f"{_y(rate):.1f}", r=f"{2.5 + 3.5 * (rows / most) ** 0.5:.1f}",
             class_="dot") for score, rate, _, _, rows in points),
        tag("text", "mean score", x=_x(0.5), y=_SIDE + _TOP + _FOOT - 2, text_anchor="middle"),
        tag("text", "share of positives", x=-_y(0.5), y=10, text_anchor="middle", transform="rotate(-90)"),
        class_="diagonal", viewBox=f"0 0 {_SIDE + _LEFT + 8} {_SIDE + _TOP + _FOOT}", role="img", aria_label=summary,
    )  # fmt: skip


def _x(score: float) -> float:
    return _LEFT + min(max(score, 0.0), 1.0) * _SIDE


def _y(rate: float) -> float:
    return _TOP + (1 - min(max(rate, 0.0), 1.0)) * _SIDE


def _tick(value: float) -> Html:
    short = f"{value:g}"
    return tag(
        "g",
        tag("path", d=f"M{_x(value):.1f} {_y(0)}V{_y(1)}M{_x(0)} {_y(value):.1f}H{_x(1)}", class_="grid"),
        tag("text", short, x=f"{_x(value):.1f}", y=_y(0) + 13, text_anchor="middle"),
        tag("text", short, x=_LEFT - 5, y=f"{_y(value) + 4:.1f}", text_anchor="end"),
    )
