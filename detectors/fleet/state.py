"""What a fleet remembers between windows."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.engine import Engine
from detectors.evidence.null import FloatArray, IntArray, Rows
from detectors.evidence.state import NEVER, Evidence


class Mode(IntEnum):
    """Where a monitor stands."""

    WATCHING = 0
    """Judged against its reference."""
    SETTLING = 1
    """Drifted; the windows after the alarm become a provisional reference."""
    DRIFTED = 2
    """Drifted; judged against the provisional reference, so that worse is seen."""


@dataclass(frozen=True, slots=True, eq=False)
class FollowUp:
    """What follows an alarm, for J monitors of K cells and S slots; zeros for those that watch."""

    mode: NDArray[np.int8]
    since: NDArray[np.int32]
    """Window of the last alarm."""
    references: NDArray[np.int32]
    """References used so far, the provisional ones, too."""
    base: FloatArray
    """Rows of the provisional reference, ``[J, K]``: those of the first windows after the alarm."""
    base_rows: FloatArray
    """Their number by slot, ``[J, S]``."""
    settled: NDArray[np.int32]
    """Windows in it."""
    block: FloatArray
    """Rows since the effect was last judged, ``[J, K]``."""
    block_rows: FloatArray
    """Their number by slot, ``[J, S]``."""
    waited: NDArray[np.int32]
    """Windows in it."""
    quiet: NDArray[np.int32]
    """How often in a row the effect was found to be tolerable."""

    @classmethod
    def initial(cls, references: NDArray[np.int32], cells: int, slots: int) -> Self:
        """Return the state of monitors that watch."""
        count = len(references)
        numbers = np.zeros(count, np.int32)
        return cls(
            mode=np.zeros(count, np.int8),
            since=np.full(count, NEVER, np.int32),
            references=references.astype(np.int32),
            base=np.zeros((count, cells)),
            base_rows=np.zeros((count, slots)),
            settled=numbers,
            block=np.zeros((count, cells)),
            block_rows=np.zeros((count, slots)),
            waited=numbers,
            quiet=numbers,
        )

    def take(self, rows: Rows) -> Self:
        """Return the state of some of the monitors."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def put(self, rows: Rows, other: FollowUp) -> Self:
        """Return this state with some monitors' replaced."""
        changed = {}
        for field in fields(self):
            changed[field.name] = getattr(self, field.name).copy()
            changed[field.name][rows] = getattr(other, field.name)
        return replace(self, **changed)

    def alarmed(self, rows: Rows, window: int) -> Self:
        """Return the state after an alarm of some monitors: nothing is known yet of what follows."""
        some = self.take(rows)
        fresh = type(self).initial(some.references + 1, some.base.shape[1], some.base_rows.shape[1])
        fresh.mode[:] = Mode.SETTLING
        fresh.since[:] = window
        return self.put(rows, fresh)

    def recovered(self, rows: Rows) -> Self:
        """Return the state with some monitors back on watch."""
        some = self.take(rows)
        fresh = type(self).initial(some.references, some.base.shape[1], some.base_rows.shape[1])
        return self.put(rows, fresh)


@dataclass(frozen=True, slots=True, eq=False)
class Provisional:
    """The drifted monitors of a group with their bets against provisional references, as worked out from its state."""

    rows: IntArray
    engine: Engine | None
    """``None`` without drifted monitors."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupState:
    """State of the monitors of one group. Never changed; a step returns another one."""

    evidence: Evidence
    follow_up: FollowUp
    provisional: Provisional


@dataclass(frozen=True, slots=True, eq=False)
class FleetState:
    """State of every group of a fleet, in the groups' order."""

    groups: tuple[GroupState, ...]
