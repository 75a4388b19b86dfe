"""Events on a topic of a real broker."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer  # type: ignore[import-untyped]  # has no type hints

from alerts.notification import Delivered, Retry
from alerts.receivers.kafka import ProducerError
from monitor.config.root import KafkaConfig
from monitor.sources.alert_producer import AlertProducer
from tests.kafka.broker import Broker
from tests.receivers.running import alert, built, group, here, resolved, within

pytestmark = pytest.mark.kafka


@pytest.fixture
def publisher(broker: Broker) -> Iterator[AlertProducer]:
    """Return the service's producer, for the shared broker."""
    one = AlertProducer(KafkaConfig(bootstrap_servers=[broker.address]))
    yield one
    one.close()


def test_what_is_told_of_a_group_arrives_in_order(broker: Broker, topic: str, publisher: AlertProducer) -> None:
    broker.create_topic(topic, 1)
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


def test_without_an_acknowledgement_in_time_it_is_tried_again(topic: str, publisher: AlertProducer) -> None:
    bus = built("kafka", {"topic": topic}, here(), producer=publisher)
    outcome = bus.send("m", bus.body(group()), within(1e-4))
    assert isinstance(outcome, Retry)


def test_a_broker_that_is_away_is_tried_again(topic: str) -> None:
    away = AlertProducer(KafkaConfig(bootstrap_servers=["127.0.0.1:1"]))
    bus = built("kafka", {"topic": topic}, here(), producer=away)
    assert isinstance(bus.send("m", bus.body(group()), within(0.3)), Retry)
    away.close()


def test_what_the_topic_never_takes_is_rejected(broker: Broker, topic: str, publisher: AlertProducer) -> None:
    broker.create_topic(topic, 1)
    with pytest.raises(ProducerError) as caught:
        publisher.publish(topic, b"k", b"x" * 5_000_000, [], 20)
    assert caught.value.lasting
    publisher.publish(topic, b"k", b"x", [], 20)
