"""The join equals brute force, whatever the interleaving, the batches, the checkpoints and the crashes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.events import IntArray
from monitor.join import agenda, entries, entry, join, tally
from monitor.join.agenda import Agenda
from monitor.join.arrivals import Arrivals, Differences
from monitor.join.clock import NEVER, InputClock, InputClocks
from monitor.join.codec import RETRACTED
from monitor.join.entry import Account, Entry, Label, Position, Prediction, Session, decide
from monitor.join.identity import Ids, identify
from monitor.join.join import JOINS
from monitor.join.payload import Rows
from monitor.join.quota import Quota
from monitor.join.rules import Rules
from monitor.join.visit import Visit
from monitor.store.memory import MemoryStore
from monitor.store.rocks import RocksStore
from tests.property import join_oracle
from tests.property.join_driver import CLOCKS, Driver
from tests.property.join_oracle import scenario


@pytest.fixture(autouse=True, scope="module")
def little_room() -> Iterator[None]:
    """Let the rows in memory grow and shrink at these sizes already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "LEAST", 2)
        patch.setattr(agenda, "AT_ONCE", 4)
        yield


def settle(driver: Driver) -> None:
    """Write until it works."""
    while driver.join._changed:
        driver.checkpoint()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_any_course_of_events_comes_to_the_same_as_brute_force(logs: int, course: int) -> None:
    driver = Driver(scenario(random.Random(logs)), MemoryStore(), random.Random(course))
    driver.run()
    driver.compare()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32), st.sampled_from([2, 3]))
def test_ids_that_share_half_a_hash_are_still_told_apart(logs: int, course: int, keys: int) -> None:
    def crowded(ids: Sequence[str]) -> Ids:
        hashes = identify(ids)
        hashes[:, 0] = hashes[:, 0] % np.uint64(keys) + np.uint64(2)
        return hashes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(join, "identify", crowded)
        patch.setattr(join_oracle, "identify", crowded)
        driver = Driver(scenario(random.Random(logs)), MemoryStore(), random.Random(course))
        driver.run()
        driver.compare()


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_the_same_on_disk(tmp_path_factory: pytest.TempPathFactory, logs: int, course: int) -> None:
    path: Path = tmp_path_factory.mktemp("state")
    driver = Driver(scenario(random.Random(logs), wide=True), RocksStore.open(path, create=True), random.Random(course))
    driver.run()
    settle(driver)
    driver.store.close()
    driver.store = RocksStore.open(path, create=False)
    driver.start()
    driver.compare()
    driver.store.close()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_nothing_is_left_of_what_is_long_over(logs: int, course: int) -> None:
    driver = Driver(scenario(random.Random(logs)), MemoryStore(), random.Random(course))
    driver.run()
    settle(driver)
    driver.join.advance(10**9)
    settle(driver)
    # what the last write made needless goes with the next one
    driver.join.advance(2 * 10**9)
    settle(driver)
    assert driver.join.in_memory == 0
    assert len(list(driver.store.scan(b""))) == len([JOINS, CLOCKS])
    outcomes = driver.join.counters
    assert not any(
        outcomes[name] for name in [("prediction", "pending"), ("label", "pending"), ("maturity", "waiting")]
    )


def by_arrival(label: Label) -> Position:
    """Order labels as they came."""
    return (0, 0, 0, 0)


def furthest(clocks: InputClocks) -> None:
    """Move the watermark by the input that came furthest."""
    greatest = [clock.greatest for clock in clocks.inputs.values() if clock.greatest != NEVER]
    clocks.watermark = max(greatest) - clocks.slack


def halves_apart(self: Entry, rules: Rules, watermark: int) -> bool:
    """Let predictions go as soon as they are over, and their labels at another time."""
    self.sessions = [session for session in self.sessions if session.leader.time + rules.wait >= watermark]
    self.labels = [label for label in self.labels if label.time + rules.wait >= watermark]
    return True


def only_new(self: Differences, sign: int, here: Account, there: Account) -> None:
    """Never take anything back."""
    if sign > 0:
        differ(self, sign, here, there)


