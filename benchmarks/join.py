"""How many prediction and label pairs a second the join takes, and what is in memory and on disk for them.

A steady stream: random ids, one label in so many predictions, log-normal delays, a checkpoint every 50,000 records, the
watermark moving all the while, so that entries are judged and let go of as fast as they come. Rates are of the
processor's time of the one thread; RocksDB's compaction, in threads of its own, is told apart.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.report import Section, table
from monitor.events import SECOND, IntArray
from monitor.join.join import Join
from monitor.join.payload import Payload
from monitor.join.positions import Positions
from monitor.join.rules import Rules
from monitor.store.memory import MemoryStore
from monitor.store.port import StateStore
from monitor.store.rocks import RocksStore

BATCH: Final = 10_000
CHECKPOINT: Final = 50_000
GOAL: Final = 60_000
PAYLOAD: Final = Payload(
    {"time": "<i8", "version": "<i2", "late": "u1", "class": "<i2", "score": "<f8", "amount": "<f8", "slices": "S16"}
)


@dataclass(frozen=True, slots=True)
class Course:
    """One course of the benchmark."""

    name: str
    pairs: int
    waiting: int
    """Predictions that lie in wait when the clock starts."""
    delay: float
    """Median delay of a label as a share of ``wait``."""
    rocks: bool
    budget: int = 100_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one course came to."""

    course: Course
    thread: float
    process: float
    """Seconds of the processor."""
    stages: dict[str, float]
    disk: int
    peak: int
    joined: int


