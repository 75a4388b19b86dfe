"""HDDM-A: the mean leaves the lowest mean so far, by Hoeffding's bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, sqrt
from typing import ClassVar

from detectors.concept.kernel import Change, Field, Level, Memory


@dataclass(frozen=True, slots=True)
class HDDMA:
    """Drift detection by Hoeffding's bound with averages on errors (1) and successes (0), as in River to the bit.

    The cut is where mean + bound was least. With m = 1/n_cut - 1/n, a warning is a rise of the mean since the cut of
    √(m/2·ln(2/``warning_confidence``)), a drift the same with ``drift_confidence``. With ``two_sided_test`` a fall is
    found in the same way. ``before`` is the mean up to the cut, ``after`` that since.

    References
    ----------
    Frías-Blanco et al. (2015), "Online and Non-Parametric Drift Detection Methods Based on Hoeffding's Bounds", IEEE
    Transactions on Knowledge and Data Engineering 27, section 4.1.
    """

    drift_confidence: float = 0.001
    warning_confidence: float = 0.005
    two_sided_test: bool = False

    fields: ClassVar[Mapping[str, Field]] = {
        "rows": "count", "mean": "share", "warned": "flag",
        "low_rows": "count", "low_mean": "share", "high_rows": "count", "high_mean": "share",
    }  # fmt: skip
    largest_window: ClassVar[int] = 0

    def initial(self) -> Memory:
        """Return the memory of a stream that has not begun."""
        return Memory((0.0,) * len(self.fields))

    def run(self, memory: Memory, values: list[float]) -> tuple[Memory, list[Change]]:
        """Feed bits; see :class:`Kernel`."""
        rows, mean, warned, low_rows, low_mean, high_rows, high_mean = memory.numbers
        changes: list[Change] = []
        both, scale = self.two_sided_test, log(1.0 / self.drift_confidence)
        scales = log(2.0 / self.warning_confidence), log(2.0 / self.drift_confidence)
        for place, x in enumerate(values):
            rows += 1.0
            mean += (1.0 / rows) * (x - mean)
            bound = sqrt(1.0 / (2 * rows) * scale)
            if not low_rows or low_mean + sqrt(1.0 / (2 * low_rows) * scale) >= mean + bound:
                low_rows, low_mean = rows, mean
            if both and (not high_rows or high_mean - sqrt(1.0 / (2 * high_rows) * scale) <= mean - bound):
                high_rows, high_mean = rows, mean
            level, direction = _level(rows, low_rows, mean - low_mean, scales), 1
            if both and level != "drift":
                fall = _level(rows, high_rows, high_mean - mean, scales)
                if fall == "drift" or level is None:
                    level, direction = fall, -1
            if level == "drift" or (level and not warned):
                cut_rows, cut_mean = (low_rows, low_mean) if direction > 0 else (high_rows, high_mean)
                width = rows - cut_rows
                after = min(max((rows * mean - cut_rows * cut_mean) / width, 0.0), 1.0)
                changes.append(Change(place, level, direction, cut_mean, after, int(width)))
            warned = float(level is not None)
            if level == "drift":
                rows = mean = warned = low_rows = low_mean = high_rows = high_mean = 0.0
        return Memory((rows, mean, warned, low_rows, low_mean, high_rows, high_mean)), changes

    def makes_sense(self, memory: Memory) -> bool:
        """Return whether the cuts are rows that have been."""
        rows, _, _, low_rows, _, high_rows, _ = memory.numbers
        return low_rows <= rows and high_rows <= rows and (rows == 0) == (low_rows == 0)


def _level(rows: float, cut: float, gap: float, scales: tuple[float, float]) -> Level | None:
    if gap <= 0 or cut == rows:
        return None
    half = (rows - cut) / cut * (1.0 / rows) / 2
    if gap < sqrt(half * scales[0]):
        return None
    return "drift" if gap >= sqrt(half * scales[1]) else "warning"