def last_comes_first(self: Entry, prediction: Prediction, wait: int) -> None:
    """Let the prediction that came first lead."""
    for session in self.sessions:
        if abs(session.leader.time - prediction.time) <= wait:
            return
    self.sessions.append(Session(prediction, prediction.time))
    self.sessions.sort(key=lambda session: session.leader.time)


def forgetful(self: Agenda) -> None:
    """Forget after a write which buckets are due."""
    self._least = None
    self._fresh.clear()
    self._done.clear()


def unbounded(self: InputClock, log_times: IntArray, slack: int, skew: int | None) -> IntArray:
    """Believe every log time."""
    self.greatest = max([self.greatest, *log_times.tolist()])
    return log_times


def boundless(self: Quota, span: int) -> bool:
    """Admit every row."""
    return True


def by_the_last_label(self: Entry, rules: Rules) -> Iterator[tuple[int, Prediction, Label]]:
    """Complete a pair with the label that decides now, and again with every other."""
    for session, labels in self.groups(rules.wait):
        standing, _ = decide(labels, rules.on_duplicate)
        if session is not None and standing is not None:
            yield max(session.leader.time, standing.time), session.leader, standing


def whatever_stands_later(self: Entry, rules: Rules) -> Iterator[tuple[int, Prediction, Label]]:
    """Complete a pair with its first label, withdrawn before the prediction came or not."""
    for session, labels in self.groups(rules.wait):
        said = [label for label in labels if not label.retract]
        if session is not None and said:
            yield max(session.leader.time, said[0].time), session.leader, said[0]


def at_once(self: Arrivals, ids: Ids, slots: IntArray, rows: Rows) -> None:
    """Give pairs out when they are read."""
    paired(self, ids, slots, rows)
    said = rows[rows["flags"] & RETRACTED == 0]
    if self.rules.completed and len(said):
        self.output.completed(said["time"], said["payload"], said["value"], said["l_time"] - said["time"], said["key"])


def never_completed(self: Visit, rows: Rows) -> None:
    """Give nothing out when the watermark passes."""


paired = Arrivals._paired
differ = Differences.add
MUTANTS: dict[str, tuple[object, str, object]] = {
    "labels decide by arrival": (entry, "_POSITION", by_arrival),
    "the watermark follows one clock": (InputClocks, "_move", furthest),
    "a label outlives its prediction": (Entry, "prune", halves_apart),
    "nothing is withdrawn": (Differences, "add", only_new),
    "the first prediction to come leads": (Entry, "add_prediction", last_comes_first),
    "what is due is forgotten in a crash": (Agenda, "written", forgetful),
    "join times run ahead without bound": (InputClock, "advance", unbounded),
    "labels without bound": (entry, "MOST_LABELS", 100),
    "pairs complete with the label that decides now": (Entry, "completing", by_the_last_label),
    "pairs complete with a label that was withdrawn": (Entry, "completing", whatever_stands_later),
    "no quota": (Quota, "_admit", boundless),
    "a refused prediction is not accounted for": (tally, "PREDICTION_OUTCOMES", tally.PREDICTION_OUTCOMES[:-1]),
}


def test_the_comparison_finds_pairs_given_out_as_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Visit, "_complete", never_completed)
    monkeypatch.setattr(Arrivals, "_paired", at_once)
    for seed in range(200):
        driver = Driver(scenario(random.Random(seed), wide=True), MemoryStore(), random.Random(seed))
        driver.run()
        try:
            driver.compare()
        except AssertionError:
            return
    pytest.fail("not found in 200 courses")


@pytest.mark.parametrize("name", MUTANTS)
def test_the_comparison_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, broken = MUTANTS[name]
    monkeypatch.setattr(owner, attribute, broken)
    for seed in range(200):
        driver = Driver(scenario(random.Random(seed), wide=True), MemoryStore(), random.Random(seed))
        try:
            driver.run()
            driver.compare()
        except (AssertionError, ValueError):
            return
    pytest.fail(f"{name}: not found in 200 courses")
