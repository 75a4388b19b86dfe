"""How many prediction and label pairs a second the join takes, and what is in memory and on disk for them.

A steady stream: random ids, four of five predictions labelled, log-normal delays, a checkpoint every 50,000 records.
At each, as in the service, the watermark moves on, so that entries are judged and let go of as fast as they come. Rates
are of the processor's time of the one thread; RocksDB's compaction, in threads of its own, is told apart.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks import pending
from benchmarks.pending import PAYLOAD, ids_of
from benchmarks.report import Section, table
from monitor.events import SECOND, IntArray
from monitor.join.identity import identify
from monitor.join.join import Join
from monitor.join.last_before import LastBefore
from monitor.join.positions import Positions
from monitor.join.rules import Rules
from monitor.store.memory import MemoryStore
from monitor.store.port import StateStore
from monitor.store.rocks import RocksStore

BATCH: Final = 10_000
CHECKPOINT: Final = 50_000
GOAL: Final = 60_000
LABELLED: Final = 0.8
WAIT: Final = 3600 * SECOND
STAGES: Final = ("making", "predictions", "labels", "entities", "advance", "drain", "changes", "write")


@dataclass(frozen=True, slots=True)
class Course:
    """One course of the benchmark."""

    name: str
    predictions: int
    waiting: int
    """Predictions that lie in wait when the clock starts."""
    delay: float
    """Median delay of a label as a share of ``wait``."""
    rocks: bool = True
    budget: int | None = None
    completed: bool = False
    """Whether pairs are given out once more, when they are complete, as detectors of concept drift need them."""
    by_entity: bool = False
    """Whether labels name an entity, which has about two predictions within the wait, and a time."""


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

    def batch(self) -> tuple[IntArray, Positions, IntArray, Positions]:
        """Return the next predictions, and the labels that fall due meanwhile."""
        numbers = np.arange(self.number, self.number + BATCH)
        labelled_ones = self.rng.random(BATCH) < LABELLED
        times = (numbers * self.step).astype(np.int64)
        delays = self.wait * np.minimum(0.999, self.course.delay * self.rng.lognormal(0, 0.5, BATCH))
        turns = ((times + delays) / self.step).astype(np.int64) // BATCH
        for turn in np.unique(turns).tolist():
            rows = (turns == turn) & labelled_ones
            self.queue.setdefault(turn, []).append((numbers[rows], (times + delays)[rows].astype(np.int64)))
        due = self.queue.pop(self.number // BATCH, [])
        labelled = np.concatenate([numbers for numbers, _ in due]) if due else np.zeros(0, np.int64)
        when = np.concatenate([moments for _, moments in due]) if due else np.zeros(0, np.int64)
        self.number += BATCH
        return numbers, _positions(times, numbers), labelled, _positions(np.maximum(when, times[0]), labelled)

    def entities(self, numbers: IntArray) -> IntArray:
        """Return whom predictions are about; two of one entity are half the wait apart."""
        return numbers % max(1, self.course.waiting // 2)


def _positions(times: IntArray, offsets: IntArray) -> Positions:
    return Positions(0, times, offsets, np.zeros(len(times), np.int64))


@dataclass(slots=True)
class Run:
    """A join at work, with its laps."""

    join: Join
    store: StateStore
    stream: Stream
    entities: LastBefore | None
    stages: dict[str, float]
    clock: float = 0.0

    def turn(self) -> None:
        """Take in one batch of predictions and the labels that are due; write, if it is time."""
        self.clock = time.thread_time()
        numbers, at, labelled, when = self.stream.batch()
        ids, payloads = ids_of(numbers), np.zeros(len(numbers), PAYLOAD.dtype)
        values = (labelled % 2).astype(np.float64)
        own = labelled if self.entities is None else self.stream.entities(labelled)
        named = ids_of(own)
        self._lap("making")
        self.join.predictions(ids, at, payloads)
        self._lap("predictions")
        if self.entities is None:
            self.join.labels(named, when, values)
        else:
            self._by_entity(self.entities, ids, ids_of(self.stream.entities(numbers)), at)
            self._lap("predictions")
            rows = self.join.waiting(named, when, values)
            as_of = (labelled * self.stream.step).astype(np.int64)
            self.entities.labels(identify(named), when.take(rows), as_of, values, np.zeros(len(rows), np.bool_))
        self._lap("labels")
        if self.stream.number % CHECKPOINT == 0:
            self._checkpoint(int(at.times[0]))

    def _by_entity(self, entities: LastBefore, ids: list[str], about: list[str], at: Positions) -> None:
        entities.predictions(identify(about), identify(ids), at, at.times, np.ones(len(ids), np.bool_))

    def _checkpoint(self, reached: int) -> None:
        if self.entities is None:
            self.join.drain()
            self._lap("labels")
        else:
            self.join.resolved(self.entities.advance(reached))
            reached = self.entities.behind
            self._lap("entities")
        self.join.advance(reached)
        self._lap("advance")
        self.join.drain()
        self._lap("drain")
        puts, deletes = self.join.changes()
        if self.entities is not None:
            more, gone = self.entities.changes()
            puts.update(more)
            deletes = deletes + gone
        self._lap("changes")
        self.store.write(puts, deletes, sync=False)
        self._lap("write")
        self.join.written()
        if self.entities is not None:
            self.entities.written()
        self._lap("changes")

    def _lap(self, stage: str) -> None:
        now = time.thread_time()
        self.stages[stage] += now - self.clock
        self.clock = now


def run(course: Course, folder: Path) -> Outcome:
    """Fill the join as far as it is to wait, then time so many predictions."""
    store: StateStore = RocksStore.open(folder, create=True) if course.rocks else MemoryStore()
    rules = Rules(wait=WAIT, matures_after=WAIT, max_pending=1 << 30, completed=course.completed)
    join = Join.load(store, 0, "fraud-scorer", rules, PAYLOAD, budget=course.budget)
    entities = LastBefore(store, 0, "fraud-scorer", WAIT) if course.by_entity else None
    work = Run(join, store, Stream(course, WAIT), entities, dict.fromkeys(STAGES, 0.0))
    for _ in range(0, course.waiting + CHECKPOINT, BATCH):
        work.turn()
    joined = join.counters["label", "joined"]
    work.stages = dict.fromkeys(STAGES, 0.0)
    start = time.process_time()
    for _ in range(0, course.predictions, BATCH):
        work.turn()
    process = time.process_time() - start - work.stages.pop("making")
    disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if course.rocks else 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    store.close()
    assert join.tally.unaccounted() == {}
    found = join.counters["label", "joined"] - joined
    return Outcome(course, sum(work.stages.values()), process, work.stages, disk, peak, found)


def run_apart(course: Course) -> Outcome:
    """Run a course in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="driftline-join-") as folder:
        return run(course, Path(folder))


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


