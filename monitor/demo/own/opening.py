"""What kind of file it is, told from its first bytes, whatever its name."""

from __future__ import annotations

import csv
from contextlib import suppress
from pathlib import Path
from typing import Final

from monitor.demo.own.lines import LinesTable
from monitor.reference.parquet import ParquetTable
from monitor.reference.rows import UnreadableRowsError
from monitor.reference.tables import CsvTable, Table, opened, readable

_LOOKED_AT: Final = 1 << 16
_CONVERT: Final = "give a CSV, Parquet or JSON Lines file"
_FOREIGN: Final = (
    (b"PK\x03\x04", "is a spreadsheet or zip archive", "save the sheet as CSV, or unpack the archive"),
    (b"\xd0\xcf\x11\xe0", "is a spreadsheet of the old kind", "save the sheet as CSV"),
    (b"\xff\xfe", "is UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "is UTF-16", "save it as UTF-8"),
)


def open_table(path: Path) -> Table:
    """Open a file of rows: Parquet, CSV or JSON Lines, the last two also packed with gzip or zstd.

    Raises
    ------
    UnreadableRowsError
        When there is no such file, or it is of another kind; the text says what to do.
    MissingExtraError
        When it is Parquet and pyarrow is not installed.
    """
    head = _head(path)
    if head.startswith(b"PAR1"):
        return ParquetTable(path)
    for magic, problem, remedy in _FOREIGN:
        if head.startswith(magic):
            raise UnreadableRowsError(path, problem, remedy)
    if b"\x00" in head:
        line = head.count(b"\n", 0, head.index(b"\x00")) + 1
        raise UnreadableRowsError(f"{path}:{line}", "is not text", _CONVERT)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise UnreadableRowsError(path, "is empty", "give a file with a line of column names and rows below it")
    if text.startswith(b"["):
        problem = "is one JSON array, not one object a line"
        raise UnreadableRowsError(f"{path}:1", problem, "write one object a line, for example with jq -c '.[]'")
    if text.startswith(b"{"):
        return LinesTable(path)
    table = CsvTable(path)
    _check_header(path, table)
    return table


def _head(path: Path) -> bytes:
    if not path.exists():
        raise UnreadableRowsError(path, "no such file", "check the path")
    if not path.is_file():
        raise UnreadableRowsError(path, "is no file", "give one file; for a folder, one of those in it")
    with opened(path) as (unpacked, _), readable(path):
        return unpacked.read(_LOOKED_AT)


def _check_header(path: Path, table: CsvTable) -> None:
    if len(table.names) > 1 and all(_is_number(name) for name in table.names):
        problem = "holds numbers where the names of the columns should be"
        raise UnreadableRowsError(f"{path}:1", problem, "name the columns in the first line")
    if any(len(name) > csv.field_size_limit() // 2 for name in table.names):
        raise UnreadableRowsError(f"{path}:1", "is no CSV", _CONVERT)


def _is_number(text: str) -> bool:
    with suppress(ValueError):
        float(text)
        return True
    return False
