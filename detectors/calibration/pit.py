"""Probability integral transform: where outcomes fall in the distributions that were predicted for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr

from detectors.calibration.figure import FloatArray, IntArray, figure_of, ratio
from detectors.calibration.fixed import UNIT, checked, narrow
from detectors.norms import Z95
from detectors.performance.estimate import Estimate
from detectors.scores import Scores
from detectors.total_variation import TotalVariation

_HEAD: Final = 5
_ENDLESS: Final = 10**12


@dataclass(frozen=True, slots=True)
class PitTable:
    """Counts of PIT values u = F(y) in bins of [0, 1], equal or cut at ``levels``; right-closed, 0 in the first.

    Cells: rows, rows without a value, rows outside [0, 1], Σu, Σu² in steps of 2⁻³¹, then the bins. Linear in the rows.

    Examples
    --------
    >>> table = PitTable(4)
    >>> once = np.zeros(5, np.int64)
    >>> cells = table.tally(np.array([0.0, 0.25, 0.3, 1.0, np.nan]), once + 1, once, 1)
    >>> table.counts(cells)
    array([[2, 1, 0, 1]])
    """

    bins: int = 20
    levels: tuple[float, ...] = ()
    """Inner edges; none for bins of equal width."""

    @property
    def edges(self) -> FloatArray:
        """Inner edges of the bins."""
        return np.array(self.levels) if self.levels else np.arange(1, self.bins) / self.bins

    @property
    def size(self) -> int:
        """Cells."""
        return _HEAD + len(self.edges) + 1

    @property
    def identity(self) -> str:
        """What decides the meaning of a cell."""
        return f"pit:{self.levels!r}" if self.levels else f"pit:{self.bins}"

    def tally(self, pit: FloatArray, weight: IntArray, group: IntArray, groups: int) -> IntArray:
        """Count PIT values into one table a group, ``[groups, size]``; weight -1 takes a row out again."""
        checked(np.abs(weight).sum(keepdims=True))
        cells = np.zeros(groups * self.size, np.int64)
        start = group * self.size
        np.add.at(cells, start, weight)
        inside = (pit >= 0) & (pit <= 1)
        bad = np.flatnonzero(~inside)
        np.add.at(cells, start[bad] + np.where(np.isnan(pit[bad]), 1, 2), weight[bad])
        good = np.flatnonzero(inside)
        start, u, weight = start[good], pit[good], weight[good]
        np.add.at(cells, start + 3, weight * narrow(u))
        np.add.at(cells, start + 4, weight * narrow(u**2))
        np.add.at(cells, start + _HEAD + np.searchsorted(self.edges, u, side="left"), weight)
        return cells.reshape(groups, self.size)

    def counts(self, tables: IntArray) -> IntArray:
        """Return the histograms, ``[J, bins]``, for any statistic that compares counts."""
        checked(tables[:, 0])
        return tables[:, _HEAD:]


def normal_pit(outcome: FloatArray, mean: FloatArray, deviation: FloatArray) -> FloatArray:
    """Return F(y) of normal predictions; NaN where the deviation is not positive.

    >>> normal_pit(np.array([1.0, 0.0]), np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    usable = deviation > 0
    with np.errstate(invalid="ignore"):
        pit: FloatArray = np.where(usable, ndtr((outcome - mean) / np.where(usable, deviation, 1.0)), np.nan)
    return pit


def quantile_pit(outcome: FloatArray, quantiles: FloatArray, levels: FloatArray) -> FloatArray:
    """Return the middle of the cell between two levels in which each outcome lies, given quantiles ``[n, levels]``.

    More than the cell is not known. NaN where a quantile or the outcome is missing, or where quantiles fall.

    >>> quantile_pit(np.array([0.5, 2.0]), np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0.1, 0.9]))
    array([0.5, nan])
    """
    rising = (quantiles[:, 1:] >= quantiles[:, :-1]).all(axis=1)
    usable = np.isfinite(outcome) & np.isfinite(quantiles).all(axis=1) & rising
    cell = (outcome[:, np.newaxis] > quantiles).sum(axis=1)
    borders = np.concatenate([[0.0], levels, [1.0]])
    pit: FloatArray = np.where(usable, (borders[cell] + borders[cell + 1]) / 2, np.nan)
    return pit


def pit_mean(table: PitTable, tables: IntArray) -> Estimate:
    """Return the mean of u: ½ when calibrated, above when outcomes are greater than predicted; normal interval."""
    n, mean, variance = _moments(table, tables)
    half = Z95 * np.sqrt(ratio(variance, n))
    return figure_of(mean, np.maximum(mean - half, 0.0), np.minimum(mean + half, 1.0), n)


def dispersion(table: PitTable, tables: IntArray) -> Estimate:
    """Return 12 · variance of u: 1 when calibrated, above when the predicted distributions are too narrow.

    The interval is normal, with the variance of the squared deviation taken at the bins' centres.
    """
    n, mean, variance = _moments(table, tables)
    centres = (np.arange(table.bins) + 0.5) / table.bins
    squares = (centres - mean[:, np.newaxis]) ** 2
    counts = table.counts(tables)
    fourth = ratio((counts * squares**2).sum(axis=1), n)
    second = ratio((counts * squares).sum(axis=1), n)
    half = Z95 * np.sqrt(ratio(np.maximum(fourth - second**2, 0.0), n))
    return figure_of(12 * variance, 12 * np.maximum(variance - half, 0.0), 12 * (variance + half), n)


def uniformity(table: PitTable, tables: IntArray, reference: IntArray | None = None, alpha: float = 0.01) -> Scores:
    """Return the total variation distance of the PIT histogram from the reference's, or from uniform without one.

    A model is compared with its own reference, since few are calibrated to begin with.
    """
    counts = table.counts(tables)
    widths = np.diff(table.edges, prepend=0.0, append=1.0) * counts.shape[1]
    endless = np.broadcast_to(np.rint(widths * _ENDLESS).astype(np.int64), counts.shape)
    before = endless if reference is None else table.counts(reference)
    return TotalVariation(alpha=alpha).score(before, counts)


def _moments(table: PitTable, tables: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    n = table.counts(tables).sum(axis=1).astype(np.float64)
    mean = ratio(tables[:, 3] / UNIT, n)
    spread = np.maximum(ratio(tables[:, 4] / UNIT, n) - mean**2, 0.0)
    return n, mean, spread * ratio(n, n - 1)
