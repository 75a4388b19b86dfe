"""``driftline replay``: files or a range of the topic through the service's own code."""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dashboards.report import Report
from monitor.collector import collect_seldom
from monitor.commands.burden import Burden
from monitor.config.load import folder_of, load
from monitor.config.model import ModelConfig
from monitor.config.root import Config
from monitor.config.types import parse_moment
from monitor.findings import Finding, WindowResult
from monitor.opening import open_pipeline
from monitor.past import KnownPast
from monitor.pipeline import Pipeline
from monitor.snapshot import Snapshots
from monitor.sources.build import build_source
from monitor.sources.port import Source, TopicPartition

FOUND = 3
_ORDER = {"ok": 0, "insufficient": 0, "warn": 1, "drift": 2}
_SHOWN = 50


class ReplayError(ValueError):
    """What the command line asks for does not fit the configuration."""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What the command line said."""

    predictions: Path | None = None
    labels: Path | None = None
    start: str | None = None
    end: str | None = None
    json: Path | None = None
    html: Path | None = None
    fail_on: str | None = None


def replay(config_path: Path, environ: Mapping[str, str], options: ReplayOptions) -> int:
    """Replay and report; return 3 when ``fail_on`` asks for it and something was found, else 0."""
    config = load(config_path, environ)
    first = None if options.start is None else parse_moment(options.start)
    last = None if options.end is None else parse_moment(options.end)
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="driftline-replay-") as directory:
        config = isolated(config, directory, options.predictions, options.labels)
        source = build_source(config, follow=False)
        pipeline = open_pipeline(config, source, base=folder_of(config_path))
        collect_seldom()
        try:
            _run(pipeline, source, first, last, console)
            history = pipeline.assembly.history
            results = list(history.results(first, last))
            if options.html is not None:
                view = Snapshots(build=version("driftline"), config_hash="replay").take(pipeline)
                options.html.write_bytes(Report(view, KnownPast.of(history), first, last).html())
        finally:
            pipeline.close()
    report(results, options.json, console)
    for line in Burden.of(results).lines(config.alarms):
        console.print(line, highlight=False)
    worst = max((_ORDER[finding.status] for result in results for finding in result.findings), default=0)
    return FOUND if options.fail_on is not None and worst >= _ORDER[options.fail_on] else 0


def isolated(config: Config, directory: str, predictions: Path | None, labels: Path | None = None) -> Config:
    """Return the configuration with a state of its own, no dead letters and, if given, other inputs.

    Where predictions come from a file and labels from a topic, they are left out, unless there is a file of them.
    """
    return config.model_copy(
        update={
            "models": [_elsewhere(model, predictions, labels) for model in config.models],
            "state": config.state.model_copy(update={"path": directory}),
            "kafka": config.kafka.model_copy(update={"dead_letters": None}),
        }
    )


def _elsewhere(model: ModelConfig, predictions: Path | None, labels: Path | None) -> ModelConfig:
    """Return a model that reads these files.

    Raises
    ------
    ReplayError
        When a file of labels is given that cannot be read with the mapping, or one file of both halves of pairs that
        nothing tells apart.
    """
    found: dict[str, Any] = {}
    if predictions is not None:
        pair = model.predictions.pair
        if pair is not None and pair.request.where == pair.response.where:
            raise ReplayError(f"{model.name}: one file holds both halves, and only where of each could tell them apart")
        found["predictions"] = model.predictions.model_copy(update={"topic": None, "file": str(predictions)})
    if labels is not None and model.labels is not None:
        if model.labels.map.time == "timestamp":
            raise ReplayError(f"{model.name}: labels in a file have no log time; say where it stands: labels.map.time")
        found["labels"] = model.labels.model_copy(update={"topic": None, "file": str(labels)})
    elif predictions is not None and model.labels is not None and model.labels.topic is not None:
        found["labels"] = None
    return model.model_copy(update=found)


def _run(pipeline: Pipeline, source: Source, first: int | None, last: int | None, console: Console) -> None:
    inputs = sorted(pipeline.positions())
    ends = source.end_offsets(inputs)
    if last is not None:
        streams = [
            s for model in pipeline.assembly.models.values() for s in (model.config.predictions, model.config.labels)
        ]
        files = {str(stream.file) for stream in streams if stream is not None and stream.file is not None}
        ends = {name: end if name.topic in files else _until(source, name, last, end) for name, end in ends.items()}
    if first is not None:
        for name, offset in source.start_offsets(inputs, first).items():
            source.seek(name, offset)
            pipeline.partitions[name.partition].offsets[name.topic] = offset
    begin = pipeline.positions()
    total = sum(max(0, ends[name] - begin[name]) for name in inputs)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("replaying", total=total)
        for done in _steps(pipeline, ends, begin):
            progress.update(task, completed=done)
        progress.update(task, description="closing windows")
        pipeline.finish()


def _until(source: Source, name: TopicPartition, last: int, end: int) -> int:
    return min(end, source.start_offsets([name], last).get(name, end))


def _steps(
    pipeline: Pipeline, ends: Mapping[TopicPartition, int], begin: Mapping[TopicPartition, int]
) -> Iterator[int]:
    """Read until every input has reached its end; yield how far reading got."""
    while True:
        positions = pipeline.positions()
        if all(positions[name] >= end for name, end in ends.items()):
            return
        pipeline.step(0.1)
        if pipeline.due():
            pipeline.checkpoint()
        positions = pipeline.positions()
        yield sum(min(positions[name], ends[name]) - begin[name] for name in ends)


def records_of(results: list[WindowResult]) -> Iterator[dict[str, Any]]:
    """Yield one flat object a finding, NaN as null, times as RFC 3339."""
    for result in results:
        for finding in result.findings:
            yield {
                "window_start": _text(result.start),
                "window_end": _text(result.end),
                "window": result.window,
                "model": result.model,
                "version": result.version,
                "slice": result.slice,
                "column": finding.column,
                "detector": finding.detector,
                **{name: _plain(value) for name, value in asdict(finding).items() if name in _FIGURES},
                "status": finding.status,
                "n": result.n,
                "revision": result.revision,
            }


_FIGURES = ("statistic", "effect", "low", "high", "p_value", "threshold")


def report(results: list[WindowResult], target: Path | None, console: Console) -> None:
    """Write findings as JSON lines, or print those that matter as a table."""
    if target is not None:
        if str(target) == "-":
            _write(sys.stdout.buffer, results)
        else:
            with target.open("wb") as file:
                _write(file, results)
        return
    Console().print(table_of(results))
    rows = {(result.model, result.version) for result in results}
    console.print(f"{len(results)} windows of {len(rows)} model versions; findings as JSON with --json FILE")


def table_of(results: list[WindowResult]) -> Table:
    """Return the findings that are not ok, latest last."""
    table = Table(title="What moved", title_justify="left")
    for heading in ("window", "model", "slice", "column", "statistic", "value", "threshold", "p", "status", "n", "rev"):
        table.add_column(heading, justify="right" if heading in {"value", "threshold", "p", "n", "rev"} else "left")
    found = [(r, f) for r in results for f in r.findings if f.status in {"warn", "drift"}]
    for result, finding in found[-_SHOWN:]:
        table.add_row(*_cells(result, finding))
    hidden = len(found) - _SHOWN
    table.caption = (
        f"and {hidden} earlier ones" if hidden > 0 else None if found else "nothing: every window is in order"
    )
    return table


def _cells(result: WindowResult, finding: Finding) -> tuple[str, ...]:
    return (
        f"{_text(result.start)} {result.window}",
        f"{result.model}@{result.version}" if result.version else result.model,
        result.slice,
        finding.column,
        finding.detector,
        f"{finding.statistic:.4g}",
        f"{finding.threshold:.4g}",
        "" if math.isnan(finding.p_value) else f"{finding.p_value:.2g}",
        finding.status,
        str(result.n),
        str(result.revision),
    )


def _write(file: IO[bytes], results: list[WindowResult]) -> None:
    for record in records_of(results):
        file.write(msgspec.json.encode(record) + b"\n")


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _text(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
