"""An estimate and a set of them: types of their own, so that none passes for a realised figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from detectors.calibration.figure import FloatArray, IntArray


class Light(IntEnum):
    """What the labels that did come say about an estimate."""

    BROKEN = -1
    """They contradict it beyond the tolerance: do not act on it."""
    UNPROVEN = 0
    """Too few to tell."""
    HOLDS = 1
    """They agree within the tolerance."""


@dataclass(frozen=True, slots=True)
class Estimated:
    """An estimate for J monitors, arrays ``[J]``; NaN where the figure would not exist."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    """95 % interval of what the labels will show, given that the estimate's assumption holds."""
    n: IntArray
    """Rows whose labels it stands in for."""
    chance: FloatArray
    """Standard deviation that the labels' own chance adds."""
    calibration: FloatArray
    """Standard deviation that the finite reference adds."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """All figures of one method, with what they stand on."""

    method: str
    figures: Mapping[str, Estimated]
    unsupported: FloatArray
    """Share of the rows where the reference has none to compare with."""
    light: NDArray[np.int8]
    """One ``Light`` a monitor."""

    def under(self, light: NDArray[np.int8]) -> Estimates:
        """Return the same estimates under another light."""
        return replace(self, light=light)
