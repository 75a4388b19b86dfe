"""A row of cells as streams: the vector of their shares, and a rate for each cell that is too rare for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from monitor.config.root import Kind
from monitor.events import IntArray
from monitor.evidence.stream import Stream

RARE: Final = 0.008
"""Bins of a smaller share are rates. The outermost evidence bins hold a hundredth of the sample that made them, so they
must be allowed a little less."""


@dataclass(frozen=True, eq=False)
class Table:
    """One column's cells, or those that it has in one slice: bins, then what is wrong."""

    stream: Stream
    """What all streams of the table have in common; its counts are those of all cells."""
    names: tuple[str, ...]
    """Of the bins."""

    def streams(self) -> Iterator[Stream]:
        """Yield the vector of shares and the rates of rare bins."""
        base, bins = self.stream, len(self.names)
        counts = base.reference[:bins]
        total = int(counts.sum())
        rare = counts < RARE * total
        kept = np.flatnonzero(~rare)
        if len(kept) > 1:
            groups = np.full(len(base.reference), -1, np.int64)
            groups[kept] = np.arange(len(kept))
            yield self._regrouped(groups, counts[kept], tuple(self.names[place] for place in kept.tolist()))
        for place in np.flatnonzero(rare).tolist() if total else ():
            groups = np.full(len(base.reference), -1, np.int64)
            groups[:bins] = np.arange(bins) == place
            yield self.rate(groups, np.array([total - counts[place], counts[place]]), self.names[place])

    def quality(self, kind: str, place: int, reference: IntArray | None = None, listen: Kind = "quality") -> Stream:
        """Return the rate of what is wrong with cells; ``listen`` says which severities hear of it."""
        counts = self.stream.reference
        known = np.array([counts.sum() - counts[place], counts[place]]) if reference is None else reference
        found = self.rate((np.arange(len(counts)) == place).astype(np.int64), known, kind)
        return found if self.stream.slice else replace(found, kind=listen)

    def rate(self, groups: IntArray, reference: IntArray, name: str) -> Stream:
        """Return the rate of some cells among others."""
        found = self._regrouped(groups, reference, ("the rest", name))
        return replace(found, part=name, is_rate=True)

    def _regrouped(self, groups: IntArray, reference: IntArray, names: tuple[str, ...]) -> Stream:
        base = self.stream
        cells = groups[base.groups]
        used = cells >= 0
        return replace(
            base,
            reference=reference.astype(np.int64),
            places=base.places[used],
            groups=cells[used],
            past=base.past.merged(groups),
            own=None if base.own is None else base.own.merged(groups),
            names=names,
        )
