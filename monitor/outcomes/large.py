"""How large an error must be to count against a slice: of numbers, none is right or wrong by itself.

Sizes are counted by the leading bits of the double, which rise with it: 16 steps for each power of two, the same for
every unit, and no scale to be known beforehand.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.bins import HUGE
from monitor.events import HOUR, FloatArray, IntArray

SHARE: Final = 0.1
"""Of the rows that the limit is learnt from, at most so many have a larger error."""
ENOUGH: Final = 1000
"""Judged rows that the limit is learnt from, at least."""
UNKNOWN: Final = -1
_DROPPED: Final = 48
"""Bits of the mantissa beyond the four that are looked at."""


def size_codes(predicted: FloatArray, labels: FloatArray) -> IntArray:
    """Return the step that each absolute error falls in; ``UNKNOWN`` where either number is missing or beyond 1e300.

    >>> size_codes(np.array([1.0, 3.0, np.nan]), np.array([1.0, 1.0, 1.0])).tolist()
    [0, 16384, -1]
    """
    usable = (np.abs(predicted) <= HUGE) & (np.abs(labels) <= HUGE)
    error = np.abs(np.where(usable, predicted, 0.0) - np.where(usable, labels, 0.0))
    codes = (error.view(np.uint64) >> np.uint64(_DROPPED)).astype(np.int64)
    return np.where(usable, codes, UNKNOWN)


def smallest(code: int) -> float:
    """Return the smallest error of a step.

    >>> smallest(16384)
    2.0
    """
    return float(np.array([code << _DROPPED], np.uint64).view(np.float64)[0])


def limit_of(sizes: Counter[int]) -> int:
    """Return the first step that at most ``SHARE`` of the rows reach; an error of 0 is never large.

    >>> limit_of(Counter({0: 50, 7: 41, 8: 9})), limit_of(Counter({5: 100})), limit_of(Counter({0: 3}))
    (8, 6, 1)
    """
    allowed, above = SHARE * sizes.total(), 0
    for code in sorted(sizes, reverse=True):
        above += sizes[code]
        if above > allowed:
            return max(code + 1, 1)
    return 1


@dataclass(slots=True)
class Sizes:
    """Sizes of errors by hour of the prediction, until they are enough."""

    hours: dict[int, Counter[int]] = field(default_factory=dict)

    def add(self, hour: int, codes: IntArray) -> None:
        """Count rows of an hour."""
        found, rows = np.unique(codes, return_counts=True)
        known = self.hours.setdefault(hour, Counter())
        known.update(dict(zip(found.tolist(), rows.tolist(), strict=True)))

    def learn(self, final: int) -> tuple[int, int] | None:
        """Return the limit and the end of the hours that it was learnt from; ``None`` while there are too few rows.

        Only hours that end by ``final`` are looked at, in their order, so that it does not matter when one asks.
        """
        sizes = Counter[int]()
        for hour in sorted(self.hours):
            if hour + HOUR > final:
                break
            sizes.update(self.hours[hour])
            if sizes.total() >= ENOUGH:
                return limit_of(sizes), hour + HOUR
        return None
