"""The algebra of count vectors: zero, plus, minus, bytes.

``count(a + b) = count(a) + count(b)`` whatever the split, zero is the identity, vectors of different identity do not
mix, and bytes round-trip exactly.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

_FORMAT: Final = 1
_HEAD: Final = struct.Struct(">BBBBII")
"""Format, length of the identity, width of a gap, width of a count, cells, cells that are not zero."""
_WIDTHS: Final = (1, 2, 4, 8)
_LONGEST_IDENTITY: Final = 255
_MOST_CELLS: Final = 1 << 28


class CorruptCountsError(ValueError):
    """Bytes are not those of a count vector."""


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
        """Return the cells that are not zero as gaps and counts of the smallest width, with a checksum.

        Raises
        ------
        ValueError
            When the identity takes more than 255 bytes.
        """
        places = np.flatnonzero(self.cells)
        gaps = np.diff(places, prepend=-1) - 1
        values = self.cells[places]
        gap_width, value_width = _width(gaps), _width(values)
        name = self.identity.encode()
        if len(name) > _LONGEST_IDENTITY:
            raise ValueError(f"an identity has at most {_LONGEST_IDENTITY} bytes, not {len(name)}")
        head = _HEAD.pack(_FORMAT, len(name), gap_width, value_width, len(self.cells), len(places))
        body = head + name + gaps.astype(f"<i{gap_width}").tobytes() + values.astype(f"<i{value_width}").tobytes()
        return zlib.crc32(body).to_bytes(4, "big") + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Counts:
        """Return the vector that ``to_bytes`` wrote.

        Raises
        ------
        CorruptCountsError
            When the bytes are damaged or of a format that this version does not know.
        """
        if len(data) < 4 + _HEAD.size or zlib.crc32(data[4:]) != int.from_bytes(data[:4], "big"):
            message = "counts are damaged: the checksum does not fit"
            raise CorruptCountsError(message)
        kind, letters, gap_width, value_width, size, filled = _HEAD.unpack_from(data, 4)
        start = 4 + _HEAD.size + letters
        known = kind == _FORMAT and gap_width in _WIDTHS and value_width in _WIDTHS and size <= _MOST_CELLS
        if not known or len(data) != start + filled * (gap_width + value_width):
            raise CorruptCountsError(f"counts of an unknown format {kind}")
        gaps = np.frombuffer(data, f"<i{gap_width}", filled, start).astype(np.int64)
        values = np.frombuffer(data, f"<i{value_width}", filled, start + filled * gap_width)
        places = np.cumsum(gaps + 1) - 1
        if filled and (int(gaps.min()) < 0 or int(gaps.max()) >= size or int(places[-1]) >= size):
            message = "counts are damaged: a cell lies outside"
            raise CorruptCountsError(message)
        try:
            identity = data[start - letters : start].decode()
        except UnicodeDecodeError as error:
            message = "counts are damaged: the identity is no text"
            raise CorruptCountsError(message) from error
        cells = np.zeros(size, np.int64)
        cells[places] = values
        return cls(identity, cells)

    def _check(self, other: Counts) -> None:
        if self.identity != other.identity or len(self.cells) != len(other.cells):
            raise ValueError(f"counts of layout {self.identity!r} and {other.identity!r} do not mix")


def _width(values: IntArray) -> int:
    """Return the bytes that hold every value, signed."""
    if not len(values):
        return 1
    low, high = int(values.min()), int(values.max())
    return next(width for width in _WIDTHS if -(1 << (8 * width - 1)) <= low and high < 1 << (8 * width - 1))


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
