"""What the tables of all tasks have in common, and how one comes back from plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.performance.binary import BinaryTable
from detectors.performance.estimate import Estimate
from detectors.performance.multiclass import MulticlassTable
from detectors.performance.ranking import RankingTable
from detectors.performance.regression import RegressionTable

IntArray = NDArray[np.int64]


class PerformanceTable(Protocol):
    """A flat vector of counts and fixed-point sums that is linear in rows, and the figures that follow from it.

    Its ``tally`` depends on the task. Tables of equal identity may be added and subtracted; tables of different
    identity must not.
    """

    @property
    def size(self) -> int:
        """Cells of a table."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each cell."""
        ...

    @property
    def identity(self) -> str:
        """Hash of all that decides what the cells mean."""
        ...

    def cells(self, tables: IntArray) -> dict[str, IntArray]:
        """Return the named blocks of tables ``[J, size]``."""
        ...

    def metrics(self, tables: IntArray, alpha: float = 0.05) -> dict[str, Estimate]:
        """Return every figure of tables ``[J, size]``, with intervals of level 1 - alpha."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        ...


_KINDS: Final[dict[str, type[BinaryTable | MulticlassTable | RegressionTable | RankingTable]]] = {
    "binary": BinaryTable,
    "multiclass": MulticlassTable,
    "regression": RegressionTable,
    "ranking": RankingTable,
}


def table_of(data: Mapping[str, Any]) -> PerformanceTable:
    """Return the table that any ``to_dict`` took apart.

    >>> table_of(MulticlassTable(("a", "b")).to_dict()).identity == MulticlassTable(("a", "b")).identity
    True

    Raises
    ------
    ValueError
        When its kind is unknown.
    """
    if data.get("kind") not in _KINDS:
        raise ValueError(f"no table of kind {data.get('kind')!r}; there are {', '.join(_KINDS)}")
    return _KINDS[data["kind"]].from_dict(data)
