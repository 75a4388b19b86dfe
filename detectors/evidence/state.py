"""What a monitor remembers between windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.null import FloatArray, Rows
from detectors.evidence.recent import DECAYS

NEVER = -1
"""Onset of a bettor that has not started."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """State of J monitors with C bettors, K cells and S slots; about 1 kB a monitor. Arrays are never changed."""

    log: FloatArray
    """Natural logarithm of what each bettor holds, ``[J, C]``; -inf before its first bet."""
    onset: NDArray[np.int32]
    """Window in which a bettor last began from nothing more than its start, ``[J, C]``."""
    recent: FloatArray
    """Decayed counts of past windows, ``[J, 3, K]``."""
    rows: FloatArray
    """Decayed rows of past windows by slot, ``[J, 3, S]``."""

    @classmethod
    def initial(cls, monitors: int, bettors: int, cells: int, slots: int) -> Self:
        """Return the state before the first window."""
        return cls(
            np.full((monitors, bettors), -np.inf),
            np.full((monitors, bettors), NEVER, np.int32),
            np.zeros((monitors, len(DECAYS), cells)),
            np.zeros((monitors, len(DECAYS), slots)),
        )

    @classmethod
    def joined(cls, parts: Sequence[Evidence]) -> Self:
        """Return the state of all monitors of several states."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    @property
    def total(self) -> FloatArray:
        """Natural logarithm of what all bettors of a monitor hold together, ``[J]``."""
        most = self.log.max(axis=1)
        held = np.where(np.isneginf(most), 0.0, most)
        with np.errstate(divide="ignore"):
            total: FloatArray = held + np.log(np.exp(self.log - held[:, np.newaxis]).sum(axis=1))
        return total

    def take(self, rows: Rows) -> Self:
        """Return the state of some of the monitors."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def put(self, rows: Rows, other: Evidence) -> Self:
        """Return this state with some monitors' replaced."""
        changed = {}
        for field in fields(self):
            changed[field.name] = getattr(self, field.name).copy()
            changed[field.name][rows] = getattr(other, field.name)
        return replace(self, **changed)
