"""River's compiled ADWIN window, taken apart into plain numbers and put together again.

River hands out the bytes of its structure for pickling only. Here they are read field by field and written again, so
that stored state has a layout of its own, and no stored byte reaches compiled code unseen. What follows from the other
fields, or is never read, is left out: then equal streams leave equal memories however they were cut.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from river._river_rust.drift import AdaptiveWindowing

from detectors.concept.kernel import Memory

_HEAD: Final = struct.Struct("<diQdd4d4iQ")
"""Delta, clock, most buckets a row, shortest side, grace; total, variance, width, sum of widths; buckets, most buckets,
tick, detections; rows of buckets."""
_TAIL: Final = struct.Struct("<diQii")
"""The parameters once more."""
_ROWS: Final = 53
"""Row i has buckets of 2**i values, and a window has fewer than 2**53."""


class Window:
    """A window of River with the memory of :class:`detectors.concept.adwin.ADWIN`.

    ``Memory.window`` has one row of float64 for each row of buckets, the smallest buckets first: how many buckets are
    in use, their totals, their sums of squared deviations, each with zeros behind.
    """

    __slots__ = ("_length", "_parameters", "_tail", "_window", "update")

    def __init__(self, delta: float, clock: int, max_buckets: int, min_window_length: int, grace_period: int) -> None:
        self._parameters = (delta, clock, max_buckets, float(min_window_length), float(grace_period))
        self._window = AdaptiveWindowing(delta, clock, max_buckets, min_window_length, grace_period)
        self.update = self._window.update
        """Add one value; return whether it shows a drift."""
        self._tail = _TAIL.pack(delta, clock, max_buckets, min_window_length, grace_period)
        self._length = max_buckets + 1

    @staticmethod
    def largest(max_buckets: int) -> int:
        """Return the most bytes of buckets that a memory can have."""
        return _ROWS * 8 * (1 + 2 * (max_buckets + 1))

    @property
    def total(self) -> float:
        """Sum of the values in the window."""
        return self._window.get_total()

    @property
    def width(self) -> float:
        """Number of the values in the window."""
        return self._window.get_width()

    def remember(self) -> Memory:
        """Take the window apart."""
        state = self._window.__getstate__()
        head = _HEAD.unpack_from(state)
        body = state[_HEAD.size : -_TAIL.size]
        parameters = head[:5] == self._parameters == _TAIL.unpack(state[-_TAIL.size :])
        if not parameters or len(body) != head[13] * 8 * (4 + 2 * self._length):
            raise RuntimeError("this release of River lays out its window in another way")
        total, variance, width = head[5:8]
        if not width:
            return Memory((0.0, 0.0, 0.0, 0.0))
        words = np.frombuffer(body, "<u8").reshape(head[13], -1)
        cells = words.view("<f8")[:, _places(self._length)]
        cells[:, 0] = words[:, 1]
        return Memory((total, variance, width, float(head[11] % self._parameters[1])), cells.tobytes())

    def restore(self, memory: Memory) -> None:
        """Put the window together."""
        total, variance, width, tick = memory.numbers
        if not width:
            return
        cells = self._cells(memory)
        used = cells[:, 0].astype(np.uint64)
        words = np.empty((len(cells), 4 + 2 * self._length), "<u8")
        words.view("<f8")[:, _places(self._length)] = cells
        words[:, 0], words[:, 1] = self._parameters[2], used
        words[:, 2] = words[:, 3 + self._length] = self._length
        buckets = int(used.sum())
        head = (*self._parameters, total, variance, width, 0.0, buckets, buckets, int(tick), 0, len(cells))
        self._window.__setstate__(_HEAD.pack(*head) + words.tobytes() + self._tail)

    def makes_sense(self, memory: Memory) -> bool:
        """Return whether the buckets are finite, none is overfull, and together they hold the width of the window."""
        cells_per_row = 1 + 2 * self._length
        if len(memory.window) % (8 * cells_per_row) or len(memory.window) > self.largest(self._parameters[2]):
            return False
        cells = self._cells(memory)
        used = cells[:, 0]
        if not np.isfinite(cells).all() or np.any((used < 0) | (used >= self._length) | (used != np.floor(used))):
            return False
        behind = np.arange(self._length) >= used[:, np.newaxis]
        buckets = cells[:, 1:].reshape(len(cells), 2, self._length)
        empty_behind = not np.any(buckets[np.repeat(behind[:, np.newaxis], 2, axis=1)])
        return empty_behind and float((used * 2.0 ** np.arange(len(used))).sum()) == memory.numbers[2]

    def _cells(self, memory: Memory) -> NDArray[np.float64]:
        return np.frombuffer(memory.window, "<f8").reshape(-1, 1 + 2 * self._length)


@lru_cache(maxsize=16)
def _places(length: int) -> NDArray[np.int64]:
    """Return which words of a row of buckets are kept: size · *used* · length · *totals* · length · *variances*."""
    return np.concatenate([[1], np.arange(3, 3 + length), np.arange(4 + length, 4 + 2 * length)])
