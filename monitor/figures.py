"""Figures of one window that need no reference: quality shares, flagged share, errors, latency quantiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from monitor.coders import NO, YES
from monitor.events import FloatArray, IntArray
from monitor.findings import WindowResult
from monitor.layout import Layout
from monitor.views import WindowView

QUANTILES: Final = (0.5, 0.9, 0.99)


def window_view(result: WindowResult, layout: Layout, counts: IntArray) -> WindowView:
    """Return a window's result with the figures that are shown beside it."""
    return WindowView(
        result=result,
        quality=quality(layout, counts),
        flagged=share(layout, counts, "flagged"),
        errors=share(layout, counts, "error"),
        latency=latency(layout, counts),
    )


def cells(layout: Layout, counts: IntArray, column: str) -> IntArray | None:
    """Return the cells of one column, ``None`` when the layout has no such column."""
    span = layout.spans.get(column)
    return None if span is None else counts[span[0] : span[1]]


def quality(layout: Layout, counts: IntArray) -> dict[tuple[str, str], float]:
    """Return (column, kind) → share of the rows, for every quality cell of every column; empty without rows."""
    rows = int(counts[0])
    if not rows:
        return {}
    shares: dict[tuple[str, str], float] = {}
    for name, coder in layout.coders.items():
        kinds: Mapping[str, int] = getattr(coder, "quality", {})
        first = layout.spans[name][0]
        for kind, cell in kinds.items():
            shares[name, kind] = int(counts[first + cell]) / rows
    return shares


def share(layout: Layout, counts: IntArray, column: str) -> float | None:
    """Return the share of yes among yes and no, ``None`` when there is neither."""
    found = cells(layout, counts, column)
    if found is None or not (total := int(found[NO] + found[YES])):
        return None
    return int(found[YES]) / total


def latency(layout: Layout, counts: IntArray) -> dict[float, float]:
    """Return quantile → seconds, interpolated within the bin; empty without any."""
    found = cells(layout, counts, "latency")
    coder = layout.coders.get("latency")
    edges: FloatArray | None = getattr(coder, "edges", None)
    if found is None or edges is None:
        return {}
    bins = found[: len(edges) + 1].astype(np.float64)
    total = bins.sum()
    if not total:
        return {}
    uppers = np.append(edges, edges[-1] * (edges[-1] / edges[-2]))
    lowers = np.insert(edges, 0, 0.0)
    reached = np.cumsum(bins)
    out: dict[float, float] = {}
    for quantile in QUANTILES:
        place = int(np.searchsorted(reached, quantile * total, side="left"))
        before = reached[place] - bins[place]
        within = (quantile * total - before) / bins[place]
        out[quantile] = float(lowers[place] + within * (uppers[place] - lowers[place])) / 1000
    return out
