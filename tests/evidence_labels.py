"""A small service with labels that gathers evidence of outcomes, and records for it whose law is known."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor.config.load import load
from monitor.config.root import Config
from monitor.events import HOUR
from monitor.evidence.watch import Watch
from monitor.evidence.windows import OF_OUTCOMES
from monitor.findings import Finding, WindowResult
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline, no_fault
from monitor.sources.memory import PAUSE, Content, Item, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from monitor.store.port import StateStore

BEGIN = 1_793_577_600_000_000
"""2026-11-02T00:00:00Z, a Monday."""
MATURES = 6 * HOUR
CONFIG = """\
version: 1
kafka: {{bootstrap_servers: ["unused:9092"], dead_letters: {{file: "{folder}/dead.jsonl"}}}}
models:
  - name: m
    task: {task}
    predictions:
      topic: p
      time_format: epoch_us
      map: {{id: value.id, time: value.ts, version: value.v, score: value.s{mapped}}}
    labels:
      topic: l
      time_format: epoch_us
      matures_after: 6h
      map: {{id: value.id, time: value.at, label: value.y}}
    join: {{wait: 12h}}
    performance: {{learn: {learn}, min_labels: 50}}
    evidence: {{window: {window}}}
    idle_timeout: 1d
    windows:
      daily: {{size: 1d, lateness: 1m, restate_for: 2h}}
{more}
alarms: {alarms}
state: {{path: "{folder}/state"}}
"""
BINARY = '    positive_class: 1\n    decision: "score >= 0.7"\n'


@dataclass(frozen=True)
class Case:
    """One prediction and what became of it."""

    id: str
    time: int
    score: float
    labels: tuple[tuple[int, int], ...]
    """(age, label), corrections too."""
    version: str = "1"
    logged: int = 0
    """How long after its time it reached the log."""


Law = Callable[[random.Random, int, float], tuple[tuple[int, int], ...]]
"""(generator, time, score) → labels by age."""


def plain(rng: random.Random, time: int, score: float) -> tuple[tuple[int, int], ...]:
    """Return a label that comes within two hours; the score is its probability."""
    return ((rng.randrange(2 * HOUR), int(rng.random() < score)),)


def cases(first: int, last: int, per_hour: int, seed: int, law: Law = plain) -> list[Case]:
    """Return predictions with scores of one law."""
    rng = random.Random(seed)
    times = sorted(rng.randrange(first, last) for _ in range(per_hour * (last - first) // HOUR))
    found = []
    for number, time in enumerate(times):
        score = round(rng.betavariate(1, 2), 4)
        found.append(Case(f"{seed}-{number}", time, score, law(rng, time, score)))
    return found


def logs(found: Iterable[Case], pause_every: int = 1 << 30) -> dict[str, list[Content]]:
    """Return the logs of predictions and of labels, in the order of their log times; they end with a quiet day."""
    said, true = [], []
    for case in found:
        row = {"id": case.id, "ts": case.time, "v": case.version, "s": case.score}
        said.append((case.time + case.logged, json.dumps(row).encode()))
        for age, label in case.labels:
            at = case.time + age
            true.append((at, json.dumps({"id": case.id, "at": at, "y": label}).encode()))
    end = max(time for time, _ in [*said, *true]) + 24 * HOUR
    for number in range(3):
        said.append((end + number, json.dumps({"id": f"end{number}", "ts": end, "v": "1", "s": 0.5}).encode()))
        true.append((end + number, json.dumps({"id": "nobody", "at": end, "y": 1}).encode()))
    return stamped({"p": said, "l": true}, pause_every)


def stamped(topics: Mapping[str, list[tuple[int, bytes]]], pause_every: int) -> dict[str, list[Content]]:
    """Return rows of (log time, value) as logs in the order of their times, with pauses in between."""
    both: dict[str, list[Content]] = {}
    for topic, rows in topics.items():
        log = both.setdefault(topic, [])
        for number, (time, value) in enumerate(sorted(rows), 1):
            log.append(Item(value, log_time=time))
            if number % pause_every == 0:
                log.append(PAUSE)
    return both


def configured(
    folder: Path,
    *,
    window: str = "1h",
    alarms: str = "{}",
    learn: str = "8d",
    task: str = "binary_classification",
    mapped: str = "",
    more: str = BINARY,
) -> Config:
    """Write a configuration and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "driftline.yaml"
    path.write_text(
        CONFIG.format(folder=folder, window=window, alarms=alarms, learn=learn, task=task, mapped=mapped, more=more)
    )
    return load(path, {})


def run(
    config: Config,
    folder: Path,
    content: dict[str, list[Content]],
    *,
    store: StateStore | None = None,
    seed: int = 0,
    rarely: random.Random | None = None,
    restart: random.Random | None = None,
    fault: Callable[[str], None] = no_fault,
    opened: Callable[[Pipeline], None] = lambda _: None,
) -> Pipeline:
    """Read both logs to their ends; ``rarely`` says when to write, ``restart`` when the process begins anew."""
    source = MemorySource({TopicPartition(topic, 0): log for topic, log in content.items()}, seed=seed)
    kept: StateStore = MemoryStore() if store is None else store
    pipeline = open_pipeline(config, source, base=folder, store=kept, fault=fault)
    opened(pipeline)
    ends = source.end_offsets(list(pipeline.positions()))
    while any(pipeline.positions()[name] < end for name, end in ends.items()):
        pipeline.step(0)
        if rarely is None or rarely.random() < 0.3:
            pipeline.checkpoint()
        if restart is not None and restart.random() < 0.05:
            pipeline = open_pipeline(config, source, base=folder, store=kept, fault=fault)
    pipeline.finish()
    return pipeline


def watch_of(pipeline: Pipeline) -> Watch:
    """Return the watch over outcomes."""
    (found,) = [one for one in pipeline.evidence.watches["m"] if one.source.fleet == "outcomes"]
    return found


def told(pipeline: Pipeline) -> list[WindowResult]:
    """Return every evidence window of outcomes in history, in order."""
    return [result for result in pipeline.assembly.history.results(None, None) if result.window == OF_OUTCOMES]


def alarms(pipeline: Pipeline, detector: str = "evidence") -> list[tuple[int, Finding]]:
    """Return start and finding of every alarm."""
    return [
        (result.start, finding)
        for result in told(pipeline)
        for finding in result.findings
        if finding.status == "drift" and finding.detector == detector
    ]


def judged(found: Iterable[Case], first: int, last: int) -> dict[tuple[int, int], int]:
    """Return (label, flag) → predictions of a window, each with the label that was known when it came of age."""
    counts = {(label, flag): 0 for label in (0, 1) for flag in (0, 1)}
    for case in found:
        known = [label for age, label in case.labels if age <= MATURES + case.logged]
        if first <= case.time < last and known and case.logged <= MATURES // 4:
            counts[known[-1], int(case.score >= 0.7)] += 1
    return counts
