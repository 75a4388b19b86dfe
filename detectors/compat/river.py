"""River's ADWIN between the reference and the window."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.compat.column import Column, FloatArray, IntArray, Verdict, by_distance

DELTA: Final = 0.002
SHORTEST: Final = 5
"""Rows that each side must have."""
GRACE: Final = 10
"""Rows that both must exceed together."""


def river(column: Column) -> Verdict:
    """Return what ``drift.ADWIN`` says of the cut between reference and window, had it read one after the other.

    ADWIN alarms if the means of the two sides differ by more than √(2mσ²d) + ⅔md, where σ² is the variance of all rows,
    d = ln(2·ln(rows) / delta), and m adds what the two sides are short of. It looks at other cuts besides, which needs
    the order of rows; ``detectors`` has the whole of it. A category is what River's users make of it, a one among
    zeros: the one is told that is nearest to an alarm.

    References
    ----------
    Bifet and Gavaldà (2007), Learning from time-changing data with adaptive windowing; as in River 0.26.
    """
    if column.values is not None:
        gap, limit = _cut(column.values[np.newaxis], column.reference, column.window)
    else:
        gap, limit = _cut(np.eye(len(column.reference)), column.reference, column.window)
    most = int(np.argmax(gap - limit)) if np.isfinite(limit).all() else 0
    return by_distance("adwin", float(gap[most]), float(limit[most]), reached=False)


def _cut(values: FloatArray, reference: IntArray, window: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the difference of means and what it must exceed, for rows at each of ``[M, K]`` values."""
    before, now = int(reference.sum()), int(window.sum())
    rows = before + now
    means = [values @ (counts / max(int(counts.sum()), 1)) for counts in (reference, window)]
    gap = np.abs(means[0] - means[1])
    if min(before, now) < SHORTEST or rows <= GRACE:
        return gap, np.full(len(values), np.inf)
    middle = (before * means[0] + now * means[1]) / rows
    variance = np.square(values - middle[:, np.newaxis]) @ (reference + window) / rows
    level = np.log(2 * np.log(rows) / DELTA)
    short = 1 / (before - SHORTEST + 1) + 1 / (now - SHORTEST + 1)
    return gap, np.sqrt(2 * short * variance * level) + 2 / 3 * level * short
