"""Confidence intervals of a non-centrality: how large a drift fits a chi-square figure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

FloatArray = NDArray[np.float64]

_STEPS = 8


def noncentrality_interval(x: FloatArray, df: FloatArray, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Return the equal-tailed interval of the non-centrality that a non-central chi-square figure ``x`` supports.

    The law is Abdel-Aty's cube-root normal approximation (Biometrika 1954): with ``f = (df + λ)² / (df + 2λ)``,
    ``(x / (df + λ))^(1/3)`` is about normal with mean ``1 - 2/(9f)`` and variance ``2/(9f)``. Against the exact law
    an end of the 95 % interval, nominally missed in 2.5 % of cases, is missed in 2.1 to 3.7 % for df ≥ 3, in 2.4 to 3 %
    for df ≥ 9 and in up to 5.7 % for df = 1.

    Parameters
    ----------
    x, df
        Figures and degrees of freedom, ``[J]``; NaN gives NaN, no degree of freedom gives (0, 0).
    level
        Probability that the interval covers the truth.
    """
    z = float(ndtri((1 + level) / 2))
    usable = np.isfinite(x) & (df >= 1)
    figure, freedom = np.where(usable, x, 1.0), np.where(usable, df, 1.0)
    solved = _solve(figure, freedom, np.array([[z], [-z]]))
    low, high = np.where(usable, solved, np.where(np.isnan(x), np.nan, 0.0))
    return low, high


def _solve(x: FloatArray, df: FloatArray, z: FloatArray) -> FloatArray:
    """Return the λ at which ``x`` is the quantile ``z`` standard deviations above the middle, 0 when there is none.

    Newton's steps on the cube roots, kept inside a bracket by halving it instead where they would leave it. All
    elements take the same number of steps, so none depends on its neighbours.
    """
    low = np.zeros(np.broadcast_shapes(x.shape, z.shape))
    high = low + (4 * x + 20 * np.sqrt(x) + 40.0)
    goal = np.cbrt(x)
    at = np.clip(x - df - 2 * z * np.sqrt(x + 1), low, high)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        nothing = np.maximum(_cube_root(low, df, z)[0], 0.0) >= goal
        for _ in range(_STEPS):
            reached, slope = _cube_root(at, df, z)
            below = reached < goal
            low, high = np.where(below, at, low), np.where(below, high, at)
            step = at + (goal - reached) / slope
            at = np.where((step >= low) & (step <= high), step, (low + high) / 2)
    return np.where(nothing, 0.0, at)


def _cube_root(noncentrality: FloatArray, df: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the cube root of the quantile, and its derivative by the non-centrality."""
    mean = df + noncentrality
    spread = 2 * (df + 2 * noncentrality) / (9 * mean * mean)
    deviation = np.sqrt(spread)
    root = 1 - spread + z * deviation
    scale = np.cbrt(mean)
    bend = (1 - z / (2 * deviation)) * 4 * (noncentrality / mean) / (9 * mean * mean)
    return scale * root, scale * (root / (3 * mean) + bend)
