"""Where rows stand in their logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.events import IntArray
from monitor.join.entry import Position


@dataclass(frozen=True, slots=True)
class Positions:
    """Where rows of one input stand, in the order of its log."""

    input: int
    """Number of the input partition among those of its side."""
    times: IntArray
    """Join times, as the input's clock gave them."""
    offsets: IntArray
    rows: IntArray
    """Row within the record."""

    def __len__(self) -> int:
        return len(self.times)

    def take(self, chosen: IntArray) -> Positions:
        """Return some of the rows."""
        return Positions(self.input, self.times[chosen], self.offsets[chosen], self.rows[chosen])

    def at(self, place: int) -> Position:
        """Return one position."""
        return int(self.times[place]), self.input, int(self.offsets[place]), int(self.rows[place])

    @classmethod
    def together(cls, parts: Sequence[Positions]) -> Positions:
        """Return rows of one input, one part behind the other."""
        return cls(
            parts[0].input,
            np.concatenate([part.times for part in parts]),
            np.concatenate([part.offsets for part in parts]),
            np.concatenate([part.rows for part in parts]),
        )
