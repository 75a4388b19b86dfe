"""The cells that slices are: every bin of a column, and every pair of bins of two columns."""

from __future__ import annotations

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
_AT_ONCE: Final = 2048
"""Rows counted together: their places in all cells of a column fit into the processor's cache."""


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
        """Return rows and errors of every cell; see ``tally``."""
        table = self.tally(codes, errors)
        return table[:, 0] + table[:, 1], table[:, 1].copy()

    def tally(self, codes: IntArray, errors: IntArray, out: IntArray | None = None) -> IntArray:
        """Return how many rows of every cell are right and wrong, ``[size, 2]``.

        Parameters
        ----------
        codes
            Bin of each row and column, ``[n, F]``; ``UNKNOWN`` is in no cell.
        errors
            1 for a row that is wrong, else 0, ``[n]``.
        out
            Where to write them to, ``[2 size]``.

        Raises
        ------
        ValueError
            When the shapes do not fit, or a code is none of its column.
        """
        if codes.ndim != 2 or codes.shape != (len(errors), len(self.bins)):
            raise ValueError(f"codes of shape {codes.shape} for {len(errors)} rows and {len(self.bins)} columns")
        columns = np.ascontiguousarray(codes.T, np.int64)
        least, most = columns.min(axis=1, initial=0), columns.max(axis=1, initial=UNKNOWN)
        if (least < UNKNOWN).any() or (most >= np.array(self.bins)).any():
            raise ValueError("a code is none of its column")
        bad, found = (errors > 0).astype(np.int64), np.zeros(2 * self.size, np.int64)
        for first in range(0, len(bad), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            self._add(found, columns[:, part], bad[part], unknown=bool((least < 0).any()))
        return found.take(self._order, out=out, mode="clip").reshape(-1, 2)

    def _add(self, found: IntArray, columns: IntArray, bad: IntArray, *, unknown: bool) -> None:
        """Add rows to the counts of all cells, in the order that ``_order`` undoes.

        Of a column and all the later ones together: its bin, the place among the bins of these, right or wrong. So the
        pairs of a column are one sum and one count, of 23 columns at most.
        """
        level, starts = 2 * sum(self.bins), np.cumsum([0, *self.bins])
        places = columns + starts[:-1, np.newaxis]
        places *= 2
        places += bad
        none = columns < 0 if unknown else None
        found[:level] += _counted(places, none, level)
        first, room = level, np.empty_like(places[1:])
        for one, bins in enumerate(self.bins[:-1]):
            width = level - 2 * int(starts[one + 1])
            cells = np.add(places[one + 1 :], columns[one] * width - (level - width), out=room[one:])
            beyond = None if none is None else none[one + 1 :] | none[one]
            found[first : first + bins * width] += _counted(cells, beyond, bins * width)
            first += bins * width

    @cached_property
    def _order(self) -> IntArray:
        """Where the right and the wrong rows of each cell are in the counts that ``_add`` makes, ``[2 size]``."""
        starts, order = np.cumsum([0, *self.bins]), [np.arange(2 * sum(self.bins))]
        first = len(order[0])
        for one, bins in enumerate(self.bins[:-1]):
            width = 2 * int(starts[-1] - starts[one + 1])
            known = first + np.arange(bins * width).reshape(bins, width)
            cuts = 2 * (starts[one + 2 : -1] - starts[one + 1])
            order += [part.ravel() for part in np.split(known, cuts, axis=1)]
            first += bins * width
        return np.concatenate(order)


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


def _counted(places: IntArray, none: NDArray[np.bool_] | None, size: int) -> IntArray:
    """Return how often each place occurs, but where there is ``none``."""
    known = places.ravel() if none is None else places[~none]
    return np.bincount(known, minlength=size)
