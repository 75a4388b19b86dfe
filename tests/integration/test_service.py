"""The service as its users run it: a process, a real broker, HTTP."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from monitor.commands.run import STATE_ERROR
from tests.crash.ground import prepare
from tests.crash.stream import rows
from tests.kafka.broker import Broker

STARTED = 120.0
"""Seconds until the process listens; imports alone take many on a machine that is busy."""


@dataclass
class Running:
    """A service as a process of its own. What it logs goes into a file, so it never waits for a reader."""

    process: subprocess.Popen[bytes]
    log: Path
    _port: int | None = None

    @property
    def logged(self) -> str:
        """All that it has logged so far."""
        return self.log.read_text(errors="replace")

    @property
    def port(self) -> int:
        """The free port that it took."""
        if self._port is None:
            deadline = time.monotonic() + STARTED
            while (found := re.search(r'"port": ?(\d+)', self.logged)) is None:
                assert self.process.poll() is None, f"the service ended:\n{self.logged}"
                assert time.monotonic() < deadline, f"the service does not listen:\n{self.logged}"
                time.sleep(0.05)
            self._port = int(found[1])
        return self._port

    def wait_for(self, path: str, status: int, contains: str = "", seconds: float = 60.0) -> str:
        """Return the answer once it has this status and text; fail after so many seconds, with all that was logged."""
        url, answer = f"http://127.0.0.1:{self.port}{path}", None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                answer = httpx2.get(url, timeout=5.0)
            except httpx2.TransportError:
                answer = None
            if answer is not None and answer.status_code == status and contains in answer.text:
                return answer.text
            time.sleep(0.2)
        last = None if answer is None else (answer.status_code, answer.text[:500])
        pytest.fail(f"{path}: no {status} with {contains!r}; last {last}, exit {self.process.poll()}:\n{self.logged}")

    def end(self, seconds: float = 20.0) -> int:
        """Wait for its end; return the exit status."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the service does not end:\n{self.logged}")


@contextmanager
def running(config: Path) -> Iterator[Running]:
    """Run ``driftline run`` on a free port and see to it that it ends."""
    text = config.read_text()
    if "http:" not in text:
        config.write_text(text + 'http: {listen: "127.0.0.1:0"}\n')
    command = [sys.executable, "-c", "from monitor.cli import main; main()", "run", "-c", str(config)]
    log = config.with_name(f"service-{time.monotonic_ns()}.log")
    with log.open("wb") as output:
        process = subprocess.Popen(command, stderr=output, env=os.environ | {"NO_COLOR": "1"})
    try:
        yield Running(process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.mark.kafka
def test_it_counts_serves_refuses_a_second_and_stops_in_order(broker: Broker, topic: str, tmp_path: Path) -> None:
    broker.create_topic(topic, 2)
    for partition in range(2):
        broker.produce(topic, [row or b"{" for row in rows(partition, 2_000, seed=3)], partition=partition)
    config = prepare(tmp_path, topic, broker.address)
    with running(config) as service:
        page = service.wait_for("/metrics", 200, "driftline_records_total 4000.0")
        assert 'driftline_predictions_total{model="m"}' in page
        assert service.wait_for("/-/ready", 200).strip() == "ok"
        assert service.wait_for("/-/healthy", 200).strip() == "ok"
        with running(config) as second:
            assert second.end(STARTED) == STATE_ERROR, second.logged
            assert "in use" in second.logged
        assert service.process.poll() is None, service.logged
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert service.end() == 0, service.logged
        assert time.monotonic() - began < 10


@pytest.mark.kafka
def test_a_broker_that_comes_later_is_waited_for(tmp_path: Path) -> None:
    with Broker() as late:
        address, port = late.address, int(late.address.rsplit(":", 1)[1])
    config = prepare(tmp_path, "t", address)
    with running(config) as service:
        service.wait_for("/-/ready", 503, "broker")
        assert service.wait_for("/-/healthy", 200).strip() == "ok"
        with Broker(port=port) as broker:
            broker.create_topic("t", 1)
            broker.produce("t", [row or b"{" for row in rows(0, 500, seed=4)])
            service.wait_for("/metrics", 200, "driftline_records_total 500.0")
            service.process.send_signal(signal.SIGTERM)
            assert service.end() == 0, service.logged


def test_a_port_that_another_process_has_is_named_at_once(tmp_path: Path) -> None:
    config = prepare(tmp_path, "t", "unused:9092")
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        config.write_text(config.read_text() + f'http: {{listen: "127.0.0.1:{taken}"}}\n')
        with running(config) as service:
            assert service.end(STARTED) == 1
            assert "cannot listen" in service.logged
            assert str(taken) in service.logged
