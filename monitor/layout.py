"""Which cell of a pane's flat count vector belongs to which column."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import msgspec
import numpy as np
from scipy.sparse import csr_array

from monitor.events import Column, IntArray
from monitor.slices import Cross, Key, Slicing


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


class Summed(Protocol):
    """Rows of whole numbers from 0 on, ``[rows, cells]``, that are added up instead of counted."""

    @property
    def cells(self) -> int:
        """Numbers in a row."""
        ...

    @property
    def identity(self) -> str:
        """A hash of all that decides what a row becomes."""
        ...


@dataclass(frozen=True)
class Layout:
    """Columns side by side in one vector of counts; the first cell counts rows.

    Two layouts of equal ``identity`` give every row the same cells.
    """

    coders: Mapping[str, Coder]
    crosses: Mapping[Key, Cross] = field(default_factory=dict)
    """What is counted a slice at a time, from the codes of the columns."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Column → where its cells come from; counts of another origin are not taken over."""
    sums: Mapping[str, Summed] = field(default_factory=dict)
    """What is added up, not counted; its cells are the last."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns, in the order of their cells."""
        return tuple(self.coders)

    @cached_property
    def spans(self) -> dict[str, tuple[int, int]]:
        """Column → first cell and the cell after its last."""
        spans: dict[str, tuple[int, int]] = {}
        start = 1
        for name, coder in self.coders.items():
            spans[name] = (start, start + coder.cells)
            start += coder.cells
        return spans

    @cached_property
    def cross_spans(self) -> dict[Key, tuple[int, int]]:
        """Cross → first cell and the cell after its last; these follow those of the columns."""
        spans: dict[Key, tuple[int, int]] = {}
        start = 1 + sum(coder.cells for coder in self.coders.values())
        for key, cross in self.crosses.items():
            spans[key] = (start, start + cross.cells)
            start += cross.cells
        return spans

    @cached_property
    def sum_spans(self) -> dict[str, tuple[int, int]]:
        """What is added up → first cell and the cell after its last."""
        spans: dict[str, tuple[int, int]] = {}
        start = self._counted
        for name, summed in self.sums.items():
            spans[name] = (start, start + summed.cells)
            start += summed.cells
        return spans

    @cached_property
    def slicings(self) -> tuple[Slicing, ...]:
        """The slicings, each once."""
        return tuple({cross.slicing.columns: cross.slicing for cross in self.crosses.values()}.values())

    @cached_property
    def size(self) -> int:
        """Cells in all."""
        return self._counted + sum(summed.cells for summed in self.sums.values())

    @cached_property
    def _counted(self) -> int:
        columns = sum(coder.cells for coder in self.coders.values())
        return 1 + columns + sum(cross.cells for cross in self.crosses.values())

    @cached_property
    def identity(self) -> str:
        """Hash over the columns and their codes."""
        return hashlib.blake2b(self.describe(), digest_size=8).hexdigest()

    def describe(self) -> bytes:
        """Return what a later process needs to read vectors of this layout: parts, identities, cells."""
        rows: list[list[Any]] = [[name, self._identity(name), coder.cells] for name, coder in self.coders.items()]
        rows += [[[list(key[0]), key[1]], self._cross_identity(key), c.cells] for key, c in self.crosses.items()]
        rows += [[name, self._identity(name), summed.cells] for name, summed in self.sums.items()]
        return msgspec.msgpack.encode(rows)

    def codes(
        self,
        columns: Mapping[str, Column],
        bad: Mapping[str, IntArray],
        rows: int,
        coded: Mapping[str, IntArray] | None = None,
    ) -> Iterator[tuple[tuple[int, int], IntArray]]:
        """Yield the span of every column, then of every cross, with the cell of each row within it.

        A column that is absent is missing; one that is ``coded`` by its coder already is not coded again.
        """
        known: dict[str, IntArray] = {}
        done = coded or {}
        for name, coder in self.coders.items():
            values = columns.get(name)
            if values is None:
                values = np.full(rows, np.nan) if getattr(coder, "numeric", True) else [None] * rows
            codes = done[name] if name in done else coder.code(values, bad.get(name))
            if name in self._crossed:
                known[name] = codes
            yield self.spans[name], codes
        places = {slicing.columns: slicing.places(known) for slicing in self.slicings}
        for key, cross in self.crosses.items():
            yield self.cross_spans[key], cross.code(places[key[0]], known)

    def code(self, columns: Mapping[str, Column], bad: Mapping[str, IntArray], rows: int) -> IntArray:
        """Return the index in the vector for every column and cross (axis 0) and row (axis 1)."""
        codes = np.empty((len(self.coders) + len(self.crosses), rows), np.int64)
        for place, ((first, _), found) in enumerate(self.codes(columns, bad, rows)):
            np.add(found, first, out=codes[place])
        return codes

    def tally(
        self,
        columns: Mapping[str, Column],
        bad: Mapping[str, IntArray],
        groups: IntArray,
        number: int,
        coded: Mapping[str, IntArray] | None = None,
    ) -> IntArray:
        """Count rows into one vector a group; ``groups`` holds the group of every row, in ``[0, number)``."""
        counts = np.empty((number, self.size), np.int64)
        counts[:, 0] = np.bincount(groups, minlength=number)
        for (first, last), codes in self.codes(columns, bad, len(groups), coded):
            cells = last - first
            flat = codes if number == 1 else groups * cells + codes
            counts[:, first:last] = np.bincount(flat, minlength=number * cells).reshape(number, cells)
        self.add_up(counts, columns, groups)
        return counts

    def add_up(
        self, counts: IntArray, columns: Mapping[str, Column], groups: IntArray, rows: IntArray | None = None
    ) -> None:
        """Fill in what is added up, one vector a group; of all rows, or of those at ``rows``.

        Exact whatever the order: floats hold these sums of whole numbers.
        """
        for name, (first, last) in self.sum_spans.items():
            values = columns.get(name)
            if values is None or isinstance(values, list):
                counts[:, first:last] = 0
                continue
            chosen = values if rows is None else values[rows]
            if len(counts) == 1:
                counts[0, first:last] = chosen.sum(axis=0)
                continue
            member = csr_array((np.ones(len(groups)), (groups, np.arange(len(groups)))), (len(counts), len(groups)))
            counts[:, first:last] = np.asarray(member @ chosen)

    def remap(self, description: bytes, vector: IntArray) -> IntArray:
        """Carry a vector of an older layout over: equal parts keep their counts, changed ones start from nothing."""
        out = np.zeros(self.size, np.int64)
        out[0] = vector[0]
        own = {name: (self._identity(name), self.spans[name]) for name in self.coders}
        own |= {name: (self._identity(name), self.sum_spans[name]) for name in self.sums}
        slices = {key: (self._cross_identity(key), self.cross_spans[key]) for key in self.crosses}
        start = 1
        old: Sequence[tuple[Any, str, int]] = msgspec.msgpack.decode(description)
        for name, identity, cells in old:
            part = own.get(name) if isinstance(name, str) else slices.get((tuple(name[0]), name[1]))
            if part is not None and part[0] == identity:
                first, last = part[1]
                out[first:last] = vector[start : start + cells]
            start += cells
        return out

    def _identity(self, column: str) -> str:
        origin = self.origins.get(column)
        identity = (self.sums[column] if column in self.sums else self.coders[column]).identity
        return f"{identity}@{origin}" if origin else identity

    def _cross_identity(self, key: Key) -> str:
        origins = ",".join(self.origins.get(name, "") for name in (*key[0], key[1]))
        identity = self.crosses[key].identity
        return f"{identity}@{origins}" if origins.strip(",") else identity

    @cached_property
    def _crossed(self) -> frozenset[str]:
        """Columns whose codes decide a slice, or are counted in slices."""
        return frozenset({name for columns, target in self.crosses for name in (*columns, target)})
