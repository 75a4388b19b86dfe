"""Quantile predictions: pinball loss, and how often outcomes stay at or below each quantile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.calibration.figure import FloatArray, IntArray, figure_of, ratio, wilson
from detectors.calibration.fixed import checked, from_wide, widen
from detectors.norms import Z95
from detectors.performance.estimate import Estimate

MOST_UNITS: Final = 2000.0
"""A loss of more units is taken for this, and counted."""
_LEVEL: Final = ("n", "at_or_below", "clipped", "high", "low", "sq_high", "sq_low")


@dataclass(frozen=True, slots=True)
class PinballTable:
    """Sums of the pinball loss at quantile ``levels``.

    Losses are summed in steps of 2⁻⁴⁰ of ``unit``, which the reference fixes, such as the outcome's standard deviation;
    so a sum is exact in any order, and a loss beyond 2000 units is clipped and counted. Cells: rows, rows whose outcome
    is missing or not finite, then seven a level; a row without a finite quantile is left out of that level.

    Examples
    --------
    >>> table = PinballTable((0.9,), unit=1.0)
    >>> cells = table.tally(np.array([3.0]), np.array([[1.0]]), np.array([1]), np.array([0]), 1)
    >>> round(float(table.losses(cells)[0].value[0]), 9)
    1.8
    """

    levels: tuple[float, ...]
    unit: float

    def __post_init__(self) -> None:
        if not all(0 < level < 1 for level in self.levels):
            raise ValueError(f"quantile levels lie between 0 and 1, not at {self.levels}")
        if not (self.unit > 0 and np.isfinite(self.unit)):
            raise ValueError(f"a unit is positive and finite, not {self.unit}")

    @property
    def size(self) -> int:
        """Cells."""
        return 2 + len(_LEVEL) * len(self.levels)

    @property
    def identity(self) -> str:
        """What decides the meaning of a cell."""
        return f"pinball:{self.levels!r}:{self.unit!r}"

    def tally(
        self, outcome: FloatArray, quantiles: FloatArray, weight: IntArray, group: IntArray, groups: int
    ) -> IntArray:
        """Sum rows with quantiles ``[rows, levels]`` into one table a group; weight -1 takes a row out again."""
        checked(np.abs(weight).sum(keepdims=True))
        cells = np.zeros(groups * self.size, np.int64)
        start = group * self.size
        np.add.at(cells, start, weight)
        finite = np.isfinite(outcome)
        np.add.at(cells, start + 1, weight * ~finite)
        for place, level in enumerate(self.levels):
            good = np.flatnonzero(finite & np.isfinite(quantiles[:, place]))
            y, q = outcome[good] / self.unit, quantiles[good, place] / self.unit
            with np.errstate(over="ignore"):
                loss = np.where(y >= q, level * (y - q), (1 - level) * (q - y))
            safe = np.minimum(loss, MOST_UNITS)
            ones = np.ones(len(good), np.int64)
            values = [ones, (y <= q).astype(np.int64), (loss > MOST_UNITS).astype(np.int64)]
            first = start[good] + 2 + place * len(_LEVEL)
            for offset, value in enumerate([*values, *widen(safe), *widen(safe**2)]):
                np.add.at(cells, first + offset, weight[good] * value)
        return cells.reshape(groups, self.size)

    def losses(self, tables: IntArray) -> list[Estimate]:
        """Return the mean loss of each level, in units of the outcome; the interval is the normal one of a mean."""
        figures = []
        for cells in self._levels(tables):
            n = cells["n"].astype(np.float64)
            mean = ratio(from_wide(cells["high"], cells["low"]), n)
            square = ratio(from_wide(cells["sq_high"], cells["sq_low"]), n)
            half = Z95 * np.sqrt(ratio(np.maximum(square - mean**2, 0.0), np.maximum(n - 1, 0.0)))
            half = np.where(n > 1, half, np.inf)
            low = self.unit * np.maximum(mean - half, 0.0)
            figures.append(figure_of(self.unit * mean, low, self.unit * (mean + half), n))
        return figures

    def hits(self, tables: IntArray) -> list[Estimate]:
        """Return the share of outcomes at or below the quantile of each level, which it should equal; Wilson."""
        figures = []
        for cells in self._levels(tables):
            n, hit = cells["n"].astype(np.float64), cells["at_or_below"].astype(np.float64)
            figures.append(figure_of(ratio(hit, n), *wilson(hit, n, Z95), n))
        return figures

    def trials(self, tables: IntArray) -> IntArray:
        """Return outcomes above each quantile, and at or below it, ``[..., levels, 2]``."""
        parts = tables[..., 2:].reshape(*tables.shape[:-1], len(self.levels), len(_LEVEL))
        rows, hits = parts[..., _LEVEL.index("n")], parts[..., _LEVEL.index("at_or_below")]
        return np.stack([rows - hits, hits], axis=-1)

    def clipped(self, tables: IntArray) -> IntArray:
        """Return how many losses were clipped, ``[J, levels]``."""
        return np.stack([cells["clipped"] for cells in self._levels(tables)], axis=1)

    def _levels(self, tables: IntArray) -> list[dict[str, IntArray]]:
        checked(tables[:, 0])
        parts = tables[:, 2:].reshape(len(tables), len(self.levels), len(_LEVEL))
        return [dict(zip(_LEVEL, parts[:, place].T, strict=True)) for place in range(len(self.levels))]
