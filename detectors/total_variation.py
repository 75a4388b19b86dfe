"""Total-variation distance of two binned samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores


@dataclass(frozen=True, slots=True)
class TotalVariation:
    """½ Σ |p - q|: the share of rows that would have to move.

    Without drift each term is about half-normal, so the mean is ½ Σ √(2 π(1-π)s / 𝜋) with π the pooled share.
    p-value and
    band take the sum for normal, with the variance of half-normal terms of correlated shares. The interval is the
    normal
    one of the linearised sum, never below zero.

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
        mean, spread = _null(samples)
        signs = np.sign(gap) / 2
        error = np.sqrt(_variance(samples.p, signs) / samples.big + _variance(samples.q, signs) / samples.small)
        effect = statistic - mean
        with np.errstate(divide="ignore", invalid="ignore"):
            score = np.where(spread > 0, effect / spread, 0.0)
        return samples.scores(
            statistic,
            effect=effect,
            low=np.maximum(effect - 1.959963984540054 * error, 0.0),
            high=np.minimum(statistic + 1.959963984540054 * error, 1.0),
            p_value=np.where(np.isnan(statistic), np.nan, np.where(statistic > 0, ndtr(-score), 1.0)),
            threshold=mean + float(ndtri(1 - self.alpha)) * spread,
        )


def _null(samples: Samples) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of the figure without drift.

    For two normals of correlation r, E|XY| = σσ'(2/𝜋)(√(1-r²) + r asin r).
    """
    shares = samples.pooled
    sigma = np.sqrt(shares * (1 - shares) * samples.s[:, np.newaxis])
    mean = np.sqrt(2 / np.pi) * sigma.sum(axis=1) / 2
    covariance = -shares[:, :, np.newaxis] * shares[:, np.newaxis, :] * samples.s[:, np.newaxis, np.newaxis]
    scale = sigma[:, :, np.newaxis] * sigma[:, np.newaxis, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.clip(np.where(scale > 0, covariance / scale, 0.0), -1.0, 1.0)
    products = scale * (2 / np.pi) * (np.sqrt(1 - r**2) + r * np.arcsin(r))
    diagonal = np.arange(shares.shape[1])
    products[:, diagonal, diagonal] = sigma**2
    square = products.sum(axis=(1, 2)) / 4
    return mean, np.sqrt(np.maximum(square - mean**2, 0.0))


def _variance(shares: FloatArray, weights: FloatArray) -> FloatArray:
    variance: FloatArray = (shares * weights**2).sum(axis=1) - (shares * weights).sum(axis=1) ** 2
    return variance
