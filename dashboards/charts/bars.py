"""Small bars that stand in a table's cell."""

from __future__ import annotations

import math
from typing import Final

from dashboards.html import Html, tag

_FULL: Final = 2.0
"""Drift ratio at which a meter is full; its mark at half is the threshold."""


def meter(ratio: float | None, status: str) -> Html:
    """Return a bar of a statistic against its threshold, which is marked in the middle.

    It says nothing to screen readers: the number stands beside it.
    """
    known = ratio is not None and math.isfinite(ratio)
    width = min(max(ratio or 0.0, 0.0), _FULL) / _FULL * 100 if known else 0.0
    return tag(
        "svg",
        tag("rect", width=100, height=8, rx=2, class_="track"),
        tag("rect", width=f"{width:.1f}", height=8, rx=2, class_=f"s-{status}"),
        tag("path", d="M50 0v8", class_="mark"),
        class_="meter", viewBox="0 0 100 8", preserveAspectRatio="none", aria_hidden="true",
    )  # fmt: skip


def pair(reference: float, window: float, most: float) -> Html:
    """Return two bars over each other, of shares of the reference and of the window; ``most`` is a full bar."""
    scale = 100 / most if most > 0 else 0.0
    return tag(
        "svg",
        tag("rect", width=f"{reference * scale:.2f}", height=7, class_="area-reference"),
        tag("rect", width=f"{window * scale:.2f}", y=8, height=7, class_="bar-window"),
        class_="pair", viewBox="0 0 100 15", preserveAspectRatio="none", aria_hidden="true",
    )  # fmt: skip
