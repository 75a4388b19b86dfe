"""What a fleet says about one window."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.dictionary import Kind, Shape
from detectors.evidence.null import BoolArray, FloatArray


class Change(StrEnum):
    """What an alarm says of its monitor."""

    DRIFT = "drift"
    """It left what is tolerated around its reference."""
    WORSE = "worse"
    """It had drifted, and is now further from its reference."""
    EASING = "easing"
    """It had drifted, and is now nearer to its reference, but not back."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One monitor's alarm. The shares rest on the rows that raised it and exaggerate; an effect follows later."""

    monitor: int
    """Its place in the fleet."""
    change: Change
    shape: Shape
    """The bettor that holds most."""
    onset: int
    """Window in which that bettor began to win for good."""
    window: int
    log_evidence: float
    log_threshold: float
    cell: int
    """Cell that changed most beyond chance."""
    before: float
    """Its share in what the monitor was judged against."""
    now: float
    """Its share in the last windows."""

    def describe(self, cells: tuple[str, ...] = ()) -> str:
        """Return what moved, in a few words, with the names of the cells if there are any.

        >>> Alarm(0, Change.DRIFT, Shape(Kind.MEAN, 0.2), 3, 5, 9.0, 7.0, 12, 0.05, 0.07).describe()
        'mean +0.2 sd (bin 12: 5% → 7%)'
        """
        name = cells[self.cell] if cells else f"bin {self.cell}"
        moved = f"{name}: {_percent(self.before)} → {_percent(self.now)}"
        size = self.shape.size
        match self.shape.kind:
            case Kind.MEAN:
                return f"mean {size:+g} sd ({moved})"
            case Kind.SPREAD:
                return f"spread ×{size:.2f} ({moved})"
            case Kind.SPIKE:
                own = cells[self.shape.cell] if cells else f"bin {self.shape.cell}"
                return f"spike of {_percent(size)} in {own} ({moved})"
            case Kind.RATE:
                return f"{'up' if size > 1 else 'down'} ({moved})"
            case Kind.RECENT | Kind.SUDDEN:
                return moved


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What one window says about the J monitors of a fleet. Arrays are ``[J]``, in the monitors' order."""

    window: int
    incident: bool
    """Counts against the budget of false incidents."""
    alarms: list[Alarm]
    """Strongest first."""
    suspects: BoolArray
    """Monitors that together, though none alone, hold too much evidence: a diffuse drift."""
    recovered: BoolArray
    log_evidence: FloatArray
    """Before this window's resets."""
    log_threshold: float
    """A monitor above it is alarmed."""
    mode: NDArray[np.int8]
    """``Mode`` after this window."""
    effect: FloatArray
    """Of monitors that drifted, from rows after the alarm; NaN for the others. See ``Effect``."""
    low: FloatArray
    high: FloatArray


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%" if share < 0.995 else f"{100 * share:.4g}%"
