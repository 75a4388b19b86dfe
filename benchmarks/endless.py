"""``python -m benchmarks.endless '{"records": …}'``: run the whole pipeline over a made-up stream; print its footprint.

The stream is made record by record and kept nowhere, so what is resident is the service's own.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from monitor.collector import collect_seldom
from monitor.config.load import load
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import Batch, Records
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.reference.builder import BuildSettings, build_reference
from monitor.sources.port import TopicPartition

TOPIC: Final = "endless"
BEGIN: Final = 1_793_491_200_000_000
_TEMPLATES: Final = 997
_REFERENCE_ROWS: Final = 5_000
_CONFIG: Final = """\
version: 1
models:
  - name: m
    decision: "score >= 0.9"
    predictions:
      topic: endless
      time_format: epoch_us
      map: {{id: value.prediction_id, time: value.ts, features: value.features, score: value.score}}
    reference: {reference}
    slices: {slices}
limits: {{max_features_per_model: 5000, max_keys: 100000}}
state: {{path: "{folder}/state"}}
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What to run."""

    records: int
    features: int = 20
    """A fifth of them are texts."""
    distinct: int = 20
    """Values of one further column of texts."""
    slices: int = 0
    """Values that are sliced by."""
    step: int = 100_000
    """Microseconds of event time between records."""
    marks: tuple[int, ...] = ()
    """Numbers of records after which memory is looked at."""
    at_once: int = 500


@dataclass(slots=True)
class Footprint:
    """What it took."""

    resident: dict[int, int] = field(default_factory=dict)
    """Records → resident bytes."""
    idle: int = 0
    """Resident bytes before the first record."""
    peak: int = 0
    written: list[int] = field(default_factory=list)
    """Bytes of each checkpoint."""
    state: int = 0
    """Bytes on disk of the store with its generations, and of the history."""
    cpu: float = 0.0
    windows: int = 0


class Endless:
    """A ``Source`` of one partition that makes its records up."""

    def __init__(self, options: Load) -> None:
        self._options = options
        self._position = 0
        self._templates = list(templates(options))

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """See ``Source``."""
        return dict.fromkeys(topics, 1)

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """See ``Source``."""
        return dict.fromkeys(topics, "made-up")

    def start_offsets(self, inputs: Sequence[TopicPartition], start: str | int) -> dict[TopicPartition, int]:  # noqa: ARG002 - one protocol
        """See ``Source``."""
        return dict.fromkeys(inputs, 0)

    def end_offsets(self, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See ``Source``."""
        return dict.fromkeys(inputs, self._options.records)

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """See ``Source``."""
        self._position = next(iter(positions.values()))

    def seek(self, input_: TopicPartition, offset: int) -> None:  # noqa: ARG002 - one protocol
        """See ``Source``."""
        self._position = offset

    def consume(self, limit: int, timeout: float) -> list[Records]:  # noqa: ARG002 - one protocol
        """See ``Source``."""
        number = min(limit, self._options.at_once, self._options.records - self._position)
        if not number:
            return []
        offsets = list(range(self._position, self._position + number))
        self._position += number
        values: list[bytes | None] = [self.value(offset) for offset in offsets]
        return [Records(TOPIC, 0, self._position, offsets, [0] * number, False, [None] * number, values)]

    def value(self, offset: int) -> bytes:
        """Return one record's value."""
        options = self._options
        head = b'{"prediction_id":"%016x","ts":%d,"features":{"merchant":"m%d",' % (
            offset * 2_654_435_761 % 2**64,
            BEGIN + offset * options.step,
            offset * 7_919 % options.distinct,
        )
        return head + self._templates[offset % _TEMPLATES]

    def pause(self, inputs: Iterable[TopicPartition]) -> None:
        """See ``Source``."""

    def resume(self, inputs: Iterable[TopicPartition]) -> None:
        """See ``Source``."""

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """See ``Source``."""

    def committed(self, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:  # noqa: ARG002
        """See ``Source``."""
        return {}

    def close(self) -> None:
        """See ``Source``."""


def templates(options: Load) -> Iterator[bytes]:
    """Yield the parts of values that repeat: all features but one, and the score."""
    rng = random.Random(7)
    for _ in range(_TEMPLATES):
        features: dict[str, object] = {}
        for place in range(options.features):
            text = place % 5 == 4
            features[f"feature_{place:04d}"] = f"v{rng.randrange(12)}" if text else round(rng.gauss(0, 1), 5)
        features["segment"] = f"s{rng.randrange(max(options.slices - 2, 1))}"
        rest = json.dumps({"features": features, "score": round(rng.random(), 6)}, separators=(",", ":"))
        yield rest.removeprefix('{"features":{').encode()


def run(options: Load, folder: Path) -> Footprint:
    """Run the pipeline over the stream and look at what it takes."""
    path, source = folder / "driftline.yaml", Endless(options)
    slices = "[{by: [segment], top_k: 1000}]" if options.slices else "[]"
    path.write_text(_CONFIG.format(folder=folder, slices=slices, reference="{learn: 14d}"))
    _reference(path, source)
    path.write_text(_CONFIG.format(folder=folder, slices=slices, reference="{source: reference.json}"))
    pipeline = open_pipeline(load(path, os.environ), source, base=folder)
    collect_seldom()
    found = Footprint(idle=resident())
    began, seen, marks = time.process_time(), 0, list(options.marks)
    while number := pipeline.step(0):
        seen += number
        if pipeline.due():
            checkpoint(pipeline, found)
        while marks and seen >= marks[0]:
            found.resident[marks.pop(0)] = resident()
    checkpoint(pipeline, found)
    found.cpu = time.process_time() - began
    found.windows = sum(1 for _ in pipeline.assembly.history.results(None, None))
    pipeline.close()
    found.peak = status("VmHWM")
    found.state = sum(file.stat().st_size for file in _distinct(folder / "state"))
    return found


def checkpoint(pipeline: Pipeline, found: Footprint) -> None:
    """Write a checkpoint and note its size."""
    pipeline.checkpoint()
    found.written.append(pipeline.last.written_bytes)


def _reference(path: Path, source: Endless) -> None:
    config = load(path, os.environ)
    decoder = Decoder([Schema.of(config.models[0])], config.limits)

    def batches() -> Iterator[Batch]:
        for start in range(0, _REFERENCE_ROWS, 500):
            numbers = list(range(start, start + 500))
            values: list[bytes | None] = [source.value(number) for number in numbers]
            records = Records(TOPIC, 0, start + 500, numbers, [0] * 500, False, [None] * 500, values)
            yield from decoder.decode(records).batches

    built = build_reference(BuildSettings.of(config.models[0]), batches, source="benchmark")
    built.save(path.with_name("reference.json"))


def _distinct(folder: Path) -> Iterator[Path]:
    """Yield files, each once however many hard links lead to it."""
    seen: set[int] = set()
    for file in folder.rglob("*"):
        if file.is_file() and (number := file.stat().st_ino) not in seen:
            seen.add(number)
            yield file


def resident() -> int:
    """Return the bytes that this process has in memory."""
    return status("VmRSS")


def status(name: str) -> int:
    """Return one figure of the process's status, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def main(arguments: list[str]) -> None:
    """Run one load and print its footprint as JSON."""
    given: dict[str, Any] = json.loads(arguments[0])
    given["marks"] = tuple(given.get("marks", ()))
    folder = Path(tempfile.mkdtemp(prefix="driftline-bench-"))
    try:
        found = asdict(run(Load(**given), folder))
    finally:
        shutil.rmtree(folder)
    written = found.pop("written")
    print(json.dumps(found | {"largest": max(written), "usual": median(written), "checkpoints": len(written)}))


if __name__ == "__main__":
    main(sys.argv[1:])
