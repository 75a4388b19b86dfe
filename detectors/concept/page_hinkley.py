"""Page-Hinkley: the sum of deviations from the running mean leaves its extreme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import ClassVar, Literal

from detectors.concept.kernel import Change, Field, Memory


@dataclass(frozen=True, slots=True)
class PageHinkley:
    """Page-Hinkley test on errors or losses, as in River to the bit.

    Of the deviations d from the running mean, the faded sums S ← ``alpha``·S + d ∓ ``delta`` are kept with their
    extremes. A drift is a distance from one beyond ``threshold``, from row ``min_instances`` on. ``threshold`` and
    ``delta`` have the unit of the values: the defaults suit errors, and losses of about 1. River fires on both sides by
    default; ``direction`` tells which. ``before`` is the mean up to the extreme, ``after`` that since.

    References
    ----------
    Page (1954), "Continuous Inspection Schemes", Biometrika 41.
    """

    min_instances: int = 30
    delta: float = 0.005
    threshold: float = 50.0
    alpha: float = 1 - 0.0001
    mode: Literal["up", "down", "both"] = "both"

    fields: ClassVar[Mapping[str, Field]] = {
        "rows": "count", "mean": "real", "total": "real",
        "rise": "real", "least": "bound", "least_rows": "count", "least_total": "real",
        "fall": "real", "most": "real", "most_rows": "count", "most_total": "real",
    }  # fmt: skip
    largest_window: ClassVar[int] = 0

    def initial(self) -> Memory:
        """Return the memory of a stream that has not begun."""
        return Memory((0.0, 0.0, 0.0, 0.0, inf, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0))

    def run(self, memory: Memory, values: list[float]) -> tuple[Memory, list[Change]]:
        """Feed values; see :class:`Kernel`."""
        rows, mean, total, rise, least, least_rows, least_total, fall, most, most_rows, most_total = memory.numbers
        changes: list[Change] = []
        up = inf if self.mode == "down" else self.threshold
        down = inf if self.mode == "up" else self.threshold
        delta, alpha, wait = self.delta, self.alpha, self.min_instances
        for place, x in enumerate(values):
            rows += 1.0
            total += x
            mean += (1.0 / rows) * (x - mean)
            deviation = x - mean
            rise = alpha * rise + deviation - delta
            fall = alpha * fall + deviation + delta
            if rise < least:
                least, least_rows, least_total = rise, rows, total
            if fall > most:
                most, most_rows, most_total = fall, rows, total
            if rows < wait or (rise - least <= up and most - fall <= down):
                continue
            direction = 1 if rise - least > up else -1
            old_rows, old_total = (least_rows, least_total) if direction > 0 else (most_rows, most_total)
            after = (total - old_total) / (rows - old_rows)
            changes.append(Change(place, "drift", direction, old_total / old_rows, after, int(rows - old_rows)))
            rows, mean, total, rise, least, least_rows, least_total, fall, most, most_rows, most_total = _NEW
        numbers = (rows, mean, total, rise, least, least_rows, least_total, fall, most, most_rows, most_total)
        return Memory(numbers), changes

    def makes_sense(self, memory: Memory) -> bool:
        """Return whether the extremes belong to rows that have been."""
        rows, _, _, _, least, least_rows, _, _, _, most_rows, _ = memory.numbers
        return memory == self.initial() or (
            0 < least_rows <= rows and 0 < most_rows <= rows and abs(least) < inf and rows > 0
        )


_NEW = PageHinkley().initial().numbers
