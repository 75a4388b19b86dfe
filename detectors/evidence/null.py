"""What a null hypothesis must offer to be bet against."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final, Protocol, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = slice | IntArray

_Arrays = TypeVar("_Arrays", bound=Any)
_TINY: Final = 1e-300


class Null(Protocol):
    """The laws that J monitors of K cells tolerate, for each of S calendar slots: a convex set around a centre."""

    @property
    def shares(self) -> FloatArray:
        """Reference shares, ``[S, J, K]``."""
        ...

    @property
    def smooth(self) -> FloatArray:
        """Reference shares with half a row added to each cell, none of them 0, ``[S, J, K]``."""
        ...

    def project(self, laws: FloatArray, slot: int) -> tuple[FloatArray, BoolArray]:
        """Return the tolerated law nearest to each of ``laws`` ``[J, M, K]``, and which bets ``[J, M]`` are worth it.

        Nearest is least KL(law‖tolerated). A bet law / nearest has mean 1 at most under every tolerated law.
        """
        ...

    def take(self, rows: Rows) -> Self:
        """Return the null of some of the monitors."""
        ...


def side_by_side(one: _Arrays, other: _Arrays) -> _Arrays:
    """Return a dataclass of arrays ``[S, J, ...]`` with the monitors of both."""
    names = [field.name for field in fields(one)]
    joined: _Arrays = type(one)(*(np.concatenate([getattr(one, name), getattr(other, name)], axis=1) for name in names))
    return joined


def log_bet(law: FloatArray, nearest: FloatArray) -> FloatArray:
    """Return ln(law / nearest), 0 where both are 0.

    A cell that neither expects may still be hit. In the limit of a law that expects it a little, the bet is above 1
    there, so 1 is on the safe side.
    """
    return np.log(np.maximum(law, _TINY)) - np.log(np.maximum(nearest, _TINY))
