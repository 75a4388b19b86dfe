"""Sums of a regression's errors and targets that every loss, its variance and R² follow from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.fixed import ExactArray, Fixed
from detectors.performance.layout import Rows

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LIMIT: Final = 2.0**15
"""Errors and targets beyond so many scales are taken for that many."""
RATIO_LIMIT: Final = 2.0**30
"""The same for an error as a multiple of its target."""
_FIRST: Final = Fixed(bits=46, limbs=2)
_SECOND: Final = Fixed(bits=62, limbs=3)
_THIRD: Final = Fixed(bits=47, limbs=3)
_FOURTH: Final = Fixed(bits=62, limbs=4)
_TARGET_FOURTH: Final = Fixed(bits=32, limbs=3)
_SHARE: Final = Fixed(bits=60, limbs=2)

UNITS: Final[dict[str, Fixed]] = {
    "error": _FIRST,
    "error_size": _FIRST,
    "error_square": _SECOND,
    "error_signed_square": _SECOND,
    "error_fourth": _FOURTH,
    "target": _FIRST,
    "target_square": _SECOND,
    "target_third": _THIRD,
    "target_fourth": _TARGET_FOURTH,
    "error_square_target": _THIRD,
    "error_square_target_square": _FOURTH,
    "huber": _SECOND,
    "huber_square": _FOURTH,
    "relative": _SECOND,
    "relative_square": _FOURTH,
    "symmetric": _SHARE,
    "symmetric_square": _SHARE,
}
"""Sum → its units. Errors and targets are in scales; ``error_signed_square`` is Σ e·|e|."""
BLOCKS: Final[dict[str, tuple[int, ...]]] = {name: (fixed.limbs,) for name, fixed in UNITS.items()}


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of J tables as exact integers, each in its own units."""

    exact: Mapping[str, ExactArray]

    @classmethod
    def of(cls, cells: Mapping[str, IntArray]) -> Sums:
        """Return the sums in the blocks of tables."""
        return cls({name: fixed.exact(cells[name]) for name, fixed in UNITS.items()})

    def mean(self, name: str, rows: IntArray) -> FloatArray:
        """Return a sum over its rows; NaN without rows."""
        whole = np.where(rows > 0, rows, 1).astype(object) * (1 << UNITS[name].bits)
        return np.where(rows > 0, np.asarray(self.exact[name] / whole, np.float64), np.nan)


def add_errors(rows: Rows, error: FloatArray, target: FloatArray, delta: float) -> None:
    """Add errors and targets, both in scales and within the limit; ``delta`` is where Huber's loss becomes linear."""
    size, square = np.abs(error), error * error
    target_square = target * target
    huber = np.where(size <= delta, square / 2, delta * (size - delta / 2))
    numbers = {
        "error": error,
        "error_size": size,
        "error_square": square,
        "error_signed_square": error * size,
        "error_fourth": square * square,
        "target": target,
        "target_square": target_square,
        "target_third": target_square * target,
        "target_fourth": target_square * target_square,
        "error_square_target": square * target,
        "error_square_target_square": square * target_square,
        "huber": huber,
        "huber_square": huber * huber,
    }
    for name, values in numbers.items():
        rows.add(name, UNITS[name].split(values))


def add_relative(rows: Rows, target: FloatArray, predicted: FloatArray) -> None:
    """Add |error| / |target| of the rows whose target is not 0, and 2·|error| / (|target| + |predicted|) of all."""
    size, whole = np.abs(predicted / 2 - target / 2), np.abs(target / 2) + np.abs(predicted / 2)
    symmetric = 2 * size / np.where(whole > 0, whole, 1.0)
    rows.add("symmetric", _SHARE.split(symmetric))
    rows.add("symmetric_square", _SHARE.split(symmetric * symmetric))
    some = target != 0
    divided = rows.only(some)
    with np.errstate(over="ignore"):
        relative = 2 * size[some] / np.abs(target[some])
    divided.only(relative > RATIO_LIMIT).count("relative_clipped")
    relative = np.minimum(relative, RATIO_LIMIT)
    divided.count("relative_rows")
    divided.add("relative", _SECOND.split(relative))
    divided.add("relative_square", _FOURTH.split(relative * relative))
