"""(e) How long a receiver that works waits for its messages beside receivers that fail."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alerts.signal import Signal
from benchmarks.report import table
from monitor.alerting.opening import open_desk
from monitor.config.load import load
from tests.receivers.running import Running

SIGNALS: Final = 30
ROUNDS: Final = 3
GOAL: Final = 1.0
"""Seconds that the slowest message may take longer than the usual one without failing receivers."""
_PAUSE: Final = 0.5
_PATIENCE: Final = 60.0
_SECOND: Final = 1_000_000
_CONFIG: Final = """\
version: 1
models: [{{name: m, predictions: {{topic: p, time_format: rfc3339}}, alerts: {{mode: live}}}}]
alerts:
  receivers:
{receivers}
  route: {{receiver: good, group_by: ["..."], group_wait: 0s, group_interval: 1s, routes: [{routes}]}}
state: {{path: "{folder}/state"}}
"""


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds from signals to their messages."""

    alone: list[float]
    beside: list[float]


def delays(folder: Path, ways: Sequence[str], rounds: int = ROUNDS, signals: int = SIGNALS) -> Delays:
    """Return what messages to a receiver that works take, alone and beside some that fail, in turn."""
    found = Delays([], [])
    folder.mkdir()
    for turn in range(rounds):
        found.alone.extend(_delays(folder / f"alone-{turn}", (), signals))
        found.beside.extend(_delays(folder / f"beside-{turn}", ways, signals))
    return found


def shown(found: Delays) -> str:
    """Return what was found, in words and a table."""
    usual = statistics.median(found.alone)
    more = max(found.beside) - usual
    rows = [
        [name, f"{statistics.median(each) * 1000:,.0f} ms", f"{max(each) * 1000:,.0f} ms"]
        for name, each in (("alone", found.alone), ("beside those that fail", found.beside))
    ]
    rows.append(["the longest beside them, beyond the median alone", "",
                 f"{more * 1000:,.0f} ms; goal {GOAL:.0f} s, {'met' if more <= GOAL else 'not met'}"])  # fmt: skip
    return (
        "From a signal to its message at a receiver that works, alone and beside one for each way to fail; every "
        f"signal is a message to all of them. {len(found.beside)} messages each, every {_PAUSE} s, wall time.\n\n"
        + table(["", "median", "longest"], rows)
    )


def _delays(folder: Path, ways: Sequence[str], signals: int) -> list[float]:
    with Running(folder / "receiver") as server:
        desk = open_desk(load(_written(folder, server, ways), {}), folder)
        desk.start()
        try:
            told = []
            for number in range(1, signals + 1):
                told.append(time.time())
                desk.offer([_signal(number)], "here")
                time.sleep(_PAUSE)
            heard = _heard(server, signals)
        finally:
            desk.close()
    return [heard[f"c{number}"] - at for number, at in enumerate(told, 1)]


def _signal(number: int) -> Signal:
    now = time.time_ns() // 1000
    return Signal(
        number=number, kind="quality", observed_at=now, model="m", column=f"c{number}", detector="missing_rate",
        window="fast", start=now - _SECOND, end=now, status="drift", n=1_000,
    )  # fmt: skip


def _heard(server: Running, signals: int) -> dict[str, float]:
    """Return column → when the receiver that works heard of it first."""
    until = time.monotonic() + _PATIENCE
    while True:
        found: dict[str, float] = {}
        for one in server.requests():
            if one.path == "/ok":
                for alert in json.loads(one.body)["alerts"]:
                    found.setdefault(alert["labels"].get("column", ""), one.at)
        if all(f"c{number}" in found for number in range(1, signals + 1)):
            return found
        if time.monotonic() > until:
            raise RuntimeError(f"only {len(found)} of {signals} messages came")
        time.sleep(0.1)


def _written(folder: Path, server: Running, ways: Sequence[str]) -> Path:
    names = {f"bad{place}": way for place, way in enumerate(ways)} | {"good": "ok"}
    receivers = "\n".join(
        f'    - {{name: {name}, kind: webhook, url: "http://127.0.0.1:{server.port}/{way}", allow_http: true, '
        f'allow: ["127.0.0.1"], allow_ports: [{server.port}], messages_per_hour: 100000}}'
        for name, way in names.items()
    )
    routes = ", ".join(f"{{matchers: [model=m], receiver: {name}, continue: true}}" for name in names)
    path = folder / "driftline.yaml"
    path.write_text(_CONFIG.format(receivers=receivers, routes=routes, folder=folder), encoding="utf-8")
    return path
