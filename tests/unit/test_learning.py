"""Learning a reference from the stream: what is learnt equals the rows of the period, whatever the order of reading."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from monitor.config.load import load
from monitor.events import HOUR
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.reference import Reference
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from tests.crash.ground import CONFIG
from tests.crash.stream import BEGIN, value

ROWS = 4_000
STEP = 12 * HOUR // ROWS


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a few hundred records at a time, as a live topic hands them out."""
    monkeypatch.setattr("monitor.pipeline._BATCH", 300)


def logs() -> dict[TopicPartition, list[Item]]:
    """Return twelve hours of rows in two partitions, in order."""
    return {
        TopicPartition("p", number): [
            Item(value(random.Random(f"{number}:{n}"), f"{number}-{n}", BEGIN + n * STEP)) for n in range(ROWS)
        ]
        for number in range(2)
    }


def learn(folder: Path, seed: int, *, restart_every: int | None = None) -> Pipeline:
    """Run over the log with a period of four hours; return the pipeline."""
    folder.mkdir()
    path = folder / "driftline.yaml"
    path.write_text(CONFIG.format(topic="p", folder=folder, bootstrap="unused:9092", reference="{learn: 4h}"))
    config = load(path, {})
    source, store = MemorySource(logs(), seed=seed), MemoryStore()
    pipeline = open_pipeline(config, source, base=folder, store=store)
    ends = source.end_offsets(list(pipeline.positions()))
    steps = 0
    while any(pipeline.positions()[name] < end for name, end in ends.items()):
        pipeline.step(0)
        pipeline.checkpoint()
        steps += 1
        if restart_every is not None and steps % restart_every == 0:
            pipeline = open_pipeline(config, source, base=folder, store=store)
    pipeline.checkpoint()
    return pipeline


def learnt(pipeline: Pipeline) -> Reference:
    reference = pipeline.assembly.models["m"].reference
    assert reference is not None
    return reference


def times_of(reference: Reference) -> tuple[int, int]:
    """Return how many rows lie in four hours, and how many were learnt."""
    return 2 * (4 * HOUR // STEP), reference.rows


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_reference_holds_the_rows_of_its_period(tmp_path: Path, seed: int) -> None:
    pipeline = learn(tmp_path / "a", seed)
    reference = learnt(pipeline)
    expected, rows = times_of(reference)
    assert abs(rows - expected) <= 4
    assert set(reference.columns) == {"amount", "age", "country", "score"}
    for column in reference.columns.values():
        assert int(column.counts.sum()) == rows
    missing = reference.rate("amount", "1", "missing")
    assert missing is not None
    assert 0.01 < missing[1] / missing.sum() < 0.1
    pipeline.close()


def test_a_restart_in_the_midst_changes_nothing(tmp_path: Path) -> None:
    whole, pieces = learn(tmp_path / "a", 5), learn(tmp_path / "b", 5, restart_every=2)
    one, other = learnt(whole), learnt(pieces)
    assert one.rows == other.rows
    for name, column in one.columns.items():
        np.testing.assert_array_equal(column.counts, other.columns[name].counts)
    whole.close()
    pieces.close()


def test_windows_are_judged_once_the_reference_is_learnt(tmp_path: Path) -> None:
    pipeline = learn(tmp_path / "a", 4)
    results = list(pipeline.assembly.history.results(None, None))
    assert any(result.findings for result in results)
    first = min(result.end for result in results if result.findings)
    assert all(not result.findings for result in results if result.end < first)
    pipeline.close()
