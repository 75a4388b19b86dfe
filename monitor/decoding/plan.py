"""A schema compiled: every path parsed, every field with its kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

from monitor.config.model import FieldDecoding, StreamConfig
from monitor.decoding.cells import category, is_field_name, plain
from monitor.decoding.paths import EACH, WRONG, Path, Template, Wrong, parse_path, parse_template
from monitor.decoding.schema import (
    INTERVAL,
    MOST_LISTED,
    ROLES,
    CellKind,
    ColumnType,
    Schema,
    interval_column,
    is_carried,
    is_reserved,
    item_column,
    quantile_column,
    relevance_column,
    score_column,
    selection_column,
)

Unwrapping: TypeAlias = Literal[FieldDecoding, "base64_json"]
"""How a text within a record is read; what lies below base64 is JSON."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One column and where its cells stand."""

    name: str
    kind: CellKind
    path: Path
    lenient: bool = False
    """Whether a cell that cannot be reached is missing and not bad: so while types are learnt."""
    size: int = 0
    """How many numbers a vector has."""


@dataclass
class Plan:
    """How the rows of one schema are read. Only ``learnt`` changes, and only when the schema names no columns."""

    schema: Schema
    id: Template
    time: Path
    version: Path | None
    roles: tuple[Cell, ...]
    where: tuple[tuple[Path, str], ...]
    decodes: Mapping[Path, Unwrapping]
    explode: Path | None
    positional: Path | None
    """The list that ``feature_names`` name the items of."""
    features: Path | None
    """The object whose fields are the features."""
    named: tuple[Cell, ...] | None
    """Features mapped one by one."""
    most: int
    learnt: dict[str, ColumnType | None] = field(default_factory=dict)
    _cells: tuple[Cell, ...] | None = None

    @property
    def by_value(self) -> bool:
        """Whether a record must be parsed to know if it belongs to the model."""
        return any(path.root == "value" for path, _ in self.where)

    @property
    def stream(self) -> StreamConfig:
        """The stream's configuration."""
        return self.schema.stream

    @property
    def learning(self) -> bool:
        """Whether types are learnt from the records."""
        return self.schema.columns is None

    def kind(self, name: str) -> CellKind:
        """Return the kind of a feature as far as it is known."""
        if self.schema.columns is not None:
            return self.schema.columns.get(name, "ignore")
        return self.learnt.get(name) or "unknown"

    def cells(self) -> tuple[Cell, ...]:
        """Return every column with its present kind, ignored ones too; the same tuple until something is learnt."""
        if self._cells is None:
            self._cells = self._make_cells()
        return self._cells

    def _make_cells(self) -> tuple[Cell, ...]:
        if self.named is not None:
            features = [self._cell(cell.name, cell.path) for cell in self.named]
        elif self.features is not None:
            names = self.learnt if self.schema.columns is None else self.schema.columns
            features = [self._cell(name, self.features.child(name)) for name in names]
        else:
            features = []
        return (*self.roles, *features)

    def _cell(self, name: str, path: Path) -> Cell:
        return Cell(name, self.kind(name), path, self.learning, self.schema.sizes.get(name, 0))

    def paths(self) -> Iterator[Path]:
        """Yield every path that is read, apart from features that are learnt."""
        yield from (part for part in self.id if isinstance(part, Path))
        yield self.time
        if self.version is not None:
            yield self.version
        yield from (path for path, _ in self.where)
        yield from (cell.path for cell in self.cells())
        yield from (path for path in (self.explode, self.positional, self.features) if path is not None)

    def textual(self, path: Path) -> bool:
        """Whether the place holds text only, so that numbers are read out of text."""
        if path.root == "row" and self.explode is not None:
            path = Path("value", self.explode.steps + path.steps)
        how = [self.decodes[outer] for outer in self.decodes if path.within(outer)]
        return how[-1] == "csv" if how else path.root in {"key", "headers"}

    def learn(self, name: str, value: object, path: Path) -> bool:
        """Let a field's value decide its type where that is open. Returns whether it could not be taken in."""
        value = None if value is WRONG else value
        known = self.learnt.get(name)
        if known is not None or (value is None and name in self.learnt):
            return False
        if name not in self.learnt and (len(self.learnt) >= self.most or not is_field_name(name)):
            return True
        if isinstance(value, str) and self.textual(path):
            value = plain(value)
        self._cells = None
        self.learnt[name] = "ignore" if is_reserved(name) else _type_of(value)
        return False

    @cached_property
    def reserved(self) -> set[str]:
        """Fields of the features' object that are mapped as something else."""
        if self.features is None:
            return set()
        depth = len(self.features.steps)
        other = [path for path in self.paths() if path.within(self.features) and len(path.steps) > depth]
        features = {cell.path for cell in self.cells()} - {cell.path for cell in self.roles}
        heads = {path.steps[depth] for path in other if path not in features}
        return {head for head in heads if isinstance(head, str)}


def _type_of(value: object) -> ColumnType | None:
    if value is None:
        return None
    if isinstance(value, str | bool):
        return "categorical"
    return "numeric" if isinstance(value, int | float) else "ignore"


