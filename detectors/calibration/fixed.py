"""The two kinds of fixed point that sums of calibration are kept in, and what they hold.

Numbers in [0, 1] are narrow: one integer in steps of 2⁻³¹. Numbers up to 2²² are wide: two limbs, together in steps of
2⁻⁴⁰. Sums of either hold 2³¹ rows. What overflows on the way, as in ``a + b - b``, is right again at the end, since
integers wrap; only a table that still stands for more rows is wrong, and refused.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.fixed import Fixed

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

UNIT: Final = 1 << 31
"""Steps in 1 of a narrow number."""
MOST_ROWS: Final = 1 << 31
WIDEST: Final = float(1 << 22) - 1.0
"""Largest wide number."""
_WIDE: Final = Fixed(bits=40, limbs=2)


def narrow(values: FloatArray, unit: int = UNIT) -> IntArray:
    """Return numbers in steps of 1 / unit, a power of two, rounded to the nearest.

    >>> narrow(np.array([0.5])) == UNIT // 2
    array([ True])
    """
    (steps,) = Fixed(bits=unit.bit_length() - 1, limbs=1).split(values)
    return np.asarray(steps, np.int64)


def widen(values: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the high and the low part of numbers in [0, 2²²); both are summed apart.

    >>> high, low = widen(np.array([3.25, 1e-9]))
    >>> float(from_wide(high.sum(), low.sum())) == 3.25 + round(1e-9 * 2**40) / 2**40
    True
    """
    low, high = _WIDE.split(values)
    return high, low


def from_wide(high: IntArray, low: IntArray) -> FloatArray:
    """Return the number of which these are the parts."""
    return _WIDE.value(np.stack([low, high], axis=-1))


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
