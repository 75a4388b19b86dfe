"""A bounded sample of rows that depends on the rows only, not on how they were cut or, ids being unique, ordered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.events import Column, IntArray

Hashes = NDArray[np.uint64]


@dataclass(slots=True)
class Sample:
    """The rows whose ids have the smallest hashes (bottom-k), ``limit`` at most; of equal ones, the first.

    Examples
    --------
    >>> sample = Sample(2)
    >>> sample.add(np.array([9, 3, 5], np.uint64), {"x": np.array([0.9, 0.3, 0.5])})
    >>> sample.columns()
    {'x': array([0.3, 0.5])}
    """

    limit: int
    hashes: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))
    _names: dict[str, bool] = field(default_factory=dict)
    """Column → whether it is numeric."""
    _parts: list[tuple[Hashes, dict[str, Column]]] = field(default_factory=list)
    _rows: int = 0
    _bound: int | None = None
    """Once the sample is full: rows with this hash or a greater one are not in it."""

    def add(self, hashes: Hashes, columns: Mapping[str, Column]) -> None:
        """Offer rows; a column that is absent is missing in these rows."""
        for name, cells in columns.items():
            self._names.setdefault(name, not isinstance(cells, list))
        chosen = np.arange(len(hashes)) if self._bound is None else np.flatnonzero(hashes < np.uint64(self._bound))
        if not len(chosen):
            return
        self._parts.append((hashes[chosen], {name: take(cells, chosen) for name, cells in columns.items()}))
        self._rows += len(chosen)
        if self._rows > 2 * self.limit:
            self._compact()

    def columns(self) -> dict[str, Column]:
        """Return the sample in the order of the hashes."""
        self._compact()
        return dict(self._parts[0][1]) if self._parts else {}

    def __len__(self) -> int:
        return min(self._rows, self.limit)

    def _compact(self) -> None:
        if not self._parts:
            return
        hashes = np.concatenate([part[0] for part in self._parts])
        order = np.argsort(hashes, kind="stable")[: self.limit]
        columns = {name: take(self._joined(name), order) for name in self._names}
        self.hashes = hashes[order]
        self._parts = [(self.hashes, columns)]
        self._rows = len(order)
        if len(order) == self.limit:
            self._bound = int(self.hashes[-1])

    def _joined(self, name: str) -> Column:
        parts = [(len(hashes), columns.get(name)) for hashes, columns in self._parts]
        if self._names[name]:
            return np.concatenate(
                [np.full(rows, np.nan) if isinstance(c, list) or c is None else c for rows, c in parts]
            )
        texts: list[str | None] = []
        for rows, cells in parts:
            texts.extend(cells if isinstance(cells, list) else [None] * rows)
        return texts


def take(cells: Column, rows: IntArray) -> Column:
    """Return some cells of a column."""
    if isinstance(cells, list):
        return [cells[row] for row in rows.tolist()]
    return cells[rows]
