"""Kolmogorov-Smirnov distance of two binned samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import kstwo

from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores

_NULL_MEAN = 0.8687311606361592
"""Mean of the Kolmogorov law: √(π/2) ln 2."""


@dataclass(frozen=True, slots=True)
class KolmogorovSmirnov:
    """max |F - G| at the common edges: never above the raw values' distance, short of it by the largest bin's mass.

    The p-value is that of one sample of size nN/(n+N), conservative for bins and ties. The effect subtracts the mean
    without drift; the interval is the normal one of F - G at the edge of the maximum.

    Examples
    --------
    >>> scores = KolmogorovSmirnov().score(np.array([[100, 200, 300, 400]]), np.array([[30, 40, 70, 60]]))
    >>> round(float(scores.statistic[0]), 12), round(float(scores.p_value[0]), 6)
    (0.1, 0.066092)
    """

    alpha: float = 0.01

    def score(self, reference: IntArray, window: IntArray) -> Scores:
        """Compare ``[J, K]`` counts of ordered bins."""
        samples = Samples.of(reference, window)
        below, above = samples.cumulated()
        gap = np.abs(below - above)
        rows = np.arange(len(gap))
        if gap.shape[1]:
            place = np.argmax(np.nan_to_num(gap), axis=1)
            statistic = gap[rows, place]
            f, g = below[rows, place], above[rows, place]
        else:
            statistic = np.where(np.isnan(samples.big), np.nan, 0.0)
            f = g = statistic
        size = samples.big * samples.small / (samples.big + samples.small)
        error = np.sqrt(f * (1 - f) / samples.big + g * (1 - g) / samples.small)
        effect = statistic - _NULL_MEAN / np.sqrt(size)
        return samples.scores(
            statistic,
            effect=effect,
            low=np.maximum(statistic - 1.959963984540054 * error, 0.0),
            high=np.minimum(statistic + 1.959963984540054 * error, 1.0),
            p_value=_tail(statistic, size),
            threshold=_critical(self.alpha, size),
        )


def _tail(statistic: FloatArray, size: FloatArray) -> FloatArray:
    usable = np.isfinite(statistic)
    tail = np.full(len(statistic), np.nan)
    tail[usable] = kstwo.sf(statistic[usable], np.maximum(np.round(size[usable]), 1))
    return tail


def _critical(alpha: float, size: FloatArray) -> FloatArray:
    """Return the distance that chance exceeds with probability ``alpha``; one search for each size that occurs."""
    usable = np.isfinite(size)
    critical = np.full(len(size), np.nan)
    sizes, place = np.unique(np.maximum(np.round(size[usable]), 1), return_inverse=True)
    critical[usable] = np.asarray(kstwo.isf(alpha, sizes))[place]
    return critical
