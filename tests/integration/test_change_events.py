"""Change events as a real broker hands them out."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitor.change_events import follow_changes
from monitor.config.root import ChangeEventsConfig, Config, KafkaConfig
from monitor.evidence.orders import Orders
from tests.evidence_service import configured
from tests.kafka.broker import Broker

pytestmark = pytest.mark.kafka
SECONDS = 60.0


@contextmanager
def following(config: Config) -> Iterator[None]:
    """Read on until the end of the block."""
    stopping = threading.Event()
    thread = follow_changes(config, stopping)
    assert thread is not None
    try:
        yield
    finally:
        stopping.set()
        thread.join(SECONDS)
        assert not thread.is_alive()


def wait_for(orders: Orders, expected: list[str]) -> None:
    """Wait until these events were kept, and no other."""
    deadline = time.monotonic() + SECONDS
    while sorted(one.because for one in orders.after(0)) != expected:
        assert time.monotonic() < deadline, orders.after(0)
        time.sleep(0.1)


def test_events_come_once_over_restarts_of_the_reader(broker: Broker, tmp_path: Path) -> None:
    topic = f"deploys-{uuid.uuid4().hex[:8]}"
    broker.create_topic(topic, 2)
    broker.produce(topic, [b'{"what": "a"}', b"{", b'{"what": "b", "at": "2026-03-01T00:00:00Z"}'], partition=0)
    model = configured(tmp_path)
    config = model.model_copy(
        update={
            "kafka": KafkaConfig(bootstrap_servers=[broker.address]),
            "change_events": ChangeEventsConfig(topic=topic, start="earliest"),
        }
    )
    orders = Orders(Path(config.state.path))
    with following(config):
        wait_for(orders, ["a", "b"])
    broker.produce_transaction(topic, [b'{"what": "taken back"}'], commit=False, partition=1)
    broker.produce(topic, [b'{"what": "c"}'], partition=1)
    with following(config):
        wait_for(orders, ["a", "b", "c"])
    first = next(one for one in orders.after(0) if one.because == "a")
    assert abs(first.until - time.time_ns() // 1000) < 600_000_000
