"""Fields that the model does not know: when each was first seen, and how many of the rows looked at have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import msgspec

from monitor.decoding.looking import UNNAMED
from monitor.events import Batch, IntArray

MOST_NAMES: Final = 100
"""Names that a partition tells apart for each model; what comes later is ``other``."""


@dataclass(slots=True)
class Sightings:
    """Rows of one pane that were looked at, and how many of them have each unknown field. Sums in any order."""

    looked: int = 0
    rows: Counter[str] = field(default_factory=Counter)

    def add(self, other: Sightings) -> None:
        """Add the rows of another pane, or of the same one."""
        self.looked += other.looked
        self.rows.update(other.rows)

    def to_bytes(self) -> bytes:
        """Return the sightings as bytes; none at all where nothing was looked at."""
        return msgspec.msgpack.encode([self.looked, dict(sorted(self.rows.items()))]) if self.looked else b""

    @classmethod
    def from_bytes(cls, data: bytes) -> Sightings:
        """Return what ``to_bytes`` took apart.

        >>> Sightings.from_bytes(Sightings(3, Counter(a=2)).to_bytes())
        Sightings(looked=3, rows=Counter({'a': 2}))
        """
        if not data:
            return cls()
        looked, rows = msgspec.msgpack.decode(data)
        return cls(looked, Counter(rows))


def sightings_by_group(batches: Iterable[Batch], groups: IntArray) -> dict[int, Sightings]:
    """Return group → its sightings; ``groups`` holds the group of every row of the batches, in their order."""
    found: dict[int, Sightings] = {}
    start = 0
    for batch in batches:
        for row, names in (batch.looked or {}).items():
            seen = found.setdefault(int(groups[start + row]), Sightings())
            seen.looked += 1
            if names:
                seen.rows.update(names)
        start += len(batch)
    return found


class FirstSight(NamedTuple):
    """An unknown field in one partition's log."""

    time: int
    """Event time of the first row with it, in microseconds."""
    offset: int
    """Of that row's record."""
    rows: int
    """Rows looked at that have it."""


@dataclass(slots=True)
class Strangers:
    """Unknown fields of one partition, in the order of its log: a function of the log alone, and bounded."""

    names: dict[str, dict[str, FirstSight]] = field(default_factory=dict)
    """Model → field → when it was first seen."""

    def admit(self, batch: Batch) -> Batch:
        """Note the unknown fields of accepted rows; return the rows with those beyond the bound called ``other``."""
        if not batch.looked:
            return batch
        found = {row: tuple(self._note(batch, row, names)) for row, names in batch.looked.items() if names}
        return replace(batch, looked={**batch.looked, **found}) if found else batch

    def _note(self, batch: Batch, row: int, names: Sequence[str]) -> list[str]:
        known = self.names.setdefault(batch.model, {})
        room = MOST_NAMES - len(known) + (UNNAMED in known)
        fresh = [name for name in names if name not in known and name != UNNAMED]
        refused = set(fresh[max(room, 0) :])
        kept = sorted({UNNAMED if name in refused else name for name in names})
        for name in kept:
            seen = known.get(name) or FirstSight(int(batch.times[row]), int(batch.offsets[row]), 0)
            known[name] = seen._replace(rows=seen.rows + 1)
        return kept

    def state(self) -> dict[str, dict[str, list[int]]]:
        """Return plain values for the store."""
        return {model: {name: list(seen) for name, seen in names.items()} for model, names in self.names.items()}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Strangers:
        """Return what ``state`` took apart."""
        return cls({model: {name: FirstSight(*seen) for name, seen in names.items()} for model, names in state.items()})
