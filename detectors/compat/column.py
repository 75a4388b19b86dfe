"""What a peer is shown of one column, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Column:
    """Counts of one column, missing cells left out, as every peer leaves them out.

    Parameters
    ----------
    reference, window
        Rows by bin or category, ``[K]``.
    values
        Where the rows of each bin stand, increasing; ``None`` for categories. Peers see the values themselves; with
        256 bins what they would say differs in the third digit.
    of_model
        Whether it is what the model puts out, for which some peers have another threshold.
    columns
        How many columns are judged together.
    """

    reference: IntArray
    window: IntArray
    values: FloatArray | None = None
    of_model: bool = False
    columns: int = 1

    @property
    def numeric(self) -> bool:
        """Whether it is a number."""
        return self.values is not None

    @cached_property
    def sizes(self) -> tuple[int, int]:
        """Rows of the reference and of the window."""
        return int(self.reference.sum()), int(self.window.sum())

    @cached_property
    def shares(self) -> tuple[FloatArray, FloatArray]:
        """Shares of the reference and of the window."""
        before, now = self.sizes
        return self.reference / max(before, 1), self.window / max(now, 1)

    @property
    def distinct(self) -> int:
        """Distinct values or categories of the reference."""
        return int((self.reference > 0).sum())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a peer says."""

    statistic: str
    """As the peer calls it."""
    value: float
    threshold: float
    """Of the value or, where there is a p-value, of that."""
    drifted: bool
    p_value: float = float("nan")
    warned: bool = False
    """Whether the peer has a lesser degree, and this is it."""


Peer: TypeAlias = Callable[[Column], Verdict]


def by_distance(statistic: str, value: float, threshold: float, *, reached: bool = True) -> Verdict:
    """Return a verdict by a distance: in drift from the threshold on, or only above it."""
    return Verdict(statistic, value, threshold, value >= threshold if reached else value > threshold)


def by_p_value(statistic: str, value: float, p_value: float, threshold: float) -> Verdict:
    """Return a verdict by a p-value: in drift below the threshold."""
    return Verdict(statistic, value, threshold, p_value < threshold, p_value)
