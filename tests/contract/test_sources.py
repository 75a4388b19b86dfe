"""What every source promises, tried on every source."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.sources.kafka import KafkaPythonSource
from monitor.sources.librdkafka import LibrdkafkaSource
from monitor.sources.port import LostRecordsError, Source, TopicPartition
from tests.contract.arenas import Arena, FileArena, KafkaArena, MemoryArena, drain, values_of

HOUR = 3_600_000_000
NOON = 1_793_534_400_000_000


@pytest.fixture(
    params=[
        "memory",
        "files",
        pytest.param("kafka", marks=pytest.mark.kafka),
        pytest.param("librdkafka", marks=pytest.mark.kafka),
    ]
)
def arena(request: pytest.FixtureRequest, tmp_path: Path) -> Arena:
    if request.param == "memory":
        return MemoryArena()
    if request.param == "files":
        return FileArena(tmp_path)
    client = KafkaPythonSource if request.param == "kafka" else LibrdkafkaSource
    return KafkaArena(request.getfixturevalue("broker"), client)


@contextlib.contextmanager
def reading(arena: Arena) -> Iterator[Source]:
    source = arena.source()
    try:
        yield source
    finally:
        source.close()


def numbers(count: int, begin: int = 0) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(begin, begin + count)]


def start(source: Source, inputs: list[TopicPartition], where: str | int = "earliest") -> dict[TopicPartition, int]:
    positions = source.start_offsets(inputs, where)
    source.assign(positions)
    return positions


def test_everything_is_read_once_in_order_and_ends_at_the_end(arena: Arena, topic: str) -> None:
    inputs = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    arena.create(topic, 2)
    arena.write(inputs[0], numbers(300))
    arena.write(inputs[1], numbers(200, 1000))
    with reading(arena) as source:
        start(source, inputs)
        ends = source.end_offsets(inputs)
        polled = drain(source, ends)
    assert values_of(polled, 0) == numbers(300)
    assert values_of(polled, 1) == numbers(200, 1000)
    for number, name in enumerate(inputs):
        mine = [records for records in polled if records.partition == number]
        assert mine[-1].next_offset == ends[name]
        assert all(len(records.offsets) == len(records.values) == len(records.keys) for records in mine)
        offsets = [offset for records in mine for offset in records.offsets]
        assert offsets == sorted(set(offsets))


def test_partitions_counts_and_leaves_out_what_does_not_exist(arena: Arena, topic: str) -> None:
    arena.create(topic, 3)
    with reading(arena) as source:
        assert source.partitions([topic, "nobody-made-this"]) == {topic: 3}
        assert set(source.topic_ids([topic, "nobody-made-this"])) <= {topic}


def test_latest_begins_with_what_comes_after(arena: Arena, topic: str) -> None:
    name = TopicPartition(topic, 0)
    arena.create(topic)
    arena.write(name, numbers(5))
    with reading(arena) as source:
        start(source, [name], "latest")
        assert source.consume(10, 0.3) == []
        arena.write(name, numbers(3, 5))
        assert values_of(drain(source, source.end_offsets([name]))) == numbers(3, 5)


def test_a_time_stands_for_the_first_record_not_before_it(arena: Arena, topic: str) -> None:
    name = TopicPartition(topic, 0)
    arena.create(topic)
    arena.write(name, numbers(10), [NOON + hour * HOUR for hour in range(10)])
    with reading(arena) as source:
        found = source.start_offsets([name], NOON + 4 * HOUR - 1)[name]
        start(source, [name], NOON + 4 * HOUR - 1)
        values = values_of(drain(source, source.end_offsets([name])))
        beyond = source.start_offsets([name], NOON + 100 * HOUR)[name]
        assert source.start_offsets([name], NOON - HOUR) == source.start_offsets([name], "earliest")
        if arena.stamped:
            assert values == numbers(6, 4)
            assert beyond == source.end_offsets([name])[name]
            assert source.start_offsets([name], NOON + 4 * HOUR)[name] == found
        else:
            assert values == numbers(10)


def test_log_times_are_microseconds_or_unknown(arena: Arena, topic: str) -> None:
    name = TopicPartition(topic, 0)
    arena.create(topic)
    times = [NOON + 1000 * number for number in range(4)]
    arena.write(name, numbers(4), times)
    with reading(arena) as source:
        start(source, [name])
        polled = drain(source, source.end_offsets([name]))
    found = [at for records in polled for at in records.log_times]
    assert found == (times if arena.stamped else [-1] * 4)
    assert not any(records.broker_stamped for records in polled)


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_the_limit_holds_and_nothing_is_lost_by_it(arena: Arena, topic: str, limit: int) -> None:
    inputs = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    arena.create(topic, 2)
    for name in inputs:
        arena.write(name, numbers(20, 100 * name.partition))
    with reading(arena) as source:
        start(source, inputs)
        ends = source.end_offsets(inputs)
        seen: list[bytes | None] = []
        deadline = time.monotonic() + 20
        while len(seen) < 40 and time.monotonic() < deadline:
            polled = source.consume(limit, 0.2)
            assert sum(map(len, polled)) <= limit
            seen += values_of(polled)
        assert source.consume(limit, 0.1) == [] or all(not len(records) for records in source.consume(limit, 0.1))
        assert source.end_offsets(inputs) == ends
    assert sorted(filter(None, seen)) == sorted(numbers(20) + numbers(20, 100))


def test_seek_reads_again_from_any_offset_that_was_handed_out(arena: Arena, topic: str) -> None:
    name = TopicPartition(topic, 0)
    arena.create(topic)
    arena.write(name, numbers(50))
    with reading(arena) as source:
        begin = start(source, [name])[name]
        ends = source.end_offsets([name])
        offsets = [offset for records in drain(source, ends) for offset in records.offsets]
        for offset, rest in ((begin, numbers(50)), (offsets[13], numbers(37, 13)), (offsets[49], numbers(1, 49))):
            source.seek(name, offset)
            assert values_of(drain(source, ends)) == rest


def test_a_restart_at_any_next_offset_loses_and_repeats_nothing(arena: Arena, topic: str) -> None:
    name = TopicPartition(topic, 0)
    arena.create(topic)
    arena.write(name, numbers(30))
    seen: list[bytes | None] = []
    position: dict[TopicPartition, int] | None = None
    for _ in range(100):
        with reading(arena) as source:
            position = start(source, [name]) if position is None else position
            source.assign(position)
            if position == source.end_offsets([name]):
                break
            polled = next(found for _ in range(100) if (found := source.consume(11, 0.2)))
            seen += values_of(polled)
            position = {name: polled[-1].next_offset}
    assert seen == numbers(30)


def test_a_paused_partition_is_silent_until_it_is_resumed(arena: Arena, topic: str) -> None:
    inputs = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    arena.create(topic, 2)
    for name in inputs:
        arena.write(name, numbers(20, 100 * name.partition))
    with reading(arena) as source:
        start(source, inputs)
        ends = source.end_offsets(inputs)
        next(found for _ in range(100) if (found := source.consume(1, 0.2)))
        for name in inputs:
            source.seek(name, source.start_offsets([name], "earliest")[name])
        source.pause([inputs[0]])
        assert values_of(drain(source, {inputs[1]: ends[inputs[1]]})) == numbers(20, 100)
        assert source.consume(100, 0.3) == []
        source.resume([inputs[0]])
        assert values_of(drain(source, {inputs[0]: ends[inputs[0]]})) == numbers(20)


def test_waiting_ends_in_time_when_nothing_comes(arena: Arena, topic: str) -> None:
    name = TopicPartition(topic, 0)
    arena.create(topic)
    with reading(arena) as source:
        start(source, [name])
        began = time.monotonic()
        assert source.consume(10, 0.3) == []
        assert time.monotonic() - began < 3


def test_what_is_written_while_reading_is_read(arena: Arena, topic: str) -> None:
    name = TopicPartition(topic, 0)
    arena.create(topic)
    with reading(arena) as source:
        start(source, [name])
        source.consume(10, 0)
        for round_ in range(3):
            arena.write(name, numbers(4, 4 * round_))
            assert values_of(drain(source, source.end_offsets([name]))) == numbers(4, 4 * round_)


def test_an_offset_beyond_the_end_is_an_error_and_assigns_nothing(arena: Arena, topic: str) -> None:
    name = TopicPartition(topic, 0)
    arena.create(topic)
    arena.write(name, numbers(5))
    with reading(arena) as source:
        end = source.end_offsets([name])[name]
        with pytest.raises(LostRecordsError) as caught:
            source.assign({name: end + 7})
        assert caught.value.input == name
        assert caught.value.lost in {7, None}
        source.assign({name: caught.value.resume_at})
        source.consume(10, 0.2)


def test_large_empty_and_odd_values_pass_unchanged(arena: Arena, topic: str) -> None:
    name = TopicPartition(topic, 0)
    arena.create(topic)
    odd = [b"not json", b"\xff\xfe\x00", b" [1] ", b"x" * (1 << 20), b'{"a":"\xc3\xa9"}']
    arena.write(name, odd)
    with reading(arena) as source:
        start(source, [name])
        assert values_of(drain(source, source.end_offsets([name]))) == odd


def test_null_and_empty_values_are_records(arena: Arena, topic: str) -> None:
    name = TopicPartition(topic, 0)
    arena.create(topic)
    arena.write(name, [b"1", None, b"", b"2"])
    with reading(arena) as source:
        start(source, [name])
        polled = drain(source, source.end_offsets([name]))
    assert values_of(polled) == ([b"1", None, b"", b"2"] if arena.stamped else [b"1", b"2"])


def test_closing_twice_is_harmless(arena: Arena) -> None:
    source = arena.source()
    source.close()
    source.close()


def test_commit_is_advisory(arena: Arena, topic: str) -> None:
    name = TopicPartition(topic, 0)
    arena.create(topic)
    arena.write(name, numbers(3))
    with reading(arena) as source:
        begin = start(source, [name])
        source.commit({name: source.end_offsets([name])[name]})
        assert values_of(drain(source, source.end_offsets([name]))) == numbers(3)
    with reading(arena) as source:
        source.assign(begin)
        assert values_of(drain(source, source.end_offsets([name]))) == numbers(3)
