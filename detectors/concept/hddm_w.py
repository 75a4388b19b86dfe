"""HDDM-W: a weighted mean leaves the lowest one so far, by McDiarmid's bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, log, sqrt
from typing import ClassVar, Final, TypeAlias

from detectors.concept.kernel import Change, Field, Level, Memory

_Side: TypeAlias = tuple[float, float, float, float, float, float]
"""What is kept to find a rise (sign 1) or a fall (sign -1): the least value so far of sign·mean + bound, which is the
cut; mean and weight at the cut; of the rows behind it their number, mean and weight."""

_NO_SIDE: Final[_Side] = (inf, 0.0, 1.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class HDDMW:
    """Drift detection by McDiarmid's bound with weighted averages on errors (1) and successes (0), as in River.

    Averages weigh the last value by ``lambda_val``, those before it by ever less. The cut is where average + bound was
    least; a new average begins behind it. A drift is a distance of both beyond the bound at ``drift_confidence``, a
    warning at ``warning_confidence``; with ``two_sided_test`` falls are found in the same way. The arithmetic is
    River's to the bit. ``before`` and ``after`` are these two averages.

    References
    ----------
    Frías-Blanco et al. (2015), "Online and Non-Parametric Drift Detection Methods Based on Hoeffding's Bounds", IEEE
    Transactions on Knowledge and Data Engineering 27, section 4.2.
    """

    drift_confidence: float = 0.001
    warning_confidence: float = 0.005
    lambda_val: float = 0.05
    two_sided_test: bool = False

    fields: ClassVar[Mapping[str, Field]] = {
        "rows": "count", "mean": "share", "weight": "share", "warned": "flag",
        "rise_least": "bound", "rise_before": "share", "rise_before_weight": "share",
        "rise_rows": "count", "rise_after": "share", "rise_after_weight": "share",
        "fall_least": "bound", "fall_before": "share", "fall_before_weight": "share",
        "fall_rows": "count", "fall_after": "share", "fall_after_weight": "share",
    }  # fmt: skip
    largest_window: ClassVar[int] = 0

    def initial(self) -> Memory:
        """Return the memory of a stream that has not begun."""
        return Memory((0.0, 0.0, 1.0, 0.0, *_NO_SIDE, *_NO_SIDE))

    def run(self, memory: Memory, values: list[float]) -> tuple[Memory, list[Change]]:
        """Feed bits; see :class:`Kernel`."""
        rows, mean, weight, warned, *sides = memory.numbers
        rise, fall = _side(sides[:6]), _side(sides[6:])
        changes: list[Change] = []
        new, old, both = self.lambda_val, 1.0 - self.lambda_val, self.two_sided_test
        square, fading = new * new, old**2
        scales = log(1 / self.warning_confidence), log(1 / self.drift_confidence)
        for place, x in enumerate(values):
            mean = new * x + old * mean if rows else x
            weight = square + fading * weight
            rows += 1.0
            bound = sqrt(weight * scales[1] / 2)
            reach = mean + bound
            rise = (reach, mean, weight, 0.0, 0.0, 1.0) if reach < rise[0] else _behind(rise, x, new, old)
            level, direction, side = _level(rise, rise[4] - rise[1], scales), 1, rise
            if both:
                reach = bound - mean
                fall = (reach, mean, weight, 0.0, 0.0, 1.0) if reach < fall[0] else _behind(fall, x, new, old)
                lower = _level(fall, fall[1] - fall[4], scales)
                if level != "drift" and (lower == "drift" or level is None):
                    level, direction, side = lower, -1, fall
            if level == "drift" or (level and not warned):
                changes.append(Change(place, level, direction, side[1], side[4], int(side[3])))
            warned = float(level is not None)
            if level == "drift":
                rows, mean, weight, warned, rise, fall = 0.0, 0.0, 1.0, 0.0, _NO_SIDE, _NO_SIDE
        return Memory((rows, mean, weight, warned, *rise, *fall)), changes

    def makes_sense(self, memory: Memory) -> bool:
        """Return whether what stands behind the cuts is no longer than the whole."""
        return memory.numbers[7] <= memory.numbers[0] >= memory.numbers[13]


def _side(numbers: list[float]) -> _Side:
    least, before, before_weight, rows, after, after_weight = numbers
    return least, before, before_weight, rows, after, after_weight


def _behind(side: _Side, x: float, new: float, old: float) -> _Side:
    least, before, before_weight, rows, after, after_weight = side
    after = new * x + old * after if rows else x
    return least, before, before_weight, rows + 1.0, after, new * new + old**2 * after_weight


def _level(side: _Side, gap: float, scales: tuple[float, float]) -> Level | None:
    if gap <= 0 or not side[3]:
        return None
    weight = side[2] + side[5]
    if gap <= sqrt(weight * scales[0] / 2):
        return None
    return "drift" if gap > sqrt(weight * scales[1] / 2) else "warning"
