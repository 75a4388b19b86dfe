"""McNemar's test: which of two models is right more often, from the rows on which exactly one of them is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, norm

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

CELLS: Final = ("both", "first", "second", "neither")
"""Rows by who is right; a table is these counts, ``[..., 4]``, and tables add."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """What a table says.

    Two-sided p-values of equal chances for both models. ``exact`` is conservative; ``mid_p`` has a level close to the
    nominal one, and may exceed it slightly.
    """

    n: IntArray
    """Rows on which exactly one of them is right."""
    difference: FloatArray
    """Accuracy of the second model less that of the first; NaN without rows."""
    low: FloatArray
    high: FloatArray
    """Interval of the difference: Wald's with the adjustment of Bonett and Price."""
    exact: FloatArray
    mid_p: FloatArray


def tally(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> IntArray:
    """Return the table of some rows, ``[4]``, by whether each model is right.

    >>> tally(np.array([True, True, False]), np.array([True, False, True])).tolist()
    [1, 1, 1, 0]
    """
    if first.shape != second.shape:
        raise ValueError(f"{len(first)} rows of one model do not fit {len(second)} of the other")
    return np.bincount(2 * ~first + 1 * ~second, minlength=4).astype(np.int64)


def mcnemar(tables: IntArray, alpha: float = 0.05) -> McNemar:
    """Return the tests of some tables ``[..., 4]``.

    Raises
    ------
    ValueError
        When a table has no four counts, or a negative one.

    References
    ----------
    McNemar (1947), "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12(2); Fagerland, Lydersen, Laake (2013), "The McNemar test for binary matched-pairs data: mid-p and
    asymptotic are better than exact conditional", BMC Medical Research Methodology 13(91); Bonett, Price (2012),
    "Adjusted Wald confidence interval for a difference of binomial proportions based on paired data", Journal of
    Educational and Behavioral Statistics 37(4).

    Examples
    --------
    >>> found = mcnemar(np.array([59, 6, 16, 80]))
    >>> round(float(found.exact), 4), round(float(found.mid_p), 4)
    (0.0525, 0.0347)
    """
    tables = np.asarray(tables, np.int64)
    if tables.shape[-1:] != (4,) or np.any(tables < 0):
        raise ValueError("a table has four counts, none of them negative")
    first, second, rows = tables[..., 1], tables[..., 2], tables.sum(axis=-1)
    n, least = first + second, np.minimum(first, second)
    exact = np.minimum(1.0, 2 * binom.cdf(least, n, 0.5))
    point = binom.pmf(least, n, 0.5)
    mid_p = np.where(first == second, 1 - point / 2, exact - point)
    # two rows more, one for each model, keep the interval honest where few rows or none differ
    one, other, all_ = (first + 1) / (rows + 2), (second + 1) / (rows + 2), rows + 2
    middle = other - one
    half = norm.isf(alpha / 2) * np.sqrt((one + other - middle**2) / all_)
    known = rows > 0
    return McNemar(
        n,
        np.where(known, (second - first) / np.maximum(rows, 1), np.nan),
        np.where(known, np.maximum(middle - half, -1.0), np.nan),
        np.where(known, np.minimum(middle + half, 1.0), np.nan),
        np.where(known, exact, np.nan),
        np.where(known, mid_p, np.nan),
    )
