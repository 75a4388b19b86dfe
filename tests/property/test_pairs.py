"""Requests and responses become the same predictions however two topics are read and wherever a process dies."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from monitor.config.model import ModelConfig
from monitor.config.root import LimitsConfig
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import ColumnType, Schema
from monitor.events import MINUTE, SECOND, Headers, IntArray, Records
from monitor.halves import Paired
from monitor.pairs import OUTCOMES, SEEN, Pairs, slots_of
from monitor.store.memory import MemoryStore
from tests.property.join_oracle import join_times

MAP = {"id": "value.id", "time": "response.value.t", "features": "request.value.x", "score": "response.value.s"}
TOPICS = {"requests": 2, "responses": 2}
APART = {"request": {"topic": "requests"}, "response": {"topic": "responses"}}
CONFIG = ModelConfig(
    name="m",
    predictions={"time_format": "epoch_us", "pair": {**APART, "max_pending": 5}, "map": MAP},
    skew="100s",
)
TIMEOUT, SKEW = 60, 100
Input = tuple[str, int]
Logs = dict[Input, list[tuple[str, int]]]
"""(topic, partition) → id and second of each half."""
LOG = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 400)), max_size=25)
LOGS = st.fixed_dictionaries({(topic, number): LOG for topic in TOPICS for number in range(TOPICS[topic])})
Row = tuple[Any, ...]
Rows = dict[int, list[Row]]


class Turn(NamedTuple):
    """A half in the order in which all of them have their turn."""

    reached: int
    topic: str
    partition: int
    offset: int
    id: str
    moment: int


def records_of(name: Input, log: list[tuple[str, int]], first: int, last: int, *, stamped: bool) -> Records:
    values: list[bytes | None] = []
    for place, (id_, second) in enumerate(log[first:last], first):
        request = {"x": {"f": place, "g": "v" if place % 3 else None}}
        response = {"t": second * SECOND, "s": place}
        values.append(json.dumps({"id": id_, **(request if name[0] == "requests" else response)}).encode())
    times = [second * SECOND for _, second in log[first:last]]
    return Records(*name, last, list(range(first, last)), times, stamped, [None] * (last - first), values)


def said(pairs: list[Paired]) -> dict[int, list[Row]]:
    """Return id, offset, time, moment and cells of each prediction, by partition."""
    found: dict[int, list[Row]] = {}
    for paired in pairs:
        batch = paired.batch
        assert batch.kind == "prediction"
        f, g, s = (batch.columns[name] for name in ("f", "g", "score"))
        rows = zip(batch.ids, batch.offsets.tolist(), batch.times.tolist(), paired.moments.tolist(), strict=True)
        cells = zip(f, g, s, strict=True)
        found.setdefault(paired.partition, []).extend((*row, *cell) for row, cell in zip(rows, cells, strict=True))
        for place in range(len(batch)):
            reject = paired.origins.reject(place, "too_late")
            where = (reject.topic, reject.partition, reject.offset, reject.reason)
            assert where == ("responses", paired.partition, batch.offsets[place], "too_late")
            assert json.loads(reject.value or b"")["s"] == s[place]
    return {
        number: [(*row[:4], float(row[4]), row[5], float(row[6])) for row in rows] for number, rows in found.items()
    }


def turns(logs: Logs, *, stamped: bool) -> tuple[list[Turn], tuple[int, str, int]]:
    """Return all halves in their order, and the least (clock, input): what comes after it has no turn yet."""
    found, stands = [], []
    for (topic, number), log in logs.items():
        seconds = [second for _, second in log]
        clock: int | None = None
        for offset, (id_, second) in enumerate(log):
            agreed = second if stamped else min(seconds[offset - 2 : offset + 1]) if offset >= 2 else None
            bound = second if clock is None or stamped else min(second, clock + SKEW)
            clock = clock if agreed is None else agreed if clock is None else max(clock, agreed)
            reached = -(10**9) if clock is None else clock
            found.append(Turn(reached, topic, number, offset, id_, max(bound, reached)))
        assert stamped or clock == join_times(seconds, 0, SKEW)[1]
        stands.append((-(10**9) if clock is None else clock, topic, number))
    return sorted(found), min(stands)


def expected(logs: Logs, *, stamped: bool, ended: bool) -> tuple[dict[int, list[Row]], Counter[str]]:
    """Return the predictions by partition and what became of every half: one pass in order, one half at a time."""
    order, least = turns(logs, stamped=stamped)
    waiting: dict[str, Turn] = {}
    found: dict[int, list[Row]] = {}
    counts: Counter[str] = Counter()

    def expire(now: int) -> None:
        for other in [one for one in waiting.values() if now - one.moment > TIMEOUT]:
            del waiting[other.id]
            counts["unpaired_request" if other.topic == "requests" else "unpaired_response"] += 1

    for half in order:
        counts[SEEN] += 1
        if not ended and half[:3] > least:
            counts["waiting"] += 1
            continue
        expire(half.reached)
        other = waiting.get(half.id)
        if other is not None and half.moment - other.moment > TIMEOUT:
            del waiting[half.id]
            counts["unpaired_request" if other.topic == "requests" else "unpaired_response"] += 1
            other = None
        if other is None:
            counts["overflow"] += len(waiting) >= 5
            if len(waiting) < 5:
                waiting[half.id] = half
        elif other.topic == half.topic:
            counts["duplicate"] += 1
        elif other.moment - half.moment > TIMEOUT:
            counts["unpaired_request" if half.topic == "requests" else "unpaired_response"] += 1
        else:
            del waiting[half.id]
            counts["paired"] += 2
            request, response = (other, half) if half.topic == "responses" else (half, other)
            time = logs["responses", response.partition][response.offset][1] * SECOND
            moment = max(other.moment, half.moment) * SECOND
            cells = (float(request.offset), "v" if request.offset % 3 else None, float(response.offset))
            found.setdefault(response.partition, []).append((half.id, response.offset, time, moment, *cells))
    expire(max([one[0] for one in turns(logs, stamped=stamped)[0]], default=0) if ended else least[0])
    counts["waiting"] += len(waiting)
    return found, +counts


class Life:
    """Reads the logs as a service does that is killed now and then."""

    def __init__(self, logs: Logs, data: st.DataObject, *, stamped: bool) -> None:
        self.logs, self.data, self.stamped = logs, data, stamped
        self.store = MemoryStore()
        features: dict[str, dict[str, ColumnType]] = {
            "requests": {"f": "numeric", "g": "categorical"},
            "responses": {"f": "numeric", "g": "categorical"},
        }
        self.decoders = {
            topic: Decoder([s for s in Schema.all_of(CONFIG, kinds) if s.stream.topic == topic], LimitsConfig())
            for topic, kinds in features.items()
        }
        self.saved: tuple[dict[Input, int], Rows, Counter[str]] = (dict.fromkeys(logs, 0), {}, Counter())
        self.start()

    def start(self) -> None:
        self.pairs, lost = Pairs.load(CONFIG, TOPICS, self.store)
        assert lost == 0
        self.done = dict(self.saved[0])
        self.found = {number: list(rows) for number, rows in self.saved[1].items()}
        self.counts = Counter(self.saved[2])

    def run(self) -> None:
        while left := [name for name, log in self.logs.items() if self.done[name] < len(log)]:
            name = self.data.draw(st.sampled_from(left))
            last = min(len(self.logs[name]), self.done[name] + self.data.draw(st.integers(1, 12)))
            records = records_of(name, self.logs[name], self.done[name], last, stamped=self.stamped)
            self.pairs.take(self.decoders[name[0]].decode(records))
            self.done[name] = last
            self.release()
            fate = self.data.draw(st.sampled_from(["on", "on", "write", "crash"]))
            if fate == "write":
                self.write()
            elif fate == "crash":
                self.start()

    def release(self) -> None:
        for number, rows in said(self.pairs.release()).items():
            self.found.setdefault(number, []).extend(rows)
        for (_, outcome), times in self.pairs.counters.items():
            self.counts[outcome] += times
        self.pairs.counters.clear()
        assert self.counts[SEEN] == sum(self.counts[name] for name in OUTCOMES) + self.pairs.waiting

    def write(self) -> None:
        self.store.write(*self.pairs.changes(), sync=False)
        self.pairs.written()
        self.saved = (dict(self.done), {n: list(rows) for n, rows in self.found.items()}, Counter(self.counts))

    def outcome(self) -> tuple[dict[int, list[Row]], Counter[str]]:
        return self.found, +(self.counts + Counter(waiting=self.pairs.waiting))


@settings(max_examples=60, deadline=None)
@given(LOGS, st.booleans(), st.data())
def test_one_pass_in_order_however_the_inputs_are_read(logs: Logs, stamped: bool, data: st.DataObject) -> None:
    life = Life(logs, data, stamped=stamped)
    life.run()
    assert life.outcome() == expected(logs, stamped=stamped, ended=False)
    life.write()
    life.pairs.finish()
    life.release()
    assert life.outcome() == expected(logs, stamped=stamped, ended=True)
    life.write()
    again, lost = Pairs.load(CONFIG, TOPICS, life.store)
    assert (again.waiting, again.buffered, lost) == (life.pairs.waiting, 0, 0)
    assert len(list(life.store.scan(b"q"))) <= 9


def by_arrival(pairs: Pairs) -> IntArray:
    """Give every half its turn at once, in the order of arrival."""
    found = [np.arange(block.taken, len(block)) + block.start for block in pairs._blocks]
    for block in pairs._blocks:
        block.taken = len(block)
    return np.concatenate([np.zeros(0, np.int64), *found])


def by_time_alone(pairs: Pairs) -> IntArray:
    """Give every half that is there its turn, in the order of time, without waiting for the other inputs."""
    left = [block for block in pairs._blocks if block.taken < len(block)]
    found = slots_of(left, [slice(block.taken, len(block)) for block in left])
    for block in left:
        block.taken = len(block)
    return found


@pytest.mark.parametrize("mutant", [by_arrival, by_time_alone])
def test_a_build_that_does_not_wait_for_turns_is_found_out(monkeypatch: pytest.MonkeyPatch, mutant: Any) -> None:
    monkeypatch.setattr(Pairs, "_in_turn", mutant)

    def differs(case: tuple[Logs, st.DataObject]) -> bool:
        life = Life(case[0], case[1], stamped=True)
        life.run()
        life.pairs.finish()
        life.release()
        return life.outcome() != expected(case[0], stamped=True, ended=True)

    quick = settings(max_examples=300, deadline=None, database=None, phases=[Phase.generate])
    try:
        find(st.tuples(LOGS, st.data()), differs, settings=quick)
    except NoSuchExample:
        pytest.fail("the order of reading made no difference")


def test_a_run_without_halves_changes_nothing() -> None:
    pairs, _ = Pairs.load(CONFIG, TOPICS, MemoryStore())
    assert pairs.release() == []
    assert pairs.changes() == ({}, [])


def test_halves_of_another_mapping_are_left_behind() -> None:
    store = MemoryStore()
    pairs, lost = Pairs.load(CONFIG, TOPICS, store)
    for name in (("requests", 0), ("responses", 1)):
        decoder = Decoder(
            [s for s in Schema.all_of(CONFIG, {"f": "numeric"}) if s.stream.topic == name[0]], LimitsConfig()
        )
        pairs.take(decoder.decode(records_of(name, [("a", 0)], 0, 1, stamped=True)))
    store.write(*pairs.changes(), sync=False)
    again, none_lost = Pairs.load(CONFIG, TOPICS, store)
    assert (lost, none_lost, again.waiting) == (0, 0, 2)
    changed = CONFIG.predictions.model_copy(update={"where": {"value.v": "2"}})
    pairs, lost = Pairs.load(CONFIG.model_copy(update={"predictions": changed}), TOPICS, store)
    assert (lost, pairs.waiting) == (2, 0)
    store.write(*pairs.changes(), sync=False)
    assert Pairs.load(CONFIG, TOPICS, store)[1] == 0


def test_an_input_that_rests_holds_nothing_up_and_comes_after_what_was_given_out() -> None:
    pairs = Pairs.of(CONFIG, [(topic, number) for topic in TOPICS for number in range(2)])
    schemas = Schema.all_of(CONFIG, {})
    decoders = {t: Decoder([one for one in schemas if one.stream.topic == t], LimitsConfig()) for t in TOPICS}

    def read(topic: str, number: int, *log: tuple[str, int]) -> list[str]:
        pairs.take(decoders[topic].decode(records_of((topic, number), list(log), 0, len(log), stamped=True)))
        return [name for paired in pairs.release() for name in paired.batch.ids]

    assert read("requests", 0, ("a", 10), ("b", 20)) == []
    assert read("responses", 0, ("a", 11), ("b", 21)) == []
    pairs.rest("requests", 1)
    pairs.rest("responses", 1)
    assert [paired.batch.ids for paired in pairs.release()] == [["a"]]
    assert (pairs.buffered, pairs.resting) == (1, False)
    pairs.rest("requests", 0)
    assert [paired.batch.ids for paired in pairs.release()] == [["b"]]
    pairs.rest("responses", 0)
    assert pairs.resting
    assert read("requests", 1, ("c", 3)) == []
    assert pairs.clocks["requests", 1].greatest > 21 * SECOND
    assert pairs.waiting == 1


def test_too_many_halves_that_wait_for_one_input_hold_the_others_back() -> None:
    pairs = Pairs.of(CONFIG, [(topic, number) for topic in TOPICS for number in range(2)])
    decoder = Decoder([s for s in Schema.all_of(CONFIG, {}) if s.stream.topic == "responses"], LimitsConfig())
    for number, second in ((0, 5), (1, 1)):
        log = [(str(place), second) for place in range(4)]
        pairs.take(decoder.decode(records_of(("responses", number), log, 0, 4, stamped=True)))
        assert (pairs.crowd() is None) == (number == 0)
    slowest, others = pairs.crowd() or (None, set())
    assert slowest == ("requests", 0)
    assert others == {("requests", 1), ("responses", 0), ("responses", 1)}
    for name in pairs.clocks:
        pairs.rest(*name)
    assert pairs.crowd() is None


def test_halves_that_wait_long_are_few_values_and_seldom_written_anew() -> None:
    config = ModelConfig(
        name="m",
        predictions={"time_format": "epoch_us", "pair": {**APART, "timeout": "3h"}, "map": MAP},
        skew="100s",
    )
    decoder = Decoder([s for s in Schema.all_of(config, {}) if s.stream.topic == "requests"], LimitsConfig())
    store, size, written = MemoryStore(), 20, 0
    pairs, _ = Pairs.load(config, {"requests": 1, "responses": 1}, store)
    log = [(f"i{place}", place) for place in range(64 * size)]
    pairs.rest("responses", 0)
    for first in range(0, len(log), size):
        pairs.take(decoder.decode(records_of(("requests", 0), log, first, first + size, stamped=True)))
        assert pairs.release() == []
        puts, gone = pairs.changes()
        store.write(puts, gone, sync=False)
        pairs.written()
        written += sum(len(block) for block in pairs._blocks if pairs._key(block.start) in puts)
        assert len(list(store.scan(b"q"))) <= 8
    assert written <= len(log) * 7
    again, _ = Pairs.load(config, {"requests": 1, "responses": 1}, store)
    assert (again.waiting, again.buffered) == (len(log), 0)


def exploded(topic: str | None) -> ModelConfig:
    return ModelConfig(
        name="iris",
        task="multiclass",
        classes=[0, 1],
        predictions={
            **({"topic": topic} if topic else {"file": "f"}),
            "time_format": "rfc3339",
            "feature_names": ["a", "b"],
            "pair": {
                "request": {"where": {"headers.ce_type": "request"}, "explode": "value.instances[*]"},
                "response": {"where": {"headers.ce_type": "response"}, "explode": "value.predictions[*]"},
            },
            "map": {
                "id": "{headers.ce_id}:{row}",
                "time": "response.headers.ce_time" if topic else "headers.ce_time",
                "features": "request.row",
                "prediction": "response.row",
            },
        },
    )


@pytest.mark.parametrize("topic", ["broker", None])
def test_rows_of_a_request_meet_the_rows_of_its_response(topic: str | None) -> None:
    config = exploded(topic)
    name = topic or "f"
    decoder = Decoder(Schema.all_of(config, {"a": "numeric", "b": "numeric"}), LimitsConfig())
    values: list[bytes | None] = [
        b'{"instances": [[6.8, 2.8], [6.0, 3.4]]}', b'{"instances": [[1, 2]]}', b'{"predictions": [1, 0]}',
    ]  # fmt: skip
    headers: list[Headers] = [
        [("ce_type", kind), ("ce_id", name_), ("ce_time", b"2026-11-01T00:00:0%d.5Z" % second)]
        for kind, name_, second in ((b"request", b"x", 1), (b"request", b"y", 2), (b"response", b"x", 3))
    ]
    times = [0, 1, 2] if topic else [-1, -1, -1]
    pairs = Pairs.of(config, [(name, 0)] if topic else [(name, 0), (name, 1)])
    pairs.take(decoder.decode(Records(name, 0, 3, [0, 1, 2], times, bool(topic), [None] * 3, values, headers)))
    (paired,) = pairs.release()
    batch = paired.batch
    assert batch.ids == ["x:0", "x:1"]
    assert np.asarray(batch.columns["a"]).tolist() == [6.8, 6.0]
    assert batch.columns["prediction"] == ["1", "0"]
    assert batch.offsets.tolist() == [2, 2]
    assert batch.numbers is not None
    assert [paired.origins.reject(row, "too_late").row for row in (0, 1)] == batch.numbers.tolist() == [0, 1]
    assert batch.times[0] % MINUTE == 3_500_000
    assert pairs.waiting == 1


def test_halves_in_two_files_do_not_meet() -> None:
    config = exploded(None)
    decoder = Decoder(Schema.all_of(config, {"a": "numeric", "b": "numeric"}), LimitsConfig())
    pairs = Pairs.of(config, [("f", 0), ("f", 1)])
    both = (b"request", b'{"instances": [[1, 2]]}'), (b"response", b'{"predictions": [1]}')
    for number, (kind, value) in enumerate(both):
        headers: list[Headers] = [[("ce_type", kind), ("ce_id", b"x"), ("ce_time", b"2026-11-01T00:00:00Z")]]
        pairs.take(decoder.decode(Records("f", number, 1, [0], [-1], False, [None], [value], headers)))
        assert pairs.release() == []
    assert (pairs.waiting, pairs.buffered) == (2, 0)
