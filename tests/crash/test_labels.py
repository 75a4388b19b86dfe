"""kill -9 while labels are joined on a real broker: every table, revision and row is accounted for, to the last one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.config.load import load
from monitor.events import HOUR, IntArray
from monitor.opening import open_pipeline
from monitor.outcomes import ModelOutcomes
from monitor.outcomes.judges import BinaryJudge
from monitor.outcomes.parts import MATURED, RUNNING, WholePart
from monitor.pairs import OUTCOMES
from monitor.pipeline import Pipeline
from monitor.sources.build import build_source
from tests.crash.killing import KILLS, PATIENCE, SOAK, Feed, Run
from tests.crash.labelled import PARTITIONS, PREDICTIONS, Logs, brute_force, logs_of
from tests.crash.victim import MUTANT_POINT
from tests.kafka.broker import Broker

CONFIG = """\
version: 1
kafka: {{bootstrap_servers: ["{bootstrap}"], dead_letters: {{file: "{folder}/dead.jsonl"}}}}
models:
  - name: m
    positive_class: 1
    predictions:
      topic: {predictions}
      time_format: epoch_us
      pair: {{request: {{topic: {requests}}}, response: {{where: {{value.k: a}}}}, timeout: 30m}}
      map: {{id: value.prediction_id, time: response.value.ts, version: response.value.version,
            features: request.value.features, score: response.value.score}}
    labels:
      topic: {labels}
      matures_after: 3h
      map: {{id: value.id, label: value.truth, retract: value.gone}}
    join: {{wait: 6h}}
    idle_timeout: 1d
    reference: {{learn: 14d}}
