"""Windows that people look at, aligned to the epoch, and the panes that they are sums of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from monitor.config.model import WindowConfig
from monitor.events import DAY, HOUR, IntArray

_NEVER: Final = -(1 << 63)
"""Less than any delay: no row enters the tier."""


@dataclass(frozen=True)
class Window:
    """One kind of window: every ``slide`` one of ``size`` starts; all in microseconds."""

    name: str
    size: int
    slide: int
    lateness: int
    restate_for: int
    min_samples: int

    @classmethod
    def of(cls, name: str, config: WindowConfig) -> Window:
        """Build one from its section of the configuration."""
        slide = config.slide or config.size
        return cls(name, config.size, slide, config.lateness, config.restate_for, config.min_samples)

    def grain(self) -> int:
        """Return the longest pane that this window is a whole number of, wherever it starts."""
        return math.gcd(self.size, self.slide)

    def starts(self, time: int) -> range:
        """Return the starts of the windows that hold this time, first to last."""
        last = time // self.slide * self.slide
        return range(last - (self.size - 1) // self.slide * self.slide, last + 1, self.slide)

    def first_open(self, watermark: int) -> int:
        """Return the start of the first window that does not end by ``watermark``."""
        return (watermark - self.size) // self.slide * self.slide + self.slide

    def restated(self, times: IntArray, before: IntArray) -> dict[int, int]:
        """Return how many rows came after each window's end: start → rows.

        A row restates a window of its partition's log when, just before it, event time minus the lateness had reached
        the window's end.
        """
        passed = before - self.lateness
        earliest_end = times // self.slide * self.slide - (self.size - 1) // self.slide * self.slide + self.size
        late = np.flatnonzero(passed >= earliest_end)
        counts: dict[int, int] = {}
        for time, mark in zip(times[late].tolist(), passed[late].tolist(), strict=True):
            for start in self.starts(time):
                if start + self.size > mark:
                    break
                counts[start] = counts.get(start, 0) + 1
        return counts


@dataclass(frozen=True)
class Tiers:
    """Pane lengths of one model, finest first, and how far behind event time rows still reach each of them.

    A row goes to the finest tier whose ``keep`` covers its delay, a pure function of its own partition's log; a window
    sums the tiers that it is a whole number of. So a window's content never depends on when panes were rolled up.

    After the windows were changed, panes of an older length may be left. They keep a tier, which no row enters.
    """

    lengths: tuple[int, ...]
    keep: tuple[int, ...]

    @classmethod
    def of(cls, windows: Iterable[Window], older: Iterable[int] = (), evidence: int = HOUR) -> Tiers:
        """Choose the tiers for these windows: their common grain (at most an hour), an hour, a day; and older ones.

        Evidence windows are sums of panes, too; only rows in time enter them.
        """
        kinds = tuple(windows)
        base = math.gcd(HOUR, evidence, *(window.grain() for window in kinds))
        lengths = tuple(sorted({base, HOUR, DAY}))
        longest = max(window.restate_for for window in kinds)
        keep = {lengths[-1]: longest}
        for place, length in enumerate(lengths[:-1]):
            finer = [w.restate_for for w in kinds if w.grain() % lengths[place + 1]]
            keep[length] = max(finer, default=longest if place == len(lengths) - 2 else 0)
        if evidence % HOUR:
            keep[base] = max(keep[base], *(window.lateness for window in kinds))
        keep[lengths[-1]] = max(keep.values())
        every = sorted({*lengths, *older})
        return cls(tuple(every), tuple(max((keep[n] for n in lengths if n <= one), default=_NEVER) for one in every))

    @cached_property
    def base(self) -> int:
        """Length of the panes of rows in time."""
        return next(length for length, keep in zip(self.lengths, self.keep, strict=True) if keep != _NEVER)

    def margin(self, level: int) -> int:
        """Return how far behind event time a pane of a tier may still be restated."""
        return max(self.keep[level], self.keep[self.lengths.index(self.base)])

    def above(self, level: int) -> int:
        """Return the tier that panes of a tier are rolled up into; the coarsest is its own."""
        whole = (
            place for place in range(level + 1, len(self.lengths)) if not self.lengths[place] % self.lengths[level]
        )
        return next(whole, level)

    def place(self, delays: IntArray) -> IntArray:
        """Return the tier of each row, ``len(lengths)`` for one that comes too late for all."""
        return np.searchsorted(np.array(self.keep), delays, side="left")

    def of_window(self, window: Window) -> tuple[int, ...]:
        """Return the tiers that this window sums."""
        return tuple(place for place, length in enumerate(self.lengths) if window.grain() % length == 0)


@dataclass(frozen=True)
class WindowSet:
    """All windows of one model with what follows from them."""

    windows: tuple[Window, ...]
    older: tuple[int, ...] = ()
    """Lengths of panes that other windows left behind."""
    evidence: int = DAY
    """Length of an evidence window, or the longest that it may be."""

    @classmethod
    def of(cls, configs: Mapping[str, WindowConfig], evidence: int = DAY) -> WindowSet:
        """Build the set from the model's configuration."""
        return cls(tuple(Window.of(name, config) for name, config in configs.items()), evidence=evidence)

    def named(self, name: str) -> Window:
        """Return the window of this name."""
        return next(window for window in self.windows if window.name == name)

    @cached_property
    def tiers(self) -> Tiers:
        """The panes behind the windows."""
        return Tiers.of(self.windows, self.older, self.evidence)

    @cached_property
    def lateness(self) -> int:
        """A row that comes later than this is late for every window."""
        return max(window.lateness for window in self.windows)

    @cached_property
    def longest(self) -> int:
        """Size of the longest window."""
        return max(window.size for window in self.windows)
