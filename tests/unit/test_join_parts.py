"""The parts of the join, each by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.events import SECOND
from monitor.join.agenda import Agenda, decode_ids, encode_ids
from monitor.join.clock import NEVER, InputClock, InputClocks
from monitor.join.codec import LABELLED, PREDICTED, Codec
from monitor.join.entry import Entry, Label, Prediction, Session
from monitor.join.identity import identify
from monitor.join.index import MISSING, Index
from monitor.join.page_codec import PAGE
from monitor.join.pages import PAGES, Pages, Run
from monitor.join.payload import Payload
from monitor.join.quota import Quota
from monitor.join.rules import Rules
from monitor.join.tally import DELAY_EDGES, Tally
from monitor.keys import compose
from monitor.store.memory import MemoryStore
from monitor.store.port import CorruptStateError

PAYLOAD = Payload({"time": "<i8", "score": "<f8", "name": "S3"})
TIMES = st.lists(st.integers(-1000, 1000), max_size=30)


@settings(max_examples=200, deadline=None)
@given(TIMES, st.integers(0, 50), st.none() | st.integers(0, 50), st.integers(0, 30))
def test_a_clock_is_the_rule_row_by_row_whatever_the_batches(
    log: list[int], slack: int, skew: int | None, cut: int
) -> None:
    clock = InputClock()
    found: list[int] = []
    for part in (log[:cut], log[cut:]):
        found += clock.advance(np.array(part, np.int64), slack, skew).tolist()
    expected: list[int] = []
    stands = NEVER
    for place, time in enumerate(log):
        bounded = max(time, stands - slack)
        expected.append(bounded if skew is None or stands == NEVER else min(bounded, stands + skew))
        run = log[max(0, place - 2) : place + 1]
        if skew is None or len(run) == 3:
            stands = max(stands, time if skew is None else min(run))
    assert found == expected
    assert clock.greatest == stands
    assert all(time >= stands - slack for time in clock.advance(np.array(log, np.int64), slack, skew))


def test_one_wild_stamp_moves_no_clock_and_rare_records_keep_up() -> None:
    clock = InputClock()
    hour = 3_600_000_000
    stamps = [place * hour for place in range(100)]
    stamps[0] = stamps[50] = 2099 * 8766 * hour
    times = clock.advance(np.array(stamps), slack=60_000_000, skew=hour)
    assert clock.greatest == 97 * hour
    assert all(abs(time - place * hour) <= 2 * hour for place, time in enumerate(times.tolist()) if place)


def test_the_watermark_waits_for_every_input_that_is_not_idle() -> None:
    clocks = InputClocks(slack=10, skew=1000, inputs={("p", 0): InputClock(), ("l", 0): InputClock()})
    clocks.advance("p", 0, np.array([500]), broker_stamped=True)
    assert clocks.watermark == NEVER
    clocks.rest("l", 0)
    assert clocks.watermark == 490
    assert clocks.advance("l", 0, np.array([3, 600]), broker_stamped=True).tolist() == [490, 600]
    assert clocks.watermark == 490
    again = InputClocks(slack=10, skew=1000, inputs={("p", 0): InputClock(), ("l", 1): InputClock()})
    again.restore(clocks.state())
    assert again.inputs["p", 0] == clocks.inputs["p", 0]
    assert again.advance("l", 1, np.array([3]), broker_stamped=True).tolist() == [490]


def test_when_all_inputs_rest_the_furthest_decides_and_time_never_goes_back() -> None:
    clocks = InputClocks(slack=0, skew=1000, inputs={("p", 0): InputClock(), ("l", 0): InputClock()})
    clocks.advance("p", 0, np.array([500]), broker_stamped=True)
    clocks.advance("l", 0, np.array([100]), broker_stamped=True)
    assert clocks.watermark == 100
    clocks.rest("p", 0)
    clocks.rest("l", 0)
    assert clocks.watermark == 500
    clocks.advance("l", 0, np.array([200]), broker_stamped=True)
    assert clocks.watermark == 500


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 400), max_size=60), st.integers(1, 20), st.lists(st.integers(1, 9), max_size=10))
def test_a_quota_does_not_depend_on_batches(times: list[int], limit: int, sizes: list[int]) -> None:
    whole = Quota(limit, span=2).admit(np.array(times, np.int64)).tolist()
    quota = Quota(limit, span=2)
    found: list[bool] = []
    rest = times
    for size in [*sizes, len(times)]:
        part, rest = rest[:size], rest[size:]
        found += quota.admit(np.array(part, np.int64)).tolist()
        state, quota = quota.state(), Quota(limit, span=2)
        quota.restore(state)
    assert found == whole
    admitted: list[int] = []
    for place, time in enumerate(times):
        top = max(times[: place + 1]) // 2
        assert whole[place] == (sum(span > top - 64 for span in admitted) < limit)
        if whole[place]:
            admitted.append(max(time // 2, top - 63))


INTS = st.integers(-(2**40), 2**40)
KEYS = st.integers(0, 2**64 - 1)
LABELS = st.builds(Label, INTS, st.integers(0, 9), INTS, st.integers(0, 99), st.booleans(), st.floats(allow_nan=False))
PAYLOADS = st.builds(
    lambda time, score, name: PAYLOAD.pack(
        {k: np.array([v]) for k, v in zip(PAYLOAD.fields, (time, score, name), strict=True)}
    ).tobytes(),
    INTS,
    st.floats(),
    st.binary(max_size=3).map(lambda name: name.rstrip(b"\0")),
)
PREDICTIONS = st.builds(Prediction, INTS, st.integers(0, 9), INTS, st.integers(0, 99), PAYLOADS)
ENTRIES = st.builds(
    Entry,
    st.lists(st.builds(Session, PREDICTIONS, INTS), max_size=3),
    st.lists(LABELS, max_size=5),
)


HEAD = 4
"""Bytes before a page's rows."""


