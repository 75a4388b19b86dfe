"""A figure with its interval, and the change between two of them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure of J tables, each an array of shape ``[J]``.

    A figure that does not exist (no positives, a division by zero) is NaN, and so are its interval and bound; it is
    never 0. ``n`` is then still the number of rows.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    """Interval of level 1 - alpha for chance alone."""
    n: IntArray
    """Rows that the figure rests on."""
    bound: FloatArray
    """The figure of the same rows without bins is within ``value`` ± ``bound``; 0 for an exact figure."""
    alpha: float

    def take(self, place: int) -> Estimate:
        """Return the estimate of one table, still as arrays."""
        kept = {field.name: getattr(self, field.name)[place : place + 1] for field in fields(self)[:-1]}
        return Estimate(**kept, alpha=self.alpha)


@dataclass(frozen=True, slots=True)
class Change:
    """A figure less the one it is compared with, ``[J]``; NaN where either does not exist."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: FloatArray
    """Two-sided; below alpha exactly where the interval excludes no change."""
    n: IntArray
    bound: FloatArray
    """The sum of both bounds."""
    alpha: float


def estimate(
    value: FloatArray,
    interval: tuple[FloatArray, FloatArray],
    n: IntArray,
    alpha: float,
    bound: FloatArray | None = None,
) -> Estimate:
    """Return an estimate, NaN in every part where the value is, with an interval that holds its value."""
    missing = 0.0 * value
    exact = missing if bound is None else bound + missing
    low, high = np.minimum(interval[0], value), np.maximum(interval[1], value)
    return Estimate(value, low + missing, high + missing, n, exact, alpha)


def compare(figure: Estimate, base: Estimate | float) -> Change:
    """Return the change against another sample (reference, previous version) or a fixed number.

    The two samples must be independent. A base of one table stands for all. The interval recovers the variances from
    both intervals (MOVER), so it keeps their asymmetry; for two Wilson intervals it is Newcombe's. The p-value is that
    of the normal law whose interval it would be.

    Raises
    ------
    ValueError
        When the levels of the intervals differ.

    References
    ----------
    Zou and Donner (2008), Construction of confidence limits about effect measures.
    """
    if isinstance(base, Estimate):
        if base.alpha != figure.alpha:
            raise ValueError(f"intervals of level {figure.alpha} and {base.alpha} do not compare")
        value, low, high, bound = base.value, base.low, base.high, base.bound
    else:
        value = low = high = np.full(1, float(base))
        bound = np.zeros(1)
    change = figure.value - value
    down = np.hypot(figure.value - figure.low, high - value)
    up = np.hypot(figure.high - figure.value, value - low)
    toward = np.where(change > 0, down, up)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(change == 0, 0.0, np.abs(change) / toward) * -float(ndtri(figure.alpha / 2))
    p_value = 2 * ndtr(-z) + 0.0 * change
    return Change(change, change - down, change + up, p_value, figure.n, figure.bound + bound, figure.alpha)
