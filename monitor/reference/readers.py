"""Which reader a file needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from monitor.config.model import ModelConfig
from monitor.config.root import LimitsConfig
from monitor.decoding.schema import ColumnType
from monitor.reference.flat import FlatPlan, FlatRows
from monitor.reference.logs import LogRows
from monitor.reference.parquet import ParquetTable
from monitor.reference.rows import Rows, UnreadableRowsError
from monitor.reference.tables import CsvTable, Table
from monitor.sources.files import FileSource

_LINES: Final = (".jsonl", ".ndjson", ".json", ".log")
_PACKED: Final = (".gz", ".zst")


def open_file(
    path: Path,
    model: ModelConfig,
    limits: LimitsConfig,
    *,
    rename: Mapping[str, str] | None = None,
    types: Mapping[str, ColumnType] | None = None,
) -> Rows:
    """Return the rows of a file: Parquet, CSV or JSON Lines (both also gzip and zstd), by its name.

    JSON Lines are read through the model's own mapping, as the topic is; columns of the others are found by name, see
    ``FlatPlan.of``.

    Parameters
    ----------
    path
        ``.parquet``, ``.csv``, ``.tsv``, ``.jsonl``, ``.ndjson``, ``.json`` or ``.log``.
    model
        The configured model.
    limits
        Bounds on what is parsed.
    rename
        Column → the name that the mapping knows it by; not for JSON Lines.
    types
        Feature → type; what the configuration states holds before it.

    Raises
    ------
    UnreadableRowsError
        When the file does not exist or is of no known kind.
    MissingExtraError
        When it is Parquet and pyarrow is not installed.
    """
    suffix = (path.with_suffix("") if path.suffix in _PACKED else path).suffix.lower()
    if not path.is_file():
        raise UnreadableRowsError(path, "no such file", "check the path")
    if suffix in _LINES:
        source = FileSource({str(path): str(path)}, follow=False, max_line_bytes=limits.max_record_bytes)
        return LogRows(source, str(path), model, limits, description=f"file {path.name}", types=types, log_times=False)
    if suffix in {".parquet", ".pq"}:
        table: Table = ParquetTable(path)
    elif suffix in {".csv", ".tsv"}:
        table = CsvTable(path)
    else:
        raise UnreadableRowsError(path, "of no known kind", "give a .parquet, .csv or .jsonl file")
    known = {**(types or {}), **known_types(model)}
    return FlatRows(table, FlatPlan.of(model, table.names, rename or {}), model, known)


def known_types(model: ModelConfig) -> dict[str, ColumnType]:
    """Return the types that the configuration states."""
    stated: dict[str, ColumnType] = {}
    for name, feature in model.features.items():
        if feature.type is not None:
            stated[name] = feature.type if feature.type in {"numeric", "categorical", "vector"} else "ignore"
    return stated
