"""The tolerance ``auto``: wide enough that the reference's own ups and downs spend no more than the budget."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.evidence.interval import RATIO
from detectors.evidence.null import FloatArray
from detectors.evidence.wander import Wander

TOLERANCES: Final = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Population stability indices that ``auto`` chooses from."""
RATIOS: Final = (RATIO, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Ratios of odds that ``auto`` chooses from."""
FEWEST_DAYS: Final = 7
"""Days of reference below which no monitor should page."""


def day_alpha(weights: FloatArray, patience: float, windows_per_day: float) -> FloatArray:
    """Return the probability that a day of each monitor may stray beyond its tolerance, ``[J]``.

    A day that strays counts for one incident at most, so these fit into the budget of one in ``patience`` windows.

    >>> day_alpha(np.array([0.02]), 168.0, 24.0).round(6).tolist()
    [0.002857]
    """
    return np.minimum(weights * windows_per_day / patience, 0.5)


def auto_tolerance(wander: Wander, alpha: FloatArray) -> FloatArray:
    """Return the tolerance of shapes, ``[J]``; NaN where even the widest is too narrow.

    A monitor with NaN is unstable: it should be shown, not judged.

    Parameters
    ----------
    wander
        Scatter of the reference's windows.
    alpha
        Probability that a day strays further, ``[J]``; see ``day_alpha``.
    """
    return _least(wander.reach(alpha), TOLERANCES)


def auto_ratio(wander: Wander, rate: FloatArray, alpha: FloatArray) -> FloatArray:
    """Return the ratio of odds that rates ``[J]`` may differ by, ``[J]``; NaN where they stray too far.

    A rate's index is (change)² / (rate·(1 - rate)), so its logit changes by √(index / (rate·(1 - rate))).
    """
    inner = rate * (1 - rate)
    some = inner > 0
    logit = np.sqrt(np.where(some, wander.reach(alpha), 0.0) / np.where(some, inner, 1.0))
    return _least(np.exp(np.minimum(logit, 700.0)), RATIOS)


def _least(reach: FloatArray, grid: tuple[float, ...]) -> FloatArray:
    """Return the least figure of a grid that is not below; NaN beyond it."""
    places = np.searchsorted(np.array(grid), reach)
    return np.array([*grid, np.nan])[np.where(np.isnan(reach), len(grid), places)]
