"""Total-variation distance of two binned samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.norms import Z95, NoiseNorm, variance, without_chance
from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores


@dataclass(frozen=True, slots=True)
class TotalVariation:
    """½ Σ |p - q|: the share of rows that would have to move.

    Without drift it is half a sum of absolute normals with the covariance of the multinomial; p-value and band take it
    for the scaled chi law with the same mean and variance. The effect is the root of the square less its mean
    without drift. The interval is ``norms``': never too narrow, on the wide side below.

    Examples
    --------
    >>> scores = TotalVariation().score(np.array([[100, 200, 300, 400]]), np.array([[30, 40, 70, 60]]))
    >>> round(float(scores.statistic[0]), 12)
    0.1
    """

    alpha: float = 0.01

    def score(self, reference: IntArray, window: IntArray) -> Scores:
        """Compare ``[J, K]`` counts."""
        samples = Samples.of(reference, window)
        gap = samples.q - samples.p
        statistic = np.abs(gap).sum(axis=1) / 2
        noise = noise_of(samples)
        signs = np.sign(gap) / 2
        error = np.sqrt(variance(samples.p, signs) / samples.big + variance(samples.q, signs) / samples.small)
        return samples.scores(
            statistic,
            effect=without_chance(statistic, noise.square),
            low=np.maximum(statistic - noise.quantile(0.025), 0.0),
            high=np.minimum(statistic + Z95 * error, 1.0),
            p_value=noise.tail(statistic),
            threshold=noise.quantile(self.alpha),
        )


def noise_of(samples: Samples) -> NoiseNorm:
    """Return the law of the figure without drift."""
    shares = samples.pooled
    odds = np.sqrt(np.divide(shares, 1 - shares, out=np.zeros_like(shares), where=shares < 1))
    sigma = np.sqrt(shares * (1 - shares) * samples.s[:, np.newaxis]) / 2

    def correlation(part: slice) -> FloatArray:
        together: FloatArray = -odds[part, :, np.newaxis] * odds[part, np.newaxis, :]
        return together

    return NoiseNorm.of_shares(sigma, correlation)
