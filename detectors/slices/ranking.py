"""Which slices are worth watching: large enough, and with more errors than their parents explain."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from detectors.slices.lattice import FloatArray, IntArray

ALPHA: Final = 0.98
"""Weight of errors against size. A slice of a fiftieth of the rows must err twice as often as all to score above 0;
with SliceLine's .6, which is for batches without a test, it would have to err thirty-three times as often."""
LEAST: Final = 200
"""Rows of a slice, at least."""
BEYOND: Final = 0.1
"""By what part of its size a cell must beat the score of the better of its parents."""


class Family(Protocol):
    """Cells by number, and which of them lie in which."""

    @property
    def size(self) -> int:
        """Cells."""
        ...

    @property
    def parents(self) -> IntArray:
        """The cells that each cell lies in, ``[size, 2]``; -1 where there are none."""
        ...


def slice_score(rows: FloatArray, errors: FloatArray, total: float, wrong: float, alpha: float = ALPHA) -> FloatArray:
    """Return SliceLine's score: α (error rate / overall - 1) - (1 - α) (all rows / rows - 1); -∞ without rows.

    >>> slice_score(np.array([100.0, 1000.0]), np.array([40.0, 100.0]), 1000.0, 100.0).round(3).tolist()
    [2.76, 0.0]

    References
    ----------
    Sagadeeva and Boehm (2021), SliceLine: fast, linear-algebra-based slice finding for ML model debugging. SIGMOD.
    """
    some = (rows > 0) & (wrong > 0)
    held = np.where(rows > 0, rows, 1.0)
    lift = errors / held / (wrong / total) - 1 if wrong > 0 else np.zeros_like(rows)
    score: FloatArray = np.where(some, alpha * lift - (1 - alpha) * (total / held - 1), -np.inf)
    return score


def ranked(
    family: Family,
    rows: FloatArray,
    errors: FloatArray,
    total: float,
    wrong: float,
    most: int,
    least: int = LEAST,
) -> IntArray:
    """Return the cells with the best scores among those that err more than all rows do, the best first.

    Parameters
    ----------
    rows, errors
        Of every cell, ``[size]``, decayed or not.
    total, wrong
        The same of all rows.
    most
        How many cells at most.
    least
        Rows of a cell, at least.
    """
    some = np.flatnonzero((rows >= least) & (errors * total > wrong * rows))
    score = slice_score(rows[some], errors[some], total, wrong)
    parents = family.parents[some]
    held = np.maximum(parents, 0)
    above = np.where(parents >= 0, slice_score(rows[held], errors[held], total, wrong), -np.inf).max(axis=1)
    known = np.where(np.isfinite(above), above, 0.0)
    beaten = np.where(np.isfinite(above), known + BEYOND * np.abs(known), -np.inf)
    better = score > beaten
    chosen, score = some[better], score[better]
    order = np.lexsort((chosen, -score))
    return chosen[order[:most]]
