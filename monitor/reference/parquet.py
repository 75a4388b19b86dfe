"""Parquet files, read with pyarrow, which is an extra."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from monitor.config.model import TimeFormat
from monitor.decoding.cells import Values
from monitor.decoding.columns import numeric_column
from monitor.decoding.schema import ColumnType
from monitor.events import FloatArray, IntArray
from monitor.reference.arrow import kind_of
from monitor.reference.rows import Report, UnreadableRowsError, silent
from monitor.reference.tables import Columns, rows_at_once
from monitor.sources.build import MissingExtraError

_FRAME: Final = 1 << 17
"""Rows of a frame."""


class ParquetTable:
    """A Parquet file. Fields of structs are columns named ``outer.inner``.

    Times without a zone are taken as UTC; bools are the categories ``true`` and ``false``.

    Raises
    ------
    MissingExtraError
        When pyarrow is not installed.
    UnreadableRowsError
        When the file is no Parquet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rejected: Counter[str] = Counter()
        self.first_lines: dict[str, int] = {}
        self.typed = True
        self._arrow, parquet = _pyarrow()
        try:
            self._file: Any = parquet.ParquetFile(path)
        except (OSError, self._arrow.ArrowException) as error:
            raise _unreadable(path, error) from None
        schema = self._flat(self._file.schema_arrow.empty_table()).schema
        self._types: dict[str, Any] = {name: schema.field(place).type for place, name in enumerate(schema.names)}
        self.names = tuple(self._types)

    @property
    def size(self) -> int:
        """Rows."""
        return int(self._file.metadata.num_rows)

    @property
    def _width(self) -> int:
        """Values in a row, those of lists one by one."""
        meta = self._file.metadata
        groups = (meta.row_group(group) for group in range(meta.num_row_groups))
        values = sum(group.column(place).num_values for group in groups for place in range(group.num_columns))
        return max(len(self.names), -(-int(values) // max(1, self.size)))

    def kinds(self, names: Collection[str]) -> dict[str, ColumnType]:
        """Return the types that the file states."""
        return {name: kind_of(self._types[name]) for name in names}

    def frames(self) -> Iterator[Any]:
        """Yield ``pyarrow.Table`` after ``pyarrow.Table``.

        Raises
        ------
        UnreadableRowsError
            When the file cannot be read to its end.
        """
        try:
            for batch in self._file.iter_batches(batch_size=_FRAME):
                yield self._flat(self._arrow.Table.from_batches([batch]))
        except (OSError, self._arrow.ArrowException) as error:
            raise _unreadable(self.path, error) from None

    def chunks(self, report: Report = silent) -> Iterator[Columns]:
        """See ``Table``."""
        done = 0
        try:
            for batch in self._file.iter_batches(batch_size=rows_at_once(self._width)):
                table = self._flat(self._arrow.Table.from_batches([batch]))
                if table.num_rows:
                    yield {
                        name: self._values(name, table.column(place)) for place, name in enumerate(table.column_names)
                    }
                done += table.num_rows
                report(done)
        except (OSError, self._arrow.ArrowException) as error:
            raise _unreadable(self.path, error) from None

    def numbers(self, values: Values) -> tuple[FloatArray, IntArray]:
        """See ``Table``; a text is no number."""
        return numeric_column(values)

    def moments(self, name: str, values: Values, form: TimeFormat) -> tuple[Values, TimeFormat]:
        """See ``Table``; a column of timestamps needs no format."""
        return values, "epoch_us" if self._arrow.types.is_timestamp(self._types[name]) else form

    def _values(self, name: str, column: Any) -> Values:
        kind, types = self._types[name], self._arrow.types
        if types.is_timestamp(kind):
            column = column.cast(self._arrow.timestamp("us", kind.tz), safe=False).cast(self._arrow.int64())
        elif types.is_decimal(kind):
            column = column.cast(self._arrow.float64())
        values: Values = column.to_pylist()
        return values

    def _flat(self, table: Any) -> Any:
        while any(self._arrow.types.is_struct(field.type) for field in table.schema):
            table = table.flatten()
        return table


def _pyarrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        message = "reading Parquet needs the extra parquet: pip install 'driftline[parquet]'"
        raise MissingExtraError(message) from error


def _unreadable(path: Path, error: Exception) -> UnreadableRowsError:
    problem = f"cannot be read as Parquet: {str(error).splitlines()[0]}"
    return UnreadableRowsError(path, problem, "check the path, or copy the file again")
