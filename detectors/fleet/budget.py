"""From what an operator asks for to what a fleet needs: patience and weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.evidence.null import FloatArray


def patience(incidents: float, period: float, window: float, share: float = 1.0) -> float:
    """Return A, the mean number of windows to the first false incident that a fleet may have at least.

    Parameters
    ----------
    incidents
        False incidents allowed in the period, over the whole service.
    period, window
        Lengths of the period and of an evidence window, in the same unit.
    share
        Part of the budget that this fleet may use; the shares of all fleets sum to 1 at most.

    Examples
    --------
    >>> patience(1, period=7 * 24, window=1, share=0.5)
    336.0

    Raises
    ------
    ValueError
        When the budget allows more than one false incident a window.
    """
    if not (incidents > 0 and period > 0 and window > 0 and 0 < share <= 1):
        raise ValueError("incidents, period and window must be positive, the share in (0, 1]")
    windows = period / window / incidents / share
    if windows < 1:
        raise ValueError(f"a false incident every {windows:.2g} windows is no budget")
    return windows


def start_weights(importance: Sequence[float] | FloatArray) -> FloatArray:
    """Return the start weights of a fleet in proportion to importance; they sum to 1.

    >>> start_weights([1.0, 1.0, 2.0]).tolist()
    [0.25, 0.25, 0.5]
    """
    weights = np.asarray(importance, np.float64)
    if weights.size and not (np.isfinite(weights).all() and weights.min() >= 0 and weights.sum() > 0):
        raise ValueError("importance must be finite, not negative, and positive somewhere")
    return weights / weights.sum() if weights.size else weights
