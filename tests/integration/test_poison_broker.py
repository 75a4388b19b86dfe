"""Bad input as a real broker hands it out: huge, empty, compressed, compacted, in transactions, with odd headers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from kafka import KafkaConsumer  # type: ignore[import-untyped]  # has no type hints
from kafka import TopicPartition as KafkaPartition

from monitor.config.load import load
from monitor.events import DAY, SECOND
from monitor.opening import open_pipeline
from monitor.sources.build import build_source
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from tests.crash.bad_records import EMPTY, GROUPS, bad, good, rfc3339
from tests.crash.poison import LATER, TOPIC, Mixed, Poison, configure, harm, mix
from tests.crash.runs import Outcome, outcome_of
from tests.kafka.broker import Broker

pytestmark = pytest.mark.kafka
CODECS = (None, "gzip", "snappy", "lz4", "zstd")
HEADERS: tuple[tuple[tuple[str, bytes], ...], ...] = (
    (), (("", b""),), (("\x00é", b"\xff" * 100),), (("ce_id", b"x" * 50_000), ("ce_id", b"")),
    tuple((f"h{n}", b"v") for n in range(300)),
)  # fmt: skip
FUTURE = [
    bad(good(ts=rfc3339(time)), "future_time")
    for time in (LATER + 365 * DAY, LATER + 3650 * DAY, 4_070_908_800 * SECOND)
]
POISONS = [
    *(one for name, group in GROUPS.items() if "clocks" not in name and "beyond" not in name for one in group), *FUTURE,
    Poison(b"x" * ((1 << 20) + 1), "too_large"), Poison(b"{" * (10 << 20), "too_large"), *EMPTY,
]  # fmt: skip
REASONS = {one.value: one.reason for one in POISONS}


def produce(broker: Broker, topic: str, mixed: Mixed) -> None:
    """Write the stream in runs, each compressed in its own way and with headers of its own; some in transactions."""
    for number, log in mixed.dirty.items():
        keys = [item.key or (None if item.value is not None else b"") for item in log]
        for turn, start in enumerate(range(0, len(log), 90)):
            part = log[start : start + 90]
            headers = HEADERS[turn // len(CODECS) % len(HEADERS)]
            codec = CODECS[turn % len(CODECS)]
            broker.produce(
                topic, [item.value for item in part], partition=number, keys=keys[start : start + 90],
                headers=headers, compression_type=codec,
            )  # fmt: skip
            if turn % 4 == 0:
                aborted = [item.value for item in log[:5] if item.value]
                broker.produce_transaction(topic, aborted, commit=False, partition=number)
            if turn % 4 == 2:
                broker.produce_transaction(topic, [b"{committed"], commit=True, partition=number)


def read_back(broker: Broker, topic: str, clean: dict[int, list[Item]]) -> Mixed:
    """Return what stands in the topic according to a consumer of its own, and what must be refused of it."""
    partitions = [KafkaPartition(topic, number) for number in clean]
    options = {"isolation_level": "read_committed", "enable_auto_commit": False, "max_partition_fetch_bytes": 64 << 20}
    consumer = KafkaConsumer(bootstrap_servers=broker.address, **options)
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(partitions)
    mixed = Mixed(clean=clean, dirty={number: [] for number in clean})
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        for partition, rows in consumer.poll(timeout_ms=500).items():
            for row in rows:
                mixed.dirty[partition.partition].append(Item(row.value, offset=row.offset))
    consumer.close()
    for number, log in mixed.dirty.items():
        for item in log:
            reason = "not_json" if item.value == b"{committed" else REASONS.get(item.value)
            mixed.tombstones += item.value is None
            if reason is not None:
                mixed.letters.append((f"{topic}:{number}:{item.offset}", reason))
    return mixed


def serve(path: Path, ends: dict[TopicPartition, int]) -> Outcome:
    """Run the service of a configuration until it has read to these offsets."""
    config = load(path, {})
    pipeline = open_pipeline(config, build_source(config), base=path.parent)
    try:
        deadline = time.monotonic() + 60
        while any(pipeline.positions()[name] < end for name, end in ends.items()):
            assert time.monotonic() < deadline, pipeline.positions()
            pipeline.step(0.2)
            if pipeline.due():
                pipeline.checkpoint()
        pipeline.checkpoint()
        return outcome_of(pipeline)
    finally:
        pipeline.close()


def expected(folder: Path, clean: dict[int, list[Item]], *, stamped: bool) -> Outcome:
    """Return a run over the clean stream in memory."""
    path = configure(folder)
    now = round(time.time() * 1e6)
    logs = {TopicPartition(TOPIC, n): [Item(i.value, log_time=now) for i in log] for n, log in clean.items()}
    pipeline = open_pipeline(
        load(path, {}), MemorySource(logs, broker_stamped=stamped), base=path.parent, store=MemoryStore()
    )
    while pipeline.step(0):
        pipeline.checkpoint()
    pipeline.checkpoint()
    outcome = outcome_of(pipeline)
    pipeline.close()
    return outcome


def ends_of(broker: Broker, topic: str, partitions: Sequence[int]) -> dict[TopicPartition, int]:
    consumer = KafkaConsumer(bootstrap_servers=broker.address, isolation_level="read_committed")
    found = consumer.end_offsets([KafkaPartition(topic, number) for number in partitions])
    consumer.close()
    return {TopicPartition(name.topic, name.partition): end for name, end in found.items()}


@pytest.mark.parametrize(
    ("client", "stamped"), [("kafka-python", False), ("kafka-python", True), ("librdkafka", False)]
)
def test_whatever_the_broker_hands_out_is_told_apart_and_does_no_harm(
    broker: Broker, topic: str, tmp_path: Path, client: str, *, stamped: bool
) -> None:
    mixed = mix(POISONS, every=6)
    kind = "LogAppendTime" if stamped else "CreateTime"
    broker.create_topic(topic, len(mixed.dirty), max_message_bytes=str(64 << 20), message_timestamp_type=kind)
    produce(broker, topic, mixed)
    found = read_back(broker, topic, mixed.clean)
    assert {reason for _, reason in found.letters} >= set(REASONS.values()) - {None}
    assert {item.offset for item in found.dirty[0]} < set(range(1 << 20)), "transactions leave gaps"
    path = configure(
        tmp_path / "service", ("topic: p\n", f"topic: {topic}\n"),
        ('bootstrap_servers: ["unused:9092"]', f'bootstrap_servers: ["{broker.address}"], client: {client}'),
    )  # fmt: skip
    outcome = serve(path, ends_of(broker, topic, list(mixed.dirty)))
    assert harm(outcome, expected(tmp_path / "clean", mixed.clean, stamped=stamped), found) == []


def test_a_compacted_topic_is_read_over_its_holes(
    start_broker: Callable[..., Broker], topic: str, tmp_path: Path
) -> None:
    """Compaction takes most of the poison, which has one key, and leaves the rows, each of which has its own."""
    broker = start_broker(properties={"log.cleaner.backoff.ms": "100", "log.segment.bytes": "1048576"})
    mixed = mix([one for one in POISONS if len(one.value or b"") < 100_000], every=3)
    settings = {"cleanup_policy": "compact", "min_cleanable_dirty_ratio": "0.01", "segment_ms": "100"}
    broker.create_topic(topic, len(mixed.dirty), **settings, delete_retention_ms="100")
    rows = {item.value for log in mixed.clean.values() for item in log}
    names = itertools.count()
    total = 0
    for number, log in mixed.dirty.items():
        keys = [b"row %d" % next(names) if item.value in rows else b"poison" for item in log]
        broker.produce(topic, [item.value for item in log], partition=number, keys=keys)
        total += len(log)
    deadline = time.monotonic() + 60
    while sum(map(len, (found := read_back(broker, topic, mixed.clean)).dirty.values())) > total - 300:
        assert time.monotonic() < deadline, "nothing was compacted"
        for number in mixed.dirty:  # the last segment is never compacted, and a new one begins with a record
            broker.produce(topic, [b"{"], partition=number, keys=[b"poison"])
        time.sleep(0.3)
    for attempt in range(10):
        found = read_back(broker, topic, mixed.clean)
        path = configure(
            tmp_path / f"service-{attempt}", ("topic: p\n", f"topic: {topic}\n"),
            ('bootstrap_servers: ["unused:9092"]', f'bootstrap_servers: ["{broker.address}"]'),
        )  # fmt: skip
        outcome = serve(path, ends_of(broker, topic, list(mixed.dirty)))
        if read_back(broker, topic, mixed.clean).letters == found.letters:  # the cleaner did not go on meanwhile
            break
    else:
        pytest.fail("compaction does not come to an end")
    assert harm(outcome, expected(tmp_path / "clean", mixed.clean, stamped=False), found) == []
