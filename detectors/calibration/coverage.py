"""Coverage of prediction intervals: how many outcomes lie below, in and above what was predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.calibration.figure import FloatArray, IntArray, figure_of, ratio, wilson
from detectors.calibration.fixed import checked
from detectors.norms import Z95
from detectors.performance.estimate import Estimate

_SIZE: Final = 6


@dataclass(frozen=True, slots=True)
class CoverageTable:
    """Counts of rows below, in and above their interval of a ``nominal`` coverage.

    Cells: rows, rows without outcome or bound (an outcome that is not finite, too), rows whose bounds are crossed, then
    below, in, above. Bounds belong to the interval and may be infinite.

    Examples
    --------
    >>> table = CoverageTable(0.9)
    >>> once = np.zeros(3, np.int64)
    >>> cells = table.tally(np.array([1.0, 2.0, 9.0]), np.array([1.0, 0.0, 0.0]), once + 3.0, once + 1, once, 1)
    >>> table.figures(cells)["coverage"].value.round(3)
    array([0.667])
    """

    nominal: float

    def __post_init__(self) -> None:
        if not 0 < self.nominal < 1:
            raise ValueError(f"a nominal coverage lies between 0 and 1, not at {self.nominal}")

    @property
    def size(self) -> int:
        """Cells."""
        return _SIZE

    @property
    def identity(self) -> str:
        """What decides the meaning of a cell."""
        return "coverage"

    def tally(
        self, outcome: FloatArray, lower: FloatArray, upper: FloatArray, weight: IntArray, group: IntArray, groups: int
    ) -> IntArray:
        """Count rows into one table a group, ``[groups, size]``; weight -1 takes a row out again."""
        checked(np.abs(weight).sum(keepdims=True))
        cells = np.zeros(groups * _SIZE, np.int64)
        start = group * _SIZE
        np.add.at(cells, start, weight)
        kind = np.where(outcome < lower, 3, np.where(outcome > upper, 5, 4))
        kind = np.where(lower > upper, 2, kind)
        kind = np.where(~np.isfinite(outcome) | np.isnan(lower) | np.isnan(upper), 1, kind)
        np.add.at(cells, start + kind, weight)
        return cells.reshape(groups, _SIZE)

    def figures(self, tables: IntArray) -> dict[str, Estimate]:
        """Return ``below``, ``coverage``, ``above`` as shares with Wilson's intervals; ``excess`` over nominal."""
        checked(tables[:, 0])
        n = tables[:, 3:].sum(axis=1).astype(np.float64)
        figures = {}
        for place, name in enumerate(("below", "coverage", "above"), start=3):
            count = tables[:, place].astype(np.float64)
            figures[name] = figure_of(ratio(count, n), *wilson(count, n, Z95), n)
        inside = figures["coverage"]
        figures["excess"] = figure_of(
            inside.value - self.nominal, inside.low - self.nominal, inside.high - self.nominal, n
        )
        return figures

    def trials(self, tables: IntArray) -> IntArray:
        """Return rows outside and inside their interval, ``[..., 2]``."""
        below, inside, above = np.moveaxis(tables[..., 3:], -1, 0)
        return np.stack([below + above, inside], axis=-1)
