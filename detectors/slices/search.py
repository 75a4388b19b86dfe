"""The search: cells are ranked by what is past, and those promoted gather evidence from the next window on.

A slice is chosen by its errors so far, so these say nothing more; its bet is on windows that had no part in the choice.
Therefore what is paid for is the number of slices that are watched, not the tens of thousands that could be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.fleet.alarm import Alarm
from detectors.fleet.codec import carried
from detectors.fleet.fleet import Fleet
from detectors.fleet.monitor import Monitor
from detectors.fleet.state import FleetState
from detectors.slices.lattice import FloatArray, IntArray, Lattice
from detectors.slices.ranking import ranked

WATCHED: Final = 64
"""B: slices that are promoted; twice as many are watched at most."""
DECAY: Final = 0.95
"""What a window leaves of those before it."""
PATIENCE: Final = 24
"""Windows below rank 2B after which a slice is let go."""
TOLERANCE: Final = 0.1
"""A slice whose errors are so much more than its reference's, in proportion, is of no interest."""
ALPHA: Final = 0.05


@dataclass(frozen=True, eq=False)
class Counted:
    """Rows and errors of all cells, and of all rows."""

    rows: IntArray
    errors: IntArray
    total: int
    wrong: int


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


@dataclass(frozen=True, slots=True)
class SliceAlarm:
    """A slice that errs more, or less, than it did."""

    member: Member
    alarm: Alarm
    rate: float
    """Of its reference."""


@dataclass(slots=True)
class Search:
    """The search over one lattice against one reference. ``step`` takes windows in their order, each once."""

    lattice: Lattice
    reference: Counted
    tolerance: float = TOLERANCE
    alpha: float = ALPHA
    watched: int = WATCHED
    members: list[Member] = field(default_factory=list)
    rows: FloatArray = field(init=False)
    errors: FloatArray = field(init=False)
    total: float = 0.0
    wrong: float = 0.0
    fleet: Fleet = field(default_factory=lambda: Fleet.of([]))
    state: FleetState = field(default_factory=lambda: FleetState(()))

    def __post_init__(self) -> None:
        self.rows = np.zeros(self.lattice.size)
        self.errors = np.zeros(self.lattice.size)

    def step(self, window: Counted, patience: float, number: int) -> list[SliceAlarm]:
        """Return the alarms of a window among the slices promoted before it, then promote for the next.

        Parameters
        ----------
        patience
            Windows to the first false incident, on average, at the earliest.
        number
            Of the window; the next one promotes nothing that counts this one.
        """
        alarms = self._judge(window, patience, number)
        self.rows = DECAY * self.rows + window.rows
        self.errors = DECAY * self.errors + window.errors
        self.total = DECAY * self.total + window.total
        self.wrong = DECAY * self.wrong + window.wrong
        self._promote(number + 1)
        return alarms

    def _judge(self, window: Counted, patience: float, number: int) -> list[SliceAlarm]:
        if not self.members:
            return []
        cells = np.array([member.cell for member in self.members])
        rows, errors = window.rows[cells], window.errors[cells]
        for member, some, bad in zip(self.members, rows.tolist(), errors.tolist(), strict=True):
            member.rows += some
            member.errors += bad
        counts = np.stack([rows - errors, errors], axis=1).ravel()
        weights = np.full(len(self.members), 1 / (2 * self.watched))
        self.state, report = self.fleet.step(self.state, counts, weights, patience, number)
        return [
            SliceAlarm(self.members[alarm.monitor], alarm, self._rate(self.members[alarm.monitor].cell))
            for alarm in report.alarms
        ]

    def _promote(self, since: int) -> None:
        """Watch the best slices from the next window on, and let go of those that ranked low for long."""
        best = ranked(self.lattice, self.rows, self.errors, self.total, self.wrong, 2 * self.watched).tolist()
        rank = {cell: place for place, cell in enumerate(best)}
        for member in self.members:
            member.below = 0 if member.cell in rank else member.below + 1
        kept = [member for member in self.members if member.below < PATIENCE]
        known = {member.cell for member in kept}
        room = 2 * self.watched - len(kept)
        fresh = [cell for cell in best[: self.watched] if cell not in known and self._has_reference(cell)][:room]
        if fresh or len(kept) < len(self.members):
            self.members = [*kept, *(Member(cell, since) for cell in fresh)]
            fleet = Fleet.of([self._monitor(member.cell) for member in self.members])
            self.state, _ = carried(self.fleet, self.state, fleet)
            self.fleet = fleet

    def _has_reference(self, cell: int) -> bool:
        return bool(self.reference.rows[cell])

    def _rate(self, cell: int) -> float:
        return float(self.reference.errors[cell] / max(self.reference.rows[cell], 1))

    def _monitor(self, cell: int) -> Monitor:
        """Return the monitor of a cell: against its own reference, at its share of the whole lattice's alpha."""
        rows, errors = int(self.reference.rows[cell]), int(self.reference.errors[cell])
        rate = min(self._rate(cell), 0.5)
        ratio = (1 + self.tolerance) * (1 - rate) / max(1 - (1 + self.tolerance) * rate, 1e-9)
        return Monitor(
            name=str(cell),
            kind="rate",
            reference=np.array([rows - errors, errors], np.float64),
            alpha=self.alpha / self.lattice.size,
            ratio=max(ratio, 1.0),
            floor=0.0,
        )
