"""Kolmogorov-Smirnov distance of two binned samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtri

from detectors.kolmogorov import critical_distance, tail_probability
from detectors.norms import Z95, without_chance
from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores

_NULL_SQUARE: Final = np.pi**2 / 12
"""Mean square of the Kolmogorov law."""


@dataclass(frozen=True, slots=True)
class KolmogorovSmirnov:
    """max |F - G| at the common edges: never above the raw values' distance, short of it by the largest bin's mass.

    The p-value is that of one sample of size nN/(n+N), conservative for bins and ties: the fewer bins, the more. The
    effect is the root of the square less its mean without drift. The interval is ``norms``': never too narrow, on the
    wide side below.

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
        nothing = 0.0 * samples.big
        statistic = np.abs(below - above).max(axis=1, initial=0.0) + nothing
        size = samples.big * samples.small / (samples.big + samples.small)
        pooled = np.clip(np.cumsum(samples.pooled, axis=1)[:, :-1], 0.0, 1.0)
        noise = pooled * (1 - pooled) * samples.s[:, np.newaxis]
        # With few edges the sum over them bounds the square better than the law for endlessly many.
        square = np.minimum(_NULL_SQUARE / size, noise.sum(axis=1))
        spread = below * (1 - below) / samples.big[:, np.newaxis] + above * (1 - above) / samples.small[:, np.newaxis]
        error = np.sqrt(np.maximum(spread, 0.0).max(axis=1, initial=0.0))
        return samples.scores(
            statistic,
            effect=without_chance(statistic, square),
            low=np.maximum(statistic - _noise_quantile(noise, size), 0.0),
            high=np.minimum(statistic + Z95 * error, 1.0),
            p_value=tail_probability(statistic, size),
            threshold=critical_distance(self.alpha, size),
        )


def _noise_quantile(noise: FloatArray, size: FloatArray) -> FloatArray:
    """Return what chance exceeds in 2.5 % of windows at most: by the law, or edge by edge when there are few."""
    edges = max(noise.shape[1], 1)
    each = -float(ndtri(0.025 / (2 * edges))) * np.sqrt(noise.max(axis=1, initial=0.0))
    quantile: FloatArray = np.minimum(critical_distance(0.025, size), each)
    return quantile