state: {{path: "{folder}/state", checkpoint: 1s, generation_every: 1h}}
"""


@pytest.fixture
def topics(broker: Broker, topic: str) -> dict[str, str]:
    """Create the topics, whose partitions differ and whose records state their own times."""
    names = {stream: f"{topic}-{stream}" for stream in PARTITIONS}
    for stream, name in names.items():
        broker.create_topic(
            name, PARTITIONS[stream], message_timestamp_type="CreateTime", retention_ms="-1",
            message_timestamp_before_max_ms=str((1 << 63) - 1), message_timestamp_after_max_ms=str((1 << 63) - 1),
        )  # fmt: skip
    return names


def prepare(folder: Path, topics: dict[str, str], bootstrap: str) -> Path:
    path = folder / "driftline.yaml"
    text = CONFIG.format(folder=folder, bootstrap=bootstrap, **topics)
    path.write_text(text, encoding="utf-8")
    return path


def feed_of(broker: Broker, topics: dict[str, str], logs: Logs, portions: int, seconds: float) -> Feed:
    entries: Any = {
        (topics[stream], number): [(said.time // 1000, said.value) for said in log]
        for (stream, number), log in logs.items()
    }
    return Feed(broker.address, entries, portions=portions, seconds=seconds)


def differences(path: Path, logs: Logs) -> list[str]:
    """Open the state once more, read nothing, and return whatever is not as the logs have it."""
    config = load(path, {})
    pipeline = open_pipeline(config, build_source(config), base=path.parent)
    try:
        return list(_compare(pipeline, logs))
    finally:
        pipeline.close()


def _compare(pipeline: Pipeline, logs: Logs) -> list[str]:
    joining = pipeline.joinings["m"]
    outcomes = joining.outcomes
    assert isinstance(outcomes, ModelOutcomes)
    assert outcomes.whole is not None
    judge = outcomes.whole.judge
    assert isinstance(judge, BinaryJudge)
    truth = brute_force(logs, joining.join.rules, judge.table.edges.tolist())
    found = []
    halves = {name: sum(one.counters["m", f"pair:{name}"] for one in pipeline.partitions.values()) for name in OUTCOMES}
    predictions = sum(said.id is not None for (stream, _), log in logs.items() if stream == PREDICTIONS for said in log)
    if halves != dict.fromkeys(OUTCOMES, 0) | {"paired": 2 * predictions}:
        found.append(f"halves {halves}, truth {predictions} pairs")
    if joining.join.watermark != truth.watermark:
        found.append(f"watermark {joining.join.watermark}, truth {truth.watermark}")
    counters = {name: count for name, count in joining.join.counters.items() if count}
    if counters != {name: count for name, count in truth.expected.outcomes.items() if count}:
        found.append(f"counters {counters}, truth {truth.expected.outcomes}")
    if joining.join.tally.unaccounted():
        found.append(f"unaccounted {joining.join.tally.unaccounted()}")
    revisions = revisions_of(outcomes)
    if revisions != truth.revisions:
        found.append(f"revisions {sorted(revisions.items() ^ truth.revisions.items())}")
    told = tables_of(outcomes, judge)
    found += [
        f"{cell}: {told.get(cell, 0)}, truth {truth.tables.get(cell, 0)}"
        for cell in sorted(told.keys() | truth.tables.keys())
        if told.get(cell, 0) != truth.tables.get(cell, 0)
    ]
    return found


def revisions_of(outcomes: ModelOutcomes) -> dict[tuple[str, int], int]:
    """Return (version, hour) → revision, of all panes that are stored."""
    return {(version, hour): int(part.ends(vector)[2]) for part, version, hour, vector in panes_of(outcomes)}


def panes_of(outcomes: ModelOutcomes) -> Iterator[tuple[WholePart, str, int, IntArray]]:
    """Yield the vectors of the whole population, by version and hour."""
    part = outcomes.whole
    assert part is not None
    for name, version, tier in list(outcomes.shelf._index):
        if name != part.name:
            continue
        assert outcomes.lengths[name][tier] == HOUR
        for key in outcomes.shelf.keys(name, version, tier, 0, 1 << 62):
            pane = outcomes.shelf.find(key)
            assert pane is not None
            yield part, version, key.start, pane.total()


def tables_of(outcomes: ModelOutcomes, judge: BinaryJudge) -> dict[tuple[str, str, int, int, int], int]:
    """Return (table, version, hour, score bin, label) → rows, of all panes that are stored."""
    found = {}
    for part, version, hour, vector in panes_of(outcomes):
        for table, kind in (("running", RUNNING), ("matured", MATURED)):
            bins = judge.table.by_bin(part.table(vector, kind)[None, : judge.table.size])
            for place, (n, positives) in enumerate(zip(bins.n[0].tolist(), bins.positives[0].tolist(), strict=True)):
                found[table, version, hour, place, 1] = positives
                found[table, version, hour, place, 0] = n - positives
    return {cell: rows for cell, rows in found.items() if rows}


@pytest.mark.timeout(600 * PATIENCE)
@pytest.mark.kafka
def test_kill_9_loses_no_label_and_joins_none_twice(broker: Broker, topics: dict[str, str], tmp_path: Path) -> None:
    logs = logs_of(500_000 if SOAK else 60_000, seed=5)
    run = Run(prepare(tmp_path, topics, broker.address), tmp_path / "progress")
    feed = feed_of(broker, topics, logs, portions=KILLS, seconds=2.0 * PATIENCE)
    run.all(feed, sum(map(len, logs.values())), seed=2)
    assert sum(unsaved > 0 for unsaved in run.unsaved) >= 15
    assert differences(run.config, logs) == []


@pytest.mark.timeout(300 * PATIENCE)
@pytest.mark.kafka
def test_a_build_that_writes_positions_apart_joins_twice(
    broker: Broker, topics: dict[str, str], tmp_path: Path
) -> None:
    logs = logs_of(20_000, seed=6)
    run = Run(prepare(tmp_path, topics, broker.address), tmp_path / "progress", mutant=True)
    feed = feed_of(broker, topics, logs, portions=1, seconds=60.0)
    feed.start()
    feed.release()
    while not any(run.unsaved) and run.kills < 20:
        run.kill_at(MUTANT_POINT, 3)
    feed.finish()
    run.finish(sum(map(len, logs.values())))
    assert differences(run.config, logs) != []
