"""Files of columns: CSV and Parquet as chunks of Python values by column name."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, Protocol, TypeAlias, cast

import numpy as np
import zstandard

from monitor.config.model import TimeFormat
from monitor.decoding.cells import Values, plain
from monitor.decoding.columns import unbounded_removed
from monitor.decoding.schema import ColumnType
from monitor.events import FloatArray, IntArray
from monitor.reference.rows import Report, UnreadableRowsError, silent

CHUNK: Final = 20_000
"""Rows at a time, at most."""
_CELLS: Final = 2_000_000
"""Cells at a time, over all columns."""
GUESSED: Final = 10_000
"""Rows of a CSV from which types are guessed."""
_MOSTLY: Final = 0.95
_NOTHING: Final = frozenset({"", "na", "n/a", "nan", "null", "none"})
"""Texts that stand for a missing number, in small letters. A category is missing only where the cell is empty: NA is
also Namibia."""
_SEPARATORS: Final = ",;\t|"
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_DAMAGED: Final = (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError)

Columns: TypeAlias = Mapping[str, Values]


def rows_at_once(width: int) -> int:
    """Return how many rows of so many columns are read at a time.

    >>> rows_at_once(10), rows_at_once(1000)
    (20000, 2000)
    """
    return min(CHUNK, max(1, _CELLS // max(width, 1)))


class Table(Protocol):
    """A file with named columns."""

    path: Path
    names: tuple[str, ...]
    rejected: Counter[str]
    """Rows that could not be read at all."""
    first_lines: dict[str, int]
    """Reason → line of the first such row; empty where a file has no lines."""
    typed: bool
    """Whether the file itself states the types of its columns."""

    @property
    def size(self) -> int:
        """How much there is to read, in the unit that ``chunks`` reports."""
        ...

    def kinds(self, names: Collection[str]) -> dict[str, ColumnType]:
        """Return the types of columns, ``ignore`` for one that cannot be used."""
        ...

    def chunks(self, report: Report = silent) -> Iterator[Columns]:
        """Read all rows from the beginning, some thousand at a time."""
        ...

    def numbers(self, values: Values) -> tuple[FloatArray, IntArray]:
        """Return cells as numbers, NaN where missing or bad, and the rows of the bad ones."""
        ...

    def moments(self, name: str, values: Values, form: TimeFormat) -> tuple[Values, TimeFormat]:
        """Return times as ``parse_times`` takes them, and their format."""
        ...


@dataclass
class CsvTable:
    """A CSV file with a header, plain, gzip or zstd, UTF-8.

    The separator is that of ``, ; | tab`` the header has most of.
    """

    path: Path
    names: tuple[str, ...] = ()
    rejected: Counter[str] = field(default_factory=Counter)
    first_lines: dict[str, int] = field(default_factory=dict)
    """Reason → line of the first row that could not be read for it."""
    typed: bool = False
    _separator: str = ","

    def __post_init__(self) -> None:
        with _opened(self.path) as (text, _), readable(self.path):
            header = text.readline()
        self._separator = max(_SEPARATORS, key=header.count)
        with _opened(self.path) as (text, _):
            try:
                self.names = tuple(next(csv.reader(text, delimiter=self._separator), ()))
            except csv.Error:
                problem = "is no CSV: its first line cannot be read"
                raise UnreadableRowsError(self.path, problem, "name the columns there") from None
        if not any(self.names):
            raise UnreadableRowsError(self.path, "holds no header", "name the columns in the first line")

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size

    def kinds(self, names: Collection[str]) -> dict[str, ColumnType]:
        """Guess: numeric where at least 95 % of what is there in the first 10,000 rows are numbers."""
        seen: dict[str, list[str]] = {name: [] for name in names}
        rows = 0
        for chunk in self.chunks():
            for name in names:
                seen[name] += [str(cell) for cell in chunk[name] if cell is not None]
            rows += len(next(iter(chunk.values())))
            if rows >= GUESSED:
                break
        self.rejected.clear()
        return _guess(seen)

    def chunks(self, report: Report = silent) -> Iterator[Columns]:
        """See ``Table``. An empty cell is ``None``; rows with too many or too few cells are left out and counted."""
        self.rejected.clear()
        width = len(self.names)
        most = rows_at_once(width)
        with _opened(self.path) as (text, raw), readable(self.path):
            reader = csv.reader(text, delimiter=self._separator)
            next(reader, None)
            rows: list[list[str]] = []
            for row in self._rows(reader):
                if len(row) == width:
                    rows.append(row)
                elif row:
                    self._reject("not_as_many_cells_as_columns", reader.line_num)
                if len(rows) == most:
                    yield self._columns(rows)
                    rows = []
                    report(raw.tell())
            if rows:
                yield self._columns(rows)
        report(self.size)

    def numbers(self, values: Values) -> tuple[FloatArray, IntArray]:
        """See ``Table``; empty cells and NA, NaN, null, None are missing."""
        texts = ["nan" if value is None else str(value) for value in values]
        try:
            if "_" not in "".join(texts):
                return unbounded_removed(np.fromiter(map(float, texts), np.float64, len(texts)))
        except ValueError:
            pass  # some text is no number: one by one below
        return unbounded_removed(np.array([as_number(text) for text in texts], np.float64))

    def moments(self, name: str, values: Values, form: TimeFormat) -> tuple[Values, TimeFormat]:  # noqa: ARG002
        """See ``Table``."""
        return (values if form == "rfc3339" else [plain(value) for value in values]), form

    def _reject(self, reason: str, line: int) -> None:
        self.rejected[reason] += 1
        self.first_lines.setdefault(reason, line)

    def _rows(self, reader: Any) -> Iterator[list[str]]:
        while True:
            try:
                yield next(reader)
            except StopIteration:
                return
            except csv.Error:
                self._reject("not_csv", reader.line_num)

    def _columns(self, rows: list[list[str]]) -> dict[str, Values]:
        columns: dict[str, Values] = {}
        for name, cells in zip(self.names, zip(*rows, strict=True), strict=True):
            columns.setdefault(name, [cell or None for cell in cells])
        return columns


def _guess(seen: Mapping[str, list[str]]) -> dict[str, ColumnType]:
    kinds: dict[str, ColumnType] = {}
    for name, texts in seen.items():
        present = [text for text in texts if text.casefold() not in _NOTHING]
        numbers = sum(np.isfinite(as_number(text)) for text in present)
        if not texts:
            kinds[name] = "ignore"
        else:
            kinds[name] = "numeric" if present and numbers >= _MOSTLY * len(present) else "categorical"
    return kinds


def is_nothing(value: object) -> bool:
    """Whether a cell stands for a missing number: ``None``, NaN, or a text such as NA.

    >>> is_nothing(None), is_nothing(" n/a"), is_nothing(0)
    (True, True, False)
    """
    if isinstance(value, str):
        return value.strip().casefold() in _NOTHING
    return value is None or (isinstance(value, float) and math.isnan(value))


def as_number(text: str) -> float:
    """Return a number, NaN for a text that stands for a missing one, infinity for another text."""
    if is_nothing(text):
        return float("nan")
    try:
        return float("inf") if "_" in text else float(text)
    except ValueError:
        return float("inf")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[str], IO[bytes]]]:
    """Open a text for reading, with the file below it, whose position tells how far reading got."""
    with opened(path) as (unpacked, raw):
        yield io.TextIOWrapper(cast("IO[bytes]", unpacked), "utf-8-sig", errors="backslashreplace", newline=""), raw


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open a file, unpacked if its first bytes say gzip or zstd, with the file below it.

    Raises
    ------
    UnreadableRowsError
        When it cannot be opened.
    """
    try:
        raw = path.open("rb")
        begin = raw.read(4)
        raw.seek(0)
    except OSError as error:
        raise UnreadableRowsError(path, f"cannot be read: {error.strerror}", "check the path") from None
    with raw:
        if begin.startswith(_GZIP):
            yield cast("BinaryIO", gzip.GzipFile(fileobj=raw)), raw
        elif begin.startswith(_ZSTD):
            reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True, closefd=False)
            yield io.BufferedReader(reader), raw
        else:
            yield raw, raw


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what damaged packing raises into ``UnreadableRowsError``."""
    try:
        yield
    except _DAMAGED:
        problem = "is damaged or cut off"
        raise UnreadableRowsError(path, problem, "copy the file again") from None
