"""Columns of the reference that are missing in next to every row of a window: a field that was dropped or renamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from detectors.bins import CategoricalBins, NumericBins
from detectors.rate import Rate
from monitor.events import IntArray
from monitor.findings import Finding
from monitor.model import Model
from monitor.windows import Window

VANISHED: Final = "vanished_column"
"""The finding's detector."""
_LEFT: Final = 0.01
"""A column has vanished when no more than this share of the cells that should be there is."""
_CERTAIN: Final = 1e-6
"""P-value, that so few cells are there by chance; many columns are judged in many windows."""
_NEVER_THERE: Final = frozenset({"latency", "error", "flagged"})


def vanished_findings(model: Model, version: str, window: Window, counts: IntArray) -> Iterator[Finding]:
    """Yield a finding for every column that has vanished; nothing for those that are there.

    A column that was seldom there to begin with has vanished, too, once so many rows without it are no chance. Judged
    where a detector is on ``quality``, in windows with enough rows, and beside the missing rate.

    Parameters
    ----------
    model, version, window
        What is watched.
    counts
        Of the window, as the model's layout has them.
    """
    rows = int(counts[0])
    watched = bool(model.config.detectors_on("quality", window.name))
    if not watched or model.reference is None or rows < window.min_samples:
        return
    for name, coder in model.layout.coders.items():
        if name in _NEVER_THERE or not isinstance(coder, NumericBins | CategoricalBins):
            continue
        present = rows - int(counts[model.layout.spans[name][0] + coder.quality["missing"]])
        if present > _LEFT * rows:
            continue
        reference = model.reference.rate(name, version, "missing")
        if reference is not None:
            yield from _judged(name, reference, np.array([present, rows - present], np.int64))


def _judged(name: str, reference: IntArray, window: IntArray) -> Iterator[Finding]:
    before, now = (float(counts[0] / counts.sum()) if counts.sum() else 0.0 for counts in (reference, window))
    scores = Rate(alpha=_CERTAIN).score(reference[np.newaxis], window[np.newaxis])
    if now > _LEFT * before or not scores.p_value[0] <= _CERTAIN:
        return
    yield Finding(
        column=name,
        detector=VANISHED,
        statistic=float(scores.statistic[0]),
        effect=float(scores.effect[0]),
        low=float(scores.low[0]),
        high=float(scores.high[0]),
        p_value=float(scores.p_value[0]),
        threshold=(1 - _LEFT) * before,
        status="drift",
        direction=int(scores.direction[0]),
        explanation=f"in {before:.2%} of the reference's rows, now in {int(window[0]):,} of {int(window.sum()):,}",
    )
