"""Brokers that are absent, stop, die, freeze, or hold damaged records."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from monitor.config.root import KafkaConfig
from monitor.dead_letters import DeadLetter, TopicSink
from monitor.sources.kafka import KafkaPythonSource
from monitor.sources.librdkafka import LibrdkafkaSource
from monitor.sources.port import CorruptRecordsError, Source, SourceUnavailableError, TopicPartition
from tests.contract.arenas import drain, values_of
from tests.kafka.broker import Broker

pytestmark = [
    pytest.mark.kafka,
    # kafka-python leaves the socket of a connection that it gave up half way to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning"),
]


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Leave no such socket to the tests of other modules."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def fragile(start_broker: Callable[..., Broker]) -> Broker:
    """Return a broker that these tests may stop; each leaves it running."""
    return start_broker()


@pytest.fixture
def connect() -> Iterator[Callable[[str], tuple[Source, Source]]]:
    """Return what makes one source of each client for an address; they share the waiting for the broker."""
    made: list[Source] = []

    def make(address: str) -> tuple[Source, Source]:
        config = KafkaConfig(bootstrap_servers=[address], request_timeout=5_000_000)
        pair = (KafkaPythonSource(config, patience=1.0), LibrdkafkaSource(config, patience=1.0))
        made.extend(pair)
        return pair

    yield make
    for source in made:
        source.close()


def numbers(begin: int, end: int) -> list[bytes]:
    return [b"%d" % number for number in range(begin, end)]


def test_a_broker_that_comes_later_is_waited_for(
    fragile: Broker, topic: str, connect: Callable[[str], tuple[Source, Source]]
) -> None:
    name = TopicPartition(topic, 0)
    fragile.create_topic(topic)
    fragile.produce(topic, numbers(0, 10))
    fragile.stop()
    try:
        sources = connect(fragile.address)
        for source in sources:
            for question in (source.partitions, source.topic_ids):
                with pytest.raises(SourceUnavailableError):
                    question([topic])
            source.assign({name: 4})
            began = time.monotonic()
            for _ in range(3):
                assert source.consume(10, 0.2) == []
            assert time.monotonic() - began < 15
            source.commit({name: 4})
    finally:
        fragile.start()
    for source in sources:
        assert values_of(drain(source, {name: 10}, timeout=40)) == numbers(4, 10)


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_reading_goes_on_where_it_was_when_the_broker_returns(
    fragile: Broker, topic: str, connect: Callable[[str], tuple[Source, Source]], ending: str
) -> None:
    name = TopicPartition(topic, 0)
    fragile.create_topic(topic)
    fragile.produce(topic, numbers(0, 100))
    sources = connect(fragile.address)
    for source in sources:
        source.assign({name: 0})
        assert values_of(drain(source, {name: 100})) == numbers(0, 100)
    getattr(fragile, ending)()
    try:
        for source in sources:
            for _ in range(3):
                assert values_of(source.consume(10, 0.2)) == []
            with pytest.raises(SourceUnavailableError):
                source.end_offsets([name])
    finally:
        fragile.start()
    fragile.produce(topic, numbers(100, 200))
    for source in sources:
        assert values_of(drain(source, {name: 200}, timeout=40)) == numbers(100, 200)
        assert _end(source, name) == 200


def _end(source: Source, name: TopicPartition, timeout: float = 20.0) -> int:
    """Ask until somebody answers, as the service does."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return source.end_offsets([name])[name]
        except SourceUnavailableError:
            assert time.monotonic() < deadline


def test_a_broker_that_answers_nothing_holds_nobody(
    fragile: Broker, topic: str, connect: Callable[[str], tuple[Source, Source]]
) -> None:
    name = TopicPartition(topic, 0)
    fragile.create_topic(topic)
    fragile.produce(topic, numbers(0, 10))
    sources = connect(fragile.address)
    for source in sources:
        source.assign({name: 0})
        assert values_of(drain(source, {name: 10})) == numbers(0, 10)
    with fragile.frozen():
        for source in sources:
            began = time.monotonic()
            for _ in range(3):
                assert values_of(source.consume(10, 0.2)) == []
            with pytest.raises(SourceUnavailableError):
                source.end_offsets([name])
            assert time.monotonic() - began < 15
    fragile.produce(topic, numbers(10, 20))
    for source in sources:
        assert values_of(drain(source, {name: 20}, timeout=40)) == numbers(10, 20)


