"""Exact bin look-up by a table: a monotone function of the number names a slot, a comparison or two do the rest.

The slot is either the high bits of the number (read as an integer and turned over for negative numbers, a float's bits
order as floats do), which suits scales that span powers of ten, or a linear function of it, which suits numbers near
zero; rounding keeps both monotone. Edges in earlier slots are below the number, edges in later ones are not, so only
the edges in its own slot are compared. Where more than three edges share a slot, binary search is used instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_SLOTS: Final = (1 << 10, 1 << 12, 1 << 15)
"""Sizes of table to try; the smallest that needs no more comparisons than the largest is taken."""
_MOST_COMPARISONS: Final = 3


class Lookup:
    """Returns for each value the number of edges below it, as ``searchsorted(edges, values, side="left")`` does.

    Parameters
    ----------
    edges
        Finite, strictly increasing.

    Examples
    --------
    >>> Lookup(np.array([1.0, 2.0])).bins(np.array([1.0, 1.5, 9.0])).tolist()
    [0, 1, 2]
    """

    def __init__(self, edges: FloatArray) -> None:
        self._edges = np.ascontiguousarray(edges)
        self._next = np.append(self._edges, np.inf)
        self.comparisons = 0
        """Comparisons a value after the table; 0 when there is no table."""
        self._slots: Callable[[FloatArray], IntArray] = _no_slots
        size = 0
        for number, slots in self._functions():
            crowd = int(np.bincount(np.maximum(slots(self._edges), 0)).max())
            if crowd <= _MOST_COMPARISONS and (not self.comparisons or crowd < self.comparisons):
                self.comparisons, self._slots, size = crowd, slots, number
        if self.comparisons:
            table = np.searchsorted(np.maximum(self._slots(self._edges), 0), np.arange(size + 2), side="left")
            self._table = table.astype(np.int16 if len(self._edges) < 1 << 15 else np.int32)

    def bins(self, values: FloatArray) -> IntArray:
        """Return the bin of each value; that of NaN is of no meaning."""
        if not self.comparisons:
            return np.searchsorted(self._edges, values, side="left").astype(np.int64, copy=False)
        bins: IntArray = self._table.take(self._slots(values), mode="clip").astype(np.int64)
        for _ in range(self.comparisons):
            bins += values > self._next.take(bins, mode="clip")
        return bins

    def _functions(self) -> Iterator[tuple[int, Callable[[FloatArray], IntArray]]]:
        """Yield table sizes with slot functions that the edges allow; they map any number to at most ``size + 1``."""
        if not len(self._edges):
            return
        first, last = float(self._edges[0]), float(self._edges[-1])
        for size in _SLOTS:
            if 0 < last - first < np.inf and np.isfinite(size / (last - first)):
                yield size, _linear_function(first, size / (last - first), size)
            yield size, _bits_function(first, last, size)


def _no_slots(values: FloatArray) -> IntArray:
    return np.zeros(len(values), np.int64)


def _linear_function(first: float, scale: float, size: int) -> Callable[[FloatArray], IntArray]:
    offset = 1.0 - first * scale

    def slots(values: FloatArray) -> IntArray:
        with np.errstate(over="ignore", invalid="ignore"):
            places = values * scale
            places += offset
            np.minimum(places, size + 1.0, out=places)
            return places.astype(np.int64)

    return slots


def _bits_function(first: float, last: float, size: int) -> Callable[[FloatArray], IntArray]:
    low, high = (int(key) for key in _keys(np.array([first, last])))
    shift = max(0, (high - low).bit_length() - size.bit_length() + 1)
    while (high >> shift) - (low >> shift) > size - 1:
        shift += 1
    start = (low >> shift) - 1

    def slots(values: FloatArray) -> IntArray:
        places = _keys(values)
        places >>= shift
        np.clip(places, start, start + size + 1, out=places)  # first: far from the edges the difference overflows
        places -= start
        return places

    return slots


def _keys(values: FloatArray) -> IntArray:
    """Return integers that order as the numbers do; minus zero is zero."""
    bits = (values + 0.0).view(np.int64)
    return bits ^ ((bits >> 63) & np.iinfo(np.int64).max)
