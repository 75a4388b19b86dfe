"""Group fairness of numbers: how far apart the means of groups are, of what is predicted or of its error."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, stdtrit

from detectors.calibration.figure import FloatArray, IntArray, figure_of, simultaneous
from detectors.fairness import ENOUGH, Disparity


def means_apart(mean: FloatArray, variance: FloatArray, n: IntArray, enough: int = ENOUGH) -> Disparity:
    """Return the largest mean of a group less the smallest; means may be negative, so there is no ratio.

    Parameters
    ----------
    mean, variance
        Mean of each group and the variance of that mean, ``[J, G]``; NaN without rows.
    n
        Rows of each group.
    enough
        Groups with fewer rows are left out.

    Notes
    -----
    The interval is of the true largest difference: Student's intervals of all pairs of groups together (Šidák), each at
    the degrees of freedom of its smaller group. It holds in 95 % or more.

    Examples
    --------
    >>> found = means_apart(np.array([[10.0, 12.0]]), np.array([[0.04, 0.09]]), np.array([[100, 100]]))
    >>> [round(float(x[0]), 3) for x in (found.difference.value, found.difference.low, found.difference.high)]
    [2.0, 1.285, 2.715]
    >>> found.worst.tolist()
    [[0, 1]]
    """
    fit = (n >= max(enough, 2)) & np.isfinite(mean) & np.isfinite(variance)
    groups = fit.sum(axis=1)
    comparable = groups > 1
    top, bottom = np.where(fit, mean, -np.inf).argmax(axis=1), np.where(fit, mean, np.inf).argmin(axis=1)
    rows = np.arange(len(mean))
    value = np.where(comparable, mean[rows, top] - mean[rows, bottom], np.nan)
    level = ndtr(simultaneous(groups * (groups - 1) / 2))
    known, noise = np.where(fit, mean, 0.0), np.where(fit, variance, 0.0)
    degrees = np.where(fit, n - 1.0, 1.0)
    quantile = stdtrit(
        np.minimum(degrees[:, :, np.newaxis], degrees[:, np.newaxis, :]), level[:, np.newaxis, np.newaxis]
    )
    half = quantile * np.sqrt(noise[:, :, np.newaxis] + noise[:, np.newaxis, :])
    gap = known[:, :, np.newaxis] - known[:, np.newaxis, :]
    pairs = fit[:, :, np.newaxis] & fit[:, np.newaxis, :] & ~np.eye(n.shape[1], dtype=np.bool_)
    low, high = (np.where(pairs, bound, 0.0).max(axis=(1, 2), initial=0.0) for bound in (gap - half, gap + half))
    total = np.where(fit, n, 0).sum(axis=1).astype(np.float64)
    none = np.full(len(mean), np.nan)
    worst = np.where(comparable[:, np.newaxis], np.stack([bottom, top], axis=1), -1)
    left_out = (~fit).sum(axis=1).astype(np.int64)
    return Disparity(figure_of(value, low, high, total), figure_of(none, none, none, total), worst, left_out)


def within_groups(variance: FloatArray, n: IntArray) -> FloatArray:
    """Return the standard deviation of rows about the mean of their own group, ``[J]``; NaN without two rows of one.

    ``variance`` is that of each group's mean, ``[J, G]``.
    """
    known = (n > 1) & np.isfinite(variance)
    freedom = np.where(known, n - 1.0, 0.0)
    squares = (freedom * np.where(known, variance * n, 0.0)).sum(axis=1)
    total = freedom.sum(axis=1)
    return np.sqrt(np.where(total > 0, squares / np.where(total > 0, total, 1.0), np.nan))
