"""Typed parsing: a msgspec struct made from a mapping reads the mapped fields and skips the rest.

The struct is only a faster way to what ``text.load`` and ``cells`` say. Where it refuses a record, ``rebuild`` makes
the same object out of the untyped value, with each bad cell marked in its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import itemgetter
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec.structs import astuple

from monitor.config.model import TimeFormat
from monitor.decoding.cells import Values, category, ident, is_field_name, number
from monitor.decoding.columns import make_column, make_matrix
from monitor.decoding.paths import WRONG, Path, Step, follow
from monitor.decoding.plan import Cell
from monitor.decoding.words import Words
from monitor.events import Column, IntArray

Use: TypeAlias = Literal["id", "time", "text", "numeric", "categorical", "vector", "flag", "unknown", "ignore"]

_TYPES: Final[Mapping[Use, Any]] = {
    "id": str | int | None,
    "text": str | int | float | bool | None,
    "categorical": str | int | float | bool | None,
    "numeric": float | None,
    "unknown": None,
    "flag": object,
    "ignore": msgspec.Raw,
}
_TIMES: Final[Mapping[TimeFormat, Any]] = {
    "rfc3339": str | None, "epoch_s": int | float | None, "epoch_ms": int | float | None,
    "epoch_us": int | float | None,
}  # fmt: skip
_FEW_FIELDS: Final = 10


@dataclass
class _Node:
    """A field of the record, the uses of its value, and the fields below it."""

    children: dict[str, _Node] = field(default_factory=dict)
    uses: list[tuple[Use, Path]] = field(default_factory=list)
    attribute: str = ""
    strict: bool = False
    struct: Any = None
    absent: Any = None

    def collapse(self) -> None:
        """Read a field of several uses, or one that is looked into, as it comes; what is below goes along."""
        for child in self.children.values():
            child.collapse()
            if self.uses:
                self.uses += child.uses
        if self.uses:
            self.children = {}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a use's value is found in the parsed objects: the field of the object, of the object in it, and so on."""

    fields: tuple[int, ...]
    rest: tuple[Step, ...]
    typed: bool


@dataclass(frozen=True, slots=True)
class _Layout:
    """How some cells are read out of the objects."""

    cells: Sequence[Cell]
    names: list[str]
    single: list[tuple[Cell, bool, Words]] = field(default_factory=list)
    """Cells on their own, whether the struct has checked their type, and their texts so far."""
    groups: list[tuple[tuple[int, ...], list[int], list[str]]] = field(default_factory=list)
    """Where the object is that holds several numbers, their fields in it, their names."""


class Objects:
    """Parsed objects, and what stands in their fields; each level is taken apart once."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items
        self._rows: dict[tuple[int, ...], list[tuple[Any, ...]]] = {}
        self._columns: dict[tuple[int, ...], list[list[Any]]] = {}

    def rows(self, place: tuple[int, ...]) -> list[tuple[Any, ...]]:
        """Return the fields of the objects at a place, a tuple an object."""
        found = self._rows.get(place)
        if found is None:
            found = self._rows[place] = list(map(astuple, self.column(place) if place else self.items))
        return found

    def column(self, place: tuple[int, ...]) -> list[Any]:
        """Return what stands in one field, one value an object; of objects of few fields all are taken at once."""
        rows = self.rows(place[:-1])
        if not rows or len(rows[0]) > _FEW_FIELDS:
            return list(map(itemgetter(place[-1]), rows))
        if place[:-1] not in self._columns:
            self._columns[place[:-1]] = list(map(list, zip(*rows, strict=True)))
        return self._columns[place[:-1]][place[-1]]

    def take(self, chosen: Sequence[int]) -> Objects:
        """Return some of the objects."""
        return Objects([self.items[row] for row in chosen])


def can_type(path: Path) -> bool:
    """Whether a path leads through the fields of a record's value, so that a struct can follow it."""
    names = [step for step in path.steps if isinstance(step, str)]
    leads = path.root != "value" or (bool(path.steps) and isinstance(path.steps[0], str))
    return leads and all(map(is_field_name, names))


