"""The receiver process as tests see it, and alerts to send there."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Self

from alerts.net.addresses import Address
from alerts.net.guard import Guard, Policy
from alerts.net.http import Endpoint
from alerts.net.resolve import Resolve
from alerts.net.secret import Secret
from alerts.net.tls import Tls
from alerts.notification import Alert, AlertGroup, Deadline, Notifier
from alerts.receivers.build import build_receivers
from alerts.receivers.parts import Parts
from alerts.receivers.settings import ReceiverSettings
from tests.kafka.certificates import Identity

ROOT = Path(__file__).parents[2]
NOW = 1_793_000_000_000_000


@dataclass(frozen=True)
class Request:
    """What the receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float = 0.0
    """Seconds since the epoch."""


@dataclass
class Running:
    """A receiver process."""

    folder: Path
    identity: Identity | None = None
    port: int = 0
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        tls = [str(self.identity.certificate), str(self.identity.key)] if self.identity is not None else []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.receivers.server", str(self.folder), *tls],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait(10)
        self._process.stdout.close()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Return the address of a way to answer."""
        return f"{'https' if self.identity is not None else 'http'}://{host}:{self.port}/{path}"

    def endpoint(self, path: str, *, ca_file: Path | None = None) -> Endpoint:
        """Return an endpoint that may be reached."""
        return Endpoint(Secret(self.url(path)), Guard(here(self.port)), Tls(ca_file))

    def requests(self) -> list[Request]:
        """Return what came so far."""
        lines = (self.folder / "requests.jsonl").read_text().splitlines()
        records = map(json.loads, lines)
        return [Request(each["path"], each["headers"], base64.b64decode(each["body"]), each["at"]) for each in records]

    def ended(self) -> int:
        """Wait for the process to end; return its exit code."""
        assert self._process is not None
        return self._process.wait(10)


def here(*ports: int) -> Policy:
    """Return a policy that allows this machine, at these ports."""
    return Policy(hosts=frozenset({"127.0.0.1", "localhost"}), ports=frozenset(ports), clear=True)


def answers(*addresses: str) -> Resolve:
    """Return a name server that knows one answer."""

    def resolver(*_: object) -> list[Address]:
        return [ip_address(address) for address in addresses]

    return resolver


def within(seconds: float) -> Deadline:
    """Return a deadline so many seconds from now."""
    return Deadline(time.monotonic() + seconds)


def built(kind: str, options: Mapping[str, object], policy: Policy, **parts: object) -> Notifier:
    """Return one receiver as the configuration makes it."""
    shared = replace(Parts(policy=policy), **parts)  # type: ignore[arg-type]  # handed through
    return build_receivers([ReceiverSettings("one", kind, dict(options))], shared)["one"]


def alert(name: str = "FeatureDrift", **changes: object) -> Alert:
    """Return an alert as rules make them."""
    base = Alert(
        labels={
            "alertname": name,
            "severity": "page",
            "model": "fraud-scorer",
            "owner": "payments",
            "feature": "amount",
        },
        annotations={
            "summary": "amount of fraud-scorer moved",
            "moved": "PSI of amount",
            "from": "0.01",
            "to": "0.31",
            "sure": "n = 12,000, 95 % within 0.28 to 0.34",
            "effect": "recall may fall by 3 points",
            "next_step": "look at the feed of amounts",
            "runbook_url": "https://runbooks.example/FeatureDrift",
            "dashboard_url": "https://grafana.example/d/x?var-model=fraud-scorer&from=1&to=2",
        },
        state="firing",
        starts_at=NOW - 3_600_000_000,
        ends_at=None,
        fingerprint="f00dfeed",
        url="https://driftline.example/models/fraud-scorer?at=1",
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # handed through


def group(*alerts: Alert, **changes: object) -> AlertGroup:
    """Return a group of alerts, of one when none is given."""
    base = AlertGroup(
        receiver="ops",
        key='{}:{model="fraud-scorer"}',
        labels={"model": "fraud-scorer"},
        alerts=alerts or (alert(),),
        message_id="msg_2f1c",
        sent_at=NOW,
        url="https://driftline.example/",
        reason="new",
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # handed through


def resolved(one: Alert) -> Alert:
    """Return an alert after its end."""
    return replace(one, state="resolved", ends_at=NOW)
