"""What the names of a file's columns suggest, by the guesses of ``driftline init``."""

from __future__ import annotations

from typing import Final

from monitor.commands.guess import Guess, guess
from monitor.decoding.paths import parse_path
from monitor.demo.own.columns import Sample, read_sample
from monitor.demo.own.lines import LinesTable, Shape
from monitor.demo.own.mapping import Guessed
from monitor.reference.tables import CsvTable, Table

_LOOKED_AT: Final = 500
_FEWEST_INSIDE: Final = 2
"""In a CSV one column named ``features.x`` does not make the others something else."""


def study(table: Table) -> tuple[Sample, Guessed]:
    """Read the first rows of a table; return them and what their names suggest.

    JSON Lines are first asked how a document becomes rows: by a list of them, or by a list of features.
    """
    positional = False
    if isinstance(table, LinesTable) and table.documents:
        first = guess(table.documents[:_LOOKED_AT], {})
        rows_at = None if first.explode is None else column_of(first.explode.removesuffix("[*]"))
        positional = first.feature_names is not None
        list_at = column_of(first.features) if positional and isinstance(first.features, str) else None
        table.reshape(Shape(rows_at, list_at))
    sample = read_sample(table)
    documents = sample.documents(_LOOKED_AT)
    found = _guessed(guess(documents, {}), positional=positional) if documents else Guessed()
    if isinstance(table, CsvTable) and sum(name.startswith(found.inside) for name in sample.columns) < _FEWEST_INSIDE:
        found.inside = ""
    return sample, found


def column_of(path: str) -> str:
    """Return the flat column at which a path leads; empty for what is no column, such as a template.

    >>> column_of("value.payload.ts"), column_of("{topic}:{partition}:{offset}"), column_of("timestamp")
    ('payload.ts', '', '')
    """
    if "{" in path.partition('["')[0]:
        return ""
    found = parse_path(path)
    return ".".join(str(step) for step in found.steps) if found.root in {"value", "row"} else ""


def _guessed(found: Guess, *, positional: bool) -> Guessed:
    inside = column_of(found.features) + "." if isinstance(found.features, str) and not positional else ""
    return Guessed(
        time=column_of(found.time),
        id=column_of(found.id),
        version="" if found.version is None else column_of(found.version),
        model="" if found.where is None else column_of(found.where),
        roles={role: column_of(path) for role, path in found.roles.items()},
        inside=inside,
        positional=positional,
        task=found.task,
    )
