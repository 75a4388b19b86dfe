"""The same few operations on every kind of log, so that one suite can try every source."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from monitor.config.root import KafkaConfig
from monitor.events import Records
from monitor.sources.files import FileSource
from monitor.sources.kafka import KafkaPythonSource
from monitor.sources.librdkafka import LibrdkafkaSource
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import Source, TopicPartition
from tests.kafka.broker import Broker

MILLISECOND = 1000


class Arena(Protocol):
    """Somewhere to write logs and a source to read them."""

    stamped: bool
    """Whether records keep log time, key and headers."""

    def create(self, topic: str, partitions: int = 1) -> None: ...

    def write(self, input_: TopicPartition, values: Sequence[bytes | None], times: Sequence[int] | None = None) -> None:
        """Append records; ``times`` in microseconds."""
        ...

    def source(self) -> Source: ...


class MemoryArena:
    """Logs in memory. Every source is the same one, for nothing else holds the logs."""

    stamped = True

    def __init__(self) -> None:
        self.memory = MemorySource()

    def create(self, topic: str, partitions: int = 1) -> None:
        for number in range(partitions):
            self.memory.append(TopicPartition(topic, number))

    def write(self, input_: TopicPartition, values: Sequence[bytes | None], times: Sequence[int] | None = None) -> None:
        stamps = [0] * len(values) if times is None else times
        self.memory.append(input_, *(Item(value, log_time=at) for value, at in zip(values, stamps, strict=True)))

    def source(self) -> Source:
        return self.memory


class FileArena:
    """Plain files, followed."""

    stamped = False

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.topics: dict[str, str] = {}

    def create(self, topic: str, partitions: int = 1) -> None:
        for number in range(partitions):
            (self.directory / f"{topic}-{number}.jsonl").touch()
        self.topics[topic] = str(self.directory / f"{topic}-*.jsonl")

    def write(self, input_: TopicPartition, values: Sequence[bytes | None], times: Sequence[int] | None = None) -> None:
        del times
        with (self.directory / f"{input_.topic}-{input_.partition}.jsonl").open("ab") as file:
            file.writelines((value or b"") + b"\n" for value in values)

    def source(self) -> Source:
        return FileSource(self.topics, follow=True)


class KafkaArena:
    """A real broker, read by one client or the other."""

    stamped = True

    def __init__(self, broker: Broker, client: type[KafkaPythonSource | LibrdkafkaSource]) -> None:
        self.broker = broker
        self.client = client

    def create(self, topic: str, partitions: int = 1) -> None:
        self.broker.create_topic(topic, partitions)

    def write(self, input_: TopicPartition, values: Sequence[bytes | None], times: Sequence[int] | None = None) -> None:
        stamps = None if times is None else [at // MILLISECOND for at in times]
        keys = [b"tombstone" if value is None else None for value in values]
        self.broker.produce(input_.topic, values, partition=input_.partition, timestamps=stamps, keys=keys)

    def source(self) -> Source:
        return self.client(KafkaConfig(bootstrap_servers=[self.broker.address]))


def drain(
    source: Source, ends: dict[TopicPartition, int], *, limit: int = 10_000, timeout: float = 20.0
) -> list[Records]:
    """Read until every input has reached its end; fail when it never does."""
    reached = dict.fromkeys(ends, -1)
    deadline = time.monotonic() + timeout
    polled: list[Records] = []
    while any(reached[name] < end for name, end in ends.items()):
        assert time.monotonic() < deadline, f"reached {reached} of {ends}"
        for records in source.consume(limit, 0.2):
            reached[TopicPartition(records.topic, records.partition)] = records.next_offset
            polled.append(records)
    return polled


def values_of(polled: Sequence[Records], partition: int | None = None) -> list[bytes | None]:
    """Return the values in the order in which they were handed out."""
    return [value for records in polled if partition in {None, records.partition} for value in records.values]
