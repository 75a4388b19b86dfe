"""Vectors on a grid of integers, so that every inner product is exact and no order of summation can change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LARGEST: Final = 1e150
"""Greatest number in a vector."""
MOST_SIZE: Final = 4096
"""Longest vector: with it, squared distances stay below 2**53."""
UNIT: Final = float(1 << 20)
"""Grid steps of one in a direction."""
_INSIDE: Final = float(1 << 17)
_BEYOND: Final = float(1 << 20)


@dataclass(frozen=True, eq=False)
class Grid:
    """Where vectors stand: a centre ``[d]`` and the length of a step.

    The vectors it was made from lie within 2**17 steps of the centre in each direction. Others are cut at 2**20 steps.
    Floats that are integers below 2**53 add and multiply exactly, so a row gets the same codes in whatever batch it
    comes. Matrix products in floating point do not promise that.
    """

    centre: FloatArray
    step: float

    @classmethod
    def of(cls, rows: FloatArray) -> Grid:
        """Return a grid for finite vectors, ``[n, d]``.

        Raises
        ------
        ValueError
            Without rows, with more than 4,096 numbers a row, or when a number is not finite or beyond 1e150.
        """
        if rows.ndim != 2 or not rows.size or rows.shape[1] > MOST_SIZE:
            raise ValueError(f"need rows of 1 to {MOST_SIZE} numbers, not {rows.shape}")
        if not np.abs(rows).max() <= LARGEST:
            message = "vectors must be finite and within 1e150"
            raise ValueError(message)
        centre = rows.mean(axis=0)
        reach = float(np.abs(rows - centre).max())
        return cls(centre, max(reach / _INSIDE, 1e-300))

    def place(self, rows: FloatArray) -> FloatArray:
        """Return finite vectors in steps from the centre, whole numbers, ``[n, d]``.

        >>> Grid(np.zeros(2), 0.5).place(np.array([[1.0, -0.6]])).tolist()
        [[2.0, -1.0]]
        """
        with np.errstate(over="ignore"):
            steps = (rows - self.centre) / self.step
        placed: FloatArray = np.rint(np.clip(steps, -_BEYOND, _BEYOND))
        return placed


def usable(rows: FloatArray) -> NDArray[np.bool_]:
    """Return which vectors have only finite numbers.

    >>> usable(np.array([[1.0, 2.0], [np.nan, 0.0]])).tolist()
    [True, False]
    """
    finite: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(rows), axis=1)
    return finite
