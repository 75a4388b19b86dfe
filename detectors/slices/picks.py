"""The choice of slices: what is past ranks the cells, and those promoted are watched from the next window on.

A slice is chosen by its errors so far, so these say nothing more of it. What is told of a promoted slice rests on the
windows after its promotion alone, and the choice is fixed before each of them is seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.slices.lattice import IntArray
from detectors.slices.lift import Sums
from detectors.slices.ranking import Family, ranked

DECAY: Final = 0.95
"""What a window leaves of those before it."""
PATIENCE: Final = 24
"""Windows below rank 2B after which a slice is let go."""


@dataclass(frozen=True, eq=False)
class Counted:
    """Rows and errors of all cells, and of all rows."""

    rows: IntArray
    errors: IntArray
    total: int
    wrong: int
    unknown: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    """Cells whose rows were too many to be told apart: the window says nothing of them."""


@dataclass(slots=True)
class Member:
    """A promoted slice, and what its rows were since."""

    cell: int
    since: int
    """The first window that counts for it."""
    below: int = 0
    """Windows in a row in which it ranked too low."""
    rows: int = 0
    errors: int = 0
    recent: Sums = field(default_factory=Sums)
    """The same with older windows decayed, beside all rows of these windows."""


@dataclass(slots=True)
class Picks:
    """At most 2B slices of one family of cells. ``take`` hears of windows in their order, each once."""

    family: Family
    reference: Counted
    watched: int
    """B: slices that are promoted; twice as many are watched at most."""
    least: int
    """Rows of a slice, at least, decayed as they are."""
    members: list[Member] = field(default_factory=list)
    rows: NDArray[np.float32] = field(init=False)
    errors: NDArray[np.float32] = field(init=False)
    total: float = 0.0
    wrong: float = 0.0

    def __post_init__(self) -> None:
        self.rows = np.zeros(self.family.size, np.float32)
        self.errors = np.zeros(self.family.size, np.float32)

    @property
    def cells(self) -> IntArray:
        """Cells of the members."""
        return np.array([member.cell for member in self.members], np.int64)

    def tell(self, window: Counted) -> None:
        """Count a window for the members that were promoted before it."""
        unknown = set(window.unknown.tolist())
        members = [member for member in self.members if member.cell not in unknown]
        cells = np.array([member.cell for member in members], np.int64)
        for member, rows, errors in zip(
            members, window.rows[cells].tolist(), window.errors[cells].tolist(), strict=True
        ):
            member.rows += rows
            member.errors += errors
            member.recent = member.recent.after(rows, errors, window.total, window.wrong, DECAY)

    def remember(self, window: Counted) -> None:
        """Let a window have its part in the choices to come."""
        keep = np.float32(DECAY)
        self.rows = keep * self.rows + window.rows.astype(np.float32)
        self.errors = keep * self.errors + window.errors.astype(np.float32)
        self.total = DECAY * self.total + window.total
        self.wrong = DECAY * self.wrong + window.wrong

    def promote(self, since: int) -> bool:
        """Watch the best slices from a window on, let go of those that ranked low for long; return if any changed."""
        rows, errors = self.rows.astype(np.float64), self.errors.astype(np.float64)
        best = ranked(self.family, rows, errors, self.total, self.wrong, 2 * self.watched, self.least).tolist()
        rank = {cell: place for place, cell in enumerate(best)}
        for member in self.members:
            member.below = 0 if member.cell in rank else member.below + 1
        kept = [member for member in self.members if member.below < PATIENCE]
        known = {member.cell for member in kept}
        room = 2 * self.watched - len(kept)
        fresh = [cell for cell in best[: self.watched] if cell not in known and self.reference.rows[cell]][:room]
        changed = bool(fresh) or len(kept) < len(self.members)
        self.members = [*kept, *(Member(cell, since) for cell in fresh)]
        return changed

    def take(self, window: Counted, number: int) -> bool:
        """Count a window, then promote for the next one; return whether the members are others now."""
        self.tell(window)
        self.remember(window)
        return self.promote(number + 1)
