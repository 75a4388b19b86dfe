"""Corrections of p-values for many monitors in one window. NaN is no test and stays NaN."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def benjamini_hochberg(p_values: FloatArray) -> FloatArray:
    """Return p-values adjusted so that rejecting those ≤ α keeps the false-discovery rate at α within the window.

    >>> benjamini_hochberg(np.array([0.01, 0.02, np.nan, 0.5])).round(6).tolist()
    [0.03, 0.03, nan, 0.5]

    References
    ----------
    Benjamini and Hochberg (1995), Controlling the false discovery rate.
    """
    adjusted = np.full(len(p_values), np.nan)
    tests = np.flatnonzero(~np.isnan(p_values))
    if not len(tests):
        return adjusted
    order = tests[np.argsort(p_values[tests], kind="stable")]
    ranked = p_values[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    return adjusted


def bonferroni(p_values: FloatArray) -> FloatArray:
    """Return p-values times the number of tests, at most 1.

    >>> bonferroni(np.array([0.01, np.nan, 0.5])).tolist()
    [0.02, nan, 1.0]
    """
    tests = int(np.count_nonzero(~np.isnan(p_values)))
    return np.minimum(p_values * tests, 1.0)
