"""Rows that are parsed but not yet columns: out of typed objects, or out of untyped documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from monitor.decoding.cells import Values, plain
from monitor.decoding.columns import make_column
from monitor.decoding.paths import EACH, INNER, Path, follow
from monitor.decoding.plan import Cell, Plan
from monitor.decoding.typed import Objects, Shape, Use
from monitor.events import Column, IntArray


class Table(Protocol):
    """Rows with the record each came from."""

    @property
    def records(self) -> Sequence[int]:
        """Index of each row's record."""
        ...

    @property
    def careful(self) -> bool:
        """Whether texts may be too long or hold lone surrogates."""
        ...

    @property
    def numbers(self) -> Sequence[int] | None:
        """Index of each row within its record; ``None`` when a record is a row."""
        ...

    def values(self, use: Use, path: Path) -> Values:
        """Return what stands at a path in the value or the row, one a row."""
        ...

    def columns(self, cells: Sequence[Cell]) -> tuple[dict[str, Column], dict[str, IntArray]]:
        """Return the columns that stand in the value, and the rows of the bad cells of each."""
        ...

    def take(self, rows: Sequence[int]) -> Self:
        """Return some of the rows."""
        ...


@dataclass(frozen=True, slots=True)
class TypedTable:
    """Rows as objects of a ``Shape``."""

    shape: Shape
    objects: Objects
    records: Sequence[int]
    careful: bool
    numbers: None = None

    def values(self, use: Use, path: Path) -> Values:
        """Return what stands at a path, one a row."""
        return self.shape.values(use, path, self.objects)

    def columns(self, cells: Sequence[Cell]) -> tuple[dict[str, Column], dict[str, IntArray]]:
        """Return columns and the rows of the bad cells of each."""
        return self.shape.columns(cells, self.objects, careful=self.careful)

    def take(self, rows: Sequence[int]) -> TypedTable:
        """Return some of the rows."""
        return TypedTable(self.shape, self.objects.take(rows), [self.records[row] for row in rows], self.careful)


@dataclass(frozen=True, slots=True)
class LooseTable:
    """Rows as untyped documents; with ``explode``, one of the rows of its document each."""

    plan: Plan
    documents: list[object]
    rows: list[object]
    records: Sequence[int]
    numbers: list[int] | None
    careful: bool = True

    def values(self, use: Use, path: Path) -> Values:  # noqa: ARG002 - one protocol for both tables
        """Return what stands at a path, one a row."""
        if path.root == "index":
            return list(self.numbers or ())
        if path.root == "row":
            return [follow(row, path.steps) for row in self.rows]
        if EACH not in path.steps:
            return [follow(document, path.steps) for document in self.documents]
        at = path.steps.index(EACH)
        before, after = path.steps[:at], path.steps[at + 1 :]
        return [
            follow(follow(document, (*before, number)), after)
            for document, number in zip(self.documents, self.numbers or (), strict=True)
        ]

    def columns(self, cells: Sequence[Cell]) -> tuple[dict[str, Column], dict[str, IntArray]]:
        """Return columns and the rows of the bad cells of each."""
        columns: dict[str, Column] = {}
        bad: dict[str, IntArray] = {}
        holders: dict[Path, Values] = {}
        for cell in cells:
            if cell.path.root in INNER and cell.kind in {"numeric", "categorical", "vector", "flag"}:
                values = self._cell_values(cell.path, holders)
                if cell.kind == "numeric" and self.plan.textual(cell.path):
                    values = [plain(value) for value in values]
                columns[cell.name], bad[cell.name] = make_column(cell, values, careful=True)
        return columns, bad

    def _cell_values(self, path: Path, holders: dict[Path, Values]) -> Values:
        """Return what stands at a path; what holds several cells is looked up once."""
        if not path.steps or EACH in path.steps:
            return self.values("flag", path)
        parent, last = Path(path.root, path.steps[:-1]), path.steps[-1]
        if parent not in holders:
            holders[parent] = self.values("flag", parent)
        return [held.get(last) if type(held) is dict else follow(held, (last,)) for held in holders[parent]]

    def take(self, rows: Sequence[int]) -> LooseTable:
        """Return some of the rows."""
        return LooseTable(
            self.plan,
            [self.documents[row] for row in rows],
            [self.rows[row] for row in rows],
            [self.records[row] for row in rows],
            None if self.numbers is None else [self.numbers[row] for row in rows],
        )
