"""Sums of predicted numbers in fixed point: their mean, before labels come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.bins import HUGE
from detectors.performance.error_sums import LIMIT, UNITS
from detectors.performance.intervals import mean_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_FIRST, _SECOND = UNITS["target"], UNITS["target_square"]
_SIZE: Final = 1 + _FIRST.limbs + _SECOND.limbs


@dataclass(frozen=True, slots=True)
class PredictedSums:
    """Rows, and sums of (prediction - centre) / scale and of its square.

    Predictions farther than 2¹⁵ scales from the centre count as that far; missing ones and those beyond 1e300 do not.

    Examples
    --------
    >>> sums = PredictedSums(10.0, 2.0)
    >>> cells = sums.tally(np.array([9.0, 11.0, np.nan, 13.0]), np.zeros(4, np.int64), 1)
    >>> mean, variance, rows = sums.mean(cells)
    >>> mean.tolist(), (3 * variance).round(9).tolist(), rows.tolist()
    ([11.0], [4.0], [3])
    """

    centre: float
    scale: float

    @property
    def size(self) -> int:
        """Cells of a table."""
        return _SIZE

    def tally(self, predicted: FloatArray, group: IntArray, groups: int) -> IntArray:
        """Count rows into one table a group, ``[groups, size]``; ``[g, n]`` has each row count in g groups."""
        kept = np.abs(predicted) <= HUGE
        placed = np.clip((predicted[kept] - self.centre) / self.scale, -LIMIT, LIMIT)
        columns = [np.ones((1, len(placed)), np.int64), _FIRST.split(placed), _SECOND.split(placed * placed)]
        units = np.concatenate(columns)
        tables = np.zeros((_SIZE, groups), np.int64)
        for one in np.atleast_2d(group):
            for cells, part in zip(tables, units, strict=True):
                np.add.at(cells, one[kept], part)
        return tables.T

    def mean(self, tables: IntArray) -> tuple[FloatArray, FloatArray, IntArray]:
        """Return mean, variance of the mean and rows of tables ``[J, size]``; NaN where unknown."""
        rows, first = tables[:, 0], 1 + _FIRST.limbs
        total, squares = _FIRST.exact(tables[:, 1:first]), _SECOND.exact(tables[:, first:])
        mean, variance = mean_of(total, squares, rows, _FIRST, _SECOND, self.scale)
        return self.centre + mean, variance, rows
