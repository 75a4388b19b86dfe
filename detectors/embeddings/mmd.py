"""Maximum mean discrepancy by random Fourier features: two clouds of vectors compared whole, from sums that merge."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from detectors.embeddings.grid import Grid, usable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FREQUENCIES: Final = 256
BANDWIDTHS: Final = (0.5, 1.0, 2.0)
"""Of the three Gaussian kernels that are averaged, as multiples of the median distance."""
SCALE: Final = float(1 << 40)
"""Fixed point of the sums, which hold up to 4 million rows."""
_MOST_ROWS: Final = 1 << 22
_PAIRS: Final = 1000
_AT_ONCE: Final = 8192


@dataclass(frozen=True, eq=False)
class FeatureSums:
    """Rows and their summed features in fixed point; ``+`` is exact in any order, and nothing is ``n = 0``."""

    n: int
    sums: IntArray

    def __add__(self, other: FeatureSums) -> FeatureSums:
        if self.n + other.n > _MOST_ROWS:
            raise OverflowError(f"{self.n + other.n} rows are more than the sums can hold")
        return FeatureSums(self.n + other.n, self.sums + other.sums)

    @property
    def mean(self) -> FloatArray:
        """Mean feature vector; NaN without rows."""
        if not self.n:
            return np.full(len(self.sums), np.nan)
        mean: FloatArray = self.sums / SCALE / self.n
        return mean


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """How far apart two clouds lie, and what chance alone gives."""

    squared: float
    """Estimate of MMD² with the bias taken off: 0 on average without drift, so it can be negative."""
    p_value: float
    """Of the biased MMD² under a gamma law; liberal below .01, so an effect size and no alarm."""


@dataclass(frozen=True, eq=False)
class FourierFeatures:
    """Random Fourier features of the mean of three Gaussian kernels, fitted once and frozen.

    The features φ(x) = D^-½ (cos Wx, sin Wx) have length 1, and φ(x)·φ(y) is the kernel but for an error of about
    D^-½.

    Parameters
    ----------
    grid
        Where vectors stand.
    weights
        Whole numbers, ``[D, d]``; times ``unit`` they are radians a step.
    unit
        See ``weights``.
    square
        tr Σ², Σ being the covariance of the features, for the law without drift.

    References
    ----------
    Rahimi and Recht (2007), Random features for large-scale kernel machines.
    Gretton et al. (2012), A kernel two-sample test, JMLR 13, sections 2 and 3.3.
    """

    grid: Grid
    weights: FloatArray
    unit: float
    square: float

    @classmethod
    def fit(cls, rows: FloatArray, *, frequencies: int = FREQUENCIES, seed: int = 0) -> FourierFeatures:
        """Return features for vectors like these, ``[n, d]``; those that are not finite are left out.

        The bandwidth is the median distance among the first 1,000 of them.

        Raises
        ------
        ValueError
            When no vector is finite, or they are too long or too large; see ``Grid.of``.
        """
        kept = np.asarray(rows, np.float64)
        kept = kept[usable(kept)]
        grid = Grid.of(kept)
        placed = grid.place(kept)
        rng = np.random.default_rng(seed)
        width = _median_distance(placed)
        each = np.array(BANDWIDTHS)[np.arange(frequencies) % len(BANDWIDTHS)] * width
        weights = rng.standard_normal((frequencies, placed.shape[1])) / each[:, np.newaxis]
        unit = float(np.abs(weights).max()) / (1 << 20)
        raw = cls(grid, np.rint(weights / unit), unit, 0.0)
        return cls(grid, raw.weights, unit, _trace_of_square(raw.features(kept)))

    def features(self, rows: FloatArray) -> FloatArray:
        """Return φ of finite vectors, ``[n, 2D]``."""
        phase = (self.grid.place(rows) @ self.weights.T) * self.unit
        both: FloatArray = np.concatenate([np.cos(phase), np.sin(phase)], axis=1) / math.sqrt(len(self.weights))
        return both

    def sums(self, rows: FloatArray) -> FeatureSums:
        """Return the summed features of vectors, ``[n, d]``; those that are not finite are left out.

        Raises
        ------
        OverflowError
            For more than 4 million rows.
        """
        kept = rows[usable(rows)]
        total = FeatureSums(0, np.zeros(2 * len(self.weights), np.int64))
        for first in range(0, len(kept), _AT_ONCE):
            part = kept[first : first + _AT_ONCE]
            fixed = np.rint(self.features(part) * SCALE).astype(np.int64)
            total = total + FeatureSums(len(part), fixed.sum(axis=0))
        return total

    def compare(self, reference: FeatureSums, window: FeatureSums) -> Discrepancy:
        """Return how far apart two clouds lie; NaN where one has fewer than two rows."""
        if min(reference.n, window.n) < 2:
            return Discrepancy(math.nan, math.nan)
        gap = reference.mean - window.mean
        biased = float(gap @ gap)
        chance = sum(_spread(one) / one.n for one in (reference, window))
        scale = 1 / reference.n + 1 / window.n
        trace = _spread(reference)
        if trace <= 0 or self.square <= 0:
            return Discrepancy(biased - chance, 1.0 if biased <= 1e-12 else 0.0)
        shape, width = trace**2 / (2 * self.square), 2 * scale * self.square / trace
        return Discrepancy(biased - chance, float(gammaincc(shape, biased / width)))


def _spread(sums: FeatureSums) -> float:
    """Return tr Σ; every feature vector has length 1, so it follows from the mean."""
    mean = sums.mean
    return max(0.0, 1.0 - float(mean @ mean)) * sums.n / (sums.n - 1)


def _median_distance(placed: FloatArray) -> float:
    """Return the median distance of the first 1,000 rows, where there is any; 1 where all are equal."""
    few = placed[:_PAIRS]
    lengths = (few**2).sum(axis=1)
    squares = lengths[:, np.newaxis] + lengths - 2.0 * (few @ few.T)
    distances = squares[np.triu_indices(len(few), 1)]
    apart = distances[distances > 0]
    return math.sqrt(float(np.median(apart))) if len(apart) else 1.0


def _trace_of_square(features: FloatArray) -> float:
    """Return an estimate of tr Σ² with the bias of a small sample taken off (Bai and Saranadasa 1996)."""
    rows = len(features)
    if rows < 3:
        return 0.0
    cov = np.cov(features, rowvar=False)
    found = float((cov**2).sum()) - float(np.trace(cov)) ** 2 / (rows - 1)
    return max(0.0, found * (rows - 1) ** 2 / ((rows - 2) * (rows + 1)))
