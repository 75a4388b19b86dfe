"""A small service that gathers evidence, and records for it whose law is known."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from monitor.config.load import load
from monitor.config.root import Config
from monitor.events import DAY, HOUR
from monitor.evidence.windows import is_evidence
from monitor.findings import Finding, WindowResult
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline, no_fault
from monitor.sources.memory import PAUSE, Content, Item, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from monitor.store.port import StateStore
from tests.references import save_reference

BEGIN = 1_793_577_600_000_000
"""2026-11-02T00:00:00Z, a Monday."""
CONFIG = """\
version: 1
kafka: {{bootstrap_servers: ["unused:9092"], dead_letters: {{file: "{folder}/dead.jsonl"}}}}
models:
  - name: m
    task: binary_classification
    decision: "score >= 0.7"
    predictions:
      topic: p
      time_format: epoch_us
      map: {{id: value.id, time: value.ts, version: value.v, features: value.f, score: value.s}}
    reference: {reference}
    evidence: {{window: {window}}}
    idle_timeout: 1h
    windows:
      hourly: {{size: 1h, lateness: 1m, restate_for: 2h}}
    detectors:
      - {{kind: psi, on: [score]}}
{more}
alarms: {alarms}
state: {{path: "{folder}/state"}}
"""
Change = Callable[[dict[str, object], int], None]


def rows(first: int, last: int, per_hour: int, seed: int, change: Change | None = None) -> list[tuple[int, bytes]]:
    """Return (time, record) in order: two numbers, a category and a score, of one law unless ``change`` alters them."""
    rng = np.random.default_rng(seed)
    number = per_hour * (last - first) // HOUR
    times = np.sort(rng.integers(first, last, number)).tolist()
    columns = rng.normal(size=(2, number)).round(4).tolist()
    places = rng.choice(["de", "fr", "it", "lu"], number, p=[0.5, 0.3, 0.196, 0.004]).tolist()
    scores = rng.random(number).round(4).tolist()
    missing = rng.random(number) < 0.01
    found = []
    for n, time in enumerate(times):
        a = None if missing[n] else columns[0][n]
        row: dict[str, object] = {"a": a, "b": columns[1][n], "c": places[n]}
        value: dict[str, object] = {"id": f"{seed}-{n}", "ts": time, "v": "1", "f": row, "s": scores[n]}
        if change is not None:
            change(value, time)
        found.append((time, json.dumps(value).encode()))
    return found


def logs(
    records: Iterable[tuple[int, bytes]], partitions: int = 1, seed: int = 0, pause_every: int = 1 << 30
) -> dict[int, list[Content]]:
    """Spread records over partitions, each in order; a pause ends a read."""
    rng = random.Random(seed)
    found: dict[int, list[Content]] = {number: [] for number in range(partitions)}
    for number, (_, value) in enumerate(records, 1):
        place = rng.randrange(partitions)
        found[place].append(Item(value))
        if number % pause_every == 0:
            found[place].append(PAUSE)
    return found


def configured(
    folder: Path,
    *,
    window: str = "1h",
    alarms: str = "{}",
    more: str = "",
    days: int = 8,
    per_hour: int = 30,
    seed: int = 99,
    change: Change | None = None,
) -> Config:
    """Write a reference of the days before the stream and a configuration; return the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "driftline.yaml"
    parts = {"folder": folder, "window": window, "alarms": alarms, "more": more}
    path.write_text(CONFIG.format(reference="{learn: 14d}", **parts))
    config = load(path, {})
    values = [value for _, value in rows(BEGIN - days * DAY, BEGIN, per_hour, seed, change)]
    save_reference(config, "p", values, folder / "reference.json")
    path.write_text(CONFIG.format(reference="{source: reference.json}", **parts))
    return load(path, {})


def run(
    config: Config,
    folder: Path,
    content: Mapping[int, list[Content]],
    *,
    store: StateStore | None = None,
    seed: int = 0,
    restart_every: int | None = None,
    rarely: random.Random | None = None,
    fault: Callable[[str], None] = no_fault,
    finish: bool = True,
) -> Pipeline:
    """Read logs to their ends; ``rarely`` says when to write, by default after every read."""
    source = MemorySource({TopicPartition("p", number): log for number, log in content.items()}, seed=seed)
    kept: StateStore = MemoryStore() if store is None else store
    pipeline = open_pipeline(config, source, base=folder, store=kept, fault=fault)
    ends = source.end_offsets(list(pipeline.positions()))
    steps = 0
    while any(pipeline.positions()[name] < end for name, end in ends.items()):
        pipeline.step(0)
        if rarely is None or rarely.random() < 0.3:
            pipeline.checkpoint()
        steps += 1
        if restart_every is not None and steps % restart_every == 0:
            pipeline = open_pipeline(config, source, base=folder, store=kept, fault=fault)
    if finish:
        pipeline.finish()
    else:
        pipeline.checkpoint()
    return pipeline


def told(pipeline: Pipeline) -> list[WindowResult]:
    """Return every evidence window in history, in order."""
    return [result for result in pipeline.assembly.history.results(None, None) if is_evidence(result.window)]


def words(pipeline: Pipeline) -> list[str]:
    """Return the same to the last bit, NaN being equal to NaN."""
    return [repr(result) for result in told(pipeline)]


def alarms(pipeline: Pipeline, detector: str = "evidence") -> list[tuple[int, Finding]]:
    """Return start and finding of every alarm."""
    return [
        (result.start, finding)
        for result in told(pipeline)
        for finding in result.findings
        if finding.status == "drift" and finding.detector == detector
    ]


def gathered(pipeline: Pipeline) -> bytes:
    """Return the evidence that a pipeline holds, as bytes."""
    (watch,) = pipeline.evidence.watches["m"]
    return watch.progress() + watch.state()
