"""Traffic with a daily and a weekly cycle, a reference of it, and runs of the service over it in memory."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from monitor.config.load import load
from monitor.config.root import Config
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import DAY, HOUR, Batch, Records
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.reference.builder import BuildSettings, build_reference
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from tests.crash.stream import value

MONDAY = 1_793_577_600_000_000
"""2026-11-02T00:00:00Z."""
CONFIG = """\
version: 1
kafka: {{bootstrap_servers: ["unused:9092"], dead_letters: {{file: "{folder}/dead.jsonl"}}}}
models:
  - name: m
    task: binary_classification
    predictions:
      topic: p
      time_format: rfc3339
      map: {{id: value.prediction_id, time: value.ts, version: value.model_version, features: value.features,
            score: value.score}}
    reference: {reference}
    idle_timeout: 1h
    windows:
      hourly: {{size: 1h, lateness: 1m, restate_for: 3d, min_samples: 10_000}}
      daily: {{size: 1d, slide: 6h, lateness: 1m, restate_for: 3d}}
    detectors:
      - {{kind: psi, on: [score]}}
      - {{kind: rate, on: [volume], warn: 0.4, alert: 0.7, alpha: 0.001}}
      - {{kind: rate, on: [quality], window: daily}}
state: {{path: "{folder}/state"}}
"""
_REFERENCES: dict[tuple[int, int], bytes] = {}
"""Those built already, by days and seed."""


def rate(time: int) -> float:
    """Return rows an hour: a daily cycle, weekends half as busy."""
    hour, weekday = time // HOUR % 24, (time - MONDAY) // DAY % 7
    return float(20 * (1 + 0.6 * np.sin(hour / 24 * 2 * np.pi)) * (1 if weekday < 5 else 0.5))


def times(first: int, last: int, seed: int, factor: float = 1.0) -> list[int]:
    """Return sorted times of rows that come by chance, as often as ``rate`` says."""
    rng = np.random.default_rng(seed)
    found: list[int] = []
    for hour in range(first, last, HOUR):
        found += (hour + np.sort(rng.integers(0, HOUR, rng.poisson(factor * rate(hour))))).tolist()
    return found


def items(moments: Iterable[int], version: str = "1", tag: str = "") -> list[Item]:
    """Return a record a moment."""
    rng = random.Random(7)
    values = [value(rng, f"{tag}{n}", time) for n, time in enumerate(moments)]
    field = f'"model_version": "{version}"'.encode()
    return [Item(re.sub(rb'"model_version": "\d"', field, text)) for text in values]


def configured(folder: Path, *, days: int = 28, seed: int = 1) -> Config:
    """Write a configuration and, of so many days before Monday, its reference; return the configuration."""
    path = folder / "driftline.yaml"
    path.write_text(CONFIG.format(folder=folder, reference="{learn: 14d}"))
    known = _REFERENCES.get((days, seed))
    if known is None:
        _build(load(path, {}), folder / "reference.json", days, seed)
        _REFERENCES[days, seed] = (folder / "reference.json").read_bytes()
    else:
        (folder / "reference.json").write_bytes(known)
    path.write_text(CONFIG.format(folder=folder, reference="{source: reference.json}"))
    return load(path, {})


def _build(config: Config, path: Path, days: int, seed: int) -> None:
    rows = [item.value for item in items(times(MONDAY - days * DAY, MONDAY, seed))]

    def batches() -> Iterable[Batch]:
        numbers = list(range(len(rows)))
        records = Records("p", 0, len(rows), numbers, [0] * len(rows), False, [None] * len(rows), list(rows))
        yield from Decoder([Schema.of(config.models[0])], config.limits).decode(records).batches

    build_reference(BuildSettings.of(config.models[0]), batches, source="test").save(path)


def run(
    config: Config, folder: Path, logs: dict[int, list[Item]], *, seed: int = 0, restart_every: int | None = None
) -> Pipeline:
    """Read the logs to their ends and close every window."""
    source = MemorySource({TopicPartition("p", number): log for number, log in logs.items()}, seed=seed)
    store = MemoryStore()
    pipeline = open_pipeline(config, source, base=folder, store=store)
    ends = source.end_offsets(list(pipeline.positions()))
    steps = 0
    while any(pipeline.positions()[name] < end for name, end in ends.items()):
        pipeline.step(0)
        pipeline.checkpoint()
        steps += 1
        if restart_every is not None and steps % restart_every == 0:
            pipeline = open_pipeline(config, source, base=folder, store=store)
    pipeline.finish()
    return pipeline
