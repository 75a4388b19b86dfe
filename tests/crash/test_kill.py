"""kill -9 on a real broker: every window, revision and counter equals what the topic says."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import pytest

from monitor.config.load import load
from monitor.opening import open_pipeline
from monitor.sources.build import build_source
from monitor.sources.port import TopicPartition
from tests.crash.ground import differences, prepare
from tests.crash.killing import KILLS, PATIENCE, SOAK, Entry, Feed, Run
from tests.crash.stream import rows
from tests.crash.victim import MUTANT_POINT
from tests.kafka.broker import Broker

PARTITIONS = 4
Logs: TypeAlias = dict[int, list[bytes | None]]


def entries(topic: str, logs: Logs) -> dict[tuple[str, int], list[Entry]]:
    """Return the logs as they are produced, stamped when they are."""
    return {(topic, number): [(None, value) for value in log] for number, log in logs.items()}


@pytest.fixture
def fed(broker: Broker, topic: str, tmp_path: Path) -> tuple[Path, Feed, Logs]:
    """Return a configuration and a feed of 200,000 records over four partitions (SOAK=1: two million)."""
    broker.create_topic(topic, PARTITIONS)
    count = 500_000 if SOAK else 50_000
    logs = {number: list(rows(number, count, seed=11)) for number in range(PARTITIONS)}
    feed = Feed(broker.address, entries(topic, logs), portions=KILLS, seconds=2.0 * PATIENCE)
    return prepare(tmp_path, topic, broker.address), feed, logs


def check(config_path: Path, logs: Logs) -> list[str]:
    """Open the state once more and compare it with the log; read nothing."""
    config = load(config_path, {})
    pipeline = open_pipeline(config, build_source(config), base=config_path.parent)
    try:
        assert pipeline.positions() == {
            TopicPartition(config.models[0].predictions.topic or "", number): len(log) for number, log in logs.items()
        }
        pipeline.checkpoint()
        return differences(pipeline, {number: [(0, value) for value in log] for number, log in logs.items()})
    finally:
        pipeline.close()


@pytest.mark.timeout(600 * PATIENCE)
@pytest.mark.kafka
def test_kill_9_loses_nothing_and_doubles_nothing(fed: tuple[Path, Feed, Logs], tmp_path: Path) -> None:
    path, feed, logs = fed
    run = Run(path, tmp_path / "progress")
    run.all(feed, sum(map(len, logs.values())), seed=1)
    assert sum(unsaved > 0 for unsaved in run.unsaved) >= 15
    assert check(path, logs) == []


@pytest.mark.timeout(300 * PATIENCE)
@pytest.mark.kafka
def test_a_build_that_writes_positions_apart_fails(broker: Broker, topic: str, tmp_path: Path) -> None:
    broker.create_topic(topic, PARTITIONS)
    logs = {number: list(rows(number, 5_000, seed=12)) for number in range(PARTITIONS)}
    feed = Feed(broker.address, entries(topic, logs), portions=1, seconds=0.0)
    path = prepare(tmp_path, topic, broker.address)
    run = Run(path, tmp_path / "progress", mutant=True)
    feed.start()
    feed.finish()
    for _ in range(2):
        run.kill_at(MUTANT_POINT, 2)
    run.finish(sum(len(log) for log in logs.values()))
    assert check(path, logs) != []
