"""JSON Lines as a table: nested objects become columns named ``outer.inner``, lists of rows become rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from monitor.config.model import TimeFormat
from monitor.config.root import LimitsConfig
from monitor.decoding.cells import Values
from monitor.decoding.columns import unbounded_removed
from monitor.decoding.schema import ColumnType
from monitor.decoding.text import NotJsonError, exceeded
from monitor.decoding.text import load as load_json
from monitor.events import FloatArray, IntArray
from monitor.reference.rows import Report, silent
from monitor.reference.tables import Columns, as_number, opened, readable, rows_at_once

STUDIED: Final = 2_000
"""Documents from which the columns are known; a field that comes first after them is left out and counted."""
_DEEPEST: Final = 5
_MOST_NAMES: Final = 5_000
_LIMITS: Final = LimitsConfig()


@dataclass(frozen=True)
class Shape:
    """How one document becomes rows of flat columns."""

    rows_at: str | None = None
    """Field that holds the list of rows; each takes the fields beside the list along."""
    list_at: str | None = None
    """Column that holds a list of features, which become ``f0``, ``f1`` … ; empty when the row itself is the list."""

    def flatten(self, document: Mapping[str, object]) -> Iterator[dict[str, object]]:
        """Yield the rows of a document.

        >>> list(Shape().flatten({"id": 1, "features": {"a": 2}}))
        [{'id': 1, 'features.a': 2}]
        >>> list(Shape("rows").flatten({"id": 1, "rows": [{"a": 2}, {"a": 3}]}))
        [{'id': 1, 'a': 2}, {'id': 1, 'a': 3}]
        """
        rows = document.get(self.rows_at) if self.rows_at is not None else None
        outer: dict[str, object] = {}
        _collect({name: value for name, value in document.items() if name != self.rows_at}, "", 1, outer)
        if not isinstance(rows, list):
            yield self._spread(outer)
            return
        for row in rows:
            if isinstance(row, dict):
                inner = dict(outer)
                _collect(row, "", 1, inner)
                yield self._spread(inner)
            elif isinstance(row, list):
                yield {**outer, **_positions(row)}

    def _spread(self, row: dict[str, object]) -> dict[str, object]:
        if self.list_at and isinstance(found := row.get(self.list_at), list):
            del row[self.list_at]
            row |= _positions(found)
        return row


class LinesTable:
    """A file of JSON objects, one a line. See ``monitor.reference.tables.Table``.

    ``documents`` are the first of them, to be looked at; ``reshape`` then says how they become rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rejected: Counter[str] = Counter()
        self.first_lines: dict[str, int] = {}
        self.typed = False
        self.documents: Sequence[dict[str, object]] = list(islice(self._documents(silent), STUDIED))
        self.names: tuple[str, ...] = ()
        self.strangers: Counter[str] = Counter()
        """Fields that came first after the documents that were studied."""
        self.reshape(Shape())

    def reshape(self, shape: Shape) -> None:
        """Read documents as rows of this shape from now on."""
        self._shape = shape
        names: dict[str, None] = {}
        for document in self.documents:
            for row in shape.flatten(document):
                names.update(dict.fromkeys(row))
        self.names = tuple(islice(names, _MOST_NAMES))

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size

    def kinds(self, names: Collection[str]) -> dict[str, ColumnType]:
        """Return no types: they are told from the values."""
        return dict.fromkeys(names, "ignore")

    def chunks(self, report: Report = silent) -> Iterator[Columns]:
        """See ``Table``."""
        self.strangers.clear()
        most = rows_at_once(len(self.names))
        known = set(self.names)
        rows: list[dict[str, object]] = []
        for document in self._documents(report):
            for row in self._shape.flatten(document):
                rows.append(row)
                if not known.issuperset(row):
                    self.strangers.update(set(row) - known)
            if len(rows) >= most:
                yield self._columns(rows)
                rows = []
        if rows:
            yield self._columns(rows)
        report(self.size)

    def numbers(self, values: Values) -> tuple[FloatArray, IntArray]:
        """See ``Table``; a text that spells a number is one."""
        return unbounded_removed(np.array([_number(value) for value in values], np.float64))

    def moments(self, name: str, values: Values, form: TimeFormat) -> tuple[Values, TimeFormat]:  # noqa: ARG002
        """See ``Table``."""
        return values, form

    def _columns(self, rows: Sequence[dict[str, object]]) -> Columns:
        return {name: [row.get(name) for row in rows] for name in self.names}

    def _documents(self, report: Report) -> Iterator[dict[str, object]]:
        self.rejected.clear()
        with opened(self.path) as (unpacked, raw), readable(self.path):
            for number, line in enumerate(_lines_of(unpacked), start=1):
                if number % 10_000 == 0:
                    report(raw.tell())
                found, reason = _parsed(line)
                if found is not None:
                    yield found
                elif reason:
                    self.rejected[reason] += 1
                    self.first_lines.setdefault(reason, number)


def _lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines; of one that is too long only the beginning, which is then refused for its length."""
    most = _LIMITS.max_record_bytes + 1
    while line := file.readline(most):
        rest = line
        while len(rest) == most and not rest.endswith(b"\n"):
            rest = file.readline(most)
        yield line


def _parsed(line: bytes) -> tuple[dict[str, object] | None, str]:
    """Return the object that a line holds, or why there is none; an empty line is nothing at all."""
    line = line.strip()
    if not line:
        return None, ""
    brackets = line.count(b"{") + line.count(b"[")
    if (brackets > _LIMITS.max_depth or len(line) > _LIMITS.max_keys) and (refused := exceeded(line, _LIMITS)):
        return None, refused
    try:
        found = load_json(line)[0]
    except NotJsonError:
        return None, "not_json"
    return (found, "") if isinstance(found, dict) else (None, "not_an_object")


def _collect(value: Mapping[str, object], prefix: str, depth: int, into: dict[str, object]) -> None:
    for name, inner in value.items():
        if isinstance(inner, dict) and depth < _DEEPEST:
            _collect(inner, f"{prefix}{name}.", depth + 1, into)
        else:
            into[prefix + name] = inner


def _positions(values: Iterable[object]) -> dict[str, object]:
    return {f"f{place}": value for place, value in enumerate(values)}


def _number(value: object) -> float:
    if isinstance(value, str):
        return as_number(value)
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return float("inf")
    try:
        return float(value)
    except OverflowError:
        return float("inf")
