"""``driftline reference build``, ``show`` and ``diff``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from monitor.config.load import load
from monitor.config.model import ModelConfig
from monitor.config.root import Config
from monitor.config.types import parse_moment
from monitor.decoding.schema import ColumnType
from monitor.events import Batch
from monitor.reference import BuildSettings, InvalidReferenceError, Reference, ReferenceBuilder
from monitor.reference.against import counted
from monitor.reference.compare import compare
from monitor.reference.logs import LogRows
from monitor.reference.readers import open_file
from monitor.reference.rows import Rows, UnreadableRowsError
from monitor.reference.show import print_comparison, print_reference
from monitor.sources.build import MissingExtraError, build_kafka_source
from monitor.sources.port import Source

FOUND: Final = 3
USAGE: Final = 2
BAD_DATA: Final = 65
CANNOT_WRITE: Final = 73


class UsageError(Exception):
    """What was asked for makes no sense."""


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What the command line said."""

    model: str | None = None
    """Needed where the configuration has several."""
    from_file: Path | None = None
    from_topic: str | None = None
    start: str | None = None
    """First event time of a topic window, RFC 3339."""
    end: str | None = None
    """The time after its last."""
    out: Path | None = None
    """By default ``MODEL.reference.json``."""
    rename: Sequence[str] = field(default_factory=tuple)
    """``COLUMN=NAME`` each."""
    edges_from: Path | None = None
    """An earlier reference whose edges are kept, so that counts of both can be compared."""


def build(
    config_path: Path,
    environ: Mapping[str, str],
    options: BuildOptions,
    *,
    console: Console | None = None,
    clock: Callable[[], float] = time.time,
    source: Source | None = None,
) -> int:
    """Build a reference and write it.

    Parameters
    ----------
    config_path, environ
        The configuration.
    options
        What the command line said.
    console
        Where to tell progress.
    clock
        Seconds since the epoch.
    source
        What to read the topic from; by default the configured cluster.

    Returns
    -------
    int
        0; 2 where the options make no sense; 65 where rows cannot be read or there are none; 73 where the file cannot
        be written.
    """
    console = console or Console(stderr=True)
    try:
        config = load(config_path, environ, needs_references=False)
        model = choose(config, options.model)
        edges = None if options.edges_from is None else Reference.load(options.edges_from)
        reference, guesses = _build(config, model, options, edges, console, clock, source)
        out = options.out or Path(f"{model.name}.reference.json")
        reference.save(out)
    except UsageError as error:
        console.print(str(error), markup=False, style="red")
        return USAGE
    except (UnreadableRowsError, MissingExtraError, InvalidReferenceError) as error:
        console.print(str(error), markup=False, style="red")
        return BAD_DATA
    except OSError as error:
        console.print(f"cannot write: {error}", markup=False, style="red")
        return CANNOT_WRITE
    print_reference(reference, console, size=out.stat().st_size)
    for guess in guesses:
        console.print(f"note: {guess}", markup=False)
    console.print(f"wrote {out}; use it with  reference: {{source: {out}}}", markup=False)
    return 0


def show(path: Path, *, console: Console | None = None) -> int:
    """Print a reference: its columns with small histograms, quality, categories, days, size.

    Returns
    -------
    int
        0, or 65 when the file cannot be used.
    """
    console = console or Console()
    try:
        print_reference(Reference.load(path), console, size=path.stat().st_size)
    except InvalidReferenceError as error:
        console.print(str(error), markup=False, style="red")
        return BAD_DATA
    return 0


