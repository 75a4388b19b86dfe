"""``driftline tap``: raw and mapped records side by side."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.commands.recent import newest, read_recent
from monitor.config.load import load
from monitor.config.model import ModelConfig, stream_name, stream_names
from monitor.config.root import Config, LimitsConfig
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.decoding.text import NotJsonError, exceeded
from monitor.decoding.text import load as load_json
from monitor.events import Batch, Chunk, Column, Records, Reject
from monitor.sources.build import MissingExtraError, build_source
from monitor.sources.port import SourceUnavailableError
from monitor.vectors import is_vector

UNAVAILABLE: Final = 69
_LONGEST: Final = 1500


def tap(config_path: Path, topic: str | None = None, count: int = 20, console: Console | None = None) -> int:
    """Show ``count`` records of every input, or of one, as they came and as they are understood.

    Returns
    -------
    The exit status: 0, 1 when there is nothing to show, 69 when the broker does not answer.
    """
    console = console or Console()
    config = load(config_path, os.environ)
    inputs = inputs_of(config)
    if topic is not None:
        inputs = {name: models for name, models in inputs.items() if name == topic}
    shown = 0
    for name, models in inputs.items():
        try:
            shown += _show(config, name, models, count, console)
        except (SourceUnavailableError, MissingExtraError) as error:
            console.print(f"{name}: cannot be read: {error}", markup=False)
            return UNAVAILABLE
    if not shown:
        console.print("nothing to show: " + ("the inputs hold no records" if inputs else f"no model reads {topic}"))
    return 0 if shown else 1


def inputs_of(config: Config) -> dict[str, list[ModelConfig]]:
    """Return the input logs and the models that read each."""
    inputs: dict[str, list[ModelConfig]] = {}
    for model in config.models:
        for name in stream_names(model.predictions):
            inputs.setdefault(name, []).append(model)
    return inputs


def _show(config: Config, name: str, models: Sequence[ModelConfig], count: int, console: Console) -> int:
    source = build_source(config, follow=False)
    try:
        of_file = models[0].predictions.file is not None
        found = read_recent(source, name, count, from_start=of_file)
    finally:
        source.close()
    schemas = [schema for model in models for schema in Schema.all_of(model) if stream_name(schema.stream) == name]
    decoder = Decoder(schemas, config.limits)
    chunks = [decoder.decode(records) for records in newest(found, count)]
    total = sum(len(chunk.records) for chunk in chunks)
    if total:
        console.print(render(name, chunks))
        console.print(summary(chunks), markup=False)
    return total


def render(name: str, chunks: Sequence[Chunk]) -> Table:
    """Return the records, one a row: where it stands, what came, what was made of it."""
    table = Table(title=Text(name), title_justify="left", show_lines=True, expand=True)
    table.add_column("at", no_wrap=True)
    table.add_column("raw", ratio=1)
    table.add_column("mapped", ratio=1)
    for chunk in chunks:
        mapped = _by_record(chunk)
        for index, offset in enumerate(chunk.records.offsets):
            meanings = mapped.get(index) or ["(no model reads it)"]
            at = f"{chunk.partition}:{offset}"
            table.add_row(at, Text(_raw(chunk.records, index)), Text("\n\n".join(meanings)))
    return table


def summary(chunks: Sequence[Chunk]) -> str:
    """Return how many rows and rejects there are, and why."""
    rows = sum(len(batch) for chunk in chunks for batch in chunk.batches)
    why: dict[str, int] = {}
    for chunk in chunks:
        for reject in chunk.rejects:
            why[f"rejected ({reject.reason})"] = why.get(f"rejected ({reject.reason})", 0) + 1
        for (_, outcome), number in chunk.counts.items():
            why[outcome] = why.get(outcome, 0) + number
    return ", ".join([f"{rows} rows", *(f"{number} {name}" for name, number in sorted(why.items()))])


def _by_record(chunk: Chunk) -> dict[int, list[str]]:
    mapped: dict[int, list[str]] = {}
    for batch in chunk.batches:
        for row in range(len(batch)):
            record = row if batch.sources is None else int(batch.sources[row])
            mapped.setdefault(record, []).append("\n".join(_row(batch, row)))
    places = {offset: index for index, offset in enumerate(chunk.records.offsets)}
    for reject in chunk.rejects:
        mapped.setdefault(places[reject.offset], []).append(_refused(reject))
    return mapped


def _row(batch: Batch, row: int) -> Iterator[str]:
    yield f"model    {batch.model} {batch.versions[row] and '@ ' + batch.versions[row]}".rstrip()
    yield f"id       {_printable(batch.ids[row])}"
    yield f"time     {_moment(int(batch.times[row]))}"
    for name, column in batch.columns.items():
        if is_vector(column):
            continue  # a hundred features of a vector that nobody can read
        bad = row in batch.bad.get(name, ())
        yield f"{_printable(name)} = {'BAD (not usable, counted as such)' if bad else _cell(column, row)}"


def _cell(column: Column, row: int) -> str:
    if isinstance(column, list):
        text = column[row]
        return "missing" if text is None else _printable(text)
    return "missing" if np.isnan(column[row]) else f"{column[row]:g}"


def _refused(reject: Reject) -> str:
    row = "" if reject.row is None else f"row {reject.row}: "
    return f"REJECTED {row}{reject.reason}\n{reject.detail}"


def _moment(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _raw(records: Records, index: int) -> str:
    value = records.values[index]
    parts = [] if records.keys[index] is None else [f"key: {_text(records.keys[index])}"]
    if records.headers:
        parts += [f"{name}: {_text(raw)}" for name, raw in records.headers[index]]
    parts.append("(no value: a deletion mark)" if value is None else _pretty(value))
    return "\n".join(parts)


def _pretty(value: bytes) -> str:
    try:
        document = None if exceeded(value, LimitsConfig()) else load_json(value)[0]
    except NotJsonError:
        document = None
    if document is None:
        return _text(value)
    return _text("\n".join(_lines(document)).encode("utf-8", "replace"))


def _lines(document: object, indent: str = "") -> Iterator[str]:
    if isinstance(document, Mapping):
        for name, value in document.items():
            if isinstance(value, Mapping) and value:
                yield f"{indent}{name}:"
                yield from _lines(value, indent + "  ")
            else:
                yield f"{indent}{name}: {value!r}"
    else:
        yield f"{indent}{document!r}"


def _text(raw: bytes | None) -> str:
    text = "" if raw is None else raw[: 4 * _LONGEST].decode("utf-8", "backslashreplace")
    return _printable(text[:_LONGEST] + ("…" if len(text) > _LONGEST else ""))


def _printable(text: str) -> str:
    """Return a text in which nothing can move the cursor or colour the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)
