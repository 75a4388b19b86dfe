"""Exact counts of a long column by slots, without a bin for every row.

A monotone function puts each number into one of some thousand slots. All numbers of a slot without an edge share their
bin, so counting slots counts them; only the few in a slot with an edge are looked up one by one. Whole numbers need no
look-up at all: each is its own slot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

from detectors.lookup import FloatArray, IntArray

_SLOTS: Final = 1 << 15
AT_ONCE: Final = 1 << 17
"""Rows at once, as many as a chunk of Arrow holds; with fewer, calling numpy costs more than its caches save."""
_MOST_LOOKED_UP: Final = 0.5
"""Above this share the table costs more than it saves."""
_ENOUGH: Final = 1 << 13
"""Fewer are looked up one by one."""
_FIRST: Final = 64
"""Values that tell whether a column may be of whole numbers."""


class Histogram:
    """Counts numbers in bins.

    Parameters
    ----------
    edges
        Finite, strictly increasing.
    low, high
        Numbers beyond these are left to ``code``, as are those that are not finite.
    code
        Returns the cell of each number; cell i holds the numbers above i edges.
    cells
        How many cells there are.

    Examples
    --------
    >>> edges = np.array([1.0, 2.0])
    >>> Histogram(edges, 0.0, 9.0, lambda values: np.searchsorted(edges, values), 3).tally([np.array([1.0, 1.5, 9.0])])
    array([1, 1, 1])
    """

    def __init__(
        self, edges: FloatArray, low: float, high: float, code: Callable[[FloatArray], IntArray], cells: int
    ) -> None:
        self._code = code
        self._cells = cells
        self._whole = _Whole.of(edges, low, high)
        self._linear = _Linear.of(edges, low, high)

    def tally(self, parts: Iterable[FloatArray]) -> IntArray:
        """Return the number of values in each cell, ``[cells]``, exactly as ``code`` would have it.

        Parameters
        ----------
        parts
            At most ``AT_ONCE`` values each.
        """
        counts = np.zeros(self._cells, np.int64)
        scratch = None
        rest: list[FloatArray] = []
        for part in parts:
            if len(part) < _ENOUGH or not (self._linear or self._whole):
                rest.append(part)
            elif not (self._whole and self._whole.add(part, counts)):
                scratch = scratch or _Scratch(AT_ONCE)
                rest.append(self._linear.add(part, scratch) if self._linear else part)
            if sum(map(len, rest)) > AT_ONCE:
                self._look_up(rest, counts)
        self._look_up(rest, counts)
        if self._linear and scratch:
            found = self._linear.counts(scratch.slots)
            counts[: len(found)] += found
        return counts

    def _look_up(self, values: list[FloatArray], counts: IntArray) -> None:
        """Count values one by one and forget them."""
        if values:
            counts += np.bincount(self._code(np.concatenate(values)), minlength=self._cells)
            values.clear()


class _Scratch:
    """Memory that every part uses again; asking for it anew costs as much as the counting."""

    def __init__(self, rows: int) -> None:
        self.floats = np.empty(rows)
        self.places = np.empty(rows, np.int64)
        self.crowded = np.empty(rows, np.bool_)
        self.slots = np.zeros(_SLOTS + 2, np.int64)


class _Linear:
    """Slots of equal width from the first edge to the last; one before them and one behind.

    Those that may hold what is out of range or not finite are looked up, too.
    """

    def __init__(self, edges: FloatArray, low: float, high: float, scale: float) -> None:
        self._scale = scale
        self._offset = 1.0 - float(edges[0]) * scale
        at = self._places(edges, _Scratch(len(edges)))
        self._crowded = np.zeros(_SLOTS + 2, np.bool_)
        self._crowded[at] = True
        first, last = self._places(np.array([low, high]), _Scratch(2)).tolist()
        self._crowded[: first + 1] = True
        self._crowded[last:] = True
        self._borders = np.concatenate([[0], at, [_SLOTS + 2]])
        self.looked_up = float((1 / np.maximum(np.diff(at), 1)).mean())
        """Share of rows in slots with an edge, were each bin equally full and even within."""

    @classmethod
    def of(cls, edges: FloatArray, low: float, high: float) -> _Linear | None:
        """Return the slots, ``None`` where edges lie too unevenly for them to be worth while."""
        width = float(edges[-1]) - float(edges[0]) if len(edges) > 1 else 0.0
        if not (0 < width < np.inf and np.isfinite(_SLOTS / width)):
            return None
        made = cls(edges, low, high, _SLOTS / width)
        return made if made.looked_up <= _MOST_LOOKED_UP else None

    def add(self, values: FloatArray, scratch: _Scratch) -> FloatArray:
        """Count into the scratch's slots; return the values in slots that hold an edge."""
        places = self._places(values, scratch)
        scratch.slots += np.bincount(places, minlength=_SLOTS + 2)
        crowded = self._crowded.take(places, mode="clip", out=scratch.crowded[: len(values)])
        return values[np.flatnonzero(crowded)]

    def counts(self, slots: IntArray) -> IntArray:
        """Return the counts by bin of the slots without an edge."""
        reached = np.concatenate([[0], np.cumsum(np.where(self._crowded, 0, slots))])
        counts: IntArray = np.diff(reached[self._borders])
        return counts

    def _places(self, values: FloatArray, scratch: _Scratch) -> IntArray:
        """Return the slot of each value; rounding keeps the order, and NaN is in the first."""
        floats, places = scratch.floats[: len(values)], scratch.places[: len(values)]
        with np.errstate(over="ignore", invalid="ignore"):
            np.multiply(values, self._scale, out=floats)
            np.add(floats, self._offset, out=floats)
        np.fmax(floats, 0.0, out=floats)
        np.fmin(floats, _SLOTS + 1.0, out=floats)
        places[:] = floats
        return places


class _Whole:
    """A slot for each whole number from the first edge to the last; one before them and one behind."""

    def __init__(self, edges: FloatArray, low: float, high: float) -> None:
        self._low, self._high = low, high
        self._first = float(np.floor(edges[0]))
        self._size = int(np.floor(edges[-1]) - self._first) + 2
        numbers = self._first + np.arange(self._size)
        self._bin = np.searchsorted(edges, numbers, side="left")

    @classmethod
    def of(cls, edges: FloatArray, low: float, high: float) -> _Whole | None:
        """Return the slots, ``None`` where there would be too many."""
        few = len(edges) and np.abs(edges).max() < 2**52 and edges[-1] - edges[0] < _SLOTS
        return cls(edges, low, high) if few else None

    def add(self, values: FloatArray, counts: IntArray) -> bool:
        """Count values by bin, unless one is out of range or not a whole number; return whether it was done."""
        if (values[:_FIRST] != np.rint(values[:_FIRST])).any():
            return False
        if not (values.min() >= self._low and values.max() <= self._high):
            return False
        clipped = np.clip(values, self._first, self._first + self._size - 1)
        places = clipped.astype(np.int64)
        if (places != clipped).any():
            return False
        places -= int(self._first)
        np.add.at(counts, self._bin, np.bincount(places, minlength=self._size))
        return True
