"""Labels of entities find the prediction that brute force finds, whatever the interleaving, batches and crashes."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.decoding.sampling import kept
from monitor.events import IntArray
from monitor.join import last_before
from monitor.join.identity import identify
from monitor.join.join import RETRACT
from monitor.join.last_before import STATES, LastBefore, Worked, drop_entities
from monitor.join.pages import PAGES, RUNS
from monitor.join.positions import Positions
from monitor.join.rules import Rules
from monitor.keys import parse
from monitor.store.memory import MemoryStore
from monitor.store.port import CorruptStateError
from tests.property.join_driver import PAYLOAD, Driver
from tests.property.join_oracle import UPSERT, Expected, Record, Scenario, brute_force, join_times

NOWHERE: Final = "nowhere"
GRACE: Final = 6


def entity_of(id_: str) -> str:
    """Return the entity that a prediction's id ``entity#number@time`` or a label's ``entity@time`` names."""
    return id_.partition("@")[0].partition("#")[0]


def time_of(id_: str) -> int:
    """Return a prediction's own time, or the time that a label is about."""
    return int(id_.partition("@")[2])


def scenario(rng: random.Random) -> Scenario:
    """Return predictions of few entities, and labels that name an entity and a time now and then before all of them."""
    wait = rng.choice([9, 40, 100])
    rules = Rules(
        wait=wait,
        matures_after=rng.choice([wait // 2, wait]),
        on_duplicate=rng.choice(["last_wins", "first_wins"]),
        inputs=2,
        sample=rng.choice([1.0, 1.0, 0.6]),
        completed=True,
    )
    entities = [f"e{number}" for number in range(rng.choice([1, 3, 8]))]
    logs: dict[tuple[str, int], list[Record]] = {}
    for side in ("prediction", "label"):
        for number in (0, 1):
            clock, log = rng.randint(0, 20), []
            for place in range(rng.randint(0, 45)):
                clock += rng.randint(0, 3) if rng.random() < 0.95 else wait
                entity, at = rng.choice(entities), clock + rng.choice([0, 0, -1, -8, -30, 5])
                if side == "prediction":
                    row = (f"{entity}#{number}.{place}@{at}", float(number * 10_000 + place), UPSERT)
                else:
                    value = rng.choice([0.0, 1.0, 1.0] + [float("nan")] * (rng.random() < 0.1))
                    row = (f"{entity}@{at}", value, RETRACT if rng.random() < 0.15 else UPSERT)
                log.append(Record(clock + rng.choice([0, 0, -2, 3]), (row,)))
            logs[side, number] = log
    return Scenario(rules, logs)


class EntityDriver(Driver):
    """A join whose labels name entities."""

    def start(self) -> None:
        """Begin from what was last written."""
        super().start()
        self.entities = LastBefore(self.store, 0, "m", self.case.rules.wait, GRACE)

    def feed(self, side: str, number: int, first: int, records: list[Record], times: Any) -> None:
        """Hand records over."""
        rows = [row for record in records for row in record.rows]
        ids, values = [row[0] for row in rows], np.array([row[1] for row in rows])
        at = Positions(number, times, np.arange(first, first + len(rows)), np.zeros(len(rows), np.int64))
        entities, own = identify([entity_of(id_) for id_ in ids]), np.array([time_of(id_) for id_ in ids])
        if side == "prediction":
            payloads = PAYLOAD.pack({"number": values.astype(np.int64), "slice": values.astype(np.int64) % 7})
            self.join.predictions(ids, at, payloads)
            self.entities.predictions(entities, identify(ids), at, own, kept(ids, self.case.rules.sample))
            return
        operations = np.array([row[2] for row in rows])
        chosen = self.join.waiting(ids, at, values, operations)
        retract = (operations == RETRACT)[chosen]
        self.entities.labels(entities[chosen], at.take(chosen), own[chosen], values[chosen], retract)

    def advance(self, watermark: int, most: int = 1 << 62) -> bool:
        """Resolve labels, then go on with the join as far as that allows."""
        self.join.resolved(self.entities.advance(watermark))
        return self.join.advance(self.entities.behind, most)

    def run(self) -> None:
        """Read all logs to their ends, with checkpoints and crashes on the way."""
        while any(self.done[name] < len(log) for name, log in self.case.logs.items()):
            self.step()
            dice = self.rng.random()
            for name, log in self.case.logs.items():
                if self.done[name] == len(log) and dice < 0.5:
                    self.clocks.rest(*name)
            if dice < 0.4:
                self.advance(self.clocks.watermark)
            self.check_laws()
            if dice < 0.2:
                self.checkpoint()
            elif dice > 0.93:
                self.start()
        self.advance(self.clocks.watermark)
        self.check_laws()

    def gather(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Write the entities too."""
        puts, deletes = super().gather()
        more, gone = self.entities.changes()
        return {**puts, **more}, deletes + gone

    def settle(self) -> None:
        """Note that they are written."""
        super().settle()
        self.entities.written()

    def expected(self) -> Expected:
        """Find every label's prediction among all there are, and give it that one's id; then join by brute force."""
        logs = {name: log[: self.done[name]] for name, log in self.case.logs.items()}
        rules, reached = self.case.rules, self.entities.watermark
        width = self.entities._width
        predictions = [
            (time_of(id_), (time, number, offset), id_)
            for (side, number), log in logs.items()
            if side == "prediction"
            for offset, (record, time) in enumerate(
                zip(log, join_times([record.log_time for record in log])[0], strict=True)
            )
            for id_, _, _ in record.rows
        ]
        more: Counter[tuple[str, str]] = Counter()
        named: dict[tuple[str, int], list[Record]] = {}
        for (side, number), log in logs.items():
            if side == "prediction":
                named[side, number] = log
                continue
            found = []
            for record, time in zip(log, join_times([record.log_time for record in log])[0], strict=True):
                id_, value, operation = record.rows[0]
                can = [
                    prediction
                    for prediction in predictions
                    if entity_of(prediction[2]) == entity_of(id_)
                    and prediction[0] <= time_of(id_)
                    and prediction[1][0] <= time + GRACE
                    and abs(prediction[1][0] - time) <= rules.wait
                ]
                waits = (time + GRACE) // width * width >= reached
                if not (np.isnan(value) and operation != RETRACT) and (waits or not can):
                    more["label", "pending" if waits else "orphan"] += 1
                    more["label", "unsampled"] -= 1
                name = NOWHERE if waits or not can else max(can)[2]
                found.append(Record(record.log_time, ((name, value, operation),)))
            named[side, number] = found
        expected = brute_force(
            Scenario(rules, named), self.join.watermark, lambda id_: id_ != NOWHERE and kept([id_], rules.sample)[0]
        )
        expected.outcomes.update(more)
        expected.outcomes = Counter({name: count for name, count in expected.outcomes.items() if count})
        return expected


def run(logs: int, course: int) -> EntityDriver:
    """Run a scenario to its end."""
    driver = EntityDriver(scenario(random.Random(logs)), MemoryStore(), random.Random(course), budget=5)
    driver.run()
    return driver


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_any_course_of_events_comes_to_the_same_as_brute_force(logs: int, course: int) -> None:
    run(logs, course).compare()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_nothing_is_left_of_what_is_long_over(logs: int, course: int) -> None:
    driver = run(logs, course)
    for far in (10**6, 2 * 10**6):
        driver.advance(far)
        while driver.join._changed or driver.entities._changed:
            driver.checkpoint()
    assert driver.entities.entities == 0
    # the state of the join, of the entities and of the clocks
    assert len(list(driver.store.scan(b""))) == 3
    assert driver.join.counters["label", "pending"] == 0


def test_of_an_entity_without_end_a_bounded_number_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_before, "MOST", 4)

    def remembered(order: list[int], cut: int) -> tuple[int, list[Any]]:
        entities = LastBefore(MemoryStore(), 0, "m", wait=40, grace=5)
        for part in (order[:cut], order[cut:]):
            times = np.array(part, np.int64)
            entities.predictions(
                identify(["e"] * len(part)), identify([f"p{time}" for time in part]),
                Positions(0, times, times, np.zeros(len(part), np.int64)), times, np.ones(len(part), bool),
            )  # fmt: skip
            entities.changes()
        known = entities._chains.of(identify(["e"])[:, 0])[0]
        return entities.overflow, sorted(known["time"][entities._chains.counting(known)].tolist())

    order = list(range(30))
    first = remembered(order, 30)
    random.Random(1).shuffle(order)
    assert first == (18, [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23])
    assert remembered(order, 11) == first


def test_damage_and_other_rules_are_found() -> None:
    driver = run(3, 3)
    while driver.entities._changed or driver.join._changed:
        driver.checkpoint()
    with pytest.raises(last_before.EntitiesChangedError):
        LastBefore(driver.store, 0, "m", driver.case.rules.wait + 1, GRACE)
    damaged = 0
    for key, data in list(driver.store.scan(b"")):
        if key[:1] == last_before.WAITING or (key[:1] == RUNS and parse(key)[2] == "m/entities"):
            driver.store.write({key: data[:-1] + bytes([data[-1] ^ 1])}, [], sync=False)
            with pytest.raises(CorruptStateError):
                LastBefore(driver.store, 0, "m", driver.case.rules.wait, GRACE).advance(10**6)
            driver.store.write({key: data}, [], sync=False)
            damaged += 1
    assert damaged > 0
    drop_entities(driver.store, 0, "m")
    left = [parse(key) for key, _ in driver.store.scan(b"") if key[:1] in {PAGES, RUNS, STATES}]
    assert not [key for key in left if key[0] == STATES or key[2] == "m/entities"]
    assert LastBefore(driver.store, 0, "m", 1, GRACE).advance(5) == Worked()


def at_once(self: LastBefore, watermark: int) -> Worked:
    """Decide by what has been read so far."""
    parts = [part for bucket in sorted(self._labels) for part in self._labels.pop(bucket)]
    self._new_labels.clear()
    self._done += [key for keys in self._stored.values() for key in keys]
    self._stored.clear()
    self._changed = True
    worked = self._resolve(np.concatenate(parts)) if parts else Worked()
    advance(self, watermark)
    return worked


def whatever_comes(self: LastBefore, rows: Any, labels: Any) -> Any:
    """Let all that were read be meant, whenever they came."""
    return rows["event"] <= labels["as_of"]


def by_arrival(self: LastBefore, rows: Any) -> list[IntArray]:
    """Take the one that came last, whatever its own time."""
    return [rows["row"], rows["offset"], rows["input"], rows["time"]]


def too_soon(self: LastBefore, times: IntArray) -> IntArray:
    """Forget predictions before their labels have come."""
    return times + self.grace


advance = LastBefore.advance
MUTANTS: Final[dict[str, tuple[str, object]]] = {
    "labels are decided as they come": ("advance", at_once),
    "any prediction ever read counts": ("_can", whatever_comes),
    "the last to come is taken for the last": ("_rank", by_arrival),
    "predictions are forgotten too soon": ("_leaves", too_soon),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_comparison_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attribute, broken = MUTANTS[name]
    monkeypatch.setattr(LastBefore, attribute, broken)
    for seed in range(100):
        try:
            run(seed, seed).compare()
        except (AssertionError, ValueError):
            return
    pytest.fail(f"{name}: not found in 100 courses")