def compile_plan(schema: Schema, most: int) -> Plan:
    """Compile a schema; ``most`` features at most are learnt.

    Raises
    ------
    ValueError
        When a path cannot be parsed, or does not fit its place.
    """
    stream, mapped = schema.stream, schema.stream.map
    explode = parse_path(stream.explode) if stream.explode else None
    if explode is not None and (explode.root != "value" or EACH not in explode.steps):
        raise ValueError(f"explode {stream.explode!r}: must start at value and hold [*]")
    features, named, positional = _features(schema)
    plan = Plan(
        schema=schema,
        id=parse_template(mapped.id),
        time=parse_path(mapped.time),
        version=parse_path(mapped.version) if mapped.version else None,
        roles=tuple(_roles(schema)),
        where=tuple((parse_path(path), _wanted(path, value)) for path, value in stream.where.items()),
        decodes=_decodes(mapped.decode),
        explode=explode,
        positional=positional,
        features=features,
        named=named,
        most=most,
        learnt=dict(schema.learnt),
    )
    if plan.learning:
        for cell in named or ():
            plan.learnt.setdefault(cell.name, None)
    _check(plan)
    for path, how in plan.decodes.items():
        if how == "base64" and any(below != path and below.within(path) for below in plan.paths()):
            plan.decodes = {**plan.decodes, path: "base64_json"}
    return plan


def _decodes(texts: Mapping[str, FieldDecoding]) -> dict[Path, Unwrapping]:
    """Compile the decodings, outer ones first."""
    found: dict[Path, Unwrapping] = {parse_path(text): how for text, how in texts.items()}
    return dict(sorted(found.items(), key=lambda item: len(item[0].steps)))


def _wanted(path: str, value: object) -> str:
    wanted = category(value)
    if wanted is None or isinstance(wanted, Wrong):
        raise ValueError(f"where {path}: needs a text, a finite number or a bool")
    return wanted


def _roles(schema: Schema) -> Iterator[Cell]:
    outcome: CellKind = "categorical" if schema.classification else "numeric"
    kinds: dict[str, CellKind] = {
        "score": "numeric", "prediction": outcome, "label": outcome, "latency": "numeric", "error": "flag",
        "retract": "flag", "entity": "categorical",
    }  # fmt: skip
    for name in ROLES:
        path = getattr(schema.stream.map, name)
        if schema.ranking and name == "label":
            yield from _relevance(schema)
        elif path is not None:
            yield Cell(name, kinds[name], parse_path(path))
    yield from _scores(schema)
    if schema.stream.map.items is not None:
        items = parse_path(schema.stream.map.items)
        for place in range(MOST_LISTED):
            yield Cell(item_column(place), "categorical", items.child(place))
    kinds_of_selection: dict[str, CellKind] = {"action": "categorical", "propensity": "numeric"}
    for name, kind in kinds_of_selection.items():
        path = getattr(schema.stream.map, name)
        if path is not None:
            yield Cell(selection_column(name), kind, parse_path(path))
    for name in INTERVAL:
        path = getattr(schema.stream.map, name)
        if path is not None:
            yield Cell(interval_column(name), "numeric", parse_path(path))
    for level, path in (schema.stream.map.quantiles or {}).items():
        yield Cell(quantile_column(level), "numeric", parse_path(path))


def _relevance(schema: Schema) -> Iterator[Cell]:
    """Yield what a label says of a ranked list: the item that was chosen, or the relevance place by place."""
    mapped = schema.stream.map
    if mapped.item is not None:
        yield Cell("label", "categorical", parse_path(mapped.item))
    elif mapped.label is not None:
        path = parse_path(mapped.label)
        for place in range(MOST_LISTED):
            yield Cell(relevance_column(place), "numeric", path.child(place))


def _scores(schema: Schema) -> Iterator[Cell]:
    """Yield the scores of the classes, one a class."""
    mapped, names = schema.stream.map.scores, schema.stream.score_names
    if isinstance(mapped, dict):
        for name, path in mapped.items():
            yield Cell(score_column(name), "numeric", parse_path(path))
    elif mapped is not None:
        positional = None if names is None else [str(category(name)) for name in names]
        whole = parse_path(mapped)
        for place, name in enumerate(schema.classes if positional is None else positional):
            yield Cell(score_column(name), "numeric", whole.child(name if positional is None else place))


def _features(schema: Schema) -> tuple[Path | None, tuple[Cell, ...] | None, Path | None]:
    mapped, names = schema.stream.map.features, schema.stream.feature_names
    if mapped is None:
        return None, None, None
    if isinstance(mapped, dict):
        return None, tuple(Cell(name, "unknown", parse_path(path)) for name, path in mapped.items()), None
    path = parse_path(mapped)
    if names is None:
        return path, None, None
    return None, tuple(Cell(name, "unknown", path.child(i)) for i, name in enumerate(names)), path


def _check(plan: Plan) -> None:
    clash = [
        cell.name
        for cell in plan.cells()[len(plan.roles) :]
        if cell.name in ROLES or (is_carried(cell.name) and cell.kind != "ignore")
    ]
    if clash:
        raise ValueError(f"feature {min(clash)!r} has the name of a role; map it under another name")
    for path in plan.paths():
        if path.root in {"row", "index"} and plan.explode is None:
            raise ValueError(f"{path}: there are no rows without explode")
        if EACH in path.steps and (plan.explode is None or path.root != "value"):
            raise ValueError(f"{path}: [*] needs explode, and starts at value")
        deepest = {"key": 0, "headers": 1}.get(path.root)
        if deepest is not None and len(path.steps) > deepest and not any(path.within(d) for d in plan.decodes):
            raise ValueError(f"{path}: {path.root} holds text; say in map.decode how to read it")
    for path, _ in plan.where:
        if path.root in {"row", "index"} or EACH in path.steps:
            raise ValueError(f"where {path}: chooses records, so it cannot look at rows")
    for path in plan.decodes:
        if path.root not in {"value", "key", "headers"} or EACH in path.steps:
            raise ValueError(f"decode {path}: needs a path over value, key or headers without [*]")
