"""A real Prometheus for tests: found or installed, started on a free port, asked through its HTTP API."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest

INSTALL = "apt-get update && apt-get install -y --no-install-recommends {}"
T = TypeVar("T")


def find_tool(name: str, package: str = "prometheus") -> str:
    """Return the path of a program of Debian packages: ``prometheus``, ``prometheus-alertmanager``, ``chromium``.

    Where ``CI`` is set a missing one is installed as root, and otherwise fails the test; elsewhere the test is skipped.
    """
    path = shutil.which(name)
    if path is not None:
        return path
    install = INSTALL.format(package)
    if not os.environ.get("CI"):
        pytest.skip(f"NO {name.upper()} ON THIS MACHINE; to run this test: {install}")
    if os.geteuid() == 0 and shutil.which("apt-get") is not None:
        problem = _install(install)
        path = shutil.which(name)
        if path is not None:
            return path
        pytest.fail(f"{name} could not be installed with {install!r}: {problem}")
    pytest.fail(f"{name} is missing; install it with: {install}")


def _install(command: str) -> str:
    """Run an installation, one at a time on this machine; return what it complained of."""
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    with (Path(tempfile.gettempdir()) / "driftline-tests-install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(["sh", "-c", command], env=environ, capture_output=True, text=True, check=False)
    return done.stderr[-2000:]


def eventually(what: str, attempt: Callable[[], T | None], seconds: float = 30.0) -> T:
    """Return what ``attempt`` returns once it is neither ``None`` nor empty; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = attempt()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail(f"not within {seconds:g} s: {what}")


@dataclass
class Prometheus:
    """One server that scrapes one target."""

    folder: Path
    target: str
    interval: str = "250ms"
    url: str = ""
    rules: Sequence[Path] = ()
    evaluation_interval: str = "1m"
    moment: float | None = None
    """When set, queries are about this moment, whatever is scraped later or fails to be."""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _client: httpx2.Client | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start and wait until it answers."""
        program = find_tool("prometheus")
        config = self.folder / "prometheus.yml"
        config.write_text(
            f"global: {{scrape_interval: {self.interval}, scrape_timeout: {self.interval}, "
            f"evaluation_interval: {self.evaluation_interval}}}\n"
            f"rule_files: [{', '.join(map(str, self.rules))}]\n"
            f"scrape_configs: [{{job_name: driftline, static_configs: [{{targets: ['{self.target}']}}]}}]\n"
        )
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        with (self.folder / "prometheus.log").open("wb") as output:
            self._process = subprocess.Popen(
                [
                    program, f"--config.file={config}", f"--storage.tsdb.path={self.folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
                ],
                stdout=output, stderr=output,
            )  # fmt: skip
        eventually("prometheus is ready", self._is_ready)

    def close(self) -> None:
        """Stop the server."""
        if self._client is not None:
            self._client.close()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)

    def api(self, path: str, **parameters: str) -> Any:
        """Return the ``data`` of an API call."""
        if self._client is None:
            self._client = httpx2.Client(timeout=30)
        answer = self._client.get(f"{self.url}/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return the series of an instant query: labels and value."""
        when = {} if self.moment is None else {"time": f"{self.moment:.3f}"}
        found = self.api("query", query=expression, **when)["result"]
        return [(series["metric"], float(series["value"][1])) for series in found]

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.fail(f"prometheus ended: {(self.folder / 'prometheus.log').read_text()[-2000:]}")
        try:
            return httpx2.get(f"{self.url}/-/ready", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
