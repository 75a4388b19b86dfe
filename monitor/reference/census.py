"""When rows came and from which model version."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from monitor.events import DAY, HOUR, Batch

MOST: Final = 10_000
"""Versions that are told apart; a stream with more names its versions wrongly."""


@dataclass(slots=True)
class Census:
    """How many rows each hour and version has. ``timed`` says whether the rows carry times at all."""

    timed: bool = True
    first: int | None = None
    last: int | None = None
    hours: Counter[int] = field(default_factory=Counter)
    """Hour, as its first microsecond → rows."""
    versions: Counter[str] = field(default_factory=Counter)
    _since: dict[str, int] = field(default_factory=dict)
    """Version → time, or without times number, of its first row."""

    def add(self, batch: Batch, rows_before: int) -> None:
        """Take note of at least one row; ``rows_before`` came earlier."""
        names = sorted(set(batch.versions))
        places = {name: place for place, name in enumerate(names)}
        version = np.fromiter(map(places.__getitem__, batch.versions), np.int64, len(batch))
        moments = batch.times if self.timed else rows_before + np.arange(len(batch))
        since = np.full(len(names), np.iinfo(np.int64).max)
        np.minimum.at(since, version, moments)
        rows = np.bincount(version, minlength=len(names)).tolist()
        for name, moment, number in zip(names, since.tolist(), rows, strict=True):
            if name in self._since or len(self._since) < MOST:
                self._since[name] = min(moment, self._since.get(name, moment))
                self.versions[name] += number
        if self.timed:
            self._add_times(batch)

    def days(self, most: int) -> list[int]:
        """Return the last ``most`` UTC days with rows, as their first microseconds."""
        return sorted({hour // DAY * DAY for hour in self.hours})[-most:]

    def commonest(self, most: int) -> list[str]:
        """Return the ``most`` versions with most rows, oldest first."""
        ranked = sorted(self.versions, key=lambda name: (-self.versions[name], name))[:most]
        return sorted(ranked, key=lambda name: (self._since[name], name))

    def _add_times(self, batch: Batch) -> None:
        first, last = int(batch.times.min()), int(batch.times.max())
        self.first = first if self.first is None else min(first, self.first)
        self.last = last if self.last is None else max(last, self.last)
        hours, rows = np.unique(batch.times // HOUR * HOUR, return_counts=True)
        for hour, number in zip(hours.tolist(), rows.tolist(), strict=True):
            self.hours[hour] += number
