"""Which windows are over, which must be evaluated, and which panes may be rolled up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.events import HOUR
from monitor.model import Model
from monitor.panes import PaneKey
from monitor.partition import Partition
from monitor.watermark import NEVER
from monitor.windows import Window

FOREVER = 1 << 62
_MOST_EMPTY = 10_000


@dataclass(slots=True)
class Closing:
    """Progress of one model's windows over all partitions.

    ``next_start`` is, per window, the start of the first window that is not closed; ``due`` holds the closed windows
    whose counts changed since they were last evaluated. Both are written with the counts, so a crash between the write
    and the evaluation loses nothing.
    """

    next_start: dict[str, int] = field(default_factory=dict)
    due: set[tuple[str, str, int]] = field(default_factory=set)
    """(window, version, start)."""
    kinds: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Size and slide of each window as last configured."""
    since: dict[str, int] = field(default_factory=dict)
    """Window → its first start, where it is younger than the model; what came before is not evaluated in it."""
    changed: bool = False

    def fit(self, model: Model, newest: int) -> list[str]:
        """Take over the windows of a configuration; return the new and changed ones, which start fresh.

        Parameters
        ----------
        newest
            The greatest event time of the model so far; the first window of a fresh kind starts after it.
        """
        kinds = {window.name: (window.size, window.slide) for window in model.windows.windows}
        if kinds == self.kinds:
            return []
        fresh = [name for name, kind in kinds.items() if self.kinds and self.kinds.get(name) != kind]
        gone = {name for name in self.kinds if self.kinds[name] != kinds.get(name)}
        for name in gone:
            self.next_start.pop(name, None)
            self.since.pop(name, None)
        self.due = {one for one in self.due if one[0] in kinds and one[0] not in gone}
        for name in fresh if newest != NEVER else ():
            slide = kinds[name][1]
            self.since[name] = self.next_start[name] = (newest // slide + 1) * slide
        self.kinds = kinds
        self.changed = True
        return fresh

    def touched(self, model: Model, panes: Iterable[PaneKey], versions: Iterable[str] = ()) -> None:
        """Note panes that changed: closed windows over them are due again.

        Those of ``versions`` are due besides that of the pane's own; volume is judged over all of them.
        """
        tiers, others = model.windows.tiers, frozenset(versions)
        for window in model.windows.windows:
            following = self.next_start.get(window.name)
            if following is None:
                continue
            levels = tiers.of_window(window)
            since = self.since.get(window.name, -FOREVER)
            for key in panes:
                if key.tier not in levels:
                    continue
                for start in window.starts(key.start):
                    if since <= start < following:
                        self.due.update((window.name, version, start) for version in others | {key.version})
                        self.changed = True

    def close(self, model: Model, least: int, partitions: Iterable[Partition]) -> None:
        """Close every window that ends by the least event time minus its lateness.

        Of a very long gap only the last windows are evaluated, apart from those that hold rows.

        Parameters
        ----------
        least
            The least event time over the partitions that are not idle; ``NEVER`` while one of them has none.
        """
        name, parts = model.config.name, list(partitions)
        earliest = earliest_pane(name, parts)
        if least == NEVER or earliest is None:
            return
        versions = sorted({version for partition in parts for version in partition.shelf.versions(name)})
        for window in model.windows.windows:
            end = window.first_open(least - window.lateness)
            start = self.next_start.get(window.name)
            if start is None:
                start = window.starts(earliest)[0]
            if end <= start:
                continue
            recent = max(start, end - _MOST_EMPTY * window.slide)
            for begin in range(recent, end, window.slide):
                self.due.update((window.name, version, begin) for version in versions)
            if recent > start:
                self.due.update(windows_with_rows(model, window, parts, start, recent))
            self.next_start[window.name] = end
            self.changed = True

    def state(self) -> dict[str, Any]:
        """Return plain values for the store."""
        return {
            "next_start": self.next_start,
            "due": sorted(self.due),
            "kinds": self.kinds,
            "since": self.since,
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Closing:
        """Return what ``state`` took apart."""
        due = {(window, version, start) for window, version, start in state["due"]}
        kinds = {name: (size, slide) for name, (size, slide) in state.get("kinds", {}).items()}
        return cls(dict(state["next_start"]), due, kinds, dict(state.get("since", {})))


def least_time(model: str, partitions: Iterable[Partition]) -> int:
    """Return the least event time over the partitions that count, ``NEVER`` while one of them has none.

    An idle partition holds nothing up. When all are idle, the one that came furthest decides.
    """
    clocks = [partition.clocks.get(model) for partition in partitions]
    active = [NEVER if clock is None else clock.greatest for clock in clocks if clock is None or not clock.idle]
    if active:
        return min(active)
    return max((clock.greatest for clock in clocks if clock is not None), default=NEVER)


def earliest_pane(model: str, partitions: Iterable[Partition]) -> int | None:
    """Return the start of the first pane of a model, ``None`` when there is none."""
    return min((start for p in partitions if (start := p.shelf.earliest(model)) is not None), default=None)


def windows_with_rows(
    model: Model, window: Window, partitions: Iterable[Partition], first: int, last: int
) -> set[tuple[str, str, int]]:
    """Return (window, version, start) of the windows with ``first <= start < last`` that some pane is part of."""
    name = model.config.name
    found: set[tuple[str, str, int]] = set()
    for partition in partitions:
        for version in partition.shelf.versions(name):
            for level in model.windows.tiers.of_window(window):
                for key in partition.shelf.keys(name, version, level, first, last + window.size):
                    starts = (start for start in window.starts(key.start) if first <= start < last)
                    found.update((window.name, version, start) for start in starts)
    return found


def roll_up(model: Model, least: int, partitions: Iterable[Partition], history: int) -> None:
    """Move panes that nothing restates any more into the coarser tier, and drop the coarsest after ``history``."""
    if least == NEVER:
        return
    tiers = model.windows.tiers
    last = len(tiers.lengths) - 1
    for level, length in enumerate(tiers.lengths):
        margin = history if level == last else tiers.margin(level) + model.windows.longest
        margin = max(margin, model.windows.evidence + model.windows.lateness)
        above = tiers.above(level)
        coarser = tiers.lengths[above]
        limit = (least - margin) // coarser * coarser
        if coarser > HOUR and model.learning is not None and model.learning.start is not None:
            limit = min(limit, model.learning.start // coarser * coarser)  # the reference wants to know the hours
        if level < last:
            if limit <= model.rolled[level]:
                continue
            model.rolled[level] = limit
        for partition in partitions:
            for version in partition.shelf.versions(model.config.name):
                for key in partition.shelf.keys(model.config.name, version, level, -FOREVER, limit - length + 1):
                    if level < last:
                        partition.shelf.move(key, above, key.start // coarser * coarser)
                    else:
                        partition.shelf.drop(key)


def restated_rows(partitions: Mapping[int, Partition], model: str, version: str, window: str, start: int) -> int:
    """Return how many rows came after the window's end, over all partitions."""
    return sum(partition.restated(model, version, window, start) for partition in partitions.values())