class Shape:
    """A struct for some uses of paths into ``value``.

    Parameters
    ----------
    uses
        Paths and what for; paths of other roots are left out.
    time_format
        Of the path that is used as time.
    loose
        Paths to read as they come, because their type is often wrong.
    strict
        The object that must not hold other fields than the ones used, if any.
    lenient
        Paths whose values are missing, not bad, where something on the way is of another shape.
    """

    def __init__(
        self,
        uses: Collection[tuple[Use, Path]],
        time_format: TimeFormat,
        loose: Collection[Path] = (),
        strict: Path | None = None,
        lenient: Collection[Path] = (),
    ) -> None:
        self._types = {**_TYPES, "time": _TIMES[time_format]}
        self._loose = frozenset(loose)
        self._lenient = frozenset(lenient)
        self._layout: _Layout | None = None
        self._root = _Node(strict=strict is not None and not strict.steps)
        self._places: dict[tuple[Use, Path], _Place] = {}
        for use, path in dict.fromkeys(uses):
            if path.root == "value":
                self._insert(use, path)
        if strict is not None:
            node = self._root
            for step in strict.steps:
                node = node.children.setdefault(str(step), _Node())
            node.strict = True
        for child in self._root.children.values():
            child.collapse()
        self._build(self._root, ())
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(self._root.struct).decode

    def _insert(self, use: Use, path: Path) -> None:
        node = self._root
        for step in path.steps:
            if not isinstance(step, str):
                break
            node = node.children.setdefault(step, _Node())
        node.uses.append((use, path))

    def _build(self, node: _Node, at: tuple[int, ...]) -> None:
        fields: list[tuple[str, Any, Any]] = []
        names: dict[str, str] = {}
        for index, (name, child) in enumerate(node.children.items()):
            child.attribute = f"f{index}"
            names[child.attribute] = name
            place = (*at, index)
            if child.uses:
                fields.append((child.attribute, *self._leaf(child, place)))
            else:
                self._build(child, place)
                default = msgspec.field(default_factory=repeat(child.absent).__next__)
                fields.append((child.attribute, child.struct, default))
        node.struct = msgspec.defstruct("Fields", fields, rename=names, gc=False, forbid_unknown_fields=node.strict)
        node.absent = node.struct()

    def _leaf(self, node: _Node, at: tuple[int, ...]) -> tuple[Any, Any]:
        typed = len(node.uses) == 1 and len(node.uses[0][1].steps) == len(_names(node.uses[0][1]))
        typed = typed and node.uses[0][1] not in self._loose and len(at) == len(node.uses[0][1].steps)
        for use, path in node.uses:
            self._places[use, path] = _Place(at, path.steps[len(at) :], typed and use in self._types)
        if not typed:
            return object, None
        use = node.uses[0][0]
        return self._types.get(use, object), math.nan if use == "numeric" else None

    def rebuild(self, value: object) -> Any:
        """Return the object that ``decode`` would make of an untyped value, or ``None`` where that is no object."""
        return self._rebuild(self._root, value) if isinstance(value, dict) else None

    def _rebuild(self, node: _Node, value: object) -> Any:
        made = {}
        for name, child in node.children.items():
            cell = value.get(name) if isinstance(value, dict) else (value if value is None else WRONG)
            made[child.attribute] = self._cell(child, cell) if child.uses else self._rebuild(child, cell)
        return node.struct(**made)

    def _cell(self, node: _Node, value: object) -> object:
        if len(node.uses) > 1 or not self._places[node.uses[0]].typed:
            return value
        if value is WRONG and node.uses[0][1] in self._lenient:
            value = None
        match node.uses[0][0]:
            case "numeric":
                return number(value)
            case "categorical" | "text":
                return category(value)
            case "id":
                return ident(value)
            case "unknown":
                return None if value is None else WRONG
            case _:
                return value

    def values(self, use: Use, path: Path, objects: Objects) -> Values:
        """Return what stands at a path, one value an object."""
        place = self._places[use, path]
        found: Values = objects.column(place.fields)
        return [follow(value, place.rest) for value in found] if place.rest else found

    def columns(
        self, cells: Sequence[Cell], objects: Objects, *, careful: bool
    ) -> tuple[dict[str, Column], dict[str, IntArray]]:
        """Return the columns of those cells that stand in the value, and the rows of the bad cells of each."""
        if self._layout is None or self._layout.cells is not cells:
            self._layout = self._lay_out(cells)
        columns: dict[str, Column] = {}
        bad: dict[str, IntArray] = {}
        for cell, typed, words in self._layout.single:
            values = self.values(cell.kind, cell.path, objects)
            made = make_column(cell, values, careful=careful or not typed, words=words)
            columns[cell.name], bad[cell.name] = made
        for place, fields, names in self._layout.groups:
            for name, (column, rows) in zip(names, make_matrix(objects.rows(place), fields), strict=True):
                columns[name], bad[name] = column, rows
        return {name: columns[name] for name in self._layout.names}, bad

    def _lay_out(self, cells: Sequence[Cell]) -> _Layout:
        """Sort cells into those that are read one by one, and numbers of one object that are read together."""
        used = [c for c in cells if c.path.root == "value" and c.kind not in {"unknown", "ignore"}]
        layout = _Layout(cells, [cell.name for cell in used])
        groups: dict[tuple[int, ...], list[Cell]] = {}
        for cell in used:
            place = self._places[cell.kind, cell.path]
            if cell.kind == "numeric" and place.typed:
                groups.setdefault(place.fields[:-1], []).append(cell)
            else:
                layout.single.append((cell, place.typed, Words()))
        for parents, group in groups.items():
            group.sort(key=lambda cell: self._places["numeric", cell.path].fields)
            fields = [self._places["numeric", cell.path].fields[-1] for cell in group]
            layout.groups.append((parents, fields, [cell.name for cell in group]))
        return layout


def _names(path: Path) -> list[str]:
    names: list[str] = []
    for step in path.steps:
        if not isinstance(step, str):
            break
        names.append(step)
    return names
