"""A person's rows as records on disk, in the order of the file, with their times in memory.

A file need not be in the order of time, and may be larger than memory. So each row is written once as the JSON of its
record, all but the time, and read again in whatever order is wanted.
"""

from __future__ import annotations

import json
import mmap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import numpy as np

from monitor.decoding.cells import Values, category
from monitor.decoding.times import BAD
from monitor.demo.own.columns import with_points
from monitor.demo.own.mapping import Choice, Feature
from monitor.demo.own.moments import choose_reading
from monitor.events import IntArray
from monitor.reference.rows import Report, silent
from monitor.reference.tables import Columns, Table

_TEXTS: Final = frozenset({str, type(None)})
_encode = msgspec.json.Encoder().encode


@dataclass
class Spool:
    """Records of a file. ``line(i)`` is row ``i`` without its time, which is ``times[i]``."""

    path: Path
    starts: IntArray
    """Where each line begins, and where the last one ends."""
    times: IntArray | None
    """Microseconds, ``MISSING`` or ``BAD``; ``None`` when there is no column of times."""
    rejected: Counter[str]
    """Rows that could not be read at all, by reason."""
    first_lines: dict[str, int]
    reading: int = 0
    """Which way round day and month were read: 1 when the day comes first."""
    ambiguous: bool = False
    """Whether no row tells which."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    def lines(self, rows: IntArray, stamps: list[str]) -> Iterator[bytes]:
        """Yield the records of rows, in the order given, each with its time."""
        if not len(rows):
            return
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            begin, end = self.starts[rows].tolist(), self.starts[rows + 1].tolist()
            for first, last, stamp in zip(begin, end, stamps, strict=True):
                yield b'{"ts":"%s",%s' % (stamp.encode(), content[first + 1 : last - 1])


def stamps_of(times: IntArray) -> list[str]:
    """Return times in RFC 3339.

    >>> stamps_of(np.array([0]))
    ['1970-01-01T00:00:00.000000Z']
    """
    texts: list[str] = np.datetime_as_string(times.astype("M8[us]"), timezone="UTC").tolist()
    return texts


@dataclass
class Writer:
    """Writes the rows of a table as records into a file."""

    table: Table
    choice: Choice
    path: Path
    day_first: bool | None = None
    rows: int = 0
    dotted: bool = False
    rejected: Counter[str] = field(default_factory=Counter)
    _lengths: list[IntArray] = field(default_factory=list)
    _times: list[IntArray] = field(default_factory=list)

    def write(self, report: Report = silent) -> Spool:
        """Read the whole table; return the records.

        Raises
        ------
        UnreadableRowsError
            When the file cannot be read to its end.
        """
        with self.path.open("wb") as out:
            for chunk in self.table.chunks(report):
                self._write(chunk, out)
        self.rejected.update(self.table.rejected)
        lengths = np.concatenate(self._lengths) if self._lengths else np.empty(0, np.int64)
        spool = Spool(
            path=self.path,
            starts=np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
            times=None,
            rejected=self.rejected,
            first_lines=dict(self.table.first_lines),
        )
        if self.choice.form is not None and self._times:
            spool.times, spool.reading, spool.ambiguous = choose_reading(
                np.concatenate(self._times), day_first=self.day_first, dotted=self.dotted
            )
        return spool

    def _write(self, chunk: Columns, out: BinaryIO) -> None:
        choice = self.choice
        size = len(next(iter(chunk.values()), []))
        kept = self._of_the_model(chunk, size)
        lines = self._records(chunk, size)
        if choice.form is not None:
            cells = chunk[choice.time]
            self.dotted = self.dotted or any(isinstance(cell, str) and cell.count(".") >= 2 for cell in cells[:100])
            self._times.append(choice.form.parse(cells)[kept])
        chosen = lines if len(kept) == size else [lines[place] for place in kept.tolist()]
        out.writelines(chosen)
        self._lengths.append(np.fromiter(map(len, chosen), np.int64, len(chosen)))
        self.rows += size

    def _of_the_model(self, chunk: Columns, size: int) -> IntArray:
        if not self.choice.model_name:
            return np.arange(size)
        kept = np.flatnonzero([cell == self.choice.model_name for cell in chunk[self.choice.model]])
        self.rejected["other_model"] += size - len(kept)
        return kept

    def _records(self, chunk: Columns, size: int) -> list[bytes]:
        """Return each row's record, without its time, and a line end."""
        choice = self.choice
        ids = range(self.rows + 1, self.rows + size + 1) if not choice.id else _texts(chunk[choice.id])
        columns: dict[str, Values] = {"id": list(ids)}
        if choice.version:
            columns["version"] = _texts(chunk[choice.version])
        for role, column in choice.roles.items():
            numeric = role in {"score", "latency"} or (role in {"prediction", "label"} and choice.task == "regression")
            columns[role] = self._numbers(chunk[column]) if numeric else _missing_removed(chunk[column])
        features = {feature.name: self._cells(chunk, feature) for feature in choice.features}
        names, inner = list(columns), list(features)
        cells = zip(*features.values(), strict=True) if features else iter([()] * size)
        lines = []
        for row, within in zip(zip(*columns.values(), strict=True), cells, strict=True):
            record: dict[str, object] = dict(zip(names, row, strict=True))
            record["features"] = dict(zip(inner, within, strict=True))
            lines.append(encode(record) + b"\n")
        return lines

    def _cells(self, chunk: Columns, feature: Feature) -> Values:
        cells = chunk[feature.column]
        if feature.kind == "category":
            return _missing_removed(cells)
        return self._numbers(with_points(cells) if feature.kind == "number, decimal comma" else cells)

    def _numbers(self, cells: Values) -> Values:
        """Return cells as numbers; what is no number stays as it is, so that the service finds it bad."""
        found, bad = self.table.numbers(cells)
        values: Values = found.tolist()
        for row in np.flatnonzero(np.isnan(found)).tolist():
            values[row] = None
        for row in bad.tolist():
            values[row] = str(cells[row])
        return values


def encode(row: object) -> bytes:
    """Return a record as JSON, one that holds lone surrogates or endless integers too."""
    try:
        return _encode(row)
    except (UnicodeEncodeError, OverflowError, TypeError):
        return json.dumps(row, ensure_ascii=True, default=str).encode()


def _texts(cells: Values) -> Values:
    """Return ids or versions as texts; what has none is missing."""
    return [text if isinstance(text := category(cell), str) and text else None for cell in cells]


def _missing_removed(cells: Values) -> Values:
    if _TEXTS.issuperset(map(type, cells)):
        return cells
    return [None if isinstance(cell, float) and cell != cell else cell for cell in cells]  # noqa: PLR0124 - NaN


def bad_times(spool: Spool) -> dict[str, int]:
    """Return how many rows lack a time or have one that cannot be read."""
    if spool.times is None:
        return {}
    bad, missing = int((spool.times == BAD).sum()), int(((spool.times < 0) & (spool.times != BAD)).sum())
    return {reason: count for reason, count in (("bad_time", bad), ("missing_time", missing)) if count}