def test_a_broker_that_is_down_is_not_hammered(fragile: Broker, topic: str) -> None:
    name = TopicPartition(topic, 0)
    fragile.create_topic(topic)
    source = KafkaPythonSource(KafkaConfig(bootstrap_servers=[fragile.address]), patience=1.0)
    source.assign({name: 0})
    source.consume(10, 0.5)
    source.commit({name: 0})
    source.consume(10, 1.0)
    fragile.stop()
    try:
        with _counting(fragile.address) as connections:
            until = time.monotonic() + 8
            while time.monotonic() < until:
                source.consume(10, 0.2)
                source.commit({name: int(time.monotonic())})
    finally:
        source.close()
        fragile.start()
    assert 1 <= len(connections) <= 2 * 8, "one a second each for reading and for committing"


@contextlib.contextmanager
def _counting(address: str) -> Iterator[list[float]]:
    """Accept connections at an address, close them at once, and note when they came."""
    host, port = address.split(":")
    times: list[float] = []
    with socket.create_server((host, int(port))) as server:
        server.settimeout(0.1)
        stopping = threading.Event()

        def serve() -> None:
            while not stopping.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                times.append(time.monotonic())
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield times
        finally:
            stopping.set()
            thread.join()


def test_a_damaged_batch_is_named_with_its_place(
    fragile: Broker, topic: str, connect: Callable[[str], tuple[Source, Source]]
) -> None:
    name = TopicPartition(topic, 1)
    fragile.create_topic(topic, 2)
    fragile.produce(topic, [b"elsewhere"], partition=0)
    fragile.produce(topic, numbers(0, 5), partition=1)
    fragile.produce(topic, [b"to-be-damaged"], partition=1)
    fragile.produce(topic, [b"behind"], partition=1)
    fragile.stop()
    try:
        log = fragile.log_file(topic, 1)
        data = log.read_bytes()
        assert data.count(b"to-be-damaged") == 1
        log.write_bytes(data.replace(b"to-be-damaged", b"to-be-demaged"))
    finally:
        fragile.start()
    for source in connect(fragile.address):
        source.assign({TopicPartition(topic, 0): 0, name: 0})
        seen: list[bytes | None] = []
        for _ in range(2):
            with pytest.raises(CorruptRecordsError) as caught:
                _read_on(source, seen)
            assert (caught.value.input, caught.value.offset) == (name, 5)
        assert sorted(filter(None, seen)) == [*numbers(0, 5), b"elsewhere"]
        source.seek(name, 6)
        assert values_of(drain(source, {name: 7})) == [b"behind"]


def _read_on(source: Source, seen: list[bytes | None]) -> None:
    for _ in range(50):
        seen += values_of(source.consume(100, 0.2))


def letter(offset: int, value: bytes | None = b"{", **more: object) -> DeadLetter:
    fields = {"row": None, "reason": "not_json", "detail": "not JSON", "model": None, "log_time": 1, **more}
    return DeadLetter(topic="p", partition=0, offset=offset, key=b"k", value=value, **fields)  # type: ignore[arg-type]  # built from a table


def records_of(broker: Broker, topic: str) -> list[tuple[bytes | None, bytes | None, dict[str, bytes | None]]]:
    source = KafkaPythonSource(KafkaConfig(bootstrap_servers=[broker.address]))
    name = TopicPartition(topic, 0)
    source.assign({name: 0})
    polled = drain(source, source.end_offsets([name]))
    source.close()
    return [
        (key, value, dict(headers))
        for records in polled
        for key, value, headers in zip(records.keys, records.values, records.headers, strict=True)
    ]


