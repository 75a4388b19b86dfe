"""Sums in fixed point: integers, so that order and grouping never matter and a row can be taken out again.

Numbers in [0, 1] are narrow: one integer in steps of 2⁻³¹. Numbers up to 2²² are wide: two integers, together in steps
of 2⁻⁴⁰. Sums of either hold 2³¹ rows. What overflows on the way, as in ``a + b - b``, is right again at the end, since
integers wrap; only a table that still stands for more rows is wrong, and refused.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

UNIT: Final = 1 << 31
"""Steps in 1 of a narrow number."""
MOST_ROWS: Final = 1 << 31
WIDEST: Final = float(1 << 22) - 1.0
"""Largest wide number."""
_FINE: Final = 1 << 40
_SPLIT: Final = 31


def narrow(values: FloatArray, unit: int = UNIT) -> IntArray:
    """Return numbers in steps of 1 / unit, rounded to the nearest.

    >>> narrow(np.array([0.5])) == UNIT // 2
    array([ True])
    """
    return np.rint(values * unit).astype(np.int64)


def widen(values: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the high and the low part of numbers in [0, 2²²); both are summed apart.

    >>> high, low = widen(np.array([3.25, 1e-9]))
    >>> float(from_wide(high.sum(), low.sum())) == 3.25 + round(1e-9 * 2**40) / 2**40
    True
    """
    steps = np.rint(values * _FINE).astype(np.int64)
    return steps >> _SPLIT, steps & ((1 << _SPLIT) - 1)


def from_wide(high: IntArray, low: IntArray) -> FloatArray:
    """Return the number of which these are the parts."""
    whole: FloatArray = high.astype(np.float64) * (2.0**_SPLIT / _FINE) + low.astype(np.float64) / _FINE
    return whole


def checked(rows: IntArray) -> IntArray:
    """Return numbers of rows, all of which sums can stand for.

    Raises
    ------
    OverflowError
        When there are more than 2³¹.
    """
    if rows.size and int(np.abs(rows).max()) > MOST_ROWS:
        raise OverflowError(f"sums hold {MOST_ROWS} rows, not {int(np.abs(rows).max())}")
    return rows
