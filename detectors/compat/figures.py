"""The figures that peers share, from counts in bins."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import xlogy
from scipy.stats import chi2, chi2_contingency, ks_2samp, kstwo, norm

from detectors.compat.column import Column, FloatArray, IntArray

EXACT: Final = 10_000
"""Rows of the larger sample up to which scipy's p-value of Kolmogorov and Smirnov is exact by default."""


def ks(column: Column) -> tuple[float, float]:
    """Return the greatest distance of the distribution functions, and scipy's two-sided p-value of it.

    >>> ks(Column(np.array([5, 5]), np.array([1, 9]), np.array([0.0, 1.0])))[0]
    0.4
    """
    before, now = column.sizes
    gap = np.cumsum(column.shares[1]) - np.cumsum(column.shares[0])
    distance = float(np.abs(gap).max(initial=0.0))
    if max(before, now) <= EXACT:
        places = np.arange(len(column.reference))
        found = ks_2samp(np.repeat(places, column.reference), np.repeat(places, column.window))
        return distance, float(found.pvalue)
    return distance, float(kstwo.sf(distance, np.round(before * now / (before + now))))


def wasserstein(column: Column) -> float:
    """Return the Wasserstein distance of the values, in their own unit."""
    values = np.zeros(len(column.reference)) if column.values is None else column.values
    gap = np.cumsum(column.shares[1]) - np.cumsum(column.shares[0])
    return float(np.abs(gap[:-1]) @ np.diff(values))


def spread(values: FloatArray, counts: IntArray) -> float:
    """Return the standard deviation of values with these counts, without Bessel's correction."""
    total = counts.sum()
    mean = values @ counts / total
    return float(np.sqrt((values - mean) ** 2 @ counts / total))


def jensen_shannon(p: FloatArray, q: FloatArray, base: float = np.e) -> float:
    """Return the Jensen-Shannon divergence to a base; its root is the distance."""
    middle = (p + q) / 2
    safe = np.where(middle > 0, middle, 1.0)
    return max(float((xlogy(p, p / safe) + xlogy(q, q / safe)).sum()) / 2 / float(np.log(base)), 0.0)


def chi_square_of_fit(column: Column) -> tuple[float, float]:
    """Return the statistic and p-value of the window against the reference's shares, taken for the truth.

    A category that the reference does not have makes the statistic infinite.
    """
    used = (column.reference > 0) | (column.window > 0)
    observed = column.window[used].astype(np.float64)
    expected = column.shares[0][used] * observed.sum()
    if bool(((expected == 0) & (observed > 0)).any()):
        return float("inf"), 0.0
    statistic = float(((observed - expected) ** 2 / expected).sum())
    return statistic, float(chi2.sf(statistic, len(observed) - 1)) if len(observed) > 1 else 1.0


def chi_square_of_tables(column: Column) -> tuple[float, float]:
    """Return the statistic and p-value of independence, with scipy's continuity correction for two categories."""
    table = np.stack([column.reference, column.window])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return 0.0, 1.0
    found = chi2_contingency(table)
    return float(found.statistic), float(found.pvalue)


def z_of_shares(column: Column) -> tuple[float, float]:
    """Return z and p-value of the difference of the first category's shares, pooled."""
    (p, q), (before, now) = (part[0] for part in column.shares), column.sizes
    pooled = (column.reference[0] + column.window[0]) / (before + now)
    error = np.sqrt(pooled * (1 - pooled) * (1 / before + 1 / now))
    z = float((p - q) / error) if error > 0 else 0.0
    return z, float(2 * norm.sf(abs(z)))


def cramers_v(column: Column) -> float:
    """Return Cramér's V of category and sample, with Bergsma's correction of its bias.

    References
    ----------
    Bergsma (2013), A bias-correction for Cramér's V and Tschuprow's T.
    """
    table = np.stack([column.reference, column.window]).astype(np.float64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return 0.0
    total = table.sum()
    rows, columns = table.shape
    phi = float(chi2_contingency(table, correction=False).statistic) / total
    phi = max(0.0, phi - (columns - 1) * (rows - 1) / (total - 1))
    rows_left = rows - (rows - 1) ** 2 / (total - 1)
    columns_left = columns - (columns - 1) ** 2 / (total - 1)
    most = min(columns_left - 1, rows_left - 1)
    return float(np.sqrt(phi / most)) if most > 0 else 0.0


def largest_gap(column: Column) -> float:
    """Return the largest difference of shares."""
    return float(np.abs(column.shares[1] - column.shares[0]).max(initial=0.0))
