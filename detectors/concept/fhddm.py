"""FHDDM: successes in a sliding window fall below their best share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, sqrt
from typing import ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detectors.concept.kernel import Change, Field, Memory

FloatArray: TypeAlias = NDArray[np.float64]

_BLOCK = 4096


class _Shares(NamedTuple):
    shares: FloatArray
    best: FloatArray
    fell: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FHDDM:
    """Fast Hoeffding Drift Detection Method on errors (1) and successes (0), one-sided, with its polarity put right.

    The share of successes in the last ``sliding_window_size`` rows is compared with its maximum so far: a drift is a
    fall by more than √(ln(1/``confidence_level``)/2n). With ``short_window_size`` the last so many rows are compared in
    the same way (stacking FHDDM).

    River counts the 1 of an error where the paper counts successes, and so alarms only when errors become *fewer*. Here
    the alarms are those of River fed with 1 - error. ``before`` is the error rate of the best window, ``after`` that of
    the last.

    References
    ----------
    Pesaranghader, Viktor (2016), "Fast Hoeffding Drift Detection Method for Evolving Data Streams", ECML-PKDD.
    """

    sliding_window_size: int = 100
    confidence_level: float = 0.000001
    short_window_size: int | None = None

    fields: ClassVar[Mapping[str, Field]] = {"kept": "count", "best": "share", "short_best": "share"}

    @property
    def largest_window(self) -> int:
        """Most bytes that the window of a memory can have."""
        return (self.sliding_window_size + 6) // 8

    def initial(self) -> Memory:
        """Return the memory of a stream that has not begun."""
        return Memory((0.0, 0.0, 0.0))

    def run(self, memory: Memory, values: list[float]) -> tuple[Memory, list[Change]]:
        """Feed bits; see :class:`Kernel`."""
        successes = 1 - np.asarray(values, np.int64)
        changes: list[Change] = []
        start, block = 0, max(_BLOCK, 4 * self.sliding_window_size)
        while start < len(successes):
            memory, used, change = self._block(memory, successes[start : start + block], start)
            start += used
            if change is not None:
                changes.append(change)
        return memory, changes

    def _block(self, memory: Memory, successes: NDArray[np.int64], start: int) -> tuple[Memory, int, Change | None]:
        """Return the memory after some rows, all or those up to the first drift; how many; the drift."""
        kept, size = int(memory.numbers[0]), self.sliding_window_size
        history = np.unpackbits(np.frombuffer(memory.window, np.uint8), count=kept)
        bits = np.concatenate([history.astype(np.int64), successes])
        widths = [size] if self.short_window_size is None else [size, self.short_window_size]
        sides = [self._side(bits, width, best) for width, best in zip(widths, memory.numbers[1:], strict=False)]
        drifts = np.logical_or.reduce([side.fell for side in sides])
        if drifts.any():
            first = int(np.argmax(drifts))
            width, side = next((w, s) for w, s in zip(widths, sides, strict=True) if s.fell[first])
            used = first + size - kept
            before, after = 1.0 - float(side.best[first]), 1.0 - float(side.shares[first])
            return self.initial(), used, Change(start + used - 1, "drift", 1, before, after, width)
        bests = list(memory.numbers[1:])
        for place, side in enumerate(sides):
            bests[place] = float(side.best[-1]) if len(side.best) else bests[place]
        tail = bits[len(bits) - min(len(bits), size - 1) :]
        window = np.packbits(tail.astype(np.uint8)).tobytes()
        return Memory((float(len(tail)), *bests), window), len(successes), None

    def _side(self, bits: NDArray[np.int64], width: int, best: float) -> _Shares:
        """Return the shares among the last ``width`` rows wherever a whole sliding window ends."""
        sums = np.concatenate([[0], np.cumsum(bits)])[max(self.sliding_window_size - width, 0) :]
        shares = (sums[width:] - sums[:-width]) / width
        bests = np.maximum.accumulate(np.maximum(shares, best))
        return _Shares(shares, bests, bests - shares > sqrt(log(1 / self.confidence_level) / (2 * width)))

    def makes_sense(self, memory: Memory) -> bool:
        """Return whether the window holds the bits that it should."""
        kept = int(memory.numbers[0])
        return kept < self.sliding_window_size and len(memory.window) == (kept + 7) // 8
