"""``driftline drill``: a made-up model drifts, and the alert about it is followed to its receiver and back to calm."""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

from monitor.alerting.desk import Desk
from monitor.alerting.opening import open_desk
from monitor.config.alerts import AlertsConfig, ReceiverConfig
from monitor.config.load import folder_of, load
from monitor.config.model import ModelAlertsConfig
from monitor.config.problem import did_you_mean
from monitor.config.root import Config, LogConfig
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import MINUTE, Batch, Records
from monitor.logs import configure
from monitor.opening import open_pipeline
from monitor.reference.builder import BuildSettings, build_reference
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import TopicPartition

FAILED: Final = 1
_BEGIN: Final = 1_793_577_600_000_000
_WINDOW: Final = 15 * MINUTE
_ROWS: Final = 400
_PLAN: Final = (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0)
"""By how much the column is shifted, a window at a time; the last only closes the one before."""
_PATIENCE: Final = 60.0
_INPUT: Final = TopicPartition("drill", 0)
_CONFIG: Final = """\
version: 1
kafka: {dead_letters: {file: "FOLDER/dead.jsonl"}}
models:
  - name: drill
    predictions: {topic: drill, time_format: epoch_us,
                  map: {id: value.id, time: value.ts, features: value.f}}
    reference: {source: reference.json}
    windows: {quarter: {size: 15m, lateness: 0s}}
    detectors: [{kind: psi, on: [features], warn: 0.1, alert: 0.25}]
state: {path: "FOLDER/state"}
"""


def drill(config_path: Path | None, environ: Mapping[str, str], receiver: str | None) -> int:
    """Drill; return 0 when the receiver has heard of the drift and of its end."""
    configure(LogConfig(level="error"))
    base = Path()
    with own_receiver() as own, tempfile.TemporaryDirectory(prefix="driftline-drill-") as folder:
        chosen = own
        if receiver is not None:
            path = Path("driftline.yaml") if config_path is None else config_path
            known = {one.name: one for one in load(path, environ, needs_references=False).alerts.receivers}
            if receiver not in known:
                hint = did_you_mean(receiver, sorted(known))
                sys.stderr.write(f"{receiver}: no receiver has this name{'; ' + hint if hint else ''}\n")
                return FAILED
            chosen, base = known[receiver], folder_of(path)
        return _Drill(chosen, base, Path(folder)).run()


class _Drill:
    """One drill, step by step."""

    def __init__(self, receiver: ReceiverConfig, base: Path, folder: Path) -> None:
        self._receiver, self._base, self._folder = receiver, base, folder
        self._began = time.monotonic()
        self._heard = 0

    def run(self) -> int:
        """Play it."""
        config = self._prepare()
        source = MemorySource({_INPUT: []})
        desk = open_desk(config, self._base)
        pipeline = open_pipeline(config, source, base=self._folder, alerts=desk)
        try:
            self._say(f"a model of {_ROWS} rows a quarter of an hour; its column amount moves by a standard deviation")
            for number, shift in enumerate(_PLAN):
                for at, value in _rows(number, shift):
                    source.append(_INPUT, Item(value, log_time=at))
                pipeline.step(0)
                pipeline.checkpoint()
                pipeline.checkpoint()
                if shift == 0.0 and number and _PLAN[number - 1] and not self._until(desk, "firing", 1):
                    return FAILED
            return 0 if self._until(desk, "resolved", 2) else FAILED
        finally:
            desk.close()
            pipeline.close()

    def _prepare(self) -> Config:
        path = self._folder / "driftline.yaml"
        path.write_text(_CONFIG.replace("FOLDER", str(self._folder)), encoding="utf-8")
        loaded = load(path, {}, needs_references=False)
        model = loaded.models[0]
        values: list[bytes | None] = [value for window in range(-20, 0) for _, value in _rows(window, 0.0)]

        def batches() -> Iterator[Batch]:
            places = list(range(len(values)))
            records = Records("drill", 0, len(values), places, [0] * len(values), False, [None] * len(values), values)
            yield from Decoder([Schema.of(model)], loaded.limits).decode(records).batches

        build_reference(BuildSettings.of(model), batches, source="drill").save(self._folder / "reference.json")
        live = model.model_copy(update={"alerts": ModelAlertsConfig(mode="live")})
        return load(path, {}).model_copy(update={"models": [live], "alerts": self._alerts()})

    def _alerts(self) -> AlertsConfig:
        return AlertsConfig.model_validate(
            {
                "mode": "builtin",
                "receivers": [self._receiver],
                "route": {"group_wait": 0, "group_interval": 1_000_000},
                "without": ["FeatureDrift", "EvidenceAlarm", "QualityProblem", "VolumeOff"],
                "rules": [
                    {
                        "name": "Drill",
                        "kinds": ["drift"],
                        "matchers": ['detector="psi"'],
                        "severity": "info",
                        "annotations": {
                            "summary": "This is a drill: {column} of {model} has drifted",
                            "description": "Somebody ran driftline drill. {explanation}",
                            "moved": "{detector} of {column}",
                            "to": "{statistic:.3g}",
                            "sure": "{n:,} rows, threshold {threshold:.3g}",
                            "next_step": "Nothing. An all-clear follows.",
                        },
                    }
                ],
            }
        )

    def _until(self, desk: Desk, state: str, messages: int) -> bool:
        """Let the alerts work until the receiver has so many messages; say what came of it."""
        word = {"firing": "the drift was found and an alert fired", "resolved": "it was over and the alert resolved"}
        until, told = time.monotonic() + _PATIENCE, False
        while time.monotonic() < until:
            desk.turn()
            if not told and any(line.state == state for line in desk.engine.history()):
                told = True
                self._say(word[state])
            health = desk.engine.deliveries()[self._receiver.name]
            if told and health.deliveries >= messages:
                self._say(f"{self._receiver.name} has heard of it")
                return True
            if health.disabled_at is not None or health.parked:
                return self._fail(f"{self._receiver.name} refused it: {health.problem}")
            time.sleep(0.05)
        problem = desk.engine.deliveries()[self._receiver.name].problem
        return self._fail(f"{self._receiver.name} did not hear of it in time: {problem}" if told else "nothing fired")

    def _say(self, words: str) -> None:
        sys.stdout.write(f"{time.monotonic() - self._began:5.1f} s  {words}\n")
        sys.stdout.flush()

    def _fail(self, words: str) -> bool:
        self._say(words)
        return False


def _rows(window: int, shift: float) -> Iterator[tuple[int, bytes]]:
    """Yield time and record of every row of a window, the same every time."""
    chance = random.Random(window)  # noqa: S311 - made-up rows, not a secret
    for place in range(_ROWS):
        at = _BEGIN + window * _WINDOW + place * (_WINDOW // _ROWS)
        row = {"id": f"{window}-{place}", "ts": at, "f": {"amount": round(chance.gauss(shift, 1.0), 4)}}
        yield at, json.dumps(row).encode()


class _Receiver(BaseHTTPRequestHandler):
    """Takes everything."""

    def do_POST(self) -> None:
        """Read the message and say yes."""
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""
        del format, args


@contextmanager
def own_receiver() -> Iterator[ReceiverConfig]:
    """Serve a webhook on this machine that takes everything."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    port = server.server_address[1]
    try:
        yield ReceiverConfig.model_validate({
            "name": "drill-receiver", "kind": "webhook", "url": f"http://127.0.0.1:{port}/", "allow_http": True,
            "allow": ["127.0.0.1"], "allow_ports": [port],
        })  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()
