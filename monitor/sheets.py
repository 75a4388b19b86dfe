"""Many findings as tables: what charts are drawn from, without an object a finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FIGURES = ("statistic", "effect", "low", "high", "p_value", "threshold")
"""Columns of ``Block.figures``."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """All findings of one detector in one window."""

    names: list[str]
    """Columns of the model."""
    figures: NDArray[np.float64]
    """Shape ``[findings, 6]``, in the order of ``FIGURES``."""
    statuses: list[str]
    codes: list[int]
    """Finding → its place among ``statuses``."""
    directions: list[int]
    explanations: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """One window with its findings by detector; times are microseconds since the epoch."""

    start: int
    end: int
    revision: int
    n: int
    blocks: Mapping[str, Block]


@dataclass(frozen=True, slots=True)
class Mark:
    """One window without its findings."""

    start: int
    end: int
    n: int
    status: str
    """The worst of its findings."""