def damage(data: bytes, place: int, change: int) -> list[bytes]:
    """Return the data with one byte changed, cut off, and too long."""
    place %= len(data)
    return [data[:place] + bytes([data[place] ^ change]) + data[place + 1 :], data[:place], data + b"\0"]


@settings(max_examples=100, deadline=None)
@given(ENTRIES, st.integers(0, 10_000), st.integers(1, 255))
def test_a_rich_entry_comes_back_and_damage_is_found(entry: Entry, place: int, change: int) -> None:
    codec = Codec([PAYLOAD])
    data = codec.encode_rich(entry)
    assert codec.decode_rich(b"k", data) == entry
    for damaged in damage(data, place, change):
        with pytest.raises(CorruptStateError):
            codec.decode_rich(b"k", damaged)


@settings(max_examples=100, deadline=None)
@given(st.lists(PREDICTIONS, min_size=1, max_size=40), st.none() | LABELS, st.integers(0, 10_000), st.integers(1, 255))
def test_rows_come_back_and_damage_is_found(
    predictions: list[Prediction], label: Label | None, place: int, change: int
) -> None:
    codec = Codec([PAYLOAD])
    entries = [Entry([Session(new, new.time)], [] if label is None else [label]) for new in predictions]
    rows = [codec.to_row(entry, Rules(wait=2**50, matures_after=0)) for entry in entries]
    pages = codec.encode_pages(np.concatenate([row for row in rows if row is not None]))
    owners, places = np.divmod(np.arange(len(entries)), PAGE)
    found = codec.decode_pages([b"k"] * len(pages), pages, owners, places)
    assert [codec.to_entry(row) for row in found] == entries
    assert len(pages) == -(-len(entries) // PAGE)
    wanted = np.random.default_rng(place).integers(0, len(entries), 7)
    some = codec.decode_pages([b"k"] * len(pages), pages, owners[wanted], places[wanted])
    assert [codec.to_entry(row) for row in some] == [entries[number] for number in wanted.tolist()]
    # that no byte within differs is the store's to check
    damaged = [damage(pages[-1], place % HEAD, change)[0], pages[-1][: place % len(pages[-1])], pages[-1] + b"\0"]
    for data in damaged:
        with pytest.raises(CorruptStateError):
            codec.decode_pages([b"k"], [data], np.zeros(1, np.int64), places[-1:])


def test_rows_of_an_older_payload_are_carried_over() -> None:
    older, newer = Payload({"score": "<f4", "gone": "<i8"}), Payload({"score": "<f8", "extra": "<f8", "kind": "<i2"})
    before, after = Codec([older]), Codec([older, newer])
    rows = before.empty(2)
    rows["flags"] = [PREDICTED, PREDICTED | LABELLED]
    rows["payload"]["score"] = [0.5, 2.0]
    rows["time"], rows["l_time"] = [5, 6], [0, 7]
    fresh = after.empty(1)
    fresh["time"] = 9
    pages = before.encode_pages(rows) + after.encode_pages(fresh)
    found = after.decode_pages([b"a", b"b"], pages, np.array([0, 0, 1]), np.array([0, 1, 0]))
    assert found["payload"]["score"].tolist() == [0.5, 2.0, 0.0]
    assert np.isnan(found["payload"]["extra"][:2]).all()
    assert found["payload"]["kind"].tolist() == [0, 0, 0]
    assert (found["time"].tolist(), found["l_time"].tolist()) == ([5, 6, 9], [0, 7, 0])
    payload = older.pack({"score": np.array([3.0]), "gone": np.array([1])}).tobytes()
    entry = Entry([Session(Prediction(1, 0, 0, 0, payload), 1)])
    rich = after.decode_rich(b"a", before.encode_rich(entry))
    assert np.frombuffer(rich.sessions[0].leader.payload, newer.dtype)["score"][0] == 3.0


@given(st.lists(st.tuples(KEYS, KEYS), max_size=9), st.integers(0, 10_000), st.integers(1, 255))
def test_a_list_of_ids_comes_back_and_damage_is_found(pairs: list[tuple[int, int]], place: int, change: int) -> None:
    ids = np.array(pairs, np.uint64).reshape(-1, 2)
    data = encode_ids(ids)
    assert (decode_ids(b"k", data) == ids).all()
    for damaged in damage(data, place, change):
        with pytest.raises(CorruptStateError):
            decode_ids(b"k", damaged)


@given(st.lists(st.tuples(KEYS, INTS), max_size=9), st.lists(KEYS, max_size=4), INTS, st.integers(0, 10_000))
def test_a_run_comes_back_and_damage_is_found(
    rows: list[tuple[int, int]], others: list[int], first: int, place: int
) -> None:
    keys, leaves = np.array([key for key, _ in rows], np.uint64), np.array([time for _, time in rows], np.int64)
    data = Run(first, keys, leaves, np.array(others, np.uint64)).encode()
    found = Run.decode(b"k", data)
    assert (found.first, found.keys.tolist(), found.leaves.tolist()) == (first, keys.tolist(), leaves.tolist())
    assert found.others.tolist() == others
    for damaged in damage(data, place, 1):
        with pytest.raises(CorruptStateError):
            Run.decode(b"k", damaged)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("pr"), st.sets(st.integers(2, 60), max_size=40), INTS), max_size=30))
