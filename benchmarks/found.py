"""Section (w): what it costs to look for the worst slices.

The same predictions and labels through the whole pipeline twice, with ``find_slices`` and without: decode, count, join,
judge, evidence, checkpoints. Processor time of one process; the stream is made before the clock starts.

How often windows of performance are judged anew goes by the wall clock, which a busy machine stretches. It stands still
here, so that both runs judge the same windows equally often: as each closes, and at the end.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from benchmarks.report import Section, table
from monitor.config.load import load
from monitor.config.root import Config
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import DAY, HOUR, Batch, Records
from monitor.evidence.searched import Searched
from monitor.opening import open_pipeline
from monitor.reference.builder import BuildSettings, build_reference
from monitor.sources.memory import Content, Item, MemorySource
from monitor.sources.port import TopicPartition

NUMBERS, NAMES, VALUES = 16, 6, 12
KEYS, MANY = 2, 5000
"""Columns of many values, and how many; a few are common, most are rare."""
_BEGIN: Final = 1_793_577_600_000_000
_ROUNDS: Final = 9
_GOAL: Final = 1.3
_CHECKPOINT: Final = 20_000
_CONFIG: Final = """\
version: 1
kafka: {{bootstrap_servers: ["unused:9092"]}}
models:
  - name: m
{task}    predictions:
      topic: p
      time_format: epoch_us
      map: {{id: value.id, time: value.ts, version: value.v, features: value.f, {said}: value.s}}
    labels:
      topic: l
      time_format: epoch_us
      matures_after: 4h
      map: {{id: value.id, time: value.at, label: value.y}}
    join: {{wait: 8h}}
    performance: {{learn: 1d}}
    evidence: {{window: 1h}}
    idle_timeout: 1d
    reference: {reference}
    find_slices: {{enabled: {enabled}}}
state: {{path: "{folder}/state"}}
"""


_TASKS: Final = {
    "classes": {"task": '    positive_class: 1\n    decision: "score >= 0.5"\n', "said": "score"},
    "numbers": {"task": "    task: regression\n", "said": "prediction"},
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took."""

    micros: float
    """Processor time a prediction, with its label."""
    state: int
    """Bytes of the state directory afterwards."""
    cells: int
    """That slices were looked for in."""
    values: int
    """That were followed beside the cells."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Predictions and labels of some days, by time."""

    task: str
    said: list[tuple[int, bytes]]
    true: list[tuple[int, bytes]]

    @classmethod
    def of(cls, task: str, rows: int, days: int) -> Stream:
        """Return rows of 24 features; a tenth of the classes is wrong, numbers are off by a normal error."""
        rng = np.random.default_rng(1)
        times = np.sort(rng.integers(_BEGIN, _BEGIN + days * DAY, rows)).tolist()
        numbers, names = rng.normal(size=(rows, NUMBERS)).round(4).tolist(), rng.integers(0, VALUES, (rows, NAMES))
        many = np.minimum(rng.zipf(1.3, (rows, KEYS)), MANY).tolist()
        scores, wrong = rng.random(rows).round(4).tolist(), (rng.random(rows) < 0.1).tolist()
        off = rng.normal(0, 0.1, rows).round(4).tolist()
        said, true = [], []
        for row, (at, own, texts, keys) in enumerate(zip(times, numbers, names.tolist(), many, strict=True)):
            features = {f"n{place}": value for place, value in enumerate(own)}
            features |= {f"c{place}": f"v{value}" for place, value in enumerate(texts)}
            features |= {f"k{place}": f"merchant {value}" for place, value in enumerate(keys)}
            value = {"id": f"{row}", "ts": at, "v": "1", "f": features, "s": scores[row]}
            said.append((at, json.dumps(value).encode()))
            label = int((scores[row] >= 0.5) != wrong[row]) if task == "classes" else scores[row] + off[row]
            true.append((at + HOUR, json.dumps({"id": f"{row}", "at": at + HOUR, "y": label}).encode()))
        return cls(task, said, true)

    def source(self) -> MemorySource:
        """Return both logs."""
        logs: dict[TopicPartition, list[Content]] = {
            TopicPartition(topic, 0): [Item(value, log_time=at) for at, value in rows]
            for topic, rows in (("p", self.said), ("l", self.true))
        }
        return MemorySource(logs)


