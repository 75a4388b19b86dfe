"""(e) How long after their recovery receivers hear of an alert, from the whole service."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from alerts.signal import Signal
from benchmarks.report import table
from monitor.config.load import load
from tests.alerting_service import seed
from tests.receivers.running import Running

WAYS: Final = ("status/500", "status/503", "hang", "huge/500", "reset", "close", "garbage")
DOWN: Final = 150.0
"""Seconds; by then the pauses between attempts are as long as they get."""
GOAL: Final = 60.0
_MARK: Final = "recovered"
_PATIENCE: Final = 120.0
_SECOND: Final = 1_000_000
_CONFIG: Final = """\
version: 1
models:
  - name: m
    predictions: {{file: "{folder}/rows.jsonl", time_format: rfc3339, map: {{id: value.id, time: value.t}}}}
    alerts: {{mode: live}}
alerts:
  late_delivery: 1h
  receivers:
{receivers}
  route: {{receiver: {first}, group_wait: 0s, group_interval: 1s, routes: [{routes}]}}
http: {{listen: "127.0.0.1:0"}}
log: {{level: error}}
state: {{path: "{folder}/state"}}
"""


def recoveries(folder: Path, ways: Sequence[str] = WAYS, down: float = DOWN) -> Mapping[str, float | None]:
    """Return for each way of failing the seconds from recovery to delivery, ``None`` for never."""
    folder.mkdir()
    with Running(folder / "receiver") as server:
        config = _written(folder, server, ways)
        now = time.time_ns() // 1000
        seed(load(config, {}), folder, Signal(
            number=1, kind="quality", observed_at=now, model="m", column="age", window="fast", start=now - _SECOND,
            end=now, status="drift", n=1_000,
        ))  # fmt: skip
        command = [str(Path(sys.executable).with_name("driftline")), "run", "--config", str(config)]
        with subprocess.Popen(command, cwd=Path(__file__).parents[1]) as service:
            try:
                _asked(server, ways)
                time.sleep(down)
                recovered = time.time()
                (folder / "receiver" / _MARK).touch()
                return _heard(server, ways, recovered)
            finally:
                service.terminate()


def shown(found: Mapping[str, float | None]) -> str:
    """Return a table."""
    rows = []
    for way, seconds in found.items():
        met = seconds is not None and seconds <= GOAL
        rows.append([way, "never" if seconds is None else f"{seconds:.1f}", "met" if met else "not met"])
    return table(["the receiver failed by", "seconds until it heard", f"goal {GOAL:.0f}"], rows)


def _written(folder: Path, server: Running, ways: Sequence[str]) -> Path:
    names = {f"r{place}": way for place, way in enumerate(ways)}
    receivers = "\n".join(
        f'    - {{name: {name}, kind: webhook, url: "http://127.0.0.1:{server.port}/until/{_MARK}/{way}", '
        f'allow_http: true, allow: ["127.0.0.1"], allow_ports: [{server.port}], messages_per_hour: 10000}}'
        for name, way in names.items()
    )
    routes = ", ".join(f"{{matchers: ['model=m'], receiver: {name}, continue: true}}" for name in names)
    path = folder / "driftline.yaml"
    (folder / "rows.jsonl").touch()
    path.write_text(_CONFIG.format(folder=folder, receivers=receivers, routes=routes, first="r0"), encoding="utf-8")
    return path


def _asked(server: Running, ways: Sequence[str]) -> None:
    """Wait until every receiver was told once, in vain."""
    until = time.monotonic() + _PATIENCE
    while {f"/until/{_MARK}/{way}" for way in ways} - {one.path for one in server.requests()}:
        if time.monotonic() > until:
            raise RuntimeError("the service told nobody")
        time.sleep(0.1)


def _heard(server: Running, ways: Sequence[str], recovered: float) -> dict[str, float | None]:
    """Return when each was told again; what the receiver then gets it takes."""
    found: dict[str, float | None] = dict.fromkeys(ways)
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and None in found.values():
        for one in server.requests():
            way = one.path.removeprefix(f"/until/{_MARK}/")
            if one.at >= recovered and found.get(way) is None:
                found[way] = one.at - recovered
        time.sleep(0.1)
    return found
