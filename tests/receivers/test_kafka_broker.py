"""Events on a topic of a real broker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest
from kafka import KafkaConsumer, KafkaProducer  # type: ignore[import-untyped]  # has no type hints
from kafka.errors import KafkaError  # type: ignore[import-untyped]  # the same

from alerts.notification import Delivered, Retry
from alerts.receivers.kafka import ProducerError
from tests.kafka.broker import Broker
from tests.receivers.running import alert, built, group, here, resolved, within

pytestmark = pytest.mark.kafka


class Publisher:
    """A producer over kafka-python."""

    def __init__(self, address: str) -> None:
        self.producer = KafkaProducer(bootstrap_servers=[address], acks="all", max_block_ms=5000)

    def publish(
        self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]], seconds: float
    ) -> None:
        """Publish one record."""
        try:
            self.producer.send(topic, value, key, headers=list(headers)).get(timeout=seconds)
        except KafkaError as error:
            raise ProducerError(f"Kafka: {type(error).__name__}", lasting=not error.retriable) from error


@pytest.fixture
def publisher(broker: Broker) -> Iterator[Publisher]:
    """Return a producer for the shared broker."""
    one = Publisher(broker.address)
    yield one
    one.producer.close(timeout=5)


def test_what_is_told_of_a_group_arrives_in_order(broker: Broker, topic: str, publisher: Publisher) -> None:
    bus = built("kafka", {"topic": topic}, here(), producer=publisher)
    bodies = [bus.body(group()), bus.body(group(resolved(alert())))]
    for number, body in enumerate(bodies):
        assert bus.send(f"m{number}", body, within(20)) == Delivered()
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=[broker.address],
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
        group_id=None,
    )
    records = [next(consumer), next(consumer)]
    consumer.close()
    assert [record.value for record in records] == bodies
    assert len({record.key for record in records}) == 1
    assert [dict(record.headers)["ce_id"] for record in records] == [b"m0", b"m1"]
    assert [json.loads(record.value)["status"] for record in records] == ["firing", "resolved"]


def test_without_an_acknowledgement_in_time_it_is_tried_again(topic: str, publisher: Publisher) -> None:
    bus = built("kafka", {"topic": topic}, here(), producer=publisher)
    outcome = bus.send("m", bus.body(group()), within(1e-4))
    assert isinstance(outcome, Retry)
