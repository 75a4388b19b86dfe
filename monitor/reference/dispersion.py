"""How much days differ from each other beyond chance: the design effect of counting days instead of rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.events import IntArray
from monitor.reference.parts import ReferenceColumn, coarse_size

_WHOLE: float = 0.5
"""A day with fewer rows than this share of the median day is not a whole one."""


def dispersion(days: Sequence[IntArray]) -> float | None:
    """Return chi-square over its degrees of freedom, of counts by day and cell; ``None`` with fewer than two days.

    About 1 where rows are independent. Where it is f, the rows of the reference tell as much as 1/f of them would. A
    first or last day that is not whole is left out.

    >>> dispersion([np.array([50, 50]), np.array([50, 50])])
    0.0
    """
    if not days:
        return None
    table = np.stack(days)
    rows = table.sum(axis=1)
    table = table[rows >= max(1.0, _WHOLE * float(np.median(rows)))]
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[0] < 2 or table.shape[1] < 2:
        return None
    expected = table.sum(axis=1, keepdims=True) * (table.sum(axis=0) / table.sum())
    chi2 = float(((table - expected) ** 2 / expected).sum())
    return chi2 / float((table.shape[0] - 1) * (table.shape[1] - 1))


def shape_dispersion(column: ReferenceColumn) -> float | None:
    """Return the dispersion of a column's values over days, missing and other quality cells apart."""
    groups = coarse_size(column.bins) - (column.bins.cells - column.bins.size)
    return dispersion([counts[:groups] for counts in column.by_day.values()])


def quality_dispersion(column: ReferenceColumn, kind: str) -> float | None:
    """Return the dispersion over days of the share of one quality cell, such as ``missing``."""
    cell = column.bins.quality[kind] - column.bins.cells
    return dispersion([np.array([counts.sum() - counts[cell], counts[cell]]) for counts in column.by_day.values()])
