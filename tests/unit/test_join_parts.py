"""The parts of the join, each by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.events import SECOND
from monitor.join.agenda import Agenda, decode_names, encode_names
from monitor.join.clock import NEVER, InputClock, InputClocks
from monitor.join.codec import LABELLED, PREDICTED, Codec
from monitor.join.entry import Entry, Label, Prediction, Session
from monitor.join.payload import Payload
from monitor.join.quota import Quota
from monitor.join.rules import Rules
from monitor.join.tally import DELAY_EDGES, Tally
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
    for time in log:
        top = max(expected, default=time)
        bounded = time if skew is None else min(time, top + skew)
        expected.append(max(bounded, top - slack))
    assert found == expected
    assert clock.greatest == max(expected, default=NEVER)


def test_the_watermark_waits_for_every_input_that_is_not_idle() -> None:
    clocks = InputClocks(slack=10, skew=1000, inputs={("p", 0): InputClock(), ("l", 0): InputClock()})
    clocks.advance("p", 0, np.array([500]), broker_stamped=False)
    assert clocks.watermark == NEVER
    clocks.rest("l", 0)
    assert clocks.watermark == 490
    assert clocks.advance("l", 0, np.array([3, 600]), broker_stamped=False).tolist() == [490, 600]
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


@settings(max_examples=100, deadline=None)
@given(ENTRIES, st.integers(0, 10_000), st.integers(1, 255))
def test_a_rich_entry_comes_back_and_damage_is_found(entry: Entry, place: int, change: int) -> None:
    codec = Codec([PAYLOAD])
    data = codec.encode_rich(entry)
    assert codec.decode([b"k"], [data])[2] == {0: entry}
    damaged = bytearray(data)
    damaged[place % len(data)] ^= change
    with pytest.raises(CorruptStateError):
        codec.decode([b"k"], [bytes(damaged)])
    with pytest.raises(CorruptStateError):
        codec.decode([b"k"], [data[: place % len(data)]])


@settings(max_examples=100, deadline=None)
@given(PREDICTIONS, st.none() | LABELS, st.integers(0, 10_000), st.integers(1, 255))
def test_a_row_comes_back_and_damage_is_found(
    prediction: Prediction, label: Label | None, place: int, change: int
) -> None:
    codec = Codec([PAYLOAD])
    entry = Entry([Session(prediction, prediction.time)], [] if label is None else [label])
    row = codec.to_row(entry, Rules(wait=2**50, matures_after=0))
    assert row is not None
    data = codec.encode_rows(row)[0]
    rows, places, rich = codec.decode([b"k"], [data])
    assert (codec.to_entry(rows[0]), places, rich) == (entry, [0], {})
    damaged = bytearray(data)
    damaged[place % len(data)] ^= change
    with pytest.raises(CorruptStateError):
        codec.decode([b"k"], [bytes(damaged)])
    with pytest.raises(CorruptStateError):
        codec.decode([b"k"], [data[: place % len(data)]])


def test_rows_of_an_older_payload_are_carried_over() -> None:
    older, newer = Payload({"score": "<f4", "gone": "<i8"}), Payload({"score": "<f8", "extra": "<f8", "kind": "<i2"})
    before, after = Codec([older]), Codec([older, newer])
    rows = before.empty(2)
    rows["flags"] = [PREDICTED, PREDICTED | LABELLED]
    rows["payload"]["score"] = [0.5, 2.0]
    rows["time"], rows["l_time"] = [5, 6], [0, 7]
    found, places, _ = after.decode([b"a", b"b"], before.encode_rows(rows))
    assert places == [0, 1]
    assert found["payload"]["score"].tolist() == [0.5, 2.0]
    assert np.isnan(found["payload"]["extra"]).all()
    assert found["payload"]["kind"].tolist() == [0, 0]
    assert (found["time"].tolist(), found["l_time"].tolist()) == ([5, 6], [0, 7])
    entry = Entry(
        [Session(Prediction(1, 0, 0, 0, older.pack({"score": np.array([3.0]), "gone": np.array([1])}).tobytes()), 1)]
    )
    rich = after.decode([b"a"], [before.encode_rich(entry)])[2][0]
    assert np.frombuffer(rich.sessions[0].leader.payload, newer.dtype)["score"][0] == 3.0


@given(st.lists(st.binary(max_size=20), max_size=20), st.integers(0, 10_000), st.integers(1, 255))
def test_names_come_back_and_damage_is_found(names: list[bytes], place: int, change: int) -> None:
    data = encode_names(names)
    assert decode_names(b"k", data) == names
    damaged = bytearray(data)
    damaged[place % len(data)] ^= change
    with pytest.raises(CorruptStateError):
        decode_names(b"k", bytes(damaged))
    with pytest.raises(CorruptStateError):
        decode_names(b"k", data[: place % len(data)])


def test_the_agenda_goes_by_bucket_over_memory_and_store() -> None:
    store = MemoryStore()
    agenda = Agenda(0, "m", 10, store)
    agenda.note(np.array([25, -5, 27]), [b"a", b"b", b"c"])
    store.write(*agenda.changes(), sync=False)
    agenda.written()
    agenda.note(np.array([29, 31, 29]), [b"d", b"e", b"a"])
    assert list(agenda.due(3)) == [(-1, [b"b"]), (2, [b"a", b"c", b"d"])]
    assert list(agenda.due(3)) == []
    store.write(*agenda.changes(), sync=False)
    agenda.written()
    again = Agenda(0, "m", 10, store)
    assert list(again.due(10)) == [(3, [b"e"])]


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


@pytest.mark.parametrize("kind", ["O", ">i8", "S300", "<M8[us]"])
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
