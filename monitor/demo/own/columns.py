"""What stands in each column of a file, as far as its first rows tell."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, TypeAlias

import numpy as np

from monitor.decoding.cells import Values
from monitor.decoding.schema import ColumnType
from monitor.demo.own.moments import TIMESTAMPS, TimeForm, form_of
from monitor.events import FloatArray
from monitor.reference.tables import Columns, Table, as_number, is_nothing

Kind: TypeAlias = Literal["number", "number, decimal comma", "category", "time", "empty", "other"]

SAMPLED: Final = 5_000
_CELLS: Final = 500_000
_MOSTLY: Final = 0.95
_FEW: Final = 100
"""With fewer values nothing can be said about how they repeat."""
_INFINITE: Final = frozenset({"inf", "+inf", "-inf", "infinity", "-infinity"})
_COMMA = re.compile(r"\s*[+-]?\d{1,15},\d+\s*", re.ASCII)
_ID = re.compile(r"(?i:(?:^|[._ -])(?:id|uuid|guid|key|index))$|[a-z](?:Id|ID)$")


@dataclass(frozen=True)
class Sampled:
    """One column of the first rows."""

    name: str
    values: Values
    stated: ColumnType | None
    """What the file itself says; ``None`` for a file without types."""
    stamped: bool = False
    """Whether the file types it as timestamps."""

    @cached_property
    def present(self) -> Values:
        """Its values that are not missing."""
        return [value for value in self.values if not is_nothing(value)]

    @cached_property
    def numbers(self) -> FloatArray:
        """Its present values as numbers, infinity for what is none."""
        return np.array([_number(value) for value in self.present], np.float64)

    @cached_property
    def kind(self) -> Kind:
        """What it holds."""
        if not self.present:
            return "empty"
        if not self.stamped and (self.stated == "numeric" or (self.stated is None and self._numeric("plain"))):
            return "number"
        if self.form[1] >= _MOSTLY:
            return "time"
        if self.stated is None and self._numeric("comma"):
            return "number, decimal comma"
        scalars = sum(isinstance(value, str | bool | int | float) for value in self.present)
        return "category" if scalars > len(self.present) / 2 else "other"

    @cached_property
    def form(self) -> tuple[TimeForm | None, float]:
        """How its times are written, and how many of its values are such times."""
        return (TIMESTAMPS, 1.0) if self.stamped else form_of(self.present)

    @property
    def distinct(self) -> int:
        """How many different values there are."""
        return len({repr(value) for value in self.present})

    @property
    def counts_up(self) -> bool:
        """Whether it is the number of the row: whole numbers that go up (or down) by one."""
        if self.kind != "number" or len(self.present) < _FEW // 2:
            return False
        steps = np.diff(self.numbers[np.isfinite(self.numbers)])
        ones = max(np.count_nonzero(steps == 1), np.count_nonzero(steps == -1))
        return bool(ones >= _MOSTLY * len(steps))

    @property
    def identifies(self) -> bool:
        """Whether it is an id or free text: hardly any value comes twice."""
        if len(self.present) < _FEW or self.distinct <= len(self.present) / 2:
            return False
        whole = self.kind == "number" and bool((np.floor(self.numbers) == self.numbers).all())
        return self.kind == "category" or (whole and _ID.search(self.name) is not None)

    def useless(self) -> str | None:
        """Return why it is no feature, ``None`` if it is one."""
        if self.kind == "empty":
            return "no values"
        if self.kind == "time":
            return "a time"
        if self.kind == "other":
            return "neither numbers nor texts"
        if self.counts_up:
            return "counts the rows"
        return "an id or free text" if self.identifies else None

    def _numeric(self, way: Literal["plain", "comma"]) -> bool:
        fits = np.isfinite(self.numbers)
        odd = [value for value, fit in zip(self.present, fits.tolist(), strict=True) if not fit]
        if way == "comma":
            commas = sum(map(_has_comma, odd))
            return commas > 0 and len(odd) - commas <= (1 - _MOSTLY) * len(fits)
        return sum(not _is_infinite(value) for value in odd) <= (1 - _MOSTLY) * len(fits)


@dataclass(frozen=True)
class Sample:
    """The first rows of a file."""

    rows: int
    columns: Mapping[str, Sampled] = field(default_factory=dict)

    def documents(self, most: int) -> list[dict[str, object]]:
        """Return the first rows as objects, as a log would have them: texts that are numbers or times as such."""
        typed = {name: _typed(column, column.values[:most]) for name, column in self.columns.items()}
        rows = [dict(zip(typed, cells, strict=True)) for cells in zip(*typed.values(), strict=True)]
        return [nested(row) for row in rows]


def read_sample(table: Table) -> Sample:
    """Read up to 5,000 rows; fewer where there are many columns."""
    most = max(500, min(SAMPLED, _CELLS // max(len(table.names), 1)))
    seen: dict[str, Values] = {name: [] for name in table.names}
    for chunk in table.chunks():
        _extend(seen, chunk, most)
        if all(len(values) >= most for values in seen.values()):
            break
    stated = table.kinds(table.names) if table.typed else {}
    columns = {
        name: Sampled(name, values, stated.get(name), stamped=table.moments(name, [], "rfc3339")[1] == "epoch_us")
        for name, values in seen.items()
    }
    return Sample(max(map(len, seen.values()), default=0), columns)


def nested(row: Mapping[str, object]) -> dict[str, object]:
    """Return a row with its dotted names as nested objects again, where no name stands in the way.

    >>> nested({"id": 1, "x.a": 2, "x.b": 3})
    {'id': 1, 'x': {'a': 2, 'b': 3}}
    >>> nested({"x": 1, "x.a": 2})
    {'x': 1, 'x.a': 2}
    """
    found: dict[str, object] = {}
    for name, value in row.items():
        *outer, last = name.split(".")
        if not all(name.split(".")) or any(".".join(outer[: place + 1]) in row for place in range(len(outer))):
            found[name] = value
            continue
        inner = found
        for step in outer:
            deeper = inner.setdefault(step, {})
            inner = deeper if isinstance(deeper, dict) else found
        inner[last] = value
    return found


def with_points(values: Sequence[object]) -> Values:
    """Return texts with their decimal commas as points."""
    return [value.replace(",", ".") if isinstance(value, str) and _has_comma(value) else value for value in values]


def _extend(seen: Mapping[str, Values], chunk: Columns, most: int) -> None:
    for name, values in seen.items():
        values.extend(chunk[name][: most - len(values)])


def _typed(column: Sampled, values: Values) -> Values:
    if column.kind == "time" and column.form[0] is not None:
        times = column.form[0].parse(values).max(axis=1)
        stamps = np.datetime_as_string(times.clip(0).astype("M8[us]"), timezone="UTC").tolist()
        return [stamp if time >= 0 else None for stamp, time in zip(stamps, times.tolist(), strict=True)]
    if column.kind == "number":
        numbers = [_number(value) for value in values]
        return [None if not np.isfinite(n) else int(n) if n.is_integer() else n for n in numbers]
    return [None if is_nothing(value) else value for value in values]


def _number(value: object) -> float:
    if isinstance(value, bool):
        return float("inf")
    if isinstance(value, str):
        return as_number(value)
    try:
        return float(value) if isinstance(value, int | float) else float("inf")
    except OverflowError:
        return float("inf")


def _is_infinite(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, str) and value.strip().casefold() in _INFINITE)


def _has_comma(value: object) -> bool:
    return isinstance(value, str) and _COMMA.fullmatch(value) is not None
