"""Exact counts of a long column by slots, without a bin for every row.

A monotone function puts each number into one of some thousand slots. All numbers of a slot without an edge share their
bin, so counting slots counts them; only the few in a slot with an edge are looked up one by one. Whole numbers need no
look-up at all: each is its own slot.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from detectors.lookup import FloatArray, IntArray, Lookup

_SLOTS: Final = 1 << 15
AT_ONCE: Final = 1 << 15
"""Rows whose places, slots and counts stay in the processor's cache."""
_MOST_LOOKED_UP: Final = 0.5
"""Above this share the table costs more than it saves."""
_ENOUGH: Final = 1 << 13
"""Fewer are looked up one by one."""
_FIRST: Final = 64
"""Values that tell whether a column may be of whole numbers."""


class Histogram:
    """Counts numbers in the bins of a ``Lookup``.

    Parameters
    ----------
    edges
        Finite, strictly increasing.
    lookup
        The look-up of the same edges.

    Examples
    --------
    >>> edges = np.array([1.0, 2.0])
    >>> Histogram(edges, Lookup(edges)).tally([np.array([1.0, 1.5, 9.0])]).tolist()
    [1, 1, 1]
    """

    def __init__(self, edges: FloatArray, lookup: Lookup) -> None:
        self._lookup = lookup
        self._bins = len(edges) + 1
        self._whole = _Whole.of(edges)
        self._linear = _Linear.of(edges)

    def tally(self, parts: Iterable[FloatArray]) -> IntArray:
        """Return the number of values in each bin, ``[len(edges) + 1]``, exactly.

        Parameters
        ----------
        parts
            At most ``AT_ONCE`` values each; no NaN.
        """
        counts = np.zeros(self._bins, np.int64)
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
        return counts + self._linear.counts(scratch.slots) if self._linear and scratch else counts

    def _look_up(self, values: list[FloatArray], counts: IntArray) -> None:
        """Count values one by one and forget them."""
        if values:
            counts += np.bincount(self._lookup.bins(np.concatenate(values)), minlength=self._bins)
            values.clear()


class _Scratch:
    """Memory that every part uses again; asking for it anew costs as much as the counting."""

    def __init__(self, rows: int) -> None:
        self.floats = np.empty(rows)
        self.places = np.empty(rows, np.int64)
        self.crowded = np.empty(rows, np.bool_)
        self.slots = np.zeros(_SLOTS + 2, np.int64)


class _Linear:
    """Slots of equal width from the first edge to the last; one before them and one behind."""

    def __init__(self, edges: FloatArray, scale: float) -> None:
        self._scale = scale
        self._offset = 1.0 - float(edges[0]) * scale
        at = self._places(edges, _Scratch(len(edges)))
        self._crowded = np.zeros(_SLOTS + 2, np.bool_)
        self._crowded[at] = True
        self._borders = np.concatenate([[0], at, [_SLOTS + 2]])
        self.looked_up = float((1 / np.maximum(np.diff(at), 1)).mean())
        """Share of rows in slots with an edge, were each bin equally full and even within."""

    @classmethod
    def of(cls, edges: FloatArray) -> _Linear | None:
        """Return the slots, ``None`` where edges lie too unevenly for them to be worth while."""
        width = float(edges[-1]) - float(edges[0]) if len(edges) > 1 else 0.0
        if not (0 < width < np.inf and np.isfinite(_SLOTS / width)):
            return None
        made = cls(edges, _SLOTS / width)
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
        """Return the slot of each value; rounding keeps the order."""
        floats, places = scratch.floats[: len(values)], scratch.places[: len(values)]
        with np.errstate(over="ignore"):
            np.multiply(values, self._scale, out=floats)
            np.add(floats, self._offset, out=floats)
        np.maximum(floats, 0.0, out=floats)
        np.minimum(floats, _SLOTS + 1.0, out=floats)
        places[:] = floats
        return places


class _Whole:
    """A slot for each whole number from the first edge to the last; one before them and one behind."""

    def __init__(self, edges: FloatArray) -> None:
        self._first = float(np.floor(edges[0]))
        self._size = int(np.floor(edges[-1]) - self._first) + 2
        numbers = self._first + np.arange(self._size)
        self._bin = np.searchsorted(edges, numbers, side="left")
        self._bins = len(edges) + 1

    @classmethod
    def of(cls, edges: FloatArray) -> _Whole | None:
        """Return the slots, ``None`` where there would be too many."""
        few = len(edges) and np.abs(edges).max() < 2**52 and edges[-1] - edges[0] < _SLOTS
        return cls(edges) if few else None

    def add(self, values: FloatArray, counts: IntArray) -> bool:
        """Count values by bin, unless one of them is not a whole number; return whether it was done."""
        if (values[:_FIRST] != np.rint(values[:_FIRST])).any():
            return False
        clipped = np.clip(values, self._first, self._first + self._size - 1)
        places = clipped.astype(np.int64)
        if (places != clipped).any():
            return False
        places -= int(self._first)
        np.add.at(counts, self._bin, np.bincount(places, minlength=self._size))
        return True