def configured(folder: Path, stream: Stream, *, enabled: bool) -> Config:
    """Write a reference of the first rows and a configuration; return the configuration."""
    path = folder / "driftline.yaml"
    parts = {"folder": folder, "enabled": str(enabled).lower(), **_TASKS[stream.task]}
    path.write_text(_CONFIG.format(reference="{learn: 14d}", **parts))
    config = load(path, {})
    values = [value for _, value in stream.said[:5000]]

    def batches() -> Iterator[Batch]:
        numbers = list(range(len(values)))
        records = Records("p", 0, len(values), numbers, [0] * len(values), False, [None] * len(values), list(values))
        yield from Decoder([Schema.of(config.models[0])], config.limits).decode(records).batches

    build_reference(BuildSettings.of(config.models[0]), batches, source="bench").save(folder / "reference.json")
    path.write_text(_CONFIG.format(reference="{source: reference.json}", **parts))
    return load(path, {})


def cost_of(stream: Stream, *, enabled: bool) -> Cost:
    """Run the pipeline once."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        pipeline = open_pipeline(configured(folder, stream, enabled=enabled), stream.source(), base=folder)
        pipeline.monotonic = lambda: 0.0
        start, read = time.process_time(), 0
        while got := pipeline.step(0):
            read += got
            if read >= _CHECKPOINT:
                pipeline.checkpoint()
                read = 0
        pipeline.finish()
        micros = 1e6 * (time.process_time() - start) / len(stream.said)
        searching, followed = pipeline.evaluations["m"].outcomes.searching, 0
        cells = 0 if searching is None or searching.cells is None else searching.cells.lattice.size
        for watch in pipeline.evidence.watches["m"]:
            if isinstance(watch.source, Searched) and watch.source.picks is not None:
                followed = watch.source.picks.family.size - cells
        pipeline.close()
        size = sum(file.stat().st_size for file in (folder / "state").rglob("*") if file.is_file())
        return Cost(micros, size, cells, followed)


def run(rows: int = 100_000, days: int = 3) -> Section:
    """Measure with and without, round by round."""
    lines, told = [], Cost(0, 0, 0, 0)
    for task in _TASKS:
        stream = Stream.of(task, rows, days)
        pairs = [(cost_of(stream, enabled=False), cost_of(stream, enabled=True)) for _ in range(_ROUNDS)]
        plain, found = (median(pair[side].micros for pair in pairs) for side in (0, 1))
        ratio = median(after.micros / before.micros for before, after in pairs)
        sizes = [f"{median(pair[side].state for pair in pairs) / 1e6:.1f} MB" for side in (0, 1)]
        verdict = f"{_GOAL} ×, {'met' if ratio <= _GOAL else 'not met'}"
        lines += [
            [f"{task}: processor time a prediction", f"{plain:.1f} µs", f"{found:.1f} µs", f"{ratio:.2f} ×", verdict],
            [f"{task}: state and history", *sizes, "", ""],
        ]
        told = pairs[0][1]
    text = (
        f"{rows:,} predictions of {NUMBERS} numbers, {NAMES} categories and {KEYS} columns of up to {MANY:,} values "
        f"over {days} days, each with a label, judged after 4 h; evidence windows of an hour, {24 * (days - 1)} after "
        f"a day of learning. {NUMBERS + NAMES + KEYS} columns and their pairs make {told.cells:,} cells; "
        f"{told.values:,} values are followed beside them. Medians of {_ROUNDS} rounds, the ratio pair by pair."
    )
    return Section("w", "Looking for the worst slices", f"{text}\n\n{table(['', 'off', 'on', 'ratio', 'goal'], lines)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    print(run(parser.parse_args().rows).body)
