"""The join as its callers see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from monitor.join.clock import NEVER
from monitor.join.entries import LEAST, rows_within
from monitor.join.join import MEMORY, RETRACT, UPSERT, Join, JoinChangedError, drop
from monitor.join.output import CHANGED, MATURED, RUNNING, UNLABELLED, Joined
from monitor.join.page_codec import PAGE
from monitor.join.payload import Payload
from monitor.join.positions import Positions
from monitor.join.rules import Rules
from monitor.store.memory import MemoryStore
from monitor.store.port import CorruptStateError, StateStore

PAYLOAD = Payload({"number": "<i4"})
RULES = Rules(wait=100, matures_after=100)


def at(*times: int, first: int = 0) -> Positions:
    offsets = np.arange(first, first + len(times))
    return Positions(0, np.array(times, np.int64), offsets, np.zeros(len(times), np.int64))


def predict(join: Join, ids: list[str], *times: int) -> None:
    join.predictions(ids, at(*times), PAYLOAD.pack({"number": np.arange(len(ids))}))


def rows(joined: Joined) -> list[tuple[Any, ...]]:
    columns = (joined.signs, joined.kinds, joined.payloads["number"], joined.labels, joined.delays)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def save(join: Join, store: StateStore) -> None:
    store.write(*join.changes(), sync=False)
    join.written()


def fresh(store: StateStore, rules: Rules = RULES, payload: Payload = PAYLOAD) -> Join:
    return Join.load(store, 3, "m", rules, payload)


def test_a_pair_is_given_out_at_once_taken_back_and_judged_in_the_end() -> None:
    join = fresh(MemoryStore())
    predict(join, ["a"], 1000)
    join.labels(["a"], at(1010), np.array([1.0]))
    assert rows(join.drain()) == [(1, RUNNING, 0, 1.0, 10)]
    join.labels(["a"], at(1020, first=1), np.array([0.0]))
    assert sorted(rows(join.drain())) == [
        (-1, RUNNING, 0, 1.0, 10),
        (1, RUNNING, 0, 0.0, 20),
        (1, CHANGED, 0, 1.0, 10),
        (1, CHANGED, 0, 1.0, 20),
    ]
    join.labels(["a"], at(1030, first=2), np.array([np.nan]), np.array([RETRACT]))
    assert rows(join.drain()) == [(-1, RUNNING, 0, 0.0, 20), (1, CHANGED, 0, 0.0, 20), (1, CHANGED, 0, 0.0, 30)]
    join.labels(["a"], at(1040, first=3), np.array([2.0]), np.array([UPSERT]))
    join.drain()
    assert join.advance(1100)
    assert len(join.drain()) == 0
    assert join.advance(1200)
    assert rows(join.drain()) == [(1, MATURED, 0, 2.0, 40)]
    assert join.in_memory == 0
    assert join.counters["label", "retracted"] == 2


def test_a_label_after_maturity_does_not_change_the_judgement() -> None:
    join = fresh(MemoryStore(), Rules(wait=100, matures_after=20))
    predict(join, ["a", "b"], 1000, 1000)
    join.labels(["b"], at(1020), np.array([1.0]))
    join.advance(1030)
    join.labels(["a"], at(1090, first=1), np.array([1.0]))
    join.advance(2000)
    joined = join.drain()
    judged = joined.take(joined.kinds == MATURED)
    assert sorted(zip(judged.payloads["number"].tolist(), judged.bases.tolist(), strict=True)) == [
        (0, UNLABELLED),
        (1, 0),
    ]
    assert join.counters["prediction", "joined"] == 2
    assert join.counters["maturity", "unlabelled"] == 1


@pytest.mark.parametrize(("time", "outcome"), [(900, "joined"), (1100, "joined"), (899, "pending"), (1101, "pending")])
def test_wait_holds_on_both_sides_and_to_the_microsecond(time: int, outcome: str) -> None:
    for label_first in (False, True):
        join = fresh(MemoryStore())
        if label_first:
            join.labels(["a"], at(time), np.array([1.0]))
        predict(join, ["a"], 1000)
        if not label_first:
            join.labels(["a"], at(time), np.array([1.0]))
        assert join.counters["label", outcome] == 1


def test_what_does_not_fit_changes_nothing() -> None:
    join = fresh(MemoryStore())
    join.advance(1000)
    before = dict(join.counters)
    with pytest.raises(ValueError, match="before the watermark"):
        predict(join, ["a", "b"], 2000, 500)
    with pytest.raises(ValueError, match="do not fit"):
        join.labels(["a"], at(2000, 2001), np.array([1.0]))
    assert dict(join.counters) == before
    predict(join, [], *())
    join.labels([], at(), np.zeros(0))
    assert len(join.drain()) == 0


def test_the_watermark_begins_nowhere() -> None:
    join = fresh(MemoryStore())
    assert join.advance(NEVER)
    assert join.changes() == ({}, [])
    assert len(join.coverage().ages) == 0


def test_other_rules_are_refused_until_the_old_join_is_dropped() -> None:
    store = MemoryStore()
    join = fresh(store)
    predict(join, ["a", "b"], 1000, 1001)
    save(join, store)
    other = Rules(wait=50, matures_after=50)
    with pytest.raises(JoinChangedError):
        fresh(store, other)
    kept = Join.load(store, 4, "m", other, PAYLOAD)
    predict(kept, ["z"], 1000)
    save(kept, store)
    assert drop(store, 3, "m") > 0
    assert fresh(store, other).counters == {}
    assert Join.load(store, 4, "m", other, PAYLOAD).counters["prediction", "pending"] == 1


def test_a_payload_may_change_from_one_start_to_the_next() -> None:
    store = MemoryStore()
    join = fresh(store)
    predict(join, ["a", "b"], 1000, 1001)
    join.labels(["b", "b"], at(1002, 1003), np.array([1.0, 2.0]))
    save(join, store)
    wider = Payload({"score": "<f8", "number": "<i8"})
    for _ in range(2):
        join = fresh(store, payload=wider)
        save(join, store)
    join.labels(["a", "b"], at(1005, 1006, first=9), np.array([1.0, 3.0]))
    given = join.drain()
    given = given.take(given.kinds == RUNNING)
    assert sorted(zip(given.payloads["number"].tolist(), given.labels.tolist(), strict=True)) == [
        (0, 1),
        (1, 2),
        (1, 3),
    ]
    assert np.isnan(given.payloads["score"]).all()


def test_damage_is_found() -> None:
    store = MemoryStore()
    join = fresh(store)
    predict(join, [f"id{number}" for number in range(50)], *range(1000, 1050))
    join.labels(["id0"] * 2, at(1100, 1100), np.array([1.0, 2.0]))
    save(join, store)
    found = 0
    for key, data in list(store.scan(b"")):
        if key[:1] in (b"K", b"J"):
            # the store's checksum alone stands for what these hold
            continue
        store.write({key: data[:-1] + bytes([data[-1] ^ 1])}, [], sync=False)
        with pytest.raises(CorruptStateError):
            fresh(store).advance(5000)
        found += 1
        store.write({key: data}, [], sync=False)
    assert found >= 4


def test_coverage_goes_by_age() -> None:
    join = fresh(MemoryStore(), Rules(wait=6400, matures_after=6400))
    predict(join, ["a", "b", "c"], 1000, 1050, 2000)
    join.labels(["a"], at(2000), np.array([1.0]))
    join.advance(2000)
    coverage = join.coverage()
    assert (coverage.predictions.tolist(), coverage.labelled.tolist()) == ([1, 2], [0, 1])
    assert coverage.ages.tolist() == [join.watermark - 2000, join.watermark - 1000]


def test_memory_and_disk_do_not_grow_with_time() -> None:
    store = MemoryStore()
    join = Join.load(store, 3, "m", Rules(wait=1000, matures_after=1000), PAYLOAD, budget=300)
    sizes: list[tuple[int, int, int]] = []
    rng = np.random.default_rng(5)
    for turn in range(120):
        times = turn * 100 + np.arange(100)
        predict(join, [f"id{time}" for time in times], *times.tolist())
        lagging = np.unique(times - rng.integers(0, 900, 100))
        join.labels(
            [f"id{time}" for time in lagging], at(*np.maximum(lagging, times[0]).tolist()), np.ones(len(lagging))
        )
        join.advance(int(times[0]))
        join.drain()
        save(join, store)
        assert join.in_memory <= 300
        sizes.append(
            (len(list(store.scan(b""))), sum(len(data) for _, data in store.scan(b"")), join._entries.rows.nbytes)
        )
    for early, late in zip(np.max(sizes[30:60], axis=0), np.max(sizes[60:], axis=0), strict=True):
        assert late <= 1.1 * early


def test_rows_in_memory_are_bounded_by_their_bytes() -> None:
    wide = Payload({**PAYLOAD.fields, "text": "S1200"})
    narrow_rows, wide_rows = (rows_within(MEMORY, payload) for payload in (PAYLOAD, wide))
    assert 500_000 < narrow_rows < 1_500_000
    assert MEMORY // 1400 < wide_rows < MEMORY // 1200


def test_rows_that_grow_keep_what_they_held() -> None:
    join = Join.load(MemoryStore(), 3, "m", RULES, PAYLOAD)
    number = LEAST + 1
    predict(join, [f"id{place}" for place in range(number)], *range(number))
    rows = join._entries.rows
    assert len(rows) == 2 * LEAST
    assert sorted(rows["time"][rows["flags"] > 0].tolist()) == list(range(number))
    assert not rows[rows["flags"] == 0].view("u1").any()


class CountingStore(MemoryStore):
    """Counts what is read."""

    reads = 0

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self.reads += len(keys)
        return super().get_many(keys)


@pytest.mark.parametrize("pieces", [1, 40])
def test_labels_that_come_in_pieces_read_a_page_once(pieces: int) -> None:
    store = CountingStore()
    number = 40 * PAGE
    join = Join.load(store, 3, "m", RULES, PAYLOAD, budget=0)
    ids = [f"id{place}" for place in range(number)]
    predict(join, ids, *[1000] * number)
    save(join, store)
    scattered = np.random.default_rng(1).permutation(number)
    for part in np.array_split(scattered, pieces):
        join.labels([ids[place] for place in part.tolist()], at(*[1010] * len(part)), part.astype(float))
    joined = join.drain()
    assert sorted(joined.labels.tolist()) == list(range(number))
    assert joined.payloads["number"].tolist() == joined.labels.tolist()
    assert store.reads == 40


def test_what_changed_and_left_between_two_writes_does_not_come_back_as_it_was_stored() -> None:
    """Alone, the label is needed until 1,150; with its prediction only until 1,100."""
    store = MemoryStore()
    join = fresh(store)
    join.labels(["a"], at(1050), np.array([1.0]))
    predict(join, ["kept"], 1060)
    save(join, store)
    predict(join, ["a"], 1000)
    join.advance(1140)
    join.drain()
    save(join, store)
    again = fresh(store)
    again.advance(1400)
    again.drain()
    assert {name: count for name, count in again.counters.items() if count} == {
        ("label", "seen"): 1, ("label", "joined"): 1, ("maturity", "labelled"): 1, ("maturity", "unlabelled"): 1,
        ("prediction", "seen"): 2, ("prediction", "joined"): 1, ("prediction", "expired"): 1,
    }  # fmt: skip


def test_labels_that_are_gathered_are_counted_and_written() -> None:
    store = MemoryStore()
    join = fresh(store)
    predict(join, ["a", "b"], 1000, 1000)
    join.labels(["a"], at(1010), np.array([1.0]))
    assert join.counters["label", "joined"] == 1
    join.labels(["b"], at(1020, first=1), np.array([0.0]))
    save(join, store)
    again = fresh(store)
    assert again.counters["label", "joined"] == 2
    assert again.tally.unaccounted() == {}


def test_a_long_stream_of_one_id_stays_small() -> None:
    store = MemoryStore()
    join = fresh(store)
    for turn in range(200):
        times = range(turn * 50, turn * 50 + 50, 2)
        predict(join, ["null"] * 25, *times)
        join.labels(["null"] * 25, at(*times), np.arange(25.0))
        join.advance(turn * 50)
        save(join, store)
        assert join.tally.unaccounted() == {}
    assert join.counters["prediction", "duplicate"] == 200 * 25 - 1
    assert sum(len(data) for _, data in store.scan(b"")) < 20_000
