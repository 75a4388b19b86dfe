"""Prometheus and its tool, for tests that check what it makes of us."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.prometheus import Prometheus, find_tool


@pytest.fixture(scope="session")
def promtool() -> str:
    """Return the path of ``promtool``."""
    return find_tool("promtool")


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[[str], Prometheus]]:
    """Return what starts a Prometheus that scrapes ``host:port``."""
    started: list[Prometheus] = []

    def start(target: str) -> Prometheus:
        folder = tmp_path / f"prometheus-{len(started)}"
        folder.mkdir()
        server = Prometheus(folder, target)
        started.append(server)
        server.start()
        return server

    try:
        yield start
    finally:
        for server in started:
            server.close()