def test_the_index_is_a_dictionary(steps: list[tuple[str, set[int], int]]) -> None:
    index, model = Index(), dict[int, int]()
    spread = np.uint64(1 << 58)
    for step, keys, value in steps:
        numbers = sorted(keys)
        hashes = np.array(numbers, np.uint64) * spread
        hashes |= np.array(numbers, np.uint64) % np.uint64(4)
        hashes = np.maximum(hashes, np.uint64(2))
        if step == "p":
            index.put(hashes, np.arange(len(hashes)) + value)
            model.update(zip(hashes.tolist(), range(value, value + len(hashes)), strict=True))
        else:
            index.remove(hashes)
            for key in hashes.tolist():
                model.pop(key, None)
        assert len(index) == len(model)
        assert dict(zip(*(part.tolist() for part in index.items()), strict=True)) == model
        found = index.find(hashes).tolist()
        assert found == [model.get(key, MISSING) for key in hashes.tolist()]


def test_the_index_grows_shrinks_and_outlives_a_long_turnover() -> None:
    rng = np.random.default_rng(3)
    index = Index()
    keys = np.unique(rng.integers(2, 2**63, 60_000).astype(np.uint64))
    rng.shuffle(keys)
    for start in range(0, len(keys) - 5_000, 1_000):
        index.put(keys[start : start + 1_000], np.arange(start, start + 1_000))
        if start >= 5_000:
            index.remove(keys[start - 5_000 : start - 4_000])
        assert (index.find(keys[max(0, start - 4_000) : start + 1_000]) >= 0).all()
    assert index.nbytes <= 16 * 6_000 * 8
    index.remove(keys)
    assert len(index) == 0
    assert index.nbytes <= 16 * 1024


