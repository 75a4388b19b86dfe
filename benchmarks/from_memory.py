"""One model's records from memory through the whole pipeline, for sections that look at what stands beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.pace import Clock, Pace
from monitor.alerting.outlet import Taker
from monitor.config.load import load
from monitor.config.root import Config
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import Batch, Records
from monitor.opening import open_pipeline
from monitor.reference.builder import BuildSettings, build_reference
from monitor.sources.memory import PAUSE, Content, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore

_AT_ONCE: Final = 5_000
_MODEL: Final = """\
version: 1
models:
  - name: fraud
    decision: "score >= 0.9"
    predictions:
      topic: bench
      where: {{value.model: fraud}}
      time_format: rfc3339
      map: {{id: value.prediction_id, time: value.ts, version: value.model_version, features: value.features,
            score: value.score}}
    reference: {reference}
    windows: {{minute: {{size: 1m, lateness: 1s}}}}
"""


def prepare(folder: Path, records: Sequence[bytes], rest: str = "") -> Config:
    """Make a folder with a reference of the first records and a configuration that ends in ``rest``; return that."""
    folder.mkdir()
    path = folder / "driftline.yaml"

    def written(reference: str) -> Config:
        end = f'state: {{path: "{folder}/state"}}\n'
        path.write_text(_MODEL.format(reference=reference) + rest + end, encoding="utf-8")
        return load(path, {})

    config = written("{learn: 14d}")
    first: list[bytes | None] = list(records[:_AT_ONCE])

    def batches() -> Iterator[Batch]:
        places = list(range(len(first)))
        read = Records("bench", 0, len(first), places, [0] * len(first), False, [None] * len(first), first)
        yield from Decoder([Schema.of(config.models[0])], config.limits).decode(read).batches

    build_reference(BuildSettings.of(config.models[0]), batches, source="bench").save(folder / "reference.json")
    return written("{source: reference.json}")


def pace(config: Config, folder: Path, records: Sequence[bytes], alerts: Taker | None = None) -> Pace:
    """Return what records take, a few thousand at a time."""
    log: list[Content] = []
    for first in range(0, len(records), _AT_ONCE):
        log += [*records[first : first + _AT_ONCE], PAUSE]
    source = MemorySource({TopicPartition("bench", 0): log})
    pipeline = open_pipeline(config, source, base=folder, store=MemoryStore(), alerts=alerts)
    clock, total = Clock.start(), 0
    while total < len(records):
        total += pipeline.step(0)
        pipeline.checkpoint()
    found = clock.stop(len(records))
    pipeline.close()
    return found
