"""What the memory source can do beyond the common contract: crash, pause, lose, and hand out in any order."""

from __future__ import annotations

import pytest

from monitor.sources.memory import CRASH, PAUSE, Item, MemorySource, SimulatedCrashError
from monitor.sources.port import LostRecordsError, TopicPartition

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


def values(source: MemorySource, limit: int = 100) -> list[bytes | None]:
    return [value for records in source.consume(limit, 0) for value in records.values]


def test_a_crash_happens_once_and_hands_out_nothing_of_its_call() -> None:
    source = MemorySource({A: [b"1", b"2"], B: [CRASH, b"3"]})
    source.assign({A: 0, B: 0})
    with pytest.raises(SimulatedCrashError):
        source.consume(10, 0)
    source.assign({A: 0, B: 0})
    assert sorted(filter(None, values(source))) == [b"1", b"2", b"3"]


def test_marks_happen_in_their_place_also_at_the_end_and_behind_a_gap() -> None:
    source = MemorySource({A: [b"1", PAUSE, PAUSE, Item(b"2", offset=7), CRASH]})
    source.assign({A: 0})
    assert [values(source) for _ in range(4)] == [[b"1"], [], [], [b"2"]]
    with pytest.raises(SimulatedCrashError):
        source.consume(10, 0)
    assert source.positions == {A: 8}
    source.append(A, b"3")
    assert values(source) == [b"3"]


def test_offsets_may_have_gaps_but_never_go_back() -> None:
    source = MemorySource({A: [Item(b"1", offset=3), Item(b"2", offset=9)]})
    source.assign({A: 0})
    (records,) = source.consume(10, 0)
    assert (records.offsets, records.next_offset) == ([3, 9], 10)
    with pytest.raises(ValueError, match="before the end"):
        source.append(A, Item(b"3", offset=5))


def test_a_seed_gives_the_same_disorder_every_time_and_loses_nothing() -> None:
    def run(seed: int) -> list[tuple[int, list[int]]]:
        source = MemorySource({A: [b"%d" % n for n in range(40)], B: [b"%d" % n for n in range(40)]}, seed=seed)
        source.assign({A: 0, B: 0})
        polled = [records for _ in range(200) for records in source.consume(7, 0)]
        for number in (0, 1):
            assert [o for r in polled if r.partition == number for o in r.offsets] == list(range(40))
        return [(records.partition, records.offsets) for records in polled]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_lost_and_remade_logs_are_errors_until_one_seeks() -> None:
    source = MemorySource({A: [b"%d" % n for n in range(10)]})
    source.assign({A: 2})
    source.delete_records(A, 6)
    with pytest.raises(LostRecordsError) as caught:
        source.consume(10, 0)
    assert (caught.value.lost, caught.value.resume_at) == (4, 6)
    source.seek(A, 6)
    assert values(source) == [b"6", b"7", b"8", b"9"]
    before = source.topic_ids(["t"])
    source.recreate("t")
    source.append(A, *[b"new"] * 20)
    assert source.topic_ids(["t"]) != before
    with pytest.raises(LostRecordsError, match="made anew"):
        source.consume(10, 0)
    source.seek(A, 0)
    assert values(source) == [b"new"] * 20


def test_retention_of_everything_leaves_an_end() -> None:
    source = MemorySource({A: [b"1", b"2"]})
    source.delete_records(A, 2)
    source.assign(source.start_offsets([A], "earliest"))
    assert values(source) == []
    source.append(A, b"3")
    assert values(source) == [b"3"]


def test_committed_positions_and_stamps_are_kept() -> None:
    source = MemorySource({A: [Item(b"1", key=b"k", log_time=5, headers=[("h", b"1")])]}, broker_stamped=True)
    source.assign({A: 0})
    (records,) = source.consume(1, 0)
    assert (records.keys, records.log_times, records.broker_stamped) == ([b"k"], [5], True)
    assert [list(headers) for headers in records.headers] == [[("h", b"1")]]
    source.commit({A: 1})
    assert source.told == source.committed([A, TopicPartition("other", 0)]) == {A: 1}
