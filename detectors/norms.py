"""Statistics that are norms of the difference of two samples: what chance adds, and how sure one can be.

Where ‖d‖ is observed for the true δ, ‖d‖ ≤ ‖δ‖ + ‖noise‖, so the observed norm less a quantile of the norm of the noise
is a lower bound. From above, ‖δ‖ is a linear function of δ that the observed norm cannot fall short of but by the
chance in that one function; its normal quantile gives the upper bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from scipy.special import chdtrc, chdtri, gammaln

from detectors.samples import FloatArray

Z95: Final = 1.959963984540054
_BISECTIONS: Final = 50
_MOST_AT_ONCE: Final = 1 << 20

Correlation: TypeAlias = Callable[[slice], FloatArray]


@dataclass(frozen=True, slots=True)
class NoiseNorm:
    """The law of Σ |Xᵢ| for normal Xᵢ of mean 0, taken for a chi law that is scaled and perhaps shifted.

    Mean and variance are those of the sum. Exact for fully dependent terms (half-normal).
    """

    shift: FloatArray
    scale: FloatArray
    freedom: FloatArray
    square: FloatArray
    """Mean of the square."""

    @classmethod
    def of_shares(cls, sigma: FloatArray, correlation: Correlation) -> NoiseNorm:
        """Return the law of terms that hinder each other, as shares of a whole do: not shifted, nearly normal if many.

        ``correlation`` gives the correlations ``[j, K, K]`` of a run of monitors for standard deviations ``[J, K]``.
        """
        mean, square, _ = _moments(sigma, correlation)
        some = square > 0
        freedom = _solve(_log_ratio, np.log(np.where(some, mean**2 / np.where(some, square, 1.0), 1.0)), 0.0, 16.0)
        return cls(np.zeros_like(mean), np.sqrt(square / freedom), freedom, square)

    @classmethod
    def of_sums(cls, sigma: FloatArray, correlation: Correlation) -> NoiseNorm:
        """Return the law of terms that further each other, as running sums do.

        The tail is that of the sum without the absolute values, for that is how large sums come about; what its
        variance lacks in mean is the shift. Errs on the quiet side: .5 % to 1 % of sums exceed the 1 % quantile.
        """
        mean, square, steepest = _moments(sigma, correlation)
        some = steepest > 0
        ratio = np.where(some, (square - mean**2) / np.where(some, steepest, 1.0), 0.3)
        freedom = _solve(_chi_variance, np.clip(ratio, 1e-4, 0.49), -16.0, 6.0)
        scale = np.sqrt(steepest)
        return cls(np.maximum(mean - scale * _chi_mean(freedom), 0.0), scale, freedom, square)

    def tail(self, norm: FloatArray) -> FloatArray:
        """Return P(norm of the noise > norm); 1 where there is no noise and no norm."""
        noisy = self.scale > 0
        beyond = np.maximum(norm - self.shift, 0.0)
        ratio = np.where(noisy, beyond / np.where(noisy, self.scale, 1.0), np.where(norm > 0, np.inf, 0.0))
        tail: FloatArray = np.where(np.isnan(self.scale + norm), np.nan, chdtrc(self.freedom, ratio**2))
        return tail

    def quantile(self, alpha: float) -> FloatArray:
        """Return what the norm of the noise exceeds with probability ``alpha``."""
        quantile: FloatArray = self.shift + self.scale * np.sqrt(chdtri(self.freedom, alpha))
        return quantile


def without_chance(norm: FloatArray, square: FloatArray) -> FloatArray:
    """Return the norm less what chance adds in the mean square; 0 where chance explains all of it."""
    return np.sqrt(np.maximum(norm**2 - square, 0.0))


def variance(shares: FloatArray, slopes: FloatArray) -> FloatArray:
    """Return the variance that one row adds to Σ slope·share."""
    centred = slopes - (shares * slopes).sum(axis=1, keepdims=True)
    spread: FloatArray = (shares * centred**2).sum(axis=1)
    return spread


def _solve(function: Callable[[FloatArray], FloatArray], goal: FloatArray, low: float, high: float) -> FloatArray:
    """Return where an increasing function of the degrees of freedom reaches the goal, between 2**low and 2**high."""
    least, most = np.full_like(goal, low), np.full_like(goal, high)
    for _ in range(_BISECTIONS):
        middle = (least + most) / 2
        less = function(2**middle) < goal
        least, most = np.where(less, middle, least), np.where(less, most, middle)
    solved: FloatArray = 2 ** ((least + most) / 2)
    return solved


def _chi_mean(freedom: FloatArray) -> FloatArray:
    mean: FloatArray = np.sqrt(2) * np.exp(gammaln((freedom + 1) / 2) - gammaln(freedom / 2))
    return mean


def _chi_variance(freedom: FloatArray) -> FloatArray:
    return freedom - _chi_mean(freedom) ** 2


def _log_ratio(freedom: FloatArray) -> FloatArray:
    """Return the logarithm of (mean of χ)² / (mean of χ²)."""
    return 2 * np.log(_chi_mean(freedom)) - np.log(freedom)


def _moments(sigma: FloatArray, correlation: Correlation) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean and mean square of Σ|X|, and the variance of ΣX.

    For two normals of correlation r, E|XY| = σσ'(2/𝜋)(√(1-r²) + r asin r).
    """
    square, steepest = np.empty(len(sigma)), np.empty(len(sigma))
    step = max(1, _MOST_AT_ONCE // max(sigma.shape[1] ** 2, 1))
    diagonal = np.arange(sigma.shape[1])
    for first in range(0, len(sigma), step):
        part = slice(first, first + step)
        r = np.clip(correlation(part), -1.0, 1.0)
        products = (2 / np.pi) * (np.sqrt(1 - r**2) + r * np.arcsin(r))
        for matrix, out in ((r, steepest), (products, square)):
            matrix[:, diagonal, diagonal] = 1.0
            out[part] = ((matrix * sigma[part, np.newaxis, :]).sum(axis=2) * sigma[part]).sum(axis=1)
    return np.sqrt(2 / np.pi) * sigma.sum(axis=1), square, np.maximum(steepest, 0.0)