def courses(predictions: int, waiting: int) -> list[Course]:
    """Return the courses that are run."""
    return [
        Course("in memory", predictions, waiting, 0.3, rocks=False, budget=1 << 30),
        Course("labels soon", predictions, waiting, 0.1),
        Course("labels late", predictions, waiting, 0.5),
        Course("labels late, with detectors of concept drift", predictions, waiting, 0.5, completed=True),
        Course("labels of entities, late", predictions, waiting, 0.5, by_entity=True),
    ]


def section(predictions: int = 400_000, waiting: int = 1_000_000, most: int = 10_000_000) -> Section:
    """Run every course, then let many wait."""
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as alone:
        found = list(alone.map(run_apart, courses(predictions, waiting)))
    slow = [f"*{one.course.name}*" for one in found if one.joined / one.thread < GOAL]
    met = f"not met by {', '.join(slow)}" if slow else "met"
    text = (
        f"{predictions:,} predictions with random ids, every one stored, {LABELLED:.0%} of them labelled up to "
        f"{waiting:,} predictions later. Rates are pairs a second of the join's thread, and of the process with "
        f"RocksDB's own threads. The goal is {GOAL:,} a second: {met}. The other goal, half of what a bare loop "
        "over both topics does, is section (l)."
    )
    return Section("j", "Joining predictions and labels", f"{text}\n\n{body(found)}\n\n{pending.body(most)}")


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=int, default=100_000)
    parser.add_argument("--waiting", type=int, default=100_000)
    parser.add_argument("--only", help="the name of one course")
    options = parser.parse_args()
    chosen = [course for course in courses(options.predictions, options.waiting) if options.only in {None, course.name}]
    print(body([run_apart(course) for course in chosen]))


if __name__ == "__main__":
    main()
