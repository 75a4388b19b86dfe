"""The demo's stream in a real topic: every record on its partition, in its order, under its own time."""

from __future__ import annotations

import time
from itertools import islice
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition  # type: ignore[import-untyped]  # has no type hints

from monitor.demo.output import NotWrittenError, create_topic, produce
from monitor.demo.stream import PARTITIONS, DemoStream
from tests.kafka.broker import Broker

pytestmark = pytest.mark.kafka


def read(address: str, topic: str, expected: int) -> list[Any]:
    consumer = KafkaConsumer(bootstrap_servers=[address], auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
        records: list[Any] = []
        deadline = time.monotonic() + 60
        while len(records) < expected and time.monotonic() < deadline:
            for batch in consumer.poll(500).values():
                records += batch
        return records
    finally:
        consumer.close()


def test_a_topic_holds_what_was_produced(broker: Broker, topic: str) -> None:
    stream = DemoStream(seed=5, quiet_days=2, rows_per_day=500)
    sent = list(islice(stream.records(), 2_000))
    create_topic([broker.address], topic)
    create_topic([broker.address], topic)
    assert produce(sent, [broker.address], topic) == len(sent)
    records = read(broker.address, topic, len(sent))
    for number in range(PARTITIONS):
        got = [(r.timestamp * 1000, r.key, r.value) for r in records if r.partition == number]
        assert got == [(r.timestamp, r.key, r.value) for r in sent if r.partition == number]


def test_records_that_the_broker_refuses_are_not_passed_over(broker: Broker, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=[broker.address])
    only_new = {"message.timestamp.before.max.ms": "1000"}
    admin.create_topics({topic: {"num_partitions": PARTITIONS, "replication_factor": 1, "configs": only_new}})
    admin.close()
    sent = list(islice(DemoStream(seed=5, quiet_days=0, rows_per_day=5).records(), 3))
    with pytest.raises(NotWrittenError, match="3 of 3"):
        produce(sent, [broker.address], topic)
