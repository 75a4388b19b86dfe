"""A real Alertmanager for tests: found or installed, started on a free port, asked through its API."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import pytest

from tests.prometheus import eventually, find_tool, free_port

_CONFIG = """\
route: {{receiver: hook, group_by: [model], group_wait: 200ms, group_interval: 400ms, repeat_interval: 1h}}
receivers: [{{name: hook, webhook_configs: [{{url: '{hook}', send_resolved: true}}]}}]
"""


@dataclass
class Server:
    """One replica that forwards groups to a webhook."""

    folder: Path
    hook: str
    url: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        program = find_tool("prometheus-alertmanager", "prometheus-alertmanager")
        self.folder.mkdir()
        config = self.folder / "alertmanager.yml"
        config.write_text(_CONFIG.format(hook=self.hook))
        self.url = f"http://127.0.0.1:{free_port()}"
        with (self.folder / "log").open("wb") as output:
            self._process = subprocess.Popen(
                [
                    program, f"--config.file={config}", f"--storage.path={self.folder / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}", "--cluster.listen-address=",
                ],
                stdout=output, stderr=output,
            )  # fmt: skip
        eventually("alertmanager is ready", self._is_ready)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that are active."""
        answer = httpx2.get(f"{self.url}/api/v2/alerts", timeout=5)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.fail(f"alertmanager ended: {(self.folder / 'log').read_text()[-2000:]}")
        try:
            return httpx2.get(f"{self.url}/-/ready", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False