class Stream:
    """Predictions and labels in time order, without holding them all."""

    def __init__(self, course: Course, wait: int) -> None:
        self.rng = np.random.default_rng(1)
        self.course = course
        self.wait = wait
        self.step = wait / max(course.waiting, BATCH)
        """Microseconds between two predictions."""
        self.number = 0
        self.queue: dict[int, list[tuple[IntArray, IntArray]]] = {}

    def batch(self) -> tuple[list[str], Positions, list[str], Positions]:
        """Return the next predictions, and the labels that fall due meanwhile."""
        numbers = np.arange(self.number, self.number + BATCH)
        times = (numbers * self.step).astype(np.int64)
        delays = self.wait * np.minimum(0.999, self.course.delay * self.rng.lognormal(0, 0.5, BATCH))
        turns = ((times + delays) / self.step).astype(np.int64) // BATCH
        for turn in np.unique(turns).tolist():
            rows = turns == turn
            self.queue.setdefault(turn, []).append((numbers[rows], (times + delays)[rows].astype(np.int64)))
        due = self.queue.pop(self.number // BATCH, [])
        labelled = np.concatenate([numbers for numbers, _ in due]) if due else np.zeros(0, np.int64)
        when = np.concatenate([moments for _, moments in due]) if due else np.zeros(0, np.int64)
        self.number += BATCH
        return (
            _ids(numbers),
            _positions(times, numbers),
            _ids(labelled),
            _positions(np.maximum(when, times[0]), labelled),
        )


def _ids(numbers: IntArray) -> list[str]:
    """Return 32 hexadecimal characters that scatter over all keys."""
    spread = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return [f"{value:016x}{number:016x}" for value, number in zip(spread.tolist(), numbers.tolist(), strict=True)]


def _positions(times: IntArray, offsets: IntArray) -> Positions:
    return Positions(0, times, offsets, np.zeros(len(times), np.int64))


def run(course: Course, folder: Path) -> Outcome:
    """Fill the join as far as it is to wait, then time so many pairs."""
    wait = 3600 * SECOND
    store: StateStore = RocksStore.open(folder, create=True) if course.rocks else MemoryStore()
    rules = Rules(wait=wait, matures_after=wait, max_pending=1 << 30)
    join = Join.load(store, 0, "fraud-scorer", rules, PAYLOAD, budget=course.budget)
    stream = Stream(course, wait)
    stages = dict.fromkeys(("predictions", "labels", "advance", "drain", "changes", "write"), 0.0)
    for _ in range(0, course.waiting + CHECKPOINT, BATCH):
        _turn(join, store, stream, dict(stages))
    joined = join.counters["label", "joined"]
    start = time.process_time()
    for _ in range(0, course.pairs, BATCH):
        _turn(join, store, stream, stages)
    process = time.process_time() - start - stages.pop("making", 0.0)
    disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if course.rocks else 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    store.close()
    assert join.tally.unaccounted() == {}
    return Outcome(course, sum(stages.values()), process, stages, disk, peak, join.counters["label", "joined"] - joined)


def _turn(join: Join, store: StateStore, stream: Stream, stages: dict[str, float]) -> None:
    clock = time.thread_time()

    def lap(stage: str) -> None:
        nonlocal clock
        now = time.thread_time()
        stages[stage] = stages.get(stage, 0.0) + now - clock
        clock = now

    ids, at, labelled, when = stream.batch()
    payloads = np.zeros(len(ids), PAYLOAD.dtype)
    values = (at.times[: len(labelled)] % 2).astype(np.float64) if len(labelled) <= len(ids) else np.ones(len(labelled))
    lap("making")
    join.predictions(ids, at, payloads)
    lap("predictions")
    join.labels(labelled, when, values)
    lap("labels")
    join.advance(int(at.times[0]))
    lap("advance")
    if stream.number % CHECKPOINT == 0:
        join.drain()
        lap("drain")
        puts, deletes = join.changes()
        lap("changes")
        store.write(puts, deletes, sync=False)
        lap("write")
        join.written()
        lap("changes")


def body(outcomes: list[Outcome]) -> str:
    """Return the table of all courses."""
    head = ["", "waiting", "pairs/s, thread", "pairs/s, process", "peak memory", "disk"]
    rows = [
        [
            found.course.name,
            f"{found.course.waiting:,}",
            f"{found.joined / found.thread:,.0f}",
            f"{found.joined / found.process:,.0f}",
            f"{found.peak / 2**20:,.0f} MiB",
            f"{found.disk / 2**20:,.0f} MiB",
        ]
        for found in outcomes
    ]
    shares = [
        [found.course.name, *(f"{1e6 * spent / found.joined:.2f}" for spent in found.stages.values())]
        for found in outcomes
    ]
    return "\n".join([table(head, rows), "", table(["µs a pair", *outcomes[0].stages], shares)])


def courses(pairs: int, waiting: int) -> list[Course]:
    """Return the courses that are run."""
    return [
        Course("in memory", pairs, waiting, 0.3, rocks=False, budget=1 << 30),
        Course("on disk, labels soon", pairs, waiting, 0.1, rocks=True),
        Course("on disk, labels late", pairs, waiting, 0.5, rocks=True, budget=100_000),
    ]


def section(pairs: int = 1_000_000, waiting: int = 1_000_000) -> Section:
    """Run every course."""
    found = []
    for course in courses(pairs, waiting):
        with tempfile.TemporaryDirectory(prefix="driftline-join-") as folder:
            found.append(run(course, Path(folder)))
    rate = min(one.joined / one.thread for one in found)
    goal = "met" if rate >= GOAL else "not met"
    text = (
        f"{pairs:,} pairs with random ids, every prediction stored; labels come up to {waiting:,} predictions later. "
        f"Rates are pairs a second of the join's thread, and of the process with RocksDB's own threads. The goal is "
        f"{GOAL:,} a second: {goal}."
    )
    return Section("j", "Joining predictions and labels", f"{text}\n\n{body(found)}")


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--waiting", type=int, default=100_000, help="10000000 takes some minutes and 2 GB of disk")
    parser.add_argument("--only", help="the name of one course")
    options = parser.parse_args()
    found = []
    for course in courses(options.pairs, options.waiting):
        if options.only in (None, course.name):
            with tempfile.TemporaryDirectory(prefix="driftline-join-") as folder:
                found.append(run(course, Path(folder)))
    print(body(found))


if __name__ == "__main__":
    main()
