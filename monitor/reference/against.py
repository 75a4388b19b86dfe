"""A Parquet file counted in the bins of a reference, to be compared with it."""

from __future__ import annotations

from pathlib import Path

from monitor.events import IntArray
from monitor.reference.arrow import tally
from monitor.reference.document import Reference
from monitor.reference.parquet import ParquetTable
from monitor.reference.parts import ReferenceColumn
from monitor.reference.rows import UnreadableRowsError


def counted(reference: Reference, path: Path) -> Reference:
    """Return the rows of a file in the bins of a reference.

    Columns are found by name; those that the reference does not have are left out. It has neither versions nor days.

    Raises
    ------
    MissingExtraError
        When pyarrow is not installed.
    UnreadableRowsError
        When the file cannot be read, a column is numeric on one side only, or no column is the reference's.
    """
    table = ParquetTable(path)
    bins = {name: column.bins for name, column in reference.columns.items() if name in table.names}
    if not bins:
        problem = f"none of its columns is in the reference: {', '.join(table.names) or 'it has none'}"
        raise UnreadableRowsError(path, problem, f"the reference has {', '.join(reference.columns)}")
    for name, kind in table.kinds(bins).items():
        wanted = "numeric" if bins[name].numeric else "categorical"
        if kind != wanted:
            raise UnreadableRowsError(path, f"column {name} is not {wanted}", "store it as the reference has it")
    counts: dict[str, IntArray] = {}
    for frame in table.frames():
        for name, one in bins.items():
            found = tally(one, frame[name])
            counts[name] = counts[name] + found if name in counts else found
    return Reference(
        model=reference.model,
        source=str(path),
        rows=table.size,
        columns={name: ReferenceColumn(bins[name], cells) for name, cells in counts.items()},
    )