def test_dead_letters_reach_their_topic_with_the_reason_in_headers(fragile: Broker, topic: str) -> None:
    fragile.create_topic(topic)
    sink = TopicSink(KafkaConfig(bootstrap_servers=[fragile.address]), topic, deadline=10.0)
    letters = [letter(7, headers=(("ce_id", b"1"), ("none", None))), letter(8, None, row=2, model="fraud")]
    try:
        assert sink.publish([]) == 0
        assert sink.publish(letters) == 2
        assert sink.publish(letters[:1]) == 1
    finally:
        sink.close()
    first, second, again = records_of(fragile, topic)
    common = {"driftline-error": b"not_json", "driftline-error-detail": b"not JSON", "driftline-topic": b"p"}
    common |= {"driftline-partition": b"0", "driftline-key": b"k"}
    assert first == again == (b"p:0:7", b"{", {**common, "driftline-offset": b"7", "ce_id": b"1", "none": b""})
    extra = {"driftline-offset": b"8", "driftline-row": b"2", "driftline-model": b"fraud"}
    assert second == (b"p:0:8:2", None, {**common, **extra})


def test_a_letter_too_large_for_the_topic_goes_without_its_payload(fragile: Broker, topic: str) -> None:
    fragile.create_topic(topic, max_message_bytes="2000")
    sink = TopicSink(KafkaConfig(bootstrap_servers=[fragile.address]), topic, deadline=10.0)
    try:
        letters = [letter(1), letter(2, b"x" * 10_000), letter(3, b"x" * (3 << 20)), letter(4)]
        assert sum(sink.publish(letters[begin : begin + 1]) for begin in range(4)) == 4
    finally:
        sink.close()
    sent = [(key, value, headers.get("driftline-payload")) for key, value, headers in records_of(fragile, topic)]
    assert sent == [
        (b"p:0:1", b"{", None), (b"p:0:2", None, b"omitted"), (b"p:0:3", None, b"omitted"), (b"p:0:4", b"{", None),
    ]  # fmt: skip


def test_payloads_stay_behind_when_told_so(fragile: Broker, topic: str) -> None:
    fragile.create_topic(topic)
    sink = TopicSink(KafkaConfig(bootstrap_servers=[fragile.address]), topic, payload=False, deadline=10.0)
    try:
        assert sink.publish([letter(1, headers=(("secret", b"s"),))]) == 1
    finally:
        sink.close()
    ((key, value, headers),) = records_of(fragile, topic)
    assert (key, value) == (b"p:0:1", None)
    assert not {"secret", "driftline-key", "driftline-payload"} & set(headers)


def test_a_missing_topic_is_neither_made_nor_waited_for_long(fragile: Broker, topic: str) -> None:
    sink = TopicSink(KafkaConfig(bootstrap_servers=[fragile.address]), topic, deadline=1.0)
    try:
        began = time.monotonic()
        assert sum(sink.publish([letter(1)]) for _ in range(50)) == 0
        assert time.monotonic() - began < 15
        assert topic not in fragile.topics()
        fragile.create_topic(topic)
        deadline = time.monotonic() + 30
        while sink.publish([letter(1)]) == 0:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        sink.close()
    assert [key for key, _, _ in records_of(fragile, topic)][-1] == b"p:0:1"


def test_letters_wait_while_the_broker_is_away(fragile: Broker, topic: str) -> None:
    fragile.create_topic(topic)
    sink = TopicSink(KafkaConfig(bootstrap_servers=[fragile.address]), topic, deadline=2.0)
    try:
        assert sink.publish([letter(1)]) == 1
        fragile.stop()
        try:
            assert sink.publish([letter(2), letter(3)]) == 0
        finally:
            fragile.start()
        deadline = time.monotonic() + 40
        while sink.publish([letter(2), letter(3)]) == 0:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        sink.close()
    keys = [key for key, _, _ in records_of(fragile, topic)]
    assert keys[0] == b"p:0:1"
    assert set(keys) == {b"p:0:1", b"p:0:2", b"p:0:3"}
