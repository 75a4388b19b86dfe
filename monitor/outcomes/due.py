"""Which windows of outcomes must be judged (again): those whose counts changed, once they are closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.events import HOUR
from monitor.windows import Window, WindowSet

EVERY: Final = 60.0
"""Seconds of wall clock between two judgements of one window."""
PAUSE: Final = 15.0
"""Seconds between two rounds of windows that were closed before."""
MOST: Final = 32
"""Windows judged at once: those never judged first, the newest of them ahead, then those judged longest ago."""
_LONG_AGO: Final = -(1 << 62)
_REMEMBERED: Final = 20_000


@dataclass(slots=True)
class Due:
    """Windows by (name, version, start). It is written with the counts, so a crash forgets none."""

    windows: tuple[Window, ...]
    waiting: set[tuple[str, str, int]] = field(default_factory=set)
    changed: bool = False
    _closed: dict[str, int] = field(default_factory=dict)
    _at: dict[tuple[str, str, int], float] = field(default_factory=dict)
    """Window → when it was last judged."""
    _now: float = 0.0
    _last: float = float("-inf")

    @classmethod
    def of(cls, windows: WindowSet, only: str | None) -> Due:
        """Return the windows of whole hours, or the one that is named."""
        return cls(tuple(w for w in windows.windows if not w.grain() % HOUR and only in {None, w.name}))

    def touch(self, hours: Iterable[tuple[str, int]]) -> None:
        """Note that the counts of (version, hour) changed."""
        for version, hour in hours:
            for window in self.windows:
                self.waiting.update((window.name, version, start) for start in window.starts(hour))
            self.changed = True

    def take(self, closed: Mapping[str, int], now: float, *, all_: bool = False) -> list[tuple[Window, str, int]]:
        """Return what is to be judged now, in the order of ``MOST``.

        Parameters
        ----------
        closed
            Window → start of the first that is not closed yet.
        now
            Wall clock, in seconds. Windows that closed since the last call are judged at once.
        all_
            Whether to take all that are closed, however many and however soon.
        """
        ready = [one for one in self.waiting if one[2] < closed.get(one[0], _LONG_AGO)]
        if not all_:
            ready = [one for one in ready if now - self._at.get(one, float("-inf")) >= EVERY]
            if now - self._last < PAUSE:
                ready = [one for one in ready if one[2] >= self._closed.get(one[0], _LONG_AGO)]
            elif ready:
                self._last = now
        self._now = now
        self._closed.update(closed)
        named = {window.name: window for window in self.windows}
        ready.sort(key=lambda one: (self._at.get(one, float("-inf")), -one[2], one))
        return [(named[name], version, start) for name, version, start in ready[: None if all_ else MOST]]

    def done(self, judged: Iterable[tuple[Window, str, int]]) -> None:
        """Note windows that were judged, and whose findings are in history."""
        for window, version, start in judged:
            one = (window.name, version, start)
            self.waiting.discard(one)
            self._at[one] = self._now
            self.changed = True
        while len(self._at) > _REMEMBERED:
            del self._at[next(iter(self._at))]

    def forget(self, before: int) -> None:
        """Drop windows that start too early to be judged."""
        gone = {one for one in self.waiting if one[2] < before}
        if gone:
            self.waiting -= gone
            self.changed = True

    def state(self) -> list[Any]:
        """Return plain values for the store."""
        return sorted(self.waiting)

    def restore(self, state: Iterable[Any]) -> None:
        """Take over what ``state`` returned, as far as there are still such windows."""
        names = {window.name for window in self.windows}
        self.waiting = {(name, version, start) for name, version, start in state if name in names}