@given(st.lists(st.text(max_size=200) | st.text("ab\0", max_size=6), max_size=20))
def test_ids_are_told_apart_whatever_their_company(ids: list[str]) -> None:
    found = [tuple(row) for row in identify(ids).tolist()]
    assert found == [tuple(identify([id_])[0].tolist()) for id_ in ids]
    assert len(set(found)) == len(set(ids))


def test_hashes_of_like_ids_are_spread() -> None:
    keys = identify([f"id-{number}" for number in range(100_000)])
    assert len(np.unique(keys[:, 0])) == len(np.unique(keys[:, 1])) == len(keys)
    for shift in (0, 20, 54):
        places = (keys >> np.uint64(shift)) & np.uint64(1023)
        for column in (0, 1):
            counts = np.bincount(places[:, column].astype(np.int64), minlength=1024)
            assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 1024 + 6 * (2 * 1024) ** 0.5


def test_the_key_of_a_page_is_composed() -> None:
    pages = Pages(MemoryStore(), 7, "m\0", Codec([PAYLOAD]))
    assert pages._key(123) == compose(PAGES, 7, "m\0", 123)


def test_the_agenda_goes_by_bucket_over_memory_and_store() -> None:
    store = MemoryStore()
    agenda = Agenda(0, "m", 10, store)
    agenda.at_once = 1
    a, b, c, d, e = (np.array([[number, 1]], np.uint64) for number in range(5))
    agenda.note(np.array([25, -5, 27]), np.concatenate([a, b, c]))
    store.write(*agenda.changes(), sync=False)
    agenda.written()
    agenda.note(np.array([29, 31, 29]), np.concatenate([d, e, a]))
    assert [(bucket, ids[:, 0].tolist()) for bucket, ids in agenda.due(3)] == [(-1, [1]), (2, [0, 2, 3])]
    assert list(agenda.due(3)) == []
    store.write(*agenda.changes(), sync=False)
    agenda.written()
    again = Agenda(0, "m", 10, store)
    assert [(bucket, ids[:, 0].tolist()) for bucket, ids in again.due(10)] == [(3, [4])]


@pytest.mark.parametrize(
    ("fields", "columns"),
    [
        ({"a": "<i2"}, {"a": [40_000]}),
        ({"a": "<i2", "b": "<f8"}, {"a": [1], "b": [1.0, 2.0]}),
        ({"a": "<u1"}, {"a": [-1]}),
    ],
)
def test_what_does_not_fit_into_a_payload_is_refused(fields: dict[str, str], columns: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match=r"column 'a'|column 'b'"):
        Payload(fields).pack({name: np.array(values) for name, values in columns.items()})


@pytest.mark.parametrize("kind", ["O", ">i8", "S1300", "<M8[us]"])
def test_odd_payloads_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be of type|too wide"):
        Payload({"a": kind})


def test_delays_are_counted_by_powers_of_two() -> None:
    tally = Tally(Rules())
    delays = np.array([-1, 0, SECOND - 1, SECOND, 2 * SECOND - 1, 2 * SECOND, 1 << 62])
    tally.pairs(1, np.zeros(7, np.int64), delays)
    assert tally.delays[:4].tolist() == [1, 2, 2, 1]
    assert tally.delays[-1] == 1
    assert len(tally.delays) == len(DELAY_EDGES) + 1
    tally.pairs(-1, np.zeros(7, np.int64), delays)
    assert not tally.delays.any()


@pytest.mark.parametrize(
    "broken",
    [{"wait": 0}, {"wait": 5, "matures_after": 6}, {"sample": 0.0}, {"max_pending": 1, "inputs": 2}],
)
def test_rules_are_checked(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"wait|matures_after|sample|inputs"):
        Rules(**broken)
