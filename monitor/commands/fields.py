"""The fields of some records, each with its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from monitor.decoding.cells import Values, is_field_name, plain
from monitor.decoding.paths import Path, parse_path

FieldKind: TypeAlias = Literal["text", "integer", "number", "bool", "list", "mixed", "empty"]

_DEEPEST: Final = 5
_MOST: Final = 2000
_KINDS: Final[dict[type, FieldKind]] = {str: "text", int: "integer", float: "number", bool: "bool", list: "list"}


@dataclass(frozen=True)
class Field:
    """One field and what stands in it."""

    path: str
    name: str
    parent: str
    kind: FieldKind
    values: Values
    """Without nulls."""
    records: int

    @classmethod
    def of(cls, path: str, values: Values, name: str | None = None) -> Field:
        """Return the field at a path, given its value in every record (``None`` where it is missing)."""
        present: Values = [value for value in values if value is not None]
        if name is not None:
            return cls(path, name, "", _kind_of(present), present, len(values))
        compiled = parse_path(path)
        last = str(compiled.steps[-1]) if compiled.steps else compiled.root
        parent = str(Path(compiled.root, compiled.steps[:-1])) if compiled.steps else ""
        return cls(path, last, parent, _kind_of(present), present, len(values))

    @property
    def is_scalar(self) -> bool:
        """Whether it could be a column."""
        return self.kind in {"text", "integer", "number", "bool"}

    @property
    def textual(self) -> bool:
        """Whether the place holds text only."""
        return self.path.startswith(("key", "headers"))

    @property
    def numbers(self) -> Values:
        """The values, with numbers read out of texts."""
        return [plain(value) for value in self.values]

    @property
    def present(self) -> float:
        """Share of the records that have it."""
        return len(self.values) / max(1, self.records)

    @property
    def distinct(self) -> int:
        """How many different values there are."""
        return len({repr(value) for value in self.values})

    @property
    def depth(self) -> int:
        """Steps from the root."""
        return len(parse_path(self.path).steps)

    @property
    def width(self) -> int:
        """Length of the longest list."""
        return max((len(value) for value in self.values if isinstance(value, list)), default=0)

    def items(self, index: int) -> Values:
        """Return what stands at an index of each list."""
        return [value[index] if isinstance(value, list) and index < len(value) else None for value in self.values]


def _kind_of(values: Values) -> FieldKind:
    kinds: set[FieldKind] = {_KINDS.get(type(value), "mixed") for value in values}
    if kinds == {"integer", "number"}:
        return "number"
    return kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "empty"


def scan(documents: Sequence[object], root: str) -> list[Field]:
    """Return the fields of some documents, in the order in which they first appear."""
    found: dict[Path, list[tuple[int, object]]] = {}
    start = parse_path(root)
    for place, document in enumerate(documents):
        if isinstance(document, dict):
            _collect(document, start, place, found)
        elif isinstance(document, list):
            found.setdefault(start, []).append((place, document))
    fields = []
    for path, entries in found.items():
        values: Values = [None] * len(documents)
        for place, value in entries:
            values[place] = value
        fields.append(Field.of(str(path), values))
    return fields


def _collect(value: dict[str, object], at: Path, place: int, found: dict[Path, list[tuple[int, object]]]) -> None:
    for name, inner in value.items():
        if not is_field_name(name):
            continue
        path = at.child(name)
        if isinstance(inner, dict):
            if len(path.steps) < _DEEPEST:
                _collect(inner, path, place, found)
        elif path in found or len(found) < _MOST:
            found.setdefault(path, []).append((place, inner))
