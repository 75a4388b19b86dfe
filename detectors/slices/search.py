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
from detectors.slices.lattice import Lattice
from detectors.slices.picks import Counted, Member, Picks
from detectors.slices.ranking import LEAST

WATCHED: Final = 64
"""B: slices that are promoted; twice as many are watched at most."""
TOLERANCE: Final = 0.1
"""A slice whose errors are so much more than its reference's, in proportion, is of no interest."""
ALPHA: Final = 0.05


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
    picks: Picks = field(init=False)
    fleet: Fleet = field(default_factory=lambda: Fleet.of([]))
    state: FleetState = field(default_factory=lambda: FleetState(()))

    def __post_init__(self) -> None:
        self.picks = Picks(self.lattice, self.reference, self.watched, LEAST)

    @property
    def members(self) -> list[Member]:
        """The slices that are watched."""
        return self.picks.members

    def step(self, window: Counted, patience: float, number: int) -> list[SliceAlarm]:
        """Return the alarms of a window among the slices promoted before it, then promote for the next.

        Parameters
        ----------
        patience
            Windows to the first false incident, on average, at the earliest.
        number
            Of the window; the next one promotes nothing that counts this one.
        """
        alarms = self.judge(window, patience, number)
        if self.picks.take(window, number):
            self.seat()
        return alarms

    def judge(self, window: Counted, patience: float, number: int) -> list[SliceAlarm]:
        """Have the members bet on a window."""
        if not self.members:
            return []
        cells = self.picks.cells
        rows, errors = window.rows[cells], window.errors[cells]
        counts = np.stack([rows - errors, errors], axis=1).ravel()
        weights = np.full(len(self.members), 1 / (2 * self.watched))
        self.state, report = self.fleet.step(self.state, counts, weights, patience, number)
        return [
            SliceAlarm(self.members[alarm.monitor], alarm, self._rate(self.members[alarm.monitor].cell))
            for alarm in report.alarms
        ]

    def seat(self) -> None:
        """Bring the fleet under the members of the moment."""
        fleet = Fleet.of([self._monitor(member.cell) for member in self.members])
        self.state, _ = carried(self.fleet, self.state, fleet)
        self.fleet = fleet

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
