"""Evidence is gathered once: crashes, batches and restarts change neither what is said nor what is held."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.config.root import Config
from monitor.events import DAY, HOUR
from monitor.evidence.watch import Watch
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.sources.memory import Content, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from tests.crash.victim import POINTS
from tests.evidence_service import BEGIN, alarms, configured, gathered, logs, rows, run, words

SLICES = "    slices:\n      - {by: [c], top_k: 3, min_samples: 50}"


def shifted(value: dict[str, object], time: int) -> None:
    """Let the score rise for some hours, and send every fifth row as another version later."""
    if BEGIN + 12 * HOUR <= time < BEGIN + 20 * HOUR:
        value["s"] = 0.5 + float(str(value["s"])) / 2
    if str(value["id"]).endswith(("2", "6")) and time > BEGIN + 16 * HOUR:
        value["v"] = "2"


def stream() -> list[tuple[int, bytes]]:
    """Return a day, some rows of which come late by hours."""
    rng = random.Random(5)
    found = [
        (time + (rng.randrange(2 * HOUR) if rng.random() < 0.02 else 0), value)
        for time, value in rows(BEGIN, BEGIN + DAY, 40, 7, shifted)
    ]
    return sorted(found)


class CrashedError(Exception):
    """The process is gone."""


def crashing(point: str, every: int = 3) -> Callable[[str], None]:
    passed = 0

    def fault(name: str) -> None:
        nonlocal passed
        passed += name == point
        if name == point and passed % every == 2:
            raise CrashedError(name)

    return fault


Log = dict[int, list[Content]]


def through_crashes(config: Config, folder: Path, content: Log, point: str) -> tuple[Pipeline, int]:
    source = MemorySource({TopicPartition("p", number): log for number, log in content.items()}, seed=3)
    store, fault, crashes = MemoryStore(), crashing(point), 0

    def again() -> Pipeline:
        return open_pipeline(config, source, base=folder, store=store)

    pipeline = again()
    pipeline.fault = fault
    while True:
        try:
            ends = source.end_offsets(list(pipeline.positions()))
            while any(pipeline.positions()[name] < end for name, end in ends.items()):
                pipeline.step(0)
                pipeline.checkpoint()
        except CrashedError:
            crashes += 1
            pipeline = again()
            pipeline.fault = fault
            continue
        pipeline.fault = lambda _: None
        pipeline.finish()
        return pipeline, crashes


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return configured(tmp_path_factory.mktemp("evidence"), more=SLICES)


@pytest.fixture(scope="module")
def truth(config: Config, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], bytes]:
    """Return what an uncrashed run of one partition says and holds."""
    pipeline = run(at(config, tmp_path_factory.mktemp("truth")), folder_of(config), logs(stream()))
    assert [finding.column for _, finding in alarms(pipeline)][:1] == ["score"]
    return words(pipeline), gathered(pipeline)


def at(config: Config, folder: Path) -> Config:
    """Return the configuration with a history of its own."""
    return config.model_copy(update={"state": config.state.model_copy(update={"path": str(folder)})})


def folder_of(config: Config) -> Path:
    return Path(config.state.path).parent


@pytest.mark.parametrize("point", POINTS)
def test_crashes_change_nothing(config: Config, truth: tuple[list[str], bytes], tmp_path: Path, point: str) -> None:
    pipeline, crashes = through_crashes(at(config, tmp_path), folder_of(config), logs(stream(), pause_every=90), point)
    assert crashes >= 2
    assert words(pipeline) == truth[0]
    assert gathered(pipeline) == truth[1]


def test_steps_that_are_not_undone_by_a_crash_are_noticed(
    config: Config, truth: tuple[list[str], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Write the evidence of a window without saying that the window is done: the test above must see it."""
    real = Watch.progress
    monkeypatch.setattr(Watch, "progress", lambda watch: real(_behind(watch)))
    content = logs(stream(), pause_every=90)
    pipeline, _ = through_crashes(at(config, tmp_path), folder_of(config), content, "after_evaluate")
    monkeypatch.undo()
    assert words(pipeline) != truth[0]


def _behind(watch: Watch) -> Watch:
    copy = Watch(watch.model, watch.source, watch.severities, watch.shares, watch.calendar, watch.most_versions)
    copy.next = None if watch.next is None else watch.next - HOUR
    copy.target = watch.target
    return copy


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1 << 16), st.integers(1, 3), st.integers(2, 9), st.booleans())
def test_batches_partitions_and_restarts_change_nothing(
    config: Config, tmp_path_factory: pytest.TempPathFactory, seed: int, partitions: int, restart: int, rarely: bool
) -> None:
    """Rows are in time or late by their own partition, so the same partitions must be compared."""
    content = logs(stream(), partitions, seed, pause_every=150)
    plain = run(at(config, tmp_path_factory.mktemp("a")), folder_of(config), content)
    other = run(
        at(config, tmp_path_factory.mktemp("b")), folder_of(config), content, seed=seed, restart_every=restart,
        rarely=random.Random(seed) if rarely else None,
    )  # fmt: skip
    assert words(other) == words(plain)
    assert gathered(other) == gathered(plain)
