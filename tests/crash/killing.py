"""A service that is killed again and again while its topics fill."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import struct
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeAlias

from kafka import KafkaProducer  # type: ignore[import-untyped]  # the library has no types

from tests.crash.victim import POINTS, child

Entry: TypeAlias = "tuple[int | None, bytes | None]"
KILLS = 22
SOAK = "SOAK" in os.environ
PATIENCE = 10 if SOAK else 1
"""How many times longer everything may take."""
READY = 30.0 * PATIENCE
VICTIMS = multiprocessing.get_context("forkserver")
VICTIMS.set_forkserver_preload(["tests.crash.victim", "tests.crash.retrainer", "tests.crash.fatal"])
"""Processes of their own from one that has imported everything: an import costs more than what a victim lives for."""


@dataclass
class Feed:
    """Produces the log in portions at an even pace, from a thread of its own; ``release`` lets one portion flow."""

    bootstrap: str
    logs: Mapping[tuple[str, int], Sequence[Entry]]
    """(topic, partition) → log time in milliseconds, if it is to be stated, and value."""
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
                for (topic, number), log in self.logs.items():
                    if index < len(log):
                        time_, value = log[index]
                        producer.send(topic, value, key=b"k", partition=number, timestamp_ms=time_)
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

    @property
    def errors(self) -> Path:
        """What the last victim wrote to its standard error."""
        return self.progress.with_suffix(".stderr")

    def spawn(self, *point: str) -> BaseProcess:
        flags = ["--mutant"] if self.mutant else []
        words = [str(self.config), str(self.progress), *point, *flags]
        process = VICTIMS.Process(target=child, args=(self.errors, words))
        process.start()
        return process

    def reached(self) -> tuple[int, int, int]:
        """Return records applied, records durable and checkpoints, as the victims noted them."""
        applied, durable, checkpoints = struct.unpack("<qqq", self.progress.read_bytes())
        return applied, durable, checkpoints

    def kill_after(self, feed: Feed, seconds: float) -> None:
        """Start, wait until it turns, let records flow, kill -9 when rows are unsaved."""
        process = self.spawn()
        before = self.reached()[2]
        deadline = time.monotonic() + READY
        while self.reached()[2] <= before and time.monotonic() < deadline and process.is_alive():
            time.sleep(0.01)
        assert self.reached()[2] > before, "no checkpoint in time"
        feed.release()
        time.sleep(seconds)
        deadline = time.monotonic() + READY
        while self.reached()[0] <= self.reached()[1] and time.monotonic() < deadline:
            time.sleep(0.001)
        process.kill()
        self._reap(process)

    def kill_at(self, point: str, number: int) -> None:
        """Start and let it kill itself at a named point."""
        process = self.spawn(point, str(number))
        process.join(READY)
        process.kill()
        self._reap(process)

    def finish(self, total: int) -> None:
        """Run until everything is durable, or nothing moves any more, then stop in order."""
        process = self.spawn()
        durable, moved_at = 0, time.monotonic()
        while durable < total and time.monotonic() < moved_at + 120 and process.is_alive():
            time.sleep(0.1)
            if self.reached()[1] > durable:
                durable, moved_at = self.reached()[1], time.monotonic()
        process.terminate()
        process.join(30 * PATIENCE)
        assert process.exitcode == 0, self.errors.read_text(encoding="utf-8")
        assert self.reached()[1] == total

    def all(self, feed: Feed, total: int, seed: int) -> None:
        """Kill at every named point, then at random ones, let the rest flow, and say what each kill cost."""
        rng = random.Random(seed)
        feed.start()
        for point in POINTS:
            feed.release()
            self.kill_at(point, rng.randrange(2, 5))
        while self.kills < KILLS:
            self.kill_after(feed, rng.uniform(0.1, 0.9))
        feed.finish()
        self.finish(total)
        saved = sum(unsaved > 0 for unsaved in self.unsaved)
        sys.stdout.write(f"{self.kills} kills, {saved} with unsaved rows: {self.unsaved}\n")

    def _reap(self, process: BaseProcess) -> None:
        process.join()
        assert process.exitcode == -signal.SIGKILL, self.errors.read_text(encoding="utf-8")
        applied, durable, _ = self.reached()
        self.kills += 1
        self.unsaved.append(applied - durable)
