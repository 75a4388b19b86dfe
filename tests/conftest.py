"""What all tests share: the real broker, started when the first test asks for it."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterator

import pytest
import structlog

from tests.kafka.broker import Broker
from tests.kafka.jars import MissingToolError


@pytest.fixture(autouse=True)
def plain_log() -> None:
    """Undo what an earlier test in this process may have configured, so that messages go where tests look for them."""
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def start_broker() -> Iterator[Callable[..., Broker]]:
    """Return what starts a broker of one's own, for tests that stop it or need its secured listeners."""
    started: list[Broker] = []

    def start(**options: object) -> Broker:
        broker = _broker(**options)
        started.append(broker)
        broker.start()
        return broker

    try:
        yield start
    finally:
        for broker in started:
            broker.close()


@pytest.fixture(scope="session")
def broker(start_broker: Callable[..., Broker]) -> Broker:
    """Return the broker that all tests share; nobody stops it."""
    return start_broker()


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """Return a topic name that nobody used before."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", request.node.name).strip("-")
    return f"{stem[:80]}-{uuid.uuid4().hex[:8]}"


def _broker(**options: object) -> Broker:
    try:
        return Broker(**options)  # type: ignore[arg-type]  # handed through to the constructor, which knows them
    except MissingToolError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(f"no Kafka broker: {error}")
