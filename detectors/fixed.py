"""Fixed point: sums of fractions that are exact whatever the order, and that a row leaves as it came.

A number becomes an integer of units of 2⁻ᵇⁱᵗˢ, cut into limbs of 31 bits. A cell adds up one limb, so it takes 2³² - 1
rows of any size before it overflows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ExactArray = NDArray[np.object_]
"""Python integers, which neither round nor overflow."""

LIMB: Final = 31
MOST_ROWS: Final = (1 << 32) - 1
"""Rows, each with its weight, that a table holds."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Numbers up to 2^(31·limbs - bits) in size, to the nearest 2⁻ᵇⁱᵗˢ.

    Examples
    --------
    >>> fixed = Fixed(bits=40, limbs=2)
    >>> limbs = fixed.split(np.array([0.1, 0.2, -0.3]))
    >>> fixed.value(limbs.sum(axis=1)).tolist(), fixed.value(limbs[:, 0]).round(12).tolist()
    (0.0, 0.1)
    """

    bits: int
    limbs: int

    def split(self, values: FloatArray) -> IntArray:
        """Return the limbs ``[limbs, n]`` of numbers, the lowest first.

        Raises
        ------
        OverflowError
            When a number is too large or not finite.
        """
        most = 2.0 ** (LIMB * self.limbs - self.bits)
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
        if not max(high, -low) <= most:
            raise OverflowError(f"a number is not between {-most:g} and {most:g}")
        units = values * 2.0**self.bits
        np.rint(units, out=units)
        parts = np.empty((self.limbs, len(values)), np.int64)
        if self.limbs > 2:
            # By size, then with the sign: the remainder of a float is then a float.
            sign = np.where(units < 0, -1, 1) if low < 0 else None
            _split(np.abs(units, out=units), parts)
            if sign is not None:
                parts *= sign
        else:
            _split(units, parts)
        return parts

    def exact(self, cells: IntArray) -> ExactArray:
        """Return sums in units, from cells ``[..., limbs]``."""
        total = cells[..., -1].astype(object)
        for limb in range(self.limbs - 2, -1, -1):
            total = total * (1 << LIMB) + cells[..., limb].astype(object)
        return np.asarray(total, object)

    def value(self, cells: IntArray) -> FloatArray:
        """Return sums as the nearest floats, from cells ``[..., limbs]``."""
        return floats(self.exact(cells), self.bits)


def floats(units: ExactArray, bits: int) -> FloatArray:
    """Return exact integers of units of 2⁻ᵇⁱᵗˢ as the nearest floats."""
    return np.asarray(units / (1 << bits), np.float64)


def deviations(total: ExactArray, squares: ExactArray, rows: IntArray, bits: int, square_bits: int) -> FloatArray:
    """Return Σ(x - mean)² from Σx in units of 2⁻ᵇⁱᵗˢ and Σx² in units of its own, without cancellation; 0 for no rows.

    Needs ``square_bits <= 2·bits``.
    """
    shift = 1 << (2 * bits - square_bits)
    spread = rows.astype(object) * squares * shift - total * total
    counted = np.maximum(rows, 1).astype(object)
    exact = np.asarray(spread / (counted * (1 << (2 * bits))), np.float64)
    return np.maximum(exact, 0.0)


def _split(units: FloatArray, parts: IntArray) -> None:
    """Split whole numbers into limbs; those of more than two limbs must not be negative."""
    for limb in range(len(parts) - 1, 1, -1):
        part = units * 2.0 ** (-LIMB * limb)
        np.floor(part, out=part)
        parts[limb] = part
        part *= 2.0 ** (LIMB * limb)
        units -= part
    parts[0] = units
    if len(parts) > 1:
        np.right_shift(parts[0], LIMB, out=parts[1])
        parts[0] &= (1 << LIMB) - 1
