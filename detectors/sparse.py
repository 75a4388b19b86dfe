"""What chance does in sparse cells, where counts are too few for the chi-square law.

Given how many rows of both samples together fall in a cell, and no drift, the rows of the window among them follow the
hypergeometric law. For cells that expect fewer than ten rows of the smaller sample it is written out here, so that the
mean and the variance of a figure that is a sum over cells are known without the usual approximation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from detectors.samples import FloatArray, IntArray, Samples

FEW_ROWS: Final = 10.0
"""A cell that expects fewer rows of the smaller sample is sparse."""
_POINTS: Final = 48
_LANES: Final = 8
"""NumPy adds eight by eight. With rounded lengths the zeros that a longer neighbour brings change no sum's last bit."""

Figure: TypeAlias = Callable[[FloatArray, FloatArray, IntArray], FloatArray]
"""What cells add to a figure, from their counts in the window and in the reference and the monitor of each row."""


@dataclass(frozen=True, slots=True)
class SparseCells:
    """The sparse cells of J monitors, with every pair of counts that chance can put there (``[S, X]``)."""

    monitors: IntArray
    """Monitor of each cell."""
    cells: IntArray
    window: FloatArray
    reference: FloatArray
    weights: FloatArray
    """Probability of each pair of counts; every row sums to 1."""

    @classmethod
    def of(cls, samples: Samples) -> SparseCells:
        """Return the sparse cells; a cell that neither sample uses is none."""
        totals = (samples.reference + samples.window).astype(np.float64)
        rows = samples.big + samples.small
        fewer = np.minimum(samples.small, samples.big)
        expected = totals * (fewer / rows)[:, np.newaxis]
        monitors, cells = np.nonzero((totals > 0) & (expected < FEW_ROWS))
        total = totals[monitors, cells]
        counts, weights = _hypergeometric(total, fewer[monitors], rows[monitors])
        rest = np.maximum(total[:, np.newaxis] - counts, 0.0)
        swapped = (samples.small > samples.big)[monitors, np.newaxis]
        return cls(monitors, cells, np.where(swapped, rest, counts), np.where(swapped, counts, rest), weights)

    def moments(self, figure: Figure) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return of each cell's figure the mean, the variance and the covariance with its count in the window."""
        values = figure(self.window, self.reference, self.monitors)
        mean = (self.weights * values).sum(axis=1)
        centred = values - mean[:, np.newaxis]
        return mean, (self.weights * centred**2).sum(axis=1), (self.weights * centred * self.window).sum(axis=1)


def null_moments(samples: Samples, unit: FloatArray, figure: Figure) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance, without drift, of a figure that is about ``unit``·χ² where no cell is sparse.

    There they are (K-1)·unit and 2(K-1)·unit². The variance of a sum over cells takes the cells for independent, adds
    the covariance of their squares, 2·πⱼπₖ·unit², and takes off what the fixed number of rows explains.
    """
    shares = samples.pooled
    sparse = SparseCells.of(samples)
    mean = np.where(shares > 0, 1 - shares, 0.0) * unit[:, np.newaxis]
    variance = 2 * mean**2
    together = np.zeros(len(unit))
    if len(sparse.cells):
        place = sparse.monitors, sparse.cells
        mean[place], variance[place], covariance = sparse.moments(figure)
        np.add.at(together, sparse.monitors, covariance)
    spread = samples.small * samples.big / (samples.small + samples.big)
    total = variance.sum(axis=1) + 2 * unit**2 * (1 - (shares**2).sum(axis=1)) - together**2 / spread
    return mean.sum(axis=1), np.maximum(total, 0.0)


def _hypergeometric(total: FloatArray, drawn: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return counts and their probabilities when ``drawn`` of ``rows`` rows are taken and ``total`` are of one kind."""
    least = np.maximum(drawn + total - rows, 0.0)
    most = np.minimum(drawn, total)
    points = int(min(_POINTS, -(-((most - least).max(initial=0.0) + 1) // _LANES) * _LANES))
    counts = least[:, np.newaxis] + np.arange(points)
    before = counts[:, :-1]
    up = (total[:, np.newaxis] - before) * (drawn[:, np.newaxis] - before)
    down = (before + 1) * ((rows - total - drawn)[:, np.newaxis] + before + 1)
    with np.errstate(divide="ignore"):
        steps = np.log(np.maximum(up, 0.0)) - np.log(np.maximum(down, 1.0))
    logs = np.concatenate([np.zeros((len(total), 1)), np.cumsum(steps, axis=1)], axis=1)
    weights = np.exp(logs - logs.max(axis=1, keepdims=True, initial=-np.inf))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.minimum(counts, most[:, np.newaxis]), weights
