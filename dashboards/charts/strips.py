"""A row of a heat map: one cell a window, coloured by the drift ratio, underlined where the window is in drift."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from dashboards.html import Html, join, tag

LEVELS: Final = (0.5, 0.75, 1.0, 1.5, 2.5)
"""Drift ratios at which the next colour begins."""
_HEIGHT: Final = 20
_FOOT: Final = 4


def level(ratio: float | None) -> int | None:
    """Return the colour of a ratio, ``None`` where there is no ratio.

    >>> [level(ratio) for ratio in (0.2, 0.6, 0.99, 1.0, 2.0, 9.0, None, float("nan"))]
    [0, 1, 2, 3, 4, 5, None, None]
    """
    if ratio is None or math.isnan(ratio):
        return None
    return sum(ratio >= bound for bound in LEVELS)


def strip(ratios: Sequence[float | None], drifts: Sequence[bool], summary: str) -> Html:
    """Return one row; neighbours of one colour are one rectangle, so a quiet row is a few bytes.

    Parameters
    ----------
    ratios
        One a window, ``None`` where it could not be judged.
    drifts
        Whether each is in drift: told by a foot under the cell, not by colour alone.
    summary
        What a screen reader says.
    """
    paths = _runs([level(ratio) for ratio in ratios], 0, _HEIGHT, "h")
    feet = _runs([0 if drift else None for drift in drifts], _HEIGHT - _FOOT, _FOOT, "foot")
    return tag(
        "svg", paths, feet, class_="strip", viewBox=f"0 0 {max(len(ratios), 1)} {_HEIGHT}",
        preserveAspectRatio="none", role="img", aria_label=summary,
    )  # fmt: skip


def statuses(found: Sequence[str], summary: str) -> Html:
    """Return one row of windows by status; the height tells it too: drift is full, ok a third."""
    tops = {"ok": 13, "warn": 7, "drift": 0}
    places = [status if status in tops else None for status in found]
    parts = [
        _runs([0 if place == status else None for place in places], top, _HEIGHT - top, f"s-{status} s")
        for status, top in tops.items()
    ]
    return tag(
        "svg", parts, class_="strip", viewBox=f"0 0 {max(len(found), 1)} {_HEIGHT}", preserveAspectRatio="none",
        role="img", aria_label=summary,
    )  # fmt: skip


def _runs(levels: Sequence[int | None], top: int, height: int, name: str) -> Html:
    """Return one path a level, with a rectangle for every run of it."""
    paths: dict[int, list[str]] = {}
    place = 0
    for value, run in groupby(levels):
        length = sum(1 for _ in run)
        if value is not None:
            paths.setdefault(value, []).append(f"M{place} {top}h{length}v{height}h-{length}z")
        place += length
    return join(tag("path", d="".join(parts), class_=f"{name}{value}") for value, parts in sorted(paths.items()))
