"""Cramér-von Mises test of two binned samples, correct for ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores
from detectors.weighted_chi2 import critical_value, tail_probability

MOST_BINS = 32


@dataclass(frozen=True, slots=True)
class CramerVonMises:
    """T = nN/(n+N)² Σ (r + c)(F - G)², on at most 32 merged bins.

    Without drift T is about Σ λᵢχ²₁ with λ the eigenvalues of D^½ΣD^½, Σᵢⱼ = min(Hᵢ, Hⱼ) - HᵢHⱼ, D and H the pooled
    shares and their sums. The formula for raw values is nonsense on tied data; this one is made for it. The effect is
    (T - Σλ)(n+N)/(nN), the mean squared gap of the distribution functions; its interval is the normal one of the
    linearised sum.

    Examples
    --------
    >>> scores = CramerVonMises().score(np.array([[100, 200, 300, 400]]), np.array([[30, 40, 70, 60]]))
    >>> round(float(scores.statistic[0]), 8), round(float(scores.p_value[0]), 4)
    (0.64236111, 0.0107)

    References
    ----------
    Anderson (1962), On the distribution of the two-sample Cramér-von Mises criterion; Imhof (1961) for the tail.
    """

    alpha: float = 0.01

    def score(self, reference: IntArray, window: IntArray) -> Scores:
        """Compare ``[J, K]`` counts of ordered bins."""
        samples = Samples.of(*merged(reference, window))
        below, above = np.cumsum(samples.p, axis=1), np.cumsum(samples.q, axis=1)
        gap = below - above
        pooled = samples.pooled
        size = samples.big * samples.small / (samples.big + samples.small)
        square = (pooled * gap**2).sum(axis=1)
        statistic = size * square
        weights = _eigenvalues(np.nan_to_num(pooled))
        mean = weights.sum(axis=1)
        error = 1.959963984540054 * np.sqrt(_variance(samples, 2 * pooled * gap))
        nothing = np.isnan(statistic)
        effect = square - mean / size
        return samples.scores(
            statistic,
            effect=effect,
            low=np.maximum(effect - error, 0.0),
            high=effect + error + 2 * mean / size,
            p_value=np.where(nothing, np.nan, tail_probability(np.nan_to_num(statistic), weights)),
            threshold=np.where(nothing, np.nan, critical_value(self.alpha, weights)),
        )


def merged(reference: IntArray, window: IntArray) -> tuple[IntArray, IntArray]:
    """Return both matrices with neighbouring bins summed until at most 32 are left.

    Matrices that do not compare are left as they are, for ``Samples.of`` to refuse.
    """
    if reference.ndim != 2 or reference.shape != window.shape or reference.shape[1] <= MOST_BINS:
        return reference, window
    bins = reference.shape[1]
    starts = np.arange(MOST_BINS) * bins // MOST_BINS
    return np.add.reduceat(reference, starts, axis=1), np.add.reduceat(window, starts, axis=1)


def _eigenvalues(pooled: FloatArray) -> FloatArray:
    cumulated = np.cumsum(pooled, axis=1)
    row, column = cumulated[:, :, np.newaxis], cumulated[:, np.newaxis, :]
    root = np.sqrt(pooled)
    matrix = (np.minimum(row, column) - row * column) * root[:, :, np.newaxis] * root[:, np.newaxis, :]
    weights: FloatArray = np.maximum(np.linalg.eigvalsh(matrix), 0.0)
    return weights


def _variance(samples: Samples, slopes: FloatArray) -> FloatArray:
    """Return the variance of Σ slope (F - G): a row in bin k adds the slopes of bins k and later."""
    gains = np.cumsum(slopes[:, ::-1], axis=1)[:, ::-1]
    total = np.zeros(len(gains))
    for shares, rows in ((samples.p, samples.big), (samples.q, samples.small)):
        total = total + ((shares * gains**2).sum(axis=1) - (shares * gains).sum(axis=1) ** 2) / rows
    variance: FloatArray = np.maximum(total, 0.0)
    return variance
