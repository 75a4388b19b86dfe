"""What a method says of fleets. Peers' environments read it, too: it stands on numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

BEFORE: Final = 48
AFTER: Final = 48


@dataclass(frozen=True, slots=True)
class Told:
    """What one method says of all fleets together."""

    quiet_incidents: float
    """Windows with an alarm before the change, in 1,000."""
    delay: float
    """Mean windows to a drifted monitor's first alarm; one that is missed counts as the last window."""
    missed: float
    false_share: float
    """Mean share of false alarms in the windows that have any, after the change."""


def told(alarms: np.ndarray, drifted: np.ndarray) -> Told:
    """Return the figures of alarms ``[T, fleets, J]``."""
    after = alarms[BEFORE:, :, drifted]
    hit = after.any(axis=0)
    delay = np.where(hit, after.argmax(axis=0) + 1, AFTER)
    said = alarms[BEFORE:].sum(axis=2)
    wrong = alarms[BEFORE:, :, ~drifted].sum(axis=2)
    some = said > 0
    return Told(
        quiet_incidents=float(1000 * alarms[:BEFORE].any(axis=2).mean()),
        delay=float(delay.mean()),
        missed=float(1 - hit.mean()),
        false_share=float((wrong[some] / said[some]).mean()) if some.any() else 0.0,
    )
