"""Moments that merge exactly as their samples do: count, mean, variance, extremes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_LARGEST = 1e150


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean, sum of squared deviations and extremes of a sample; a monoid under ``+``.

    The pairwise update keeps its digits where Σx² - (Σx)²/n has none left, such as at a mean of 1e9 and a spread of 1.
    Sums are commutative exactly and associative but for rounding.

    Examples
    --------
    >>> whole = Moments.of(np.array([1.0, 2.0, 3.0, 4.0]))
    >>> parts = Moments.of(np.array([1.0])) + Moments() + Moments.of(np.array([2.0, 3.0, 4.0]))
    >>> parts == whole, whole.mean, round(whole.variance, 12)
    (True, 2.5, 1.666666666667)

    References
    ----------
    Chan, Golub and LeVeque (1979), Updating formulae and a pairwise algorithm for computing sample variances.
    """

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0
    """Σ (x - mean)²."""
    least: float = math.inf
    most: float = -math.inf

    @classmethod
    def of(cls, values: FloatArray) -> Moments:
        """Return the moments of finite values up to 1e150 in size; others are for the caller to leave out and count.

        Raises
        ------
        ValueError
            When a value is NaN or too large to square.
        """
        if not len(values):
            return cls()
        least, most = float(values.min()), float(values.max())
        if not max(-least, most) <= _LARGEST:
            raise ValueError(f"values from {least} to {most} have no finite moments")
        rough = float(values.mean())
        centred = values - rough
        shift = float(centred.mean())
        mean = min(max(rough + shift, least), most)
        return cls(len(values), mean, float(((centred - shift) ** 2).sum()), least, most)

    def __add__(self, other: Moments) -> Moments:
        if not other.n:
            return self
        if not self.n:
            return other
        first, second = sorted((self, other), key=_order)
        n = first.n + second.n
        gap = second.mean - first.mean
        least, most = min(first.least, second.least), max(first.most, second.most)
        mean = min(max(first.mean + gap * (second.n / n), least), most)
        return Moments(n, mean, first.m2 + second.m2 + gap**2 * (first.n * (second.n / n)), least, most)

    @property
    def variance(self) -> float:
        """Unbiased variance; NaN for fewer than two values."""
        return self.m2 / (self.n - 1) if self.n > 1 else math.nan


def merge(parts: list[Moments]) -> Moments:
    """Return the moments of all parts together, in pairs, so that rounding grows with the logarithm of their number.

    >>> merge([]).n
    0
    """
    while len(parts) > 1:
        parts = [sum(parts[place : place + 2], Moments()) for place in range(0, len(parts), 2)]
    return parts[0] if parts else Moments()


def _order(moments: Moments) -> tuple[int, float, float]:
    return -moments.n, moments.mean, moments.m2
