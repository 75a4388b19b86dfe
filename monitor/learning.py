"""Learning a reference from the live stream: first the edges, from a sample, then the counts.

The sample is the rows whose ids have the smallest hashes, so it is a function of the set of rows and not of the order
in which partitions were read. Edges come from it once event time has passed the first part of the period and enough
rows were seen. From the next pane border on, rows are counted in those edges until the period is over; the sums are
the reference.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np

from monitor.decoding.schema import is_carried
from monitor.events import HOUR, Batch, Column

SAMPLE: Final = 10_000
ENOUGH: Final = 2_000
_EDGES_PART: Final = 14
_LONGEST: Final = 256
"""Characters of a category in the sample, which is written whole; a longer one gets no bin of its own."""


class _Row(dict[str, Any]):
    """A sampled row; rows of equal hash are of equal rank, whatever they hold."""

    def __lt__(self, other: object) -> bool:
        return False


@dataclass(slots=True)
class Learning:
    """Progress towards a reference.

    ``stage`` is ``edges`` while rows are sampled and ``counts`` while they are counted. In the second stage the
    reference takes the rows with ``start <= event time < end``.
    """

    period: int
    stage: Literal["edges", "counts"] = "edges"
    first_time: int | None = None
    rows: int = 0
    start: int | None = None
    end: int | None = None
    coders: dict[str, Any] | None = None
    """Column → bins as plain values, from the second stage on."""
    changed: bool = False
    _sample: list[tuple[int, _Row]] = field(default_factory=list)
    """A heap whose root is the row with the greatest hash (negated)."""

    def observe(self, batch: Batch) -> None:
        """Sample accepted rows while edges are sought."""
        if self.stage != "edges" or not len(batch):
            return
        self.changed = True
        first = int(batch.times.min())
        self.first_time = first if self.first_time is None else min(self.first_time, first)
        self.rows += len(batch)
        bad = {name: set(rows.tolist()) for name, rows in batch.bad.items()}
        for row, name in enumerate(batch.ids):
            rank = -id_hash(name)
            if len(self._sample) >= SAMPLE and rank <= self._sample[0][0]:
                continue
            cells = {
                column: None if row in bad.get(column, ()) else _plain(values, row)
                for column, values in batch.columns.items()
                if not is_carried(column)
            }
            entry = (rank, _Row(cells))
            if len(self._sample) < SAMPLE:
                heapq.heappush(self._sample, entry)
            else:
                heapq.heapreplace(self._sample, entry)

    def edges_due(self, least: int) -> bool:
        """Return whether event time has passed the first part of the period with enough rows seen."""
        if self.stage != "edges" or self.first_time is None or self.rows < ENOUGH:
            return False
        return least >= self.first_time + max(self.period // _EDGES_PART, min(HOUR, self.period // 2))

    def counts_due(self, least: int, lateness: int) -> bool:
        """Return whether the period is over in every partition."""
        return self.stage == "counts" and self.end is not None and least - lateness >= self.end

    def columns(self) -> dict[str, Column]:
        """Return the sample as columns: floats for numbers, strings for categories, in the order of the hashes."""
        rows = [row for _, row in sorted(self._sample, key=lambda entry: -entry[0])]
        names = sorted({name for row in rows for name in row})
        return {name: _column([row.get(name) for row in rows]) for name in names}

    def begin_counts(self, start: int, coders: dict[str, Any]) -> None:
        """Go on to the second stage: count in these bins from this pane border on."""
        self.stage = "counts"
        self.coders = coders
        self.start = start
        self.end = start + self.period
        self._sample.clear()
        self.changed = True

    def state(self) -> dict[str, Any]:
        """Return plain values for the store."""
        return {
            "period": self.period,
            "stage": self.stage,
            "first_time": self.first_time,
            "rows": self.rows,
            "start": self.start,
            "end": self.end,
            "coders": self.coders,
            "sample": [[rank, dict(row)] for rank, row in self._sample],
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Learning:
        """Return what ``state`` took apart."""
        sample = [(rank, _Row(row)) for rank, row in state["sample"]]
        names = ("period", "stage", "first_time", "rows", "start", "end", "coders")
        return cls(**{name: state[name] for name in names}, _sample=sample)


def id_hash(name: str) -> int:
    """Return a 60-bit hash of an id, the same in every process."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") >> 4


def _plain(values: Column, row: int) -> float | str | None:
    if isinstance(values, list):
        text = values[row]
        return text if text is None or len(text) <= _LONGEST else f"{text[:32]}…{id_hash(text):x}"
    value = float(values[row])
    return None if np.isnan(value) else value


def _column(cells: list[Any]) -> Column:
    numbers = sum(isinstance(cell, float) for cell in cells)
    words = sum(isinstance(cell, str) for cell in cells)
    if words > numbers:
        return [cell if isinstance(cell, str) else None for cell in cells]
    return np.array([cell if isinstance(cell, float) else np.nan for cell in cells], np.float64)
