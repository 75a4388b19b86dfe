"""Which cell of a pane's flat count vector belongs to which column."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import msgspec
import numpy as np

from monitor.events import Column, IntArray

ROWS = "rows"


class Coder(Protocol):
    """Turns the cells of one column into small integers; bins and categories do."""

    @property
    def cells(self) -> int:
        """How many codes there are."""
        ...

    @property
    def identity(self) -> str:
        """A hash of all that decides which value gets which code."""
        ...

    def code(self, values: Any, bad: IntArray | None = None) -> IntArray:
        """Return one code a row, in ``[0, cells)``."""
        ...


@dataclass(frozen=True)
class Layout:
    """Columns side by side in one vector of counts; the first cell counts rows.

    Two layouts of equal ``identity`` give every row the same cells.
    """

    coders: Mapping[str, Coder]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns, in the order of their cells."""
        return tuple(self.coders)

    @cached_property
    def spans(self) -> dict[str, tuple[int, int]]:
        """Column → first cell and the cell after its last."""
        spans: dict[str, tuple[int, int]] = {ROWS: (0, 1)}
        start = 1
        for name, coder in self.coders.items():
            spans[name] = (start, start + coder.cells)
            start += coder.cells
        return spans

    @cached_property
    def size(self) -> int:
        """Cells in all."""
        return 1 + sum(coder.cells for coder in self.coders.values())

    @cached_property
    def identity(self) -> str:
        """Hash over the columns and their codes."""
        return hashlib.blake2b(self.describe(), digest_size=8).hexdigest()

    def describe(self) -> bytes:
        """Return what a later process needs to read vectors of this layout: columns, identities, cells."""
        rows = [[name, coder.identity, coder.cells] for name, coder in self.coders.items()]
        return msgspec.msgpack.encode(rows)

    def code(self, columns: Mapping[str, Column], bad: Mapping[str, IntArray], rows: int) -> IntArray:
        """Return the cell index of every column (axis 0) and row (axis 1); a column that is absent is missing."""
        codes = np.empty((len(self.coders), rows), np.int64)
        for place, (name, coder) in enumerate(self.coders.items()):
            values = columns.get(name)
            if values is None:
                values = np.full(rows, np.nan) if getattr(coder, "numeric", True) else [None] * rows
            np.add(coder.code(values, bad.get(name)), self.spans[name][0], out=codes[place])
        return codes

    def remap(self, description: bytes, vector: IntArray) -> IntArray:
        """Carry a vector of an older layout over: equal columns keep their counts, changed ones start from nothing."""
        out = np.zeros(self.size, np.int64)
        out[0] = vector[0]
        start = 1
        old: Sequence[tuple[str, str, int]] = msgspec.msgpack.decode(description)
        for name, identity, cells in old:
            coder = self.coders.get(name)
            if coder is not None and coder.identity == identity:
                first, last = self.spans[name]
                out[first:last] = vector[start : start + cells]
            start += cells
        return out
