"""Intervals of shares, of figures between 0 and 1, and of means, from counts and sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from detectors.fixed import ExactArray, Fixed, deviations, floats
from detectors.performance.estimate import Estimate, estimate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Interval = tuple[FloatArray, FloatArray]


def ratio(part: FloatArray | IntArray, whole: FloatArray | IntArray) -> FloatArray:
    """Return part / whole, NaN where the whole is 0.

    >>> ratio(np.array([1, 0]), np.array([4, 0])).tolist()
    [0.25, nan]
    """
    some = whole != 0
    quotient: FloatArray = np.where(some, part, np.nan) / np.where(some, whole, 1)
    return quotient


def z_of(alpha: float) -> float:
    """Return the normal quantile of an interval of level 1 - alpha.

    Raises
    ------
    ValueError
        When alpha is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, not {alpha}")
    return -float(ndtri(alpha / 2))


def wilson(share: FloatArray, rows: FloatArray | IntArray, alpha: float) -> Interval:
    """Return Wilson's score interval of a share of ``rows``, which need not be whole; NaN without rows.

    It covers 95 % on average over shares; where fewer than about three hits are expected, single shares as little as
    84 %.
    """
    return score_interval(share, rows, z_of(alpha))


def score_interval(share: FloatArray, rows: FloatArray | IntArray, z: float) -> Interval:
    """Return Wilson's interval for a normal quantile.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    square = z**2
    counted = np.where(np.asarray(rows) > 0, rows, np.nan)
    centre = (share + square / (2 * counted)) / (1 + square / counted)
    inner = share * (1 - share) / counted + square / (4 * counted**2)
    half = np.sqrt(square * np.maximum(inner, 0.0)) / (1 + square / counted)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def proportion(part: IntArray, whole: IntArray, alpha: float) -> Estimate:
    """Return a share of rows with Wilson's interval."""
    share = ratio(part, whole)
    return estimate(share, wilson(share, whole, alpha), whole, alpha)


def bounded(value: FloatArray, variance: FloatArray, rows: FloatArray | IntArray, alpha: float) -> Interval:
    """Return the interval of a figure between 0 and 1: Wilson's at the effective number of rows v(1 - v)/variance.

    So it never leaves [0, 1] and is not empty at its ends. ``rows`` says what the variance rests on, such as the rows
    of the smaller class: Student's quantile stands for the normal one, and where there is no variance to go by, they
    are the effective number.

    References
    ----------
    Korn and Graubard (1998), Confidence intervals for proportions with small expected number of positive counts.
    """
    chance = value * (1 - value)
    usable = (variance > 0) & (chance > 0)
    student = stdtrit(np.maximum(np.asarray(rows, np.float64) - 1, 1.0), 1 - alpha / 2)
    effective = np.where(usable, chance / np.where(usable, variance, 1.0) * (z_of(alpha) / student) ** 2, rows)
    return wilson(value, effective, alpha)


def of_range(
    low: float, high: float, value: FloatArray, variance: FloatArray, rows: IntArray, alpha: float
) -> Interval:
    """Return ``bounded`` for a figure between ``low`` and ``high``."""
    width = high - low
    least, most = bounded((value - low) / width, variance / width**2, rows, alpha)
    return low + width * least, low + width * most


def delta_variance(counts: FloatArray, slopes: FloatArray) -> FloatArray:
    """Return the variance of a figure of multinomial counts ``[J, …]`` by the delta method, from its slopes in each."""
    cells = tuple(range(1, counts.ndim))
    rows = counts.sum(axis=cells)
    first = (counts * slopes).sum(axis=cells)
    second = (counts * slopes**2).sum(axis=cells)
    variance: FloatArray = np.maximum(second - first * ratio(first, rows), 0.0)
    return variance


def mean_of(
    total: ExactArray, squares: ExactArray, rows: IntArray, fixed: Fixed, square: Fixed, scale: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance of the mean, times ``scale`` and its square, of sums in units; NaN where unknown."""
    mean = ratio(floats(total, fixed.bits), rows)
    spread = deviations(total, squares, rows, fixed.bits, square.bits)
    variance = ratio(ratio(spread, np.maximum(rows - 1, 0)), rows)
    return scale * mean, scale**2 * variance


def normal(value: FloatArray, variance: FloatArray, rows: FloatArray | IntArray, alpha: float) -> Interval:
    """Return Student's interval of a mean; infinite for a single row."""
    z_of(alpha)
    quantile = stdtrit(np.maximum(rows - 1.0, 1.0), 1 - alpha / 2)
    half = np.where(rows > 1, quantile * np.sqrt(variance), np.inf)
    return value - half, value + half


def log_normal(value: FloatArray, variance: FloatArray, rows: FloatArray | IntArray, alpha: float) -> Interval:
    """Return Student's interval of the logarithm of a mean of losses, which are not negative and lean to the right."""
    _, high = normal(np.zeros_like(value), ratio(variance, value**2), rows, alpha)
    factor = np.exp(np.where(value > 0, high, 0.0))
    some = np.where(rows > 1, 0.0, np.inf)
    return np.where(rows > 1, value / factor, 0.0), np.where(value > 0, value * factor, some)
