"""Crashes at every named point, on an embedded source and a store in memory: nothing is lost, nothing counts twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.config.load import load
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from tests.crash.ground import differences, prepare
from tests.crash.stream import rows
from tests.crash.victim import POINTS

PARTITIONS = 3


class CrashedError(Exception):
    """The process is gone."""


def crashing(point: str) -> Callable[[str], None]:
    """Return a fault that strikes at one point, every third time it is passed."""
    passed = 0

    def fault(name: str) -> None:
        nonlocal passed
        passed += name == point
        if name == point and passed % 3 == 2:
            raise CrashedError(name)

    return fault


def finish(
    open_again: Callable[[], Pipeline], fault: Callable[[str], None], rng: random.Random
) -> tuple[Pipeline, int]:
    """Run to the end of the log through every crash; return the pipeline and how often it crashed."""
    crashes = 0
    pipeline = open_again()
    while True:
        pipeline.fault = fault
        try:
            ends = pipeline.source.end_offsets(list(pipeline.positions()))
            while any(pipeline.positions()[name] < end for name, end in ends.items()):
                pipeline.step(0)
                if rng.random() < 0.7:
                    pipeline.checkpoint()
        except CrashedError:
            crashes += 1
            pipeline = open_again()
            continue
        pipeline.fault = lambda _: None
        pipeline.checkpoint()
        return pipeline, crashes


@pytest.mark.parametrize("point", POINTS)
def test_crashes_change_nothing(tmp_path: Path, point: str) -> None:
    path = prepare(tmp_path, "p", "unused:9092")
    config = load(path, {})
    logs = {number: [(0, record) for record in rows(number, 3_000, seed=5)] for number in range(PARTITIONS)}
    rng = random.Random(point)
    contents = {TopicPartition("p", n): [Item(v, log_time=t) for t, v in log] for n, log in logs.items()}
    source = MemorySource(contents, seed=3)
    store = MemoryStore()

    def open_again() -> Pipeline:
        return open_pipeline(config, source, base=tmp_path, store=store)

    pipeline, crashes = finish(open_again, crashing(point), rng)
    assert crashes >= 1
    found = differences(pipeline, logs)
    assert found == []
    pipeline.close()
