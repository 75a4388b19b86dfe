"""How figures of calibration are made, and the divisions and intervals that they share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from detectors.performance.estimate import Estimate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ALPHA = 0.05
"""All intervals here are of 95 %."""


def figure_of(
    value: FloatArray, low: FloatArray, high: FloatArray, n: FloatArray, bound: FloatArray | float = 0.0
) -> Estimate:
    """Return a figure with a 95 % interval, which is NaN where the value is; its ``n`` are whole rows."""
    gone = np.where(np.isnan(value), np.nan, 0.0)
    return Estimate(value, low + gone, high + gone, np.asarray(n, np.int64), bound + gone, ALPHA)


def ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return part / whole, NaN where the whole is 0.

    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    some = whole != 0
    quotient: FloatArray = np.where(some, part / np.where(some, whole, 1.0), np.nan)
    return quotient


def wilson(positives: FloatArray, n: FloatArray, z: FloatArray | float) -> tuple[FloatArray, FloatArray]:
    """Return Wilson's score interval of a share at a normal quantile ``z``; NaN where there are no rows.

    >>> low, high = wilson(np.array([8.0]), np.array([10.0]), 1.959963984540054)
    >>> round(float(low[0]), 4), round(float(high[0]), 4)
    (0.4902, 0.9433)
    """
    some = n > 0
    rows = np.where(some, n, 1.0)
    share = positives / rows
    centre = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2)) / (1 + z**2 / rows)
    low = np.where(positives == 0, 0.0, np.maximum(centre - half, 0.0))
    high = np.where(positives == n, 1.0, np.minimum(centre + half, 1.0))
    return np.where(some, low, np.nan), np.where(some, high, np.nan)


def simultaneous(number: FloatArray) -> FloatArray:
    """Return the normal quantile at which so many independent two-sided intervals hold together in 95 % (Šidák).

    >>> round(float(simultaneous(np.array(1.0))), 4)
    1.96
    """
    each = -np.expm1(np.log(0.95) / np.maximum(number, 1.0))
    quantile: FloatArray = -ndtri(each / 2)
    return quantile
