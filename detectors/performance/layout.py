"""Where the cells of a table are: named blocks, one behind the other, in a flat vector that is linear in rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.fixed import MOST_ROWS

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

_PART: Final = 1 << 14
"""Rows counted at once; their columns stay in the cache of a core."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Names and shapes of blocks; the first must be ``rows``, a single cell.

    Examples
    --------
    >>> layout = Layout({"rows": (), "confusion": (2, 2)})
    >>> layout.size, layout.names[:3]
    (5, ('rows', 'confusion[0,0]', 'confusion[0,1]'))
    >>> layout.cells(np.array([[6, 1, 2, 3, 0]]))["confusion"].tolist()
    [[[1, 2], [3, 0]]]
    """

    blocks: Mapping[str, tuple[int, ...]]

    @cached_property
    def starts(self) -> dict[str, int]:
        """Block → its first cell."""
        starts, place = {}, 0
        for name, shape in self.blocks.items():
            starts[name] = place
            place += prod(shape)
        return starts

    @cached_property
    def size(self) -> int:
        """Cells of a table."""
        return sum(map(prod, self.blocks.values()))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for each cell."""
        return tuple(
            f"{name}[{','.join(map(str, place))}]" if shape else name
            for name, shape in self.blocks.items()
            for place in product(*map(range, shape))
        )

    def cells(self, tables: IntArray) -> dict[str, IntArray]:
        """Return the blocks of tables ``[J, size]``, each ``[J, *shape]``.

        Raises
        ------
        ValueError
            When the shape is another, or more rows were taken away than were counted.
        OverflowError
            When a table has more rows than its sums can hold.
        """
        if tables.ndim != 2 or tables.shape[1] != self.size:
            raise ValueError(f"tables of shape {tables.shape}, but a table has {self.size} cells")
        if tables.size and tables[:, 0].min() < 0:
            raise ValueError("more rows were taken away than were counted")
        if tables.size and tables[:, 0].max() > MOST_ROWS:
            raise OverflowError(f"a table holds {MOST_ROWS} rows at most")
        return {
            name: tables[:, start : start + prod(shape)].reshape(len(tables), *shape)
            for (name, shape), start in zip(self.blocks.items(), self.starts.values(), strict=True)
        }


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows on their way into the cells: where each row's tables begin, and its weight."""

    layout: Layout
    flat: IntArray
    bases: tuple[IntArray | int, ...]
    """One a table that each row counts in; a number when all rows go to one table."""
    weight: IntArray | int
    number: int

    def only(self, chosen: BoolArray) -> Rows:
        """Return these rows alone."""
        number = int(np.count_nonzero(chosen))
        if number == self.number:
            return self
        bases = tuple(base if isinstance(base, int) else base[chosen] for base in self.bases)
        weight = self.weight if isinstance(self.weight, int) else self.weight[chosen]
        return Rows(self.layout, self.flat, bases, weight, number)

    def count(self, block: str, cell: IntArray | int = 0) -> None:
        """Count each row in a cell of the block."""
        place = cell + self.layout.starts[block]
        for base in self.bases:
            self._add(base + place, self.weight)

    def add(self, block: str, limbs: IntArray, cell: IntArray | int = 0) -> None:
        """Add each row's number, in limbs ``[limbs, n]``, to a sum of the block; its shape ends with the limbs."""
        place = cell * len(limbs) + self.layout.starts[block]
        for limb, part in enumerate(limbs):
            units = part if isinstance(self.weight, int) else part * self.weight
            for base in self.bases:
                self._add(base + (place + limb), units)

    def _add(self, place: IntArray | int, units: IntArray | int) -> None:
        if isinstance(place, int):
            self.flat[place] += units * self.number if isinstance(units, int) else units.sum()
        elif isinstance(units, int):
            np.add.at(self.flat, place, np.broadcast_to(np.int64(units), len(place)))
        else:
            np.add.at(self.flat, place, units)


def parts(
    layout: Layout, tables: IntArray, rows: int, group: IntArray | None, weight: IntArray | None
) -> Iterator[tuple[slice, Rows]]:
    """Yield rows in parts, ready to be counted into tables ``[groups, size]`` of zeros.

    Raises
    ------
    ValueError
        When a column has another length, or a group does not exist.
    OverflowError
        When the rows are more than a table can hold.
    """
    groups = () if group is None else (group,) if group.ndim == 1 else tuple(group)
    check_length(rows, weight=weight, **{f"group {place}": one for place, one in enumerate(groups)})
    if rows and any(one.min() < 0 or one.max() >= len(tables) for one in groups):
        raise ValueError(f"a group is not between 0 and {len(tables) - 1}")
    heaviest = rows if weight is None else np.abs(weight.astype(np.float64)).sum()
    if heaviest * max(1, len(groups)) > MOST_ROWS:
        raise OverflowError(f"a table holds {MOST_ROWS} rows at most")
    flat = tables.reshape(-1)
    for start in range(0, rows, _PART):
        part = slice(start, min(start + _PART, rows))
        bases = (0,) if group is None else tuple(one[part] * layout.size for one in groups)
        yield part, Rows(layout, flat, bases, 1 if weight is None else weight[part], part.stop - start)


def check_length(rows: int, **columns: NDArray[np.generic] | None) -> None:
    """Refuse columns that are not of ``rows`` rows."""
    for name, column in columns.items():
        if column is not None and column.shape != (rows,):
            raise ValueError(f"{name} has shape {column.shape}, but there are {rows} rows")