def diff(first: Path, second: Path, *, fail_on_drift: bool = False, console: Console | None = None) -> int:
    """Print what differs between two references, or between a reference and a Parquet file.

    Parameters
    ----------
    first, second
        Reference files; the second is judged in the bins of the first. It may be a Parquet file of rows, too, whose
        columns are named as the reference's.
    fail_on_drift
        Whether a difference beyond chance makes the exit code 3.

    Returns
    -------
    int
        0, 3, or 65 when a file cannot be used.
    """
    console = console or Console()
    try:
        one = Reference.load(first)
        other = counted(one, second) if second.suffix == ".parquet" else Reference.load(second)
    except (InvalidReferenceError, UnreadableRowsError, MissingExtraError) as error:
        console.print(str(error), markup=False, style="red")
        return BAD_DATA
    found = compare(one, other)
    print_comparison(one, other, found, console)
    return FOUND if fail_on_drift and found.moved else 0


def choose(config: Config, name: str | None) -> ModelConfig:
    """Return the model of this name, or the only one.

    Raises
    ------
    UsageError
        When there is none, or several and no name.
    """
    names = ", ".join(model.name for model in config.models)
    if name is None:
        if len(config.models) > 1:
            raise UsageError(f"say which model with --model: {names}")
        return config.models[0]
    found = next((model for model in config.models if model.name == name), None)
    if found is None:
        raise UsageError(f"no model {name!r} in the configuration; there are: {names}")
    return found


def _build(
    config: Config,
    model: ModelConfig,
    options: BuildOptions,
    edges: Reference | None,
    console: Console,
    clock: Callable[[], float],
    source: Source | None,
) -> tuple[Reference, list[str]]:
    types: dict[str, ColumnType] = {}
    if edges is not None:
        types = {name: "numeric" if c.bins.numeric else "categorical" for name, c in edges.columns.items()}
    if (options.from_file is None) == (options.from_topic is None):
        raise UsageError("say where the rows are: --from-file FILE or --from-topic TOPIC")
    if options.from_file is not None:
        rows = open_file(options.from_file, model, config.limits, rename=_renames(options.rename), types=types)
    else:
        rows = _window(source or build_kafka_source(config.kafka), config, model, options, types)
    with closing(rows):
        return _read(rows, model, edges, console, clock)


def _window(
    source: Source, config: Config, model: ModelConfig, options: BuildOptions, types: Mapping[str, ColumnType]
) -> Rows:
    start, end = _moment(options.start, "--from"), _moment(options.end, "--to")
    if start is not None and end is not None and not start < end:
        raise UsageError("--from must be before --to")
    topic = str(options.from_topic)
    described = [f"topic {topic}"]
    described += [f"from {options.start}"] if options.start else []
    described += [f"to {options.end}"] if options.end else []
    return LogRows(
        source, topic, model, config.limits, description=", ".join(described), types=types, start=start, end=end
    )


def _read(
    rows: Rows, model: ModelConfig, edges: Reference | None, console: Console, clock: Callable[[], float]
) -> tuple[Reference, list[str]]:
    """Read all rows twice, with a bar; return the reference and what was guessed on the way."""
    builder = ReferenceBuilder(BuildSettings.of(model, edges), timed=rows.timed)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        _pass(rows, builder.observe, progress.add_task("finding bins", total=rows.size), progress)
        builder.fit()
        _pass(rows, builder.count, progress.add_task("counting", total=rows.size), progress)
    if not builder.rows:
        reasons = "; ".join(rows.notes()) or "it is empty"
        raise UnreadableRowsError(rows.description, f"holds no rows of {model.name}: {reasons}", "see driftline tap")
    now = int(clock()) * 1_000_000
    return builder.reference(source=rows.description, created=now, notes=rows.notes()), rows.guesses()


def _pass(rows: Rows, use: Callable[[Batch], None], task: TaskID, progress: Progress) -> None:
    def report(done: int) -> None:
        progress.update(task, completed=done)

    for batch in rows.batches(report):
        use(batch)


def _renames(texts: Sequence[str]) -> dict[str, str]:
    renames: dict[str, str] = {}
    for text in texts:
        column, separator, name = text.partition("=")
        if not (column and separator and name):
            raise UsageError(f"--rename takes COLUMN=NAME, not {text!r}")
        renames[column] = name
    return renames


def _moment(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        return parse_moment(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
