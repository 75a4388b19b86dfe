"""The whole service over requests and responses in two topics: what it says does not depend on how these were read."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.config.load import load
from monitor.events import DAY, HOUR, MINUTE, SECOND
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.sources.memory import Item, MemorySource
from monitor.store.memory import MemoryStore
from monitor.store.port import StateStore
from tests.crash.ground import prepare
from tests.crash.runs import Outcome, drain, memory, outcome_of
from tests.crash.stream import BEGIN

STREAM = """\
      time_format: rfc3339
      pair: {request: {topic: q}, response: {topic: a}}
      map: {id: value.id, time: response.value.ts, features: request.value.features, score: response.value.score}
"""
PAIRS = 600
Logs = dict[str, dict[int, list[bytes | Item]]]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a configuration with a reference, whose state and letters go into ``FOLDER``."""
    folder = tmp_path_factory.mktemp("pairing")
    text = prepare(folder, "unused", "unused:9092").read_text()
    first, last = text.index("      topic: unused\n"), text.index("    reference:")
    text = text[:first] + STREAM + text[last:]
    text = text.replace("{source: ", f"{{source: {folder}/")
    return text.replace(f"{folder}/state", "FOLDER/state").replace(f"{folder}/dead.jsonl", "FOLDER/dead.jsonl")


def logs_of(seed: int) -> Logs:
    """Return 600 pairs a minute apart; some have no partner, some responses come before, one in fifty is too late."""
    rng = random.Random(seed)
    found: dict[str, dict[int, list[tuple[int, bytes]]]] = {"q": {0: [], 1: [], 2: []}, "a": {0: [], 1: []}}
    for number in range(PAIRS):
        now = BEGIN + number * MINUTE
        event = now - (30 * DAY if number > 40 and number % 50 == 0 else rng.randrange(90) * SECOND)
        features = {"amount": rng.random(), "country": rng.choice(["DE", "FR"]), "age": 40}
        ts = datetime.fromtimestamp(event // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        halves: dict[str, dict[str, object]] = {
            "q": {"features": features},
            "a": {"ts": ts, "score": round(rng.random(), 3)},
        }
        if number % 37 == 5:
            del halves[rng.choice("qa")]
        for topic, half in halves.items():
            log = found[topic][rng.randrange(len(found[topic]))]
            log.append((now + rng.randrange(20) * SECOND, json.dumps({"id": f"r{number}", **half}).encode()))
    return {
        topic: {number: [Item(value, log_time=time) for time, value in sorted(log)] for number, log in logs.items()}
        for topic, logs in found.items()
    }


def opened(text: str, folder: Path, source: MemorySource, store: StateStore) -> Pipeline:
    folder.mkdir(exist_ok=True)
    path = folder / "driftline.yaml"
    path.write_text(text.replace("FOLDER", str(folder)))
    return open_pipeline(load(path, {}), source, base=folder, store=store)


def read(text: str, folder: Path, logs: Logs, seed: int | None, *, kills: int = 0) -> Outcome:
    """Run to the end of the logs and take them as complete; the process is killed some times on the way."""
    store, rng = MemoryStore(), random.Random(seed)
    for _ in range(kills):
        pipeline = opened(text, folder, memory(logs, seed=rng.randrange(1000)), store)
        left = rng.randrange(1, 12)
        for _ in range(left):
            pipeline.step(0.0)
            if rng.random() < 0.7:
                pipeline.checkpoint()
        pipeline.assembly.history.close()
    pipeline = opened(text, folder, memory(logs, seed=seed), store)
    try:
        drain(pipeline)
        pipeline.finish()
        return outcome_of(pipeline)
    finally:
        pipeline.close()


def test_what_is_said_does_not_depend_on_how_two_topics_are_read(text: str, tmp_path: Path) -> None:
    logs = logs_of(4)
    told = read(text, tmp_path / "once", logs, None)
    counted = told.counted("m")
    assert counted["pair:seen"] == 2 * PAIRS - 17
    assert counted["pair:unpaired_request"] + counted["pair:unpaired_response"] == 16  # the last one still waits
    assert counted["pair:paired"] == 2 * (PAIRS - 17) == 2 * (counted["on_time"] + counted.get("late", 0)) + 2 * 11
    assert told.rejected() == {"too_late": 11}
    assert sum(cells["rows"][0] for key, cells in told.cells.items() if key[3] == "fast") == PAIRS - 17 - 11
    for seed, kills in ((1, 0), (2, 4), (3, 6)):
        again = read(text, tmp_path / f"{seed}", logs, seed, kills=kills)
        assert set(again.letters) == set(told.letters)  # a crash may send one twice, under its key
        again.letters = told.letters
        assert again == told


def test_a_partition_that_rests_holds_up_nobody(text: str, tmp_path: Path) -> None:
    logs = logs_of(5)
    logs["a"][1].clear()
    now = [0.0]
    pipeline = opened(text, tmp_path / "rest", memory(logs), MemoryStore())
    pipeline.monotonic = pipeline.watch.monotonic = lambda: now[0]
    try:
        drain(pipeline)
        halves = pipeline.pairing.pairs["m"]
        seen = halves.buffered
        assert seen > PAIRS
        assert sum(p.counters["m", "pair:paired"] for p in pipeline.partitions.values()) == 0
        for _ in range(2):
            now[0] += HOUR / SECOND + 10
            pipeline.checkpoint()
        assert halves.resting
        assert sum(p.counters["m", "pair:paired"] for p in pipeline.partitions.values()) > PAIRS / 3
        assert not any(clock.idle for n, p in pipeline.partitions.items() for clock in p.clocks.values() if n == 0)
    finally:
        pipeline.close()
