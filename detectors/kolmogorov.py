"""The law of the Kolmogorov-Smirnov distance, at a cost that does not grow with the number of rows.

SciPy's ``kstwo`` is exact, but in the tail it sums over all rows: 2.5 s for one p-value of a million. Nearer the middle
it takes milliseconds for a few hundred rows, where an expansion has five digits.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogi
from scipy.stats import kstwo

FloatArray = NDArray[np.float64]

_EXACT: Final = 1_000.0
"""SciPy's exact sums in the tail up to so many rows."""
_FEW: Final = 40.0
"""Elsewhere up to so many."""
_FEWEST: Final = 30.0
"""Up to so many, critical distances are SciPy's."""
_POLISHED: Final = 140.0
"""Up to so many, one more step is made with the exact law."""
_TAIL: Final = 2.2
"""SciPy sums where rows · distance² exceeds this."""
_TERMS: Final = np.arange(10)
_OFTEN: Final = 0.5
"""Newton's steps below take the tail for that of a normal law, which it is not at distances exceeded more often."""
_STEPS: Final = 4
_NEAR: Final = 1e-5
"""Far out a step leaves less than a tenth of itself."""
_TINY: Final = 0.15
"""The probability that √n D is less than this is below 1e-20."""


def tail_probability(distance: FloatArray, rows: FloatArray) -> FloatArray:
    """Return P(D > distance) of one sample of so many rows, rounded; NaN gives NaN.

    Beyond 40 rows the middle is the expansion of Pelz and Good to 1/rows^(3/2): within 0.07/rows² of ``kstwo``, 4e-6
    from 140 and 4e-8 from 1,000 rows on. Beyond 1,000 rows the tail is twice the one-sided one, by its own expansion:
    within 3e-8.

    >>> tail_probability(np.array([0.1]), np.array([166.7])).round(8).tolist()
    [0.06609219]
    """
    tail = np.full(len(distance), np.nan)
    size = np.maximum(np.round(rows), 1.0)
    usable = np.isfinite(distance + size)
    with np.errstate(invalid="ignore"):
        far = size * distance**2 > _TAIL
    expanded = usable & far & (size > _EXACT)
    middle = usable & ~far & (size > _FEW)
    exact = usable & ~expanded & ~middle
    tail[middle] = _two_sided(distance[middle] * np.sqrt(size[middle]), size[middle])
    tail[exact] = kstwo.sf(distance[exact], size[exact])
    tail[expanded] = 2 * np.exp(_log_one_sided(distance[expanded] * np.sqrt(size[expanded]), size[expanded]))
    return tail


def critical_distance(alpha: float, rows: FloatArray) -> FloatArray:
    """Return the distance that is exceeded with probability ``alpha``, within 1e-4 of itself; NaN gives NaN.

    >>> critical_distance(0.01, np.array([1000.0, 1e6])).round(6).tolist()
    [0.051294, 0.001627]
    """
    sizes, place = np.unique(np.maximum(np.round(rows), 1.0), return_inverse=True)
    critical = np.full(len(sizes), np.nan)
    usable = np.isfinite(sizes)
    scaled = np.where(usable, kolmogi(alpha), np.nan)
    many = usable & (sizes > _FEWEST)
    expanded = many & (scaled**2 > _TAIL + 0.1)
    z, n = scaled[expanded], sizes[expanded]
    for _ in range(_STEPS):
        z = z + (_log_one_sided(z, n) - np.log(alpha / 2)) / (4 * z)
    critical[expanded] = z / np.sqrt(n)
    middle = many & ~expanded & (alpha <= _OFTEN)
    z, n = scaled[middle], sizes[middle]
    for _ in range(_STEPS):
        step = np.log(_two_sided(z, n) / alpha) / (4 * z)
        z = z + step
        if np.abs(step).max(initial=0.0) < _NEAR:
            break
    critical[middle] = z / np.sqrt(n)
    few = (expanded | middle) & (sizes <= _POLISHED)
    critical[few] = [_polished(alpha, *pair) for pair in zip(sizes[few].tolist(), critical[few].tolist(), strict=True)]
    exact = usable & ~expanded & ~middle
    critical[exact] = [_exact_critical(alpha, value) for value in sizes[exact].tolist()]
    found: FloatArray = critical[place]
    return found


def _two_sided(z: FloatArray, n: FloatArray) -> FloatArray:
    """Return P(√n D > z) by the expansion of Pelz and Good (1976, JRSS B 38(2)), for z up to about 2."""
    if not len(z):
        return z
    tiny = z < _TINY
    z, n = np.where(tiny, _TINY, z)[:, None], n[:, None]
    odd, even = (np.pi * (_TERMS + 0.5)) ** 2, (np.pi * _TERMS) ** 2
    odds = 2 * np.exp(-odd / (2 * z**2))
    evens = 2 * np.exp(-even / (2 * z**2))
    first = (odd - z**2) * odds / (6 * z**4)
    second = (6 * z**6 + 2 * z**4 + (2 * z**4 - 5 * z**2) * odd + (1 - 2 * z**2) * odd**2) * odds / (72 * z**7)
    second -= even * evens / (36 * z**3)
    third = odd**3 * (5 - 30 * z**2) + odd**2 * (212 * z**4 - 60 * z**2) + odd * (135 * z**4 - 96 * z**6)
    third = (third - 30 * z**6 - 90 * z**8) * odds / (6480 * z**10)
    third += (3 * even * z**2 - even**2) * evens / (216 * z**6)
    terms = odds / z + first / np.sqrt(n) + second / n + third / n**1.5
    tail: FloatArray = 1 - np.sqrt(np.pi / 2) * terms.sum(axis=1)
    return np.where(tiny, 1.0, tail)


def _log_one_sided(z: FloatArray, n: FloatArray) -> FloatArray:
    """Return the logarithm of P(√n D⁺ > z) by the expansion of Lauwerier (1963, Z. Wahrscheinlichkeitstheorie 2).

    The series is that of the logarithm, which stays sound far out, where the series of the probability does not.
    """
    first = -2 * z / (3 * np.sqrt(n))
    second = 2 * z**2 / (3 * n) * (1 - 2 * z**2 / 3)
    third = 4 * z / (9 * n**1.5) * (1 / 5 - 19 * z**2 / 15 + 2 * z**4 / 3)
    log: FloatArray = -2 * z**2 + first + (second - first**2 / 2) + (third - first * second + first**3 / 3)
    return log


@lru_cache(maxsize=4096)
def _exact_critical(alpha: float, rows: float) -> float:
    return float(kstwo.isf(alpha, rows))


@lru_cache(maxsize=4096)
def _polished(alpha: float, rows: float, distance: float) -> float:
    return float(distance + np.log(kstwo.sf(distance, rows) / alpha) / (4 * rows * distance))
