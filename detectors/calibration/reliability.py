"""The reliability diagram, and whether scores are too high or too low on the whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.calibration.figure import FloatArray, IntArray, figure_of, ratio, wilson
from detectors.calibration.sums import ScoreBins
from detectors.norms import Z95
from detectors.performance.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Reliability:
    """Points of the diagram, ``[J, B]``; NaN in an empty bin."""

    score: FloatArray
    """Mean score, the abscissa."""
    rate: FloatArray
    """Observed share of positives, the ordinate."""
    low: FloatArray
    high: FloatArray
    """Wilson's 95 % interval of the rate, each bin by itself."""
    n: IntArray


def reliability(bins: ScoreBins) -> Reliability:
    """Return the reliability diagram in the bins given.

    >>> points = reliability(ScoreBins.of_sums([[10]], [[8]], [[7.0]], [[5.0]], unit=1))
    >>> [round(float(x[0, 0]), 3) for x in (points.score, points.rate, points.low, points.high)]
    [0.7, 0.8, 0.49, 0.943]
    """
    low, high = wilson(bins.positives, bins.n, Z95)
    return Reliability(bins.mean_score, bins.rate, low, high, bins.n.astype(np.int64))


def bias(bins: ScoreBins) -> Estimate:
    """Return the mean observed rate less the mean score, "calibration in the large".

    The interval is normal: given the scores, only the labels are left to chance, and no more than Σ n·rate·(1 - rate).
    """
    total = bins.total
    value = ratio((bins.positives - bins.score).sum(axis=1), total)
    half = Z95 * np.sqrt(np.nan_to_num(bins.share**2 * bins.noise).sum(axis=1))
    return figure_of(value, np.maximum(value - half, -1.0), np.minimum(value + half, 1.0), total)
