"""Quantiles of errors from counts in bins, with the bins' width as bound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.performance.estimate import Estimate, estimate
from detectors.performance.intervals import z_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TAILS = 2.0 ** np.arange(1, 13)


def error_edges(errors: FloatArray, bins: int) -> FloatArray:
    """Return edges of about equal mass in a sample, zero among them, and wider ones far beyond its ends.

    >>> error_edges(np.array([-1.0, 1.0]), 2)[[0, 11, 12, 13, 14, 15, -1]].tolist()
    [-4096.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4096.0]
    """
    kept = np.sort(errors[np.isfinite(errors)])
    largest = float(np.abs(kept).max(initial=0.0)) or 1.0
    places = (np.arange(bins + 1) / bins * (len(kept) - 1)).astype(np.int64)
    inner = kept[places] if len(kept) else kept
    edges = np.unique(np.concatenate([inner + 0.0, [0.0], largest * _TAILS, -largest * _TAILS]))
    finite: FloatArray = edges[np.isfinite(edges)]
    return finite


def error_quantile(counts: IntArray, edges: FloatArray, share: float, alpha: float) -> Estimate:
    """Return the smallest error that at least ``share`` of the rows do not exceed, from counts ``[J, len(edges) + 1]``.

    Bin i holds ``edges[i-1] < x <= edges[i]``. The figure is interpolated within its bin and off by the distance to the
    farther end at most; beyond the outermost edges that is infinite. The interval is that of order statistics, rounded
    outwards to edges.

    References
    ----------
    Conover (1999), Practical nonparametric statistics, section 3.2.
    """
    rows = counts.sum(axis=1)
    running = np.cumsum(counts, axis=1)
    rank = np.clip(np.ceil(share * rows), 1, np.maximum(rows, 1)).astype(np.int64)
    ends = np.concatenate([[-np.inf], edges, [np.inf]])
    place = _bin_of(running, rank)
    lower, upper = ends[place], ends[place + 1]
    here = np.take_along_axis(counts, place[:, np.newaxis], axis=1)[:, 0]
    before = np.take_along_axis(running, place[:, np.newaxis], axis=1)[:, 0] - here
    within = (rank - before) / np.maximum(here, 1)
    inner = np.where(np.isfinite(lower) & np.isfinite(upper), upper - lower, 0.0)
    value = np.where(np.isfinite(lower), lower, upper) + within * inner
    value = np.where(rows > 0, value, np.nan)
    half = z_of(alpha) * np.sqrt(rows * share * (1 - share))
    first, last = np.floor(rows * share - half), np.ceil(rows * share + half) + 1
    low = np.where(first >= 1, ends[_bin_of(running, np.maximum(first, 1).astype(np.int64))], -np.inf)
    high = np.where(last <= rows, ends[_bin_of(running, np.minimum(last, rows).astype(np.int64)) + 1], np.inf)
    return estimate(value, (low, high), rows, alpha, np.maximum(upper - value, value - lower))


def _bin_of(running: IntArray, rank: IntArray) -> IntArray:
    """Return the bin of the row of each rank, the last one where there are not so many."""
    below = (running < rank[:, np.newaxis]).sum(axis=1)
    place: IntArray = np.minimum(below, running.shape[1] - 1)
    return place
