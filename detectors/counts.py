"""The algebra of count vectors: zero, plus, minus, bytes.

``count(a + b) = count(a) + count(b)`` whatever the split, zero is the identity, vectors of different identity do not
mix, and bytes round-trip exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.packing import CorruptCountsError, pack, unpack

__all__ = ["CorruptCountsError", "Counts", "merge_bins", "tally"]

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """A vector of counts and the identity of the layout that gives its cells their meaning.

    Examples
    --------
    >>> one = Counts("a", np.array([1, 0, 2]))
    >>> (one + Counts.zero("a", 3)) == one
    True
    >>> Counts.from_bytes(one.to_bytes()) == one
    True
    """

    identity: str
    cells: IntArray

    @classmethod
    def zero(cls, identity: str, size: int) -> Counts:
        """Return the identity of addition."""
        return cls(identity, np.zeros(size, np.int64))

    def __add__(self, other: Counts) -> Counts:
        self._check(other)
        return Counts(self.identity, self.cells + other.cells)

    def __sub__(self, other: Counts) -> Counts:
        self._check(other)
        return Counts(self.identity, self.cells - other.cells)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counts):
            return NotImplemented
        return self.identity == other.identity and bool(np.array_equal(self.cells, other.cells))

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    def to_bytes(self) -> bytes:
        """Return bytes with version and checksum, about two for each count that is not zero."""
        return pack(self.identity, self.cells)

    @classmethod
    def from_bytes(cls, data: bytes) -> Counts:
        """Return the vector that ``to_bytes`` wrote.

        Raises
        ------
        CorruptCountsError
            When the bytes are damaged or of a format that this version does not know.
        """
        return cls(*unpack(data))

    def _check(self, other: Counts) -> None:
        if self.identity != other.identity or len(self.cells) != len(other.cells):
            raise ValueError(f"counts of layout {self.identity!r} and {other.identity!r} do not mix")


def tally(codes: IntArray, size: int, groups: IntArray, number: int) -> IntArray:
    """Count rows into one vector a group.

    Parameters
    ----------
    codes
        Cell of every column (axis 0) and row (axis 1), in ``[0, size)``; cell 0 is left for the number of rows.
    size
        Cells of a vector.
    groups
        Group of every row, in ``[0, number)``.
    number
        How many groups.

    Returns
    -------
    IntArray
        Shape ``(number, size)``.

    Examples
    --------
    >>> tally(np.array([[1, 2, 1], [3, 3, 4]]), 5, np.array([0, 0, 1]), 2)
    array([[2, 1, 1, 2, 0],
           [1, 1, 0, 0, 1]])
    """
    flat = codes if number == 1 else codes + groups * size
    counts = np.bincount(flat.ravel(), minlength=number * size).reshape(number, size)
    counts[:, 0] = np.bincount(groups, minlength=number)
    return counts


def merge_bins(counts: IntArray, groups: IntArray) -> IntArray:
    """Return counts in fewer bins: bin k of each row goes to bin ``groups[k]``.

    >>> merge_bins(np.array([[1, 2, 3, 4]]), np.array([0, 0, 1, 1]))
    array([[3, 7]])
    """
    member = groups[:, np.newaxis] == np.arange(int(groups.max(initial=-1)) + 1)
    merged: IntArray = counts @ member.astype(np.int64)
    return merged
