"""A natural logarithm of sums, products and quotients alone, which IEEE 754 rounds the same on every machine.

Mathematical libraries differ in the last bit. A row counted on one machine must leave the table exactly when another
takes it away.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_LN2: Final = (0.693147180369123816490, 1.90821492927058770002e-10)
"""ln 2 in two parts: products of the first with an exponent are exact."""
_ROOT: Final = 0.7071067811865476
_TERMS: Final = 11


def natural_log(values: FloatArray) -> FloatArray:
    """Return ln x of positive normal numbers, to about one unit in the last place.

    With x = 2ᵉ·m, √½ ≤ m < √2 and t = (m - 1)/(m + 1), ln m = 2(t + t³/3 + t⁵/5 + …).

    >>> natural_log(np.array([1.0, 0.5, 10.0])).tolist()
    [0.0, -0.6931471805599453, 2.302585092994046]
    """
    mantissa, exponent = np.frexp(values)
    below = mantissa < _ROOT
    mantissa = np.where(below, 2 * mantissa, mantissa)
    power = (exponent - below).astype(np.float64)
    t = (mantissa - 1) / (mantissa + 1)
    square = t * t
    series = np.full_like(t, 1 / (2 * _TERMS + 1))
    for term in range(_TERMS - 1, 0, -1):
        series *= square
        series += 1 / (2 * term + 1)
    series *= square
    series *= t
    logarithm: FloatArray = power * _LN2[0] + (2 * t + (2 * series + power * _LN2[1]))
    return logarithm
