"""Maximum mean discrepancy: two clouds of vectors compared whole, from sums of their Fourier features."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, gammainccinv

from detectors.embeddings.fourier import FourierFeatures

IntArray = NDArray[np.int64]

_FLAT: Final = 1e-6
"""Spread of features that comes from rounding alone."""
_NORMAL: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """How far apart two clouds lie, and what chance alone gives; all NaN where one has fewer than two rows."""

    statistic: float = math.nan
    """MMD² of the samples: 0 for equal samples, about the square of the share of rows that are of a new, far kind."""
    effect: float = math.nan
    """MMD² less what chance adds on average; 0 on average without drift, so it can be negative."""
    low: float = math.nan
    high: float = math.nan
    """95 % interval of MMD² between the laws; wider than need be, since the window's covariance is only bounded."""
    p_value: float = math.nan
    """Of the statistic under a gamma law; liberal below .01."""
    threshold: float = math.nan
    """Noise band: without drift the statistic exceeds it with probability alpha."""


@dataclass(frozen=True, slots=True)
class _Noise:
    """Law of MMD² without drift: s Σλχ², matched by a gamma law in mean and variance."""

    shape: float
    scale: float

    @classmethod
    def of(cls, trace: float, square: float, s: float) -> _Noise:
        return cls(trace**2 / (2 * square), 2 * s * square / trace)

    def tail(self, statistic: float) -> float:
        return float(gammaincc(self.shape, statistic / self.scale))

    def quantile(self, alpha: float) -> float:
        return float(gammainccinv(self.shape, alpha)) * self.scale


def discrepancy(
    features: FourierFeatures, reference: IntArray, window: IntArray, *, alpha: float = 0.01
) -> Discrepancy:
    """Return how far apart two clouds of vectors lie.

    Without drift the statistic is about s Σλχ²₁, s = 1/n + 1/N, λ the eigenvalues of the features' covariance Σ. Its
    mean s tr Σ follows from the sums, since every feature vector has length 1; tr Σ² comes with the features. The
    interval is normal: the variance 4 gᵀ(Σ_n/n + Σ_N/N)g + 2 tr(Σ_n/n + Σ_N/N)², with gᵀΣg at most |g|² tr Σ.

    Parameters
    ----------
    features
        What the sums are of.
    reference, window
        Summed rows of ``FourierFeatures.code``, ``[1 + 2D]``.
    alpha
        Level of the noise band.

    References
    ----------
    Gretton et al. (2012), A kernel two-sample test, JMLR 13, sections 2 and 3.3.
    """
    rows = (int(reference[0]), int(window[0]))
    if min(rows) < 2:
        return Discrepancy()
    means = [features.mean(sums) for sums in (reference, window)]
    gap = means[0] - means[1]
    statistic = float(gap @ gap)
    before, now = (_spread(float(mean @ mean), n) for mean, n in zip(means, rows, strict=True))
    chance = before / rows[0] + now / rows[1]
    effect = statistic - chance
    # Where the window spreads otherwise than the reference, its tr Σ² is taken to have grown alike.
    root = math.sqrt(features.square)
    shared = root / rows[0] + (now * root / before if before else now) / rows[1]
    half = _NORMAL * math.sqrt(4 * max(effect, 0.0) * chance + 2 * shared**2)
    low, high = max(effect - half, 0.0), max(effect + half, 0.0)
    if not before or not features.square:
        return Discrepancy(statistic, effect, low, high, float(statistic <= _FLAT), _FLAT)
    noise = _Noise.of(before, features.square, 1 / rows[0] + 1 / rows[1])
    return Discrepancy(statistic, effect, low, high, noise.tail(statistic), noise.quantile(alpha))


def _spread(length: float, rows: int) -> float:
    """Return tr Σ from the squared length of the mean; 0 where only rounding differs."""
    spread = 1.0 - length
    return spread * rows / (rows - 1) if spread > _FLAT else 0.0
