"""Values of columns that have too many for cells: which of them the reference knows, and their counts from then on.

While the reference is learnt nobody knows which values will be common, and there may be any number of them.
Space-Saving keeps the thousand commonest of each column, with what it counted since it took each up; what came before
is left out, so that no count is an estimate. Once learning is over the values are fixed, and all their rows counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from detectors.slices.heavy import MOST, Heavy, SpaceSaving
from monitor.events import IntArray
from monitor.outcomes.values import NAMED, Bag, Texts, named, readable


@dataclass(slots=True)
class Followed:
    """The values of some columns. ``names`` are those that are followed, in order; none while they are being learnt."""

    sketches: list[SpaceSaving]
    names: Texts = field(default_factory=lambda: np.zeros(0, NAMED))

    @classmethod
    def of(cls, columns: int) -> Self:
        """Return none yet, of so many columns."""
        return cls([SpaceSaving(MOST) for _ in range(columns)])

    def __len__(self) -> int:
        return len(self.names)

    def learn(self, bag: Bag) -> None:
        """Take in an hour of the reference. A column with too many values in it sits the hour out."""
        columns = bag.columns
        for column, sketch in enumerate(self.sketches):
            own = columns == column
            texts = [readable(name[1:]) for name in bag.names[own].tolist()]
            counts = zip(bag.rows[own].tolist(), bag.wrong[own].tolist(), strict=True)
            sketch.add(dict(zip(texts, counts, strict=True)))

    def settle(self) -> IntArray:
        """Follow the values that were held to the end; return their rows that are right and wrong, by turns."""
        held = {
            named(column, text): one for column, sketch in enumerate(self.sketches) for text, one in sketch.certain(1)
        }
        self.names = np.array(sorted(held), NAMED)
        self.sketches = [SpaceSaving(sketch.most) for sketch in self.sketches]
        counts = [(one.rows - one.over - one.errors, one.errors) for _, one in sorted(held.items())]
        return np.array(counts, np.int64).reshape(-1)

    @property
    def columns(self) -> IntArray:
        """The column of each value, from 0."""
        none = np.zeros(len(self.names), np.int64)
        return Bag(self.names, none, none).columns

    def counts(self, bag: Bag) -> IntArray:
        """Return the rows of a bag that are right and wrong, of each value that is followed; of others nothing."""
        table = np.zeros((len(self.names), 2), np.int64)
        if len(self.names) and len(bag.names):
            place = np.minimum(np.searchsorted(self.names, bag.names), len(self.names) - 1)
            own = self.names[place] == bag.names
            table[place[own]] = np.stack([bag.rows - bag.wrong, bag.wrong], axis=1)[own]
        return table.reshape(-1)

    def unknown(self, full: int) -> IntArray:
        """Return which of the values belong to columns that were too full to tell."""
        return np.flatnonzero(full >> self.columns & 1)

    def text(self, place: int) -> tuple[int, str]:
        """Return column and text of a value."""
        name = bytes(self.names[place])
        return name[0] - 1, readable(name[1:])

    def state(self) -> list[Any]:
        """Return plain values for the store."""
        sketches = [
            [sketch.most, sketch.total, [[text, *one] for text, one in sorted(sketch.held.items())]]
            for sketch in self.sketches
        ]
        return [self.names.tobytes(), sketches]

    @classmethod
    def restore(cls, state: list[Any]) -> Self:
        """Return what ``state`` took apart."""
        names, sketches = state
        held = [
            SpaceSaving(most, total, {text: Heavy(*counts) for text, *counts in rows}) for most, total, rows in sketches
        ]
        return cls(held, np.frombuffer(names, NAMED) if names else np.zeros(0, NAMED))
