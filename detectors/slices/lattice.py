"""The cells that slices are: every bin of a column, and every pair of bins of two columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

MOST_COLUMNS: Final = 24
UNKNOWN: Final = -1
"""Code of a row that is in no bin of a column."""


@dataclass(frozen=True, eq=False)
class Lattice:
    """Columns with their numbers of bins. Cells are numbered: bins of each column, then pairs, the later bin fastest.

    Examples
    --------
    >>> lattice = Lattice((2, 3))
    >>> lattice.size, lattice.predicates(0), lattice.predicates(10)
    (11, ((0, 0),), ((0, 1), (1, 2)))
    >>> rows, errors = lattice.count(np.array([[0, 2], [1, -1]]), np.array([1, 0]))
    >>> rows.tolist(), errors.tolist()
    ([1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0], [1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0])
    """

    bins: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.bins) <= MOST_COLUMNS or min(self.bins) < 1:
            raise ValueError(f"a lattice has 1 to {MOST_COLUMNS} columns of at least one bin, not {self.bins}")

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Columns by pair."""
        return tuple(combinations(range(len(self.bins)), 2))

    @cached_property
    def starts(self) -> IntArray:
        """First cell of each column, then of each pair, then the number of all."""
        sizes = [*self.bins, *(self.bins[one] * self.bins[other] for one, other in self.pairs)]
        return np.cumsum([0, *sizes]).astype(np.int64)

    @property
    def size(self) -> int:
        """Cells."""
        return int(self.starts[-1])

    @cached_property
    def parents(self) -> IntArray:
        """The two cells of one column that each cell lies in, ``[size, 2]``; -1 where there are none."""
        found = np.full((self.size, 2), -1, np.int64)
        for place, (one, other) in enumerate(self.pairs, len(self.bins)):
            first, last = int(self.starts[place]), int(self.starts[place + 1])
            low, high = np.divmod(np.arange(last - first), self.bins[other])
            found[first:last, 0] = self.starts[one] + low
            found[first:last, 1] = self.starts[other] + high
        return found

    def predicates(self, cell: int) -> tuple[tuple[int, int], ...]:
        """Return (column, bin) of what a cell's rows have in common."""
        place = int(np.searchsorted(self.starts, cell, side="right")) - 1
        inside = cell - int(self.starts[place])
        if place < len(self.bins):
            return ((place, inside),)
        one, other = self.pairs[place - len(self.bins)]
        low, high = divmod(inside, self.bins[other])
        return (one, low), (other, high)

    def count(self, codes: IntArray, errors: IntArray) -> tuple[IntArray, IntArray]:
        """Return rows and errors of every cell.

        Parameters
        ----------
        codes
            Bin of each row and column, ``[n, F]``; ``UNKNOWN`` is in no cell.
        errors
            1 for a row that is wrong, else 0, ``[n]``.

        Raises
        ------
        ValueError
            When the shapes do not fit, or a code is none of its column.
        """
        if codes.ndim != 2 or codes.shape != (len(errors), len(self.bins)):
            raise ValueError(f"codes of shape {codes.shape} for {len(errors)} rows and {len(self.bins)} columns")
        if codes.size and ((codes < UNKNOWN) | (codes >= np.array(self.bins))).any():
            raise ValueError("a code is none of its column")
        table = np.zeros((self.size, 2), np.int64)
        bad = (errors > 0).astype(np.int64)
        for place, (cells, known) in enumerate(self._cells(codes)):
            first, last = int(self.starts[place]), int(self.starts[place + 1])
            flat = 2 * cells + bad if known is None else (2 * cells + bad)[known]
            table[first:last] = np.bincount(flat, minlength=2 * (last - first)).reshape(-1, 2)
        return table.sum(axis=1), table[:, 1].copy()

    def _cells(self, codes: IntArray) -> Iterator[tuple[IntArray, NDArray[np.bool_] | None]]:
        """Yield each row's cell of every column, then of every pair, and which rows have one; ``None`` says all."""
        columns = [np.ascontiguousarray(column, np.int64) for column in codes.T]
        known = [None if not len(column) or column.min() >= 0 else column >= 0 for column in columns]
        yield from zip(columns, known, strict=True)
        for one, other in self.pairs:
            yield columns[one] * self.bins[other] + columns[other], _both(known[one], known[other])


@dataclass(frozen=True, eq=False)
class Extended:
    """A lattice, and behind its cells values of columns that have too many for cells: each is a part of one cell.

    >>> more = Extended(Lattice((2, 3)), np.array([1, 1]))
    >>> more.size, more.parents[-2:].tolist()
    (13, [[1, -1], [1, -1]])
    """

    lattice: Lattice
    inside: IntArray
    """The cell of the lattice that each value lies in."""

    @property
    def size(self) -> int:
        """Cells and values."""
        return self.lattice.size + len(self.inside)

    @cached_property
    def parents(self) -> IntArray:
        """The cells that each cell or value lies in, ``[size, 2]``; -1 where there are none."""
        own = np.stack([self.inside, np.full(len(self.inside), -1, np.int64)], axis=1)
        return np.concatenate([self.lattice.parents, own])


def _both(one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other
