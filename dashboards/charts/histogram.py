"""Two distributions of a number over each other: the reference as an area, the window as a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from dashboards.figures import figure
from dashboards.html import Html, tag

_WIDTH: Final = 720
_HEIGHT: Final = 240
_FOOT: Final = 26
_TOP: Final = 8
_TICKS: Final = 6


def histogram(borders: Sequence[float], reference: Sequence[int], window: Sequence[int], summary: str) -> Html:
    """Return the picture; areas are shares of the rows, so bins of unequal width compare rightly.

    Parameters
    ----------
    borders
        Ends of the bins, strictly increasing.
    reference, window
        Rows by bin, one fewer than ``borders``.
    summary
        What a screen reader says.
    """
    first, last = _densities(borders, reference), _densities(borders, window)
    most = max(max(first, default=0.0), max(last, default=0.0)) or 1.0
    left, right = borders[0], borders[-1]
    across = [(border - left) / (right - left) * _WIDTH for border in borders]
    floor = _HEIGHT - _FOOT
    return tag(
        "svg",
        tag("path", d=_steps(across, first, most, closed=True), class_="area-reference"),
        tag("path", d=_steps(across, last, most, closed=True), class_="area-window"),
        tag("path", d=_steps(across, last, most, closed=False), class_="line-window"),
        tag("path", d=f"M0 {floor}H{_WIDTH}", class_="axis"),
        _axis(left, right),
        class_="histogram", viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=summary,
    )  # fmt: skip


def ticks(left: float, right: float, most: int = _TICKS) -> list[float]:
    """Return round numbers within a range, 1, 2 or 5 times a power of ten apart.

    >>> ticks(0.0, 97.0)
    [0.0, 20.0, 40.0, 60.0, 80.0]
    """
    if not (math.isfinite(left) and math.isfinite(right) and right > left):
        return []
    rough = (right - left) / most
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 0.0
    if not (math.isfinite(power) and power > 0):
        return []
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first = math.ceil(left / step)
    return [place * step for place in range(first, math.floor(right / step) + 1)]


def tick_text(value: float) -> str:
    """Return a round number as short as it can be.

    >>> tick_text(0.2), tick_text(40.0), tick_text(200000.0), tick_text(1e-07)
    ('0.2', '40', '200,000', '1e-07')
    """
    short = figure(value)
    return short.rstrip("0").rstrip(".") if "." in short and "e" not in short else short


def _densities(borders: Sequence[float], rows: Sequence[int]) -> list[float]:
    """Return the height of every bin, relative to rows spread evenly over the range."""
    total, whole = sum(rows), borders[-1] - borders[0]
    if not total:
        return [0.0] * len(rows)
    return [
        number / total / ((high - low) / whole)
        for number, low, high in zip(rows, borders[:-1], borders[1:], strict=True)
    ]


def _steps(across: Sequence[float], heights: Sequence[float], most: float, *, closed: bool) -> str:
    floor = _HEIGHT - _FOOT
    path = [f"M{across[0]:.1f} {floor}"]
    for right, height in zip(across[1:], heights, strict=True):
        path.append(f"V{floor - height / most * (floor - _TOP):.1f}H{right:.1f}")
    path.append(f"V{floor}" + ("z" if closed else ""))
    return "".join(path)


def _axis(left: float, right: float) -> list[Html]:
    labels = []
    for tick in ticks(left, right):
        place = (tick - left) / (right - left) * _WIDTH
        anchor = "start" if place < 20 else "end" if place > _WIDTH - 20 else "middle"
        labels.append(tag("path", d=f"M{place:.1f} {_HEIGHT - _FOOT}v5", class_="axis"))
        labels.append(tag("text", tick_text(tick), x=f"{place:.1f}", y=_HEIGHT - 6, text_anchor=anchor))
    return labels
