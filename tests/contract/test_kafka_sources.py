"""What a source over Kafka promises beyond the common contract, on both clients and a real broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from kafka import KafkaConsumer  # type: ignore[import-untyped]  # kafka-python has no type hints
from kafka import TopicPartition as KafkaPartition

from monitor.config.root import KafkaConfig
from monitor.sources.kafka import KafkaPythonSource
from monitor.sources.librdkafka import LibrdkafkaSource
from monitor.sources.port import LostRecordsError, Source, TopicPartition
from tests.contract.arenas import drain, values_of
from tests.kafka.broker import Broker

pytestmark = pytest.mark.kafka
NOON = 1_793_534_400_000


@pytest.fixture(params=[KafkaPythonSource, LibrdkafkaSource], ids=["kafka", "librdkafka"])
def connect(request: pytest.FixtureRequest, broker: Broker) -> Iterator[Callable[..., Source]]:
    """Return what makes sources; they are closed after the test."""
    made: list[Source] = []

    def make(*, need_headers: bool = True, **settings: object) -> Source:
        config = KafkaConfig.model_validate({"bootstrap_servers": [broker.address], **settings})
        made.append(request.param(config, need_headers=need_headers, metadata_age=1.0))
        return made[-1]

    yield make
    for source in made:
        source.close()


def read(source: Source, name: TopicPartition) -> list[bytes | None]:
    source.assign(source.start_offsets([name], "earliest"))
    return values_of(drain(source, source.end_offsets([name])))


def test_committed_transactions_are_read_and_aborted_ones_are_not(
    broker: Broker, topic: str, connect: Callable[..., Source]
) -> None:
    name = TopicPartition(topic, 0)
    broker.create_topic(topic)
    broker.produce(topic, [b"plain"])
    broker.produce_transaction(topic, [b"kept-1", b"kept-2"], commit=True)
    broker.produce_transaction(topic, [b"dropped"], commit=False)
    source = connect()
    assert read(source, name) == [b"plain", b"kept-1", b"kept-2"]
    assert source.end_offsets([name]) == {name: 6}, "the position passed both markers and the aborted record"
    careless = connect(isolation_level="read_uncommitted")
    assert read(careless, name) == [b"plain", b"kept-1", b"kept-2", b"dropped"]


def test_the_position_passes_markers_that_come_alone(
    broker: Broker, topic: str, connect: Callable[..., Source]
) -> None:
    name = TopicPartition(topic, 0)
    broker.create_topic(topic)
    broker.produce(topic, [b"first"])
    source = connect()
    assert read(source, name) == [b"first"]
    broker.produce_transaction(topic, [b"dropped"], commit=False)
    polled = drain(source, source.end_offsets([name]))
    assert values_of(polled) == []
    assert polled[-1].next_offset == 3
    assert polled[-1].offsets == []


def test_an_open_transaction_ends_what_can_be_read(broker: Broker, topic: str, connect: Callable[..., Source]) -> None:
    name = TopicPartition(topic, 0)
    broker.create_topic(topic)
    broker.produce(topic, [b"first"])
    with broker.producer(transactional_id=topic) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic, b"open", partition=0)
        producer.flush()
        broker.produce(topic, [b"behind"])
        source = connect()
        assert source.end_offsets([name]) == {name: 1}
        assert read(source, name) == [b"first"]
        producer.commit_transaction()
    assert values_of(drain(source, source.end_offsets([name]))) == [b"open", b"behind"]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_codec_is_read(broker: Broker, topic: str, connect: Callable[..., Source], codec: str) -> None:
    broker.create_topic(topic)
    values = [b'{"n": %d, "text": "%s"}' % (number, b"again and " * 20) for number in range(500)]
    broker.produce(topic, values, compression_type=codec)
    assert read(connect(), TopicPartition(topic, 0)) == values


def test_a_seek_into_the_middle_of_a_compressed_batch(
    broker: Broker, topic: str, connect: Callable[..., Source]
) -> None:
    name = TopicPartition(topic, 0)
    broker.create_topic(topic)
    broker.produce(topic, [b"%d" % number for number in range(100)], compression_type="zstd", linger_ms=1000)
    source = connect()
    source.assign({name: 37})
    polled = drain(source, source.end_offsets([name]))
    assert polled[0].offsets[0] == 37
    assert values_of(polled) == [b"%d" % number for number in range(37, 100)]


def test_headers_and_keys_come_along_when_somebody_wants_them(
    broker: Broker, topic: str, connect: Callable[..., Source]
) -> None:
    name = TopicPartition(topic, 0)
    broker.create_topic(topic)
    headers = [("ce_id", b"1"), ("ce_id", b"2"), ("empty", b"")]
    broker.produce(topic, [b"a", b"b"], keys=[b"k", None], headers=headers)
    for wanted in (True, False):
        source = connect(need_headers=wanted)
        source.assign({name: 0})
        (records,) = drain(source, {name: 2})
        assert records.keys == [b"k", None]
        assert [list(one) for one in records.headers] == ([headers, headers] if wanted else [])


def test_stamps_of_the_broker_are_told_from_those_of_producers(
    broker: Broker, topic: str, connect: Callable[..., Source]
) -> None:
    name = TopicPartition(topic, 0)
    broker.create_topic(topic, 2)
    broker.produce(topic, [b"theirs"] * 2, timestamps=[NOON, NOON])
    with broker.admin() as admin:
        from kafka.admin import ConfigResource, ConfigResourceType  # type: ignore[import-untyped]  # noqa: PLC0415

        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"message.timestamp.type": "LogAppendTime"})
        admin.alter_configs([resource])
    with broker.producer() as producer:  # the setting takes a while to reach the logs; the other partition tells
        until = time.monotonic() + 20
        while producer.send(topic, b"?", partition=1, timestamp_ms=NOON).get(10).timestamp == NOON:
            assert time.monotonic() < until, "the broker does not stamp"
            time.sleep(0.05)
    time.sleep(0.5)
    before = time.time_ns() // 1000 - 60_000_000
    broker.produce(topic, [b"ours"] * 2, timestamps=[NOON, NOON])
    source = connect()
    source.assign({name: 0})
    polled = drain(source, {name: 4})
    runs = [(records.broker_stamped, records.offsets, records.next_offset) for records in polled if len(records)]
    assert runs == [(False, [0, 1], 2), (True, [2, 3], 4)]
    assert polled[0].log_times == [NOON * 1000] * 2
    assert all(at > before for records in polled[1:] for at in records.log_times)


def test_retention_is_told_with_the_exact_loss(broker: Broker, topic: str, connect: Callable[..., Source]) -> None:
    name = TopicPartition(topic, 0)
    broker.create_topic(topic)
    broker.produce(topic, [b"%d" % number for number in range(50)])
    broker.delete_records(topic, {0: 30})
    source = connect()
    with pytest.raises(LostRecordsError) as caught:
        source.assign({name: 12})
    assert (caught.value.lost, caught.value.resume_at, caught.value.input) == (18, 30, name)
    source.assign({name: caught.value.resume_at})
    assert values_of(drain(source, {name: 50})) == [b"%d" % number for number in range(30, 50)]


def test_retention_that_overtakes_reading_is_told_too(
    broker: Broker, topic: str, connect: Callable[..., Source]
) -> None:
    name = TopicPartition(topic, 0)
    broker.create_topic(topic)
    broker.produce(topic, [b"%d" % number for number in range(50)])
    source = connect()
    source.assign({name: 50})
    source.consume(10, 0.3)
    broker.delete_records(topic, {0: 40})
    source.seek(name, 25)
    with pytest.raises(LostRecordsError) as caught:
        drain(source, {name: 50})
    assert (caught.value.lost, caught.value.resume_at) == (15, 40)
    source.seek(name, 40)
    assert values_of(drain(source, {name: 50})) == [b"%d" % number for number in range(40, 50)]


@pytest.mark.parametrize("later", [3, 80], ids=["fewer", "more"])
def test_a_topic_made_anew_is_noticed_with_fewer_and_with_more_records(
    broker: Broker, topic: str, connect: Callable[..., Source], later: int
) -> None:
    name = TopicPartition(topic, 0)
    broker.create_topic(topic)
    broker.produce(topic, [b"old"] * 20)
    source = connect()
    first = source.topic_ids([topic])
    assert read(source, name) == [b"old"] * 20
    broker.delete_topic(topic)
    broker.create_topic(topic)
    broker.produce(topic, [b"new"] * later)
    with pytest.raises(LostRecordsError) as caught:
        drain(source, {name: 1_000_000}, timeout=25)
    assert caught.value.resume_at == 0
    assert "made anew" in str(caught.value)
    assert source.topic_ids([topic]) != first
    source.seek(name, 0)
    assert values_of(drain(source, {name: later})) == [b"new"] * later


def test_a_deleted_topic_stays_deleted(broker: Broker, topic: str, connect: Callable[..., Source]) -> None:
    name = TopicPartition(topic, 0)
    broker.create_topic(topic)
    broker.produce(topic, [b"a"])
    source = connect()
    assert read(source, name) == [b"a"]
    broker.delete_topic(topic)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        assert source.consume(10, 0.3) == []
        assert source.partitions([topic, f"{topic}-never"]) == {}
    assert topic not in broker.topics()
    assert f"{topic}-never" not in broker.topics()


def test_both_clients_name_a_topic_by_the_same_id(broker: Broker, topic: str) -> None:
    broker.create_topic(topic)
    ids = []
    for client in (KafkaPythonSource, LibrdkafkaSource):
        source = client(KafkaConfig(bootstrap_servers=[broker.address]))
        ids.append(source.topic_ids([topic]))
        source.close()
    assert ids[0] == ids[1] != {}


def test_lag_tools_see_what_was_committed(broker: Broker, topic: str, connect: Callable[..., Source]) -> None:
    name = TopicPartition(topic, 0)
    broker.create_topic(topic)
    broker.produce(topic, [b"a"] * 5)
    source = connect(group_id=topic)
    read(source, name)
    reader = KafkaConsumer(bootstrap_servers=broker.address, group_id=topic)
    try:
        deadline = time.monotonic() + 15
        while reader.committed(KafkaPartition(topic, 0)) != 5:
            assert time.monotonic() < deadline
            source.commit({name: 5})
            source.consume(10, 0.2)
        until = time.monotonic() + 15
        while (found := source.committed([name, TopicPartition(topic, 7)])) != {name: 5}:
            assert time.monotonic() < until, found
            time.sleep(0.1)
    finally:
        reader.close()
