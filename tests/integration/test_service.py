"""The service as its users run it: a process, a real broker, HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.crash.ground import prepare
from tests.crash.stream import rows
from tests.kafka.broker import Broker

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    PORT = probe.getsockname()[1]


@contextmanager
def running(config: Path, port: int = PORT) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``driftline run`` and see to it that it ends."""
    text = config.read_text()
    if "http:" not in text:
        config.write_text(text + f'http: {{listen: "127.0.0.1:{port}"}}\n')
    command = [sys.executable, "-c", "from monitor.cli import main; main()", "run", "-c", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ | {"NO_COLOR": "1"})
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def get(path: str) -> httpx2.Response | None:
    """Ask the service; ``None`` while nobody listens."""
    try:
        return httpx2.get(f"http://127.0.0.1:{PORT}{path}", timeout=5.0)
    except httpx2.TransportError:
        return None


def wait_for(path: str, status: int, contains: str = "", seconds: float = 40.0) -> str:
    """Return the answer once it has this status and text; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    answer = None
    while time.monotonic() < deadline:
        answer = get(path)
        if answer is not None and answer.status_code == status and contains in answer.text:
            return answer.text
        time.sleep(0.2)
    pytest.fail(f"{path}: no {status} with {contains!r}; last {answer and (answer.status_code, answer.text[:500])}")


@pytest.mark.kafka
def test_it_counts_serves_refuses_a_second_and_stops_in_order(broker: Broker, topic: str, tmp_path: Path) -> None:
    broker.create_topic(topic, 2)
    for partition in range(2):
        broker.produce(topic, [row or b"{" for row in rows(partition, 2_000, seed=3)], partition=partition)
    config = prepare(tmp_path, topic, broker.address)
    with running(config) as process:
        page = wait_for("/metrics", 200, "driftline_records_total 4000.0")
        assert 'driftline_predictions_total{model="m"}' in page
        assert wait_for("/-/ready", 200).strip() == "ok"
        assert wait_for("/-/healthy", 200).strip() == "ok"
        with running(config.with_name("driftline.yaml")) as second:
            _, errors = second.communicate(timeout=20)
            assert second.returncode in {1, 74}
            assert b"in use" in errors or b"cannot listen" in errors
        assert process.poll() is None
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=15)
        assert process.returncode == 0, errors.decode()
        assert time.monotonic() - began < 10


@pytest.mark.kafka
def test_a_broker_that_comes_later_is_waited_for(tmp_path: Path) -> None:
    with Broker() as late:
        address, port = late.address, int(late.address.rsplit(":", 1)[1])
    config = prepare(tmp_path, "t", address)
    with running(config) as process:
        wait_for("/-/ready", 503, "broker")
        assert wait_for("/-/healthy", 200).strip() == "ok"
        with Broker(port=port) as broker:
            broker.create_topic("t", 1)
            broker.produce("t", [row or b"{" for row in rows(0, 500, seed=4)])
            wait_for("/metrics", 200, "driftline_records_total 500.0", seconds=60)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=15)
            assert process.returncode == 0, errors.decode()
