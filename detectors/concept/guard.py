"""What never reaches a detector: missing, infinite and huge values, and anything but 0 and 1 where errors are counted.

One such value ends River's ADWIN and Page-Hinkley for good, without a word: every later comparison is with NaN.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]

LARGEST: Final = 1e15
"""Losses beyond it are refused: beside one, the sums of a detector no longer hold a loss of 1."""


def acceptable(values: FloatArray, bits: bool) -> NDArray[np.bool_]:
    """Return which values a detector may see: errors and successes, or losses up to 1e15 in size.

    >>> acceptable(np.array([0.0, 1.0, 0.5, np.nan, -np.inf, 1e200]), bits=False).tolist()
    [True, True, True, False, False, False]
    >>> acceptable(np.array([0.0, 1.0, 0.5, np.nan]), bits=True).tolist()
    [True, True, False, False]
    """
    fine: NDArray[np.bool_] = (values == 0) | (values == 1) if bits else np.abs(values) <= LARGEST
    return fine
