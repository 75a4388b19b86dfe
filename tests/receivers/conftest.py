"""The receiver process, with and without TLS, and bad certificates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka.certificates import Authority, Identity
from tests.receivers.running import Running

HERE = "IP:127.0.0.1,DNS:localhost"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return the authority that tests trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def identity(authority: Authority) -> Identity:
    """Return a good certificate for this machine."""
    return authority.issue("here", HERE)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return the process that tests share which look at the answer only."""
    with Running(tmp_path_factory.mktemp("receiver")) as running:
        yield running


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Running]:
    """Return a process of one's own."""
    with Running(tmp_path / "receiver") as running:
        yield running


@pytest.fixture(scope="session")
def secure(tmp_path_factory: pytest.TempPathFactory, identity: Identity) -> Iterator[Running]:
    """Return the shared process with a good certificate."""
    with Running(tmp_path_factory.mktemp("secure"), identity) as running:
        yield running
