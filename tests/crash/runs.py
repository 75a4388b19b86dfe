"""The whole service over logs in memory, and everything it says afterwards, ready to be compared."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monitor.config.load import load
from monitor.config.root import Config
from monitor.findings import Finding, WindowResult
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.sources.memory import Content, Item, MemorySource
from monitor.sources.port import Source, TopicPartition
from monitor.store.port import StateStore

Key = tuple[str, str, str, str, int, int]
Cells = dict[str, tuple[int, ...]]
"""Column → rows by cell."""
Logs = Mapping[int, Sequence[bytes | Item]]


@dataclass
class Outcome:
    """What a run counted, found and refused."""

    windows: dict[Key, tuple[int, int, str]]
    """(model, version, slice, window, start, end) → rows, revision, findings to the last bit."""
    cells: dict[Key, Cells]
    """Every window of the whole traffic as it is counted now."""
    counters: Counter[tuple[str, str]]
    clocks: dict[tuple[str, int], int]
    """(model, partition) → greatest event time believed."""
    findings: dict[Key, tuple[Finding, ...]] = field(default_factory=dict, compare=False)
    """The findings themselves; NaN is not equal to NaN, so their texts are compared."""
    letters: list[tuple[str, str]] = field(default_factory=list)
    """(stable key, reason) of the dead letters, as they came."""

    def counted(self, model: str = "") -> dict[str, int]:
        """Return the counters of a model that are not zero."""
        return {name: count for (owner, name), count in self.counters.items() if owner == model and count}

    def rejected(self) -> Counter[str]:
        """Return how many records and rows were refused, by reason."""
        found: Counter[str] = Counter()
        for (_, name), count in self.counters.items():
            if name.startswith("rejected:") and count:
                found[name.removeprefix("rejected:")] += count
        return found


def outcome_of(pipeline: Pipeline) -> Outcome:
    """Return what a pipeline has said so far."""
    counters: Counter[tuple[str, str]] = Counter()
    for partition in pipeline.partitions.values():
        counters.update(partition.counters)
    results = list(pipeline.assembly.history.results(None, None))
    keyed = {(r.model, r.version, r.slice, r.window, r.start, r.end): r for r in results}
    return Outcome(
        windows={key: (r.n, r.revision, repr(r.findings)) for key, r in keyed.items()},
        findings={key: r.findings for key, r in keyed.items()},
        cells={key: cells for key, r in keyed.items() if not r.slice and (cells := cells_of(pipeline, r)) is not None},
        counters=counters,
        clocks={
            (model, number): clock.greatest
            for number, partition in pipeline.partitions.items()
            for model, clock in partition.clocks.items()
        },
        letters=letters_of(pipeline.assembly.config),
    )


def cells_of(pipeline: Pipeline, result: WindowResult) -> Cells | None:
    """Return the cells of a window as they are now, ``None`` when there are no such windows any more."""
    model = pipeline.assembly.models.get(result.model)
    kinds = () if model is None else model.windows.windows
    kind = next((one for one in kinds if (one.name, one.size) == (result.window, result.end - result.start)), None)
    if model is None or kind is None:
        return None
    counts = pipeline.evaluator.sum(model, result.version, kind, result.start)
    spans = {"rows": (0, 1), **model.layout.spans}
    return {name: tuple(counts[first:last].tolist()) for name, (first, last) in spans.items()}


def letters_of(config: Config) -> list[tuple[str, str]]:
    """Return key and reason of every line in the file of dead letters."""
    settings = config.kafka.dead_letters
    path = None if settings is None or settings.file is None else Path(settings.file)
    if path is None or not path.is_file():
        return []
    letters = [json.loads(line) for line in path.read_text().splitlines() if line]
    return [(letter["id"], letter["reason"]) for letter in letters]


def memory(topics: Mapping[str, Logs], **options: object) -> MemorySource:
    """Return a source over logs in memory."""
    contents: dict[TopicPartition, Sequence[Content]] = {
        TopicPartition(topic, number): list(log) for topic, logs in topics.items() for number, log in logs.items()
    }
    return MemorySource(contents, **options)  # type: ignore[arg-type]  # handed through to the constructor


def drain(pipeline: Pipeline, *, stop: Callable[[], bool] = lambda: False) -> None:
    """Read until every input has come to its end, with a checkpoint after every read."""
    ends = pipeline.source.end_offsets(list(pipeline.positions()))
    while not stop() and any(pipeline.positions()[name] < end for name, end in ends.items()):
        pipeline.step(0.1)
        pipeline.checkpoint()
    pipeline.checkpoint()


def run(
    path: Path,
    source: Source,
    *,
    store: StateStore | None = None,
    finish: bool = False,
    before_reading: Callable[[Pipeline], None] = lambda _: None,
) -> Outcome:
    """Run the service of a configuration over a source to the end, in order, and return what it said.

    ``finish`` closes every window at the end, as for a log that is complete.
    """
    pipeline = open_pipeline(load(path, {}), source, base=path.parent, store=store)
    try:
        before_reading(pipeline)
        drain(pipeline)
        if finish:
            pipeline.finish()
        return outcome_of(pipeline)
    finally:
        pipeline.close()
