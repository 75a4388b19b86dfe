"""One run: the reference out of the earlier rows, then the service's own code over the later ones."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from monitor.config.load import load
from monitor.config.model import stream_name
from monitor.config.root import Config
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import ColumnType, Schema
from monitor.demo.own.config import CONFIG, REFERENCE, write_config
from monitor.demo.own.mapping import Choice
from monitor.demo.own.spool import Spool, stamps_of
from monitor.demo.own.timeline import Timeline
from monitor.events import Batch, IntArray, Records
from monitor.evidence.windows import is_evidence
from monitor.findings import WindowResult
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.reference import BuildSettings, Reference, ReferenceBuilder
from monitor.reference.rows import Report, silent
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import TopicPartition

_ROWS: Final = 10_000
_BLOCKS: Final = 100
"""The stream is fed in about so many blocks, each with a checkpoint."""
_REJECTED: Final = "rejected:"

Lines: TypeAlias = Callable[[IntArray, IntArray], Iterable[bytes]]
"""Returns records, given their places in the timeline and their times."""


@dataclass(slots=True)
class Rows:
    """The person's rows in the order of time."""

    source: Path
    spool: Spool
    choice: Choice
    timeline: Timeline

    def lines(self, places: IntArray, times: IntArray) -> Iterator[bytes]:
        """Return the records at places of the timeline."""
        return self.spool.lines(self.timeline.rows[places], stamps_of(times))

    def blocks(self, first: int, last: int, size: int) -> Iterator[tuple[IntArray, IntArray]]:
        """Yield places of the timeline and their times, some at a time."""
        for begin in range(first, last, size):
            places = np.arange(begin, min(begin + size, last))
            yield places, self.timeline.times[places]


def build_reference(rows: Rows, folder: Path, report: Report = silent) -> Reference:
    """Build the reference out of the earlier rows and write it into a folder, with the configuration.

    ``report`` is told how many rows were read; all of them are, twice.
    """
    path = folder / CONFIG
    state = folder / "state"
    path.write_text(write_config(rows.source, folder, rows.choice, rows.timeline, state=state), encoding="utf-8")
    config = load(path, {}, needs_references=False)
    model = config.models[0]
    builder = ReferenceBuilder(BuildSettings.of(model), timed=not rows.timeline.even)
    split = rows.timeline.split
    for batch in _batches(rows, config, 0, report):
        builder.observe(batch)
    builder.fit()
    for batch in _batches(rows, config, split, report):
        builder.count(batch)
    reference = builder.reference(source=f"the first {split:,} rows of {rows.source.name}")
    reference.save(folder / REFERENCE)
    return reference


def _batches(rows: Rows, config: Config, done: int, report: Report) -> Iterator[Batch]:
    model = config.models[0]
    stated: dict[str, ColumnType] = {
        name: "numeric" if feature.type == "numeric" else "categorical" for name, feature in model.features.items()
    }
    decoder = Decoder([Schema.of(model, stated)], config.limits)
    for places, times in rows.blocks(0, rows.timeline.split, _ROWS):
        lines: list[bytes | None] = list(rows.lines(places, times))
        size = len(lines)
        records = Records(
            stream_name(model.predictions), 0, int(places[-1]) + 1, places.tolist(), times.tolist(), False,
            [None] * size, lines,
        )  # fmt: skip
        yield from decoder.decode(records).batches
        report(done + int(places[-1]) + 1)


@dataclass(slots=True)
class Play:
    """The later rows through a pipeline of its own; ``frames`` is called whenever there is something new to show."""

    rows: Rows
    folder: Path
    """Where configuration and reference stand."""
    results: Callable[[list[WindowResult]], None]
    frames: Callable[[Play], None]
    lines: Lines
    latest: WindowResult | None = None
    records: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    """Rows that the service could not count, by reason."""
    began: float = field(default_factory=time.monotonic)

    @property
    def rate(self) -> float:
        """Records a second so far."""
        return self.records / max(time.monotonic() - self.began, 1e-9)

    def run(self, state: Path) -> None:
        """Feed the rows in the order of time until every window is closed; the state lives in a folder of its own."""
        config = load(self.folder / CONFIG, {})
        config = config.model_copy(update={"state": config.state.model_copy(update={"path": str(state)})})
        source = MemorySource()
        input_ = TopicPartition(stream_name(config.models[0].predictions), 0)
        source.append(input_)
        pipeline = open_pipeline(config, source, base=self.folder)
        pipeline.results = self._note
        try:
            self._feed(pipeline, source, input_)
            self.rejected = _rejected(pipeline)
        finally:
            pipeline.close()

    def _feed(self, pipeline: Pipeline, source: MemorySource, input_: TopicPartition) -> None:
        timeline = self.rows.timeline
        size = min(_ROWS, max(100, len(timeline.live) // _BLOCKS))
        for places, times in self.rows.blocks(timeline.split, len(timeline.rows), size):
            lines = self.lines(places, times)
            items = [Item(line, log_time=moment) for line, moment in zip(lines, times.tolist(), strict=True)]
            source.append(input_, *items)
            while pipeline.step(0):
                pass
            self.records += len(items)
            pipeline.checkpoint()
            source.delete_records(input_, source.positions[input_])
            self.frames(self)
        pipeline.finish()

    def _note(self, results: list[WindowResult]) -> None:
        whole = [result for result in results if not is_evidence(result.window) and self._is_whole(result)]
        self.results([*whole, *(result for result in results if is_evidence(result.window))])
        for result in whole:
            if result.n and (self.latest is None or result.end >= self.latest.end):
                self.latest = result
        self.frames(self)

    def _is_whole(self, result: WindowResult) -> bool:
        """Whether a window lies within the stream, give or take one short window at either end."""
        timeline = self.rows.timeline
        margin = timeline.windows.size
        return result.start > timeline.begin - margin and result.end <= int(timeline.times[-1]) + margin


def _rejected(pipeline: Pipeline) -> Counter[str]:
    reasons: Counter[str] = Counter()
    for partition in pipeline.partitions.values():
        for (_, outcome), count in partition.counters.items():
            if outcome.startswith(_REJECTED):
                reasons[outcome.removeprefix(_REJECTED)] += count
    return reasons
