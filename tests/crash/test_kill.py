"""kill -9 on a real broker: every window, revision and counter equals what the topic says."""

from __future__ import annotations

import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kafka import KafkaProducer  # type: ignore[import-untyped]  # the library has no types

from monitor.config.load import load
from monitor.opening import open_pipeline
from monitor.sources.build import build_source
from monitor.sources.port import TopicPartition
from tests.crash.ground import differences, prepare
from tests.crash.stream import rows
from tests.crash.victim import MUTANT_POINT, POINTS
from tests.kafka.broker import Broker

PARTITIONS = 4
KILLS = 22
SOAK = "SOAK" in os.environ
PATIENCE = 10 if SOAK else 1
"""How many times longer everything may take."""
READY = 30.0 * PATIENCE


@dataclass
class Feed:
    """Produces the log in portions at an even pace, from a thread of its own; ``release`` lets one portion flow."""

    bootstrap: str
    topic: str
    logs: dict[int, list[bytes | None]]
    portions: int
    seconds: float
    """How long a portion takes."""
    thread: threading.Thread = field(init=False)
    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def start(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def release(self) -> None:
        self.gate.release()

    def finish(self) -> None:
        """Let all the rest flow, and wait for it."""
        self.seconds = 0.0
        self.gate.release(self.portions)
        self.thread.join()

    def _run(self) -> None:
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, acks="all", linger_ms=5, compression_type="lz4")
        total = max(len(log) for log in self.logs.values())
        size = -(-total // self.portions)
        for start in range(0, total, size):
            self.gate.acquire()
            began = time.monotonic()
            for index in range(start, min(start + size, total)):
                if index % 20 == 0:
                    time.sleep(max(0.0, began + self.seconds * (index - start) / size - time.monotonic()))
                for number, log in self.logs.items():
                    producer.send(self.topic, log[index], key=b"k", partition=number)
        producer.flush()
        producer.close()


@dataclass
class Run:
    """Starts the victim again and again, and counts what each kill cost."""

    config: Path
    progress: Path
    mutant: bool = False
    kills: int = 0
    unsaved: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.progress.write_bytes(bytes(24))

    def spawn(self, *point: str) -> subprocess.Popen[bytes]:
        flags = ["--mutant"] if self.mutant else []
        command = [sys.executable, "-m", "tests.crash.victim", str(self.config), str(self.progress), *point, *flags]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def reached(self) -> tuple[int, int, int]:
        """Return records applied, records durable and checkpoints, as the victims noted them."""
        applied, durable, checkpoints = struct.unpack("<qqq", self.progress.read_bytes())
        return applied, durable, checkpoints

    def kill_after(self, feed: Feed, seconds: float) -> None:
        """Start, wait until it turns, let records flow, kill -9 when rows are unsaved."""
        process = self.spawn()
        before = self.reached()[2]
        deadline = time.monotonic() + READY
        while self.reached()[2] <= before + 1 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        assert self.reached()[2] > before, "no checkpoint in time"
        feed.release()
        time.sleep(seconds)
        deadline = time.monotonic() + 3
        while self.reached()[0] <= self.reached()[1] and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        self._reap(process)

    def kill_at(self, point: str, number: int) -> None:
        """Start and let it kill itself at a named point."""
        process = self.spawn(point, str(number))
        try:
            process.wait(READY)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        self._reap(process)

    def finish(self, total: int) -> None:
        """Run until everything is durable, or nothing moves any more, then stop in order."""
        process = self.spawn()
        durable, moved_at = 0, time.monotonic()
        while durable < total and time.monotonic() < moved_at + 120 and process.poll() is None:
            time.sleep(0.1)
            if self.reached()[1] > durable:
                durable, moved_at = self.reached()[1], time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30 * PATIENCE)
        assert process.returncode == 0, errors.decode()
        assert self.reached()[1] == total

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        _, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, errors.decode()
        applied, durable, _ = self.reached()
        self.kills += 1
        self.unsaved.append(applied - durable)


@pytest.fixture
def fed(broker: Broker, topic: str, tmp_path: Path) -> tuple[Path, Feed]:
    """Return a configuration and a feed of 200,000 records over four partitions (SOAK=1: two million)."""
    broker.create_topic(topic, PARTITIONS)
    count = 500_000 if SOAK else 50_000
    logs = {number: list(rows(number, count, seed=11)) for number in range(PARTITIONS)}
    return prepare(tmp_path, topic, broker.address), Feed(
        broker.address, topic, logs, portions=KILLS, seconds=2.0 * PATIENCE
    )


def check(config_path: Path, logs: dict[int, list[bytes | None]]) -> list[str]:
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
def test_kill_9_loses_nothing_and_doubles_nothing(fed: tuple[Path, Feed], tmp_path: Path) -> None:
    path, feed = fed
    run = Run(path, tmp_path / "progress")
    rng = random.Random(1)
    feed.start()
    for point in POINTS:
        feed.release()
        run.kill_at(point, rng.randrange(2, 5))
    while run.kills < KILLS:
        run.kill_after(feed, rng.uniform(0.1, 0.9))
    feed.finish()
    run.finish(sum(len(log) for log in feed.logs.values()))
    saved = sum(unsaved > 0 for unsaved in run.unsaved)
    sys.stdout.write(f"{run.kills} kills, {saved} with unsaved rows: {run.unsaved}\n")
    assert saved >= 15
    assert check(path, feed.logs) == []


@pytest.mark.timeout(300 * PATIENCE)
@pytest.mark.kafka
def test_a_build_that_writes_positions_apart_fails(broker: Broker, topic: str, tmp_path: Path) -> None:
    broker.create_topic(topic, PARTITIONS)
    logs = {number: list(rows(number, 5_000, seed=12)) for number in range(PARTITIONS)}
    feed = Feed(broker.address, topic, logs, portions=1, seconds=0.0)
    path = prepare(tmp_path, topic, broker.address)
    run = Run(path, tmp_path / "progress", mutant=True)
    feed.start()
    feed.finish()
    for _ in range(2):
        run.kill_at(MUTANT_POINT, 2)
    run.finish(sum(len(log) for log in logs.values()))
    assert check(path, logs) != []
