"""ADWIN: some cut of a growing window has different means on its two sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import length_hint
from typing import ClassVar

import numpy as np

from detectors.concept.adwin_window import Window
from detectors.concept.kernel import Change, Field, Memory


@dataclass(frozen=True, slots=True)
class ADWIN:
    """Adaptive windowing on errors or losses; the window is River's own, compiled.

    Every ``clock`` rows each cut of the window between its buckets is tried: a drift is a difference of means above
    √(2mσ²·δ′) + ⅔δ′m, with δ′ = ln(2·ln W/``delta``) and m = 1/(n₀ - n_min + 1) + 1/(n₁ - n_min + 1). Values should lie
    between 0 and 1, for the second term takes their range for 1.

    It fires on both sides; ``direction`` tells which. ``after`` is the mean of the rows that the window keeps,
    ``before`` of those it gives up. As in River, a drift then ends the window, and learning begins anew.

    References
    ----------
    Bifet, Gavaldà (2007), "Learning from Time-Changing Data with Adaptive Windowing", SIAM Data Mining.
    """

    delta: float = 0.002
    clock: int = 32
    max_buckets: int = 5
    min_window_length: int = 5
    grace_period: int = 10

    fields: ClassVar[Mapping[str, Field]] = {"total": "real", "variance": "size", "width": "count", "tick": "count"}

    @property
    def largest_window(self) -> int:
        """Most bytes that the window of a memory can have."""
        return Window.largest(self.max_buckets)

    def initial(self) -> Memory:
        """Return the memory of a stream that has not begun."""
        return Memory((0.0, 0.0, 0.0, 0.0))

    def run(self, memory: Memory, values: list[float]) -> tuple[Memory, list[Change]]:
        """Feed values; see :class:`Kernel`."""
        window = self._window()
        window.restore(memory)
        changes: list[Change] = []
        start = 0
        rows = iter(values)
        total, width = window.total, window.width
        # ``any`` stops right behind the first drift, and no Python runs in between.
        while any(map(window.update, rows)):
            end = len(values) - length_hint(rows)
            # Summed one by one as the window does it: pairwise sums would depend on where batches end.
            total = float(np.add.accumulate(np.array([total, *values[start:end]]))[-1])
            width += end - start
            before = (total - window.total) / (width - window.width)
            after = window.total / window.width
            direction = (after > before) - (after < before)
            changes.append(Change(end - 1, "drift", direction, before, after, int(window.width)))
            window, start, total, width = self._window(), end, 0.0, 0.0
        return window.remember(), changes

    def _window(self) -> Window:
        return Window(self.delta, self.clock, self.max_buckets, self.min_window_length, self.grace_period)

    def makes_sense(self, memory: Memory) -> bool:
        """Return whether the buckets hold as many rows as the window."""
        return self._window().makes_sense(memory) and memory.numbers[3] < self.clock
