"""What every window statistic returns, and the contract it keeps."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures of J monitors, each an array of shape ``[J]``; NaN where a figure does not exist.

    A monitor with an empty reference or an empty window has NaN everywhere but in ``n``: insufficient data is never
    zero drift.
    """

    statistic: FloatArray
    effect: FloatArray
    """How large the difference is, less what chance alone adds at these sample sizes."""
    low: FloatArray
    high: FloatArray
    """95 % interval of the effect; the statistic's docstring says which."""
    p_value: FloatArray
    threshold: FloatArray
    """Noise band: without drift the statistic exceeds it with probability alpha."""
    n: IntArray
    """Rows in the window."""
    direction: NDArray[np.int8]
    """1 when mass moved to later bins, -1 to earlier ones, 0 when neither."""

    def take(self, place: int) -> Scores:
        """Return the scores of one monitor, still as arrays."""
        return Scores(*(getattr(self, field.name)[place : place + 1] for field in fields(self)))


class WindowStatistic(Protocol):
    """A pure, order-free comparison of count matrices."""

    @property
    def alpha(self) -> float:
        """Level of the noise band."""
        ...

    def score(self, reference: IntArray, window: IntArray) -> Scores:
        """Compare ``window`` with ``reference``, both ``[J, K]`` counts in the same bins."""
        ...
