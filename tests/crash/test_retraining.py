"""Requests to retrain by a service that is killed: at most one for each episode, and none lost."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook

from alerts.signal import Signal
from monitor.alerting.opening import FILE
from monitor.config.load import load
from monitor.events import HOUR
from tests.alerting_service import seed
from tests.crash.killing import VICTIMS
from tests.crash.retrainer import POINTS, child
from tests.prometheus import free_port
from tests.receivers.orchestrators import Orchestrators

SECRET = "whsec_" + b64encode(bytes(range(32))).decode()
TOKEN = "on-call-on-call-1"  # noqa: S105 - of nothing
PATIENCE = 30.0
CONFIG = """\
version: 1
models:
  - name: fraud
    task: binary_classification
    positive_class: 1
    predictions: {{file: "{folder}/rows.jsonl", time_format: rfc3339,
                  map: {{id: value.id, time: value.t, score: value.s}}}}
    labels: {{file: "{folder}/labels.jsonl", time_format: rfc3339,
             map: {{id: value.id, time: value.t, label: value.y}}}}
    retraining:
      when: "performance drop"
      dry_run: false
      target: {{kind: http, url: "http://127.0.0.1:{target}/{way}", idempotent: {idempotent}, allow: [127.0.0.1],
               allow_ports: [{target}], allow_http: true, body: {{idempotency_key: "{{key}}", id: "{{id}}"}}}}
      guardrails: {{approval: none, min_matured_labels: 0, min_label_coverage: 0, cooldown: 0s, clean_for: 0s}}
alerts: {{mode: prometheus_only}}
retraining: {{url: "http://127.0.0.1:{port}", secret: "{secret}"}}
http: {{listen: "127.0.0.1:{port}", tokens: [{{name: oncall, token: "{token}", actions: [approve]}}]}}
state: {{path: "{folder}/state"}}
"""


@dataclass
class Killed:
    """A service that may be killed and started again, and its target."""

    folder: Path
    target: Orchestrators
    port: int
    mutant: bool = False

    @property
    def config(self) -> Path:
        return self.folder / "driftline.yaml"

    def write(self, *, idempotent: bool) -> None:
        """Write the configuration, and have an alert fire that is a reason to retrain."""
        self.config.write_text(CONFIG.format(
            folder=self.folder, target=self.target.port, port=self.port, secret=SECRET, token=TOKEN,
            way="keyed" if idempotent else "free", idempotent=str(idempotent).lower(),
        ))  # fmt: skip
        for name in ("rows", "labels"):
            (self.folder / f"{name}.jsonl").touch()
        config, now = load(self.config, {}), time.time_ns() // 1000
        seed(config, self.folder, Signal(
            number=1, kind="performance", observed_at=now, model="fraud", column="roc_auc", window="day:outcomes",
            start=now - HOUR, end=now, status="drift", n=1_000, explanation="roc_auc fell.",
        ))  # fmt: skip

    @contextmanager
    def service(self, point: str = "") -> Iterator[BaseProcess]:
        """Run the service; it is told to stop at the end, unless it has killed itself."""
        errors = self.folder / "service.log"
        process = VICTIMS.Process(target=child, args=(errors, self.config, point), kwargs={"mutant": self.mutant})
        process.start()
        try:
            yield process
            if not point:
                process.terminate()
                process.join(PATIENCE)
                assert process.exitcode == 0, errors.read_text()
        finally:
            process.kill()
            process.join()

    def dies(self, process: BaseProcess) -> None:
        """Wait until the service has killed itself."""
        process.join(PATIENCE)
        assert process.exitcode == -signal.SIGKILL, (self.folder / "service.log").read_text()

    def proposals(self) -> list[dict[str, Any]]:
        """Return what stands in the store, read without the code under test."""
        with closing(sqlite3.connect(self.folder / "state" / FILE)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("SELECT * FROM retraining")]

    def waits(self, *states: str) -> dict[str, Any]:
        """Wait until the one proposal is in one of some states."""
        until = time.monotonic() + PATIENCE
        while not (found := self.proposals()) or found[0]["state"] not in states:
            assert time.monotonic() < until, (found, (self.folder / "service.log").read_text())
            time.sleep(0.05)
        (one,) = found
        return one

    def report(self, name: str) -> int | None:
        """Report a success as a pipeline does; ``None`` when nobody answered."""
        body = json.dumps({"id": name, "status": "succeeded", "version": "8"}).encode()
        stamp = datetime.now(UTC)
        headers = {
            "webhook-id": "msg_1", "webhook-timestamp": str(int(stamp.timestamp())),
            "webhook-signature": Webhook(SECRET).sign("msg_1", stamp, body.decode()),
        }  # fmt: skip
        url = f"http://127.0.0.1:{self.port}/api/v1/retraining/{name}/result"
        try:
            return httpx2.post(url, content=body, headers=headers, timeout=10).status_code
        except httpx2.TransportError:
            return None

    def reports(self, name: str) -> int:
        """Report until somebody answers, as a pipeline does."""
        until = time.monotonic() + PATIENCE
        while (status := self.report(name)) in {None, 503}:
            assert time.monotonic() < until, (self.folder / "service.log").read_text()
            time.sleep(0.05)
        assert status is not None
        return status

    def decide(self, name: str, word: str) -> int:
        """Say as a person what becomes of a parked request."""
        url = f"http://127.0.0.1:{self.port}/api/v1/retraining/proposals/{name}/{word}"
        return httpx2.post(url, json={}, headers={"authorization": f"Bearer {TOKEN}"}, timeout=10).status_code

    def requests(self) -> int:
        """Return how many requests the target got."""
        return len(self.target.seen)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Killed]]:
    with Orchestrators() as target:

        def begin(*, idempotent: bool, mutant: bool = False) -> Killed:
            one = Killed(tmp_path, target, free_port(), mutant)
            one.write(idempotent=idempotent)
            return one

        yield begin


@pytest.mark.parametrize(
    ("point", "idempotent"), [*((point, False) for point in POINTS), ("before_send", True), ("after_send", True)]
)
def test_one_request_for_an_episode_wherever_the_service_is_killed(
    make: Callable[..., Killed], point: str, idempotent: bool
) -> None:
    run = make(idempotent=idempotent)
    with run.service(point) as process:
        if point.endswith("result"):
            name = run.waits("running")["id"]
            while run.report(name) == 503:
                time.sleep(0.05)
        run.dies(process)
    with run.service():
        doubtful = point.endswith("send") and not idempotent
        found = run.waits("parked" if doubtful else "succeeded" if point == "after_result" else "running")
        if doubtful:
            heard = point == "after_send"
            assert run.requests() == heard, "nothing leaves before a person has looked"
            assert run.decide(found["id"], "started" if heard else "approve") == 200
            run.waits("running")
        assert run.reports(found["id"]) == (200 if point == "after_result" else 204)
        run.waits("succeeded")
    assert len(run.target.started) == 1, "one run"
    assert run.requests() == (2 if point == "after_send" and idempotent else 1)


def test_a_service_that_forgets_what_begins_asks_twice(make: Callable[..., Killed]) -> None:
    run = make(idempotent=False, mutant=True)
    with run.service("after_send") as process:
        run.dies(process)
    with run.service():
        run.waits("running")
    assert len(run.target.started) == 2, "the tests above would see it"
