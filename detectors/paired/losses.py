"""Differences of two models' losses on the same rows, as exact sums: paired t and sign test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from scipy.stats import t as student

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

CELLS: Final = ("rows", "first", "second", "clipped", "refused", "sum", "square_high", "square_low")
"""Rows; those where the first model, or the second, has the smaller loss; those cut to the bound; those without two
finite losses, which count nowhere else; sums of differences and of their squares in fixed point."""
BITS: Final = 30
_UNIT: Final = 1 << BITS
MOST_ROWS: Final = 1 << 32
"""Rows that a table holds without overflow."""


@dataclass(frozen=True, slots=True)
class Paired:
    """The mean difference of losses, second model less first: below 0 the second is better."""

    n: int
    mean: float
    low: float
    high: float
    """Student's interval; for one look, not for many."""
    t: float
    p_value: float
    """Two-sided; NaN with fewer than two rows."""
    sign_p: float
    """Two-sided exact sign test; ties are left out."""


@dataclass(frozen=True, slots=True)
class PairedLosses:
    """Tables of differences of losses within a bound; sums of tables are exact in any order.

    Parameters
    ----------
    bound
        Differences lie between -bound and bound; what lies beyond is cut to it, and counted. A difference is kept to
        bound · 2⁻³¹.

    Examples
    --------
    >>> losses = PairedLosses(bound=1.0)
    >>> table = losses.tally(np.array([0.5, 0.25, 1.0]), np.array([0.25, 0.25, 0.5]))
    >>> found = losses.compare(table)
    >>> found.n, found.mean, round(found.p_value, 4)
    (3, -0.25, 0.2254)
    """

    bound: float

    def __post_init__(self) -> None:
        if not 0 < self.bound < np.inf:
            raise ValueError(f"a bound must be positive and finite, not {self.bound}")

    def tally(self, first: FloatArray, second: FloatArray) -> IntArray:
        """Return the table of some rows, ``[8]`` as ``CELLS``, from each model's losses, both ``[N]``."""
        if first.shape != second.shape:
            raise ValueError(f"{len(first)} losses of one model do not fit {len(second)} of the other")
        known = np.isfinite(first) & np.isfinite(second)
        with np.errstate(over="ignore"):
            difference = second[known] - first[known]
        scaled = np.clip(difference / self.bound, -1.0, 1.0)
        units = np.rint(scaled * _UNIT).astype(np.int64)
        squares = units * units
        cells = (
            len(units),
            (difference > 0).sum(),
            (difference < 0).sum(),
            (np.abs(difference) > self.bound).sum(),
            len(known) - len(units),
            units.sum(),
            (squares >> BITS).sum(),
            (squares & (_UNIT - 1)).sum(),
        )
        return np.array(cells, np.int64)

    def sums(self, table: IntArray) -> tuple[int, float, float]:
        """Return rows, sum and sum of squares of the differences over the bound, each rounded once.

        Raises
        ------
        ValueError
            When the table is none of these, or holds more rows than its sums can.
        """
        if table.shape != (len(CELLS),) or not 0 <= int(table[0]) <= MOST_ROWS:
            raise ValueError("not a table of differences")
        square = (int(table[6]) << BITS) + int(table[7])
        return int(table[0]), int(table[5]) / _UNIT, square / (_UNIT * _UNIT)

    def compare(self, table: IntArray, alpha: float = 0.05) -> Paired:
        """Return paired t and sign test of a table.

        The t test is that of Student (1908), "The probable error of a mean", Biometrika 6(1).
        """
        n, _, _ = self.sums(table)
        unequal, least = int(table[1] + table[2]), int(min(table[1], table[2]))
        sign = min(1.0, 2 * float(binom.cdf(least, unequal, 0.5))) if n else np.nan
        if not n:
            return Paired(0, *(float("nan"),) * 6)
        total, square = int(table[5]), (int(table[6]) << BITS) + int(table[7])
        mean = self.bound * (total / (n * _UNIT))
        if n < 2:
            return Paired(n, mean, -np.inf, np.inf, np.nan, np.nan, sign)
        # in whole numbers, since the two terms may agree in all but their last digits
        variance = (n * square - total * total) / (n * (n - 1)) / (_UNIT * _UNIT)
        error = self.bound * float(np.sqrt(variance / n))
        half = float(student.ppf(1 - alpha / 2, n - 1)) * error
        with np.errstate(divide="ignore", invalid="ignore"):
            t = float(np.divide(mean, error))
        p_value = 2 * float(student.sf(abs(t), n - 1))
        return Paired(n, mean, mean - half, mean + half, t, p_value, sign)
