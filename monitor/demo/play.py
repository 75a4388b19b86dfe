"""The demo's run: the whole service on an embedded source, fed day by day."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from monitor.alerting.desk import Desk
from monitor.alerting.opening import open_desk
from monitor.config.load import load
from monitor.config.root import Config
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.demo.ahead import ahead
from monitor.demo.ledger import Ledger
from monitor.demo.output import label_records, produce
from monitor.demo.parts import LABELS, TOPIC, Part, parts
from monitor.demo.stream import MODEL, PARTITIONS, DemoStream
from monitor.events import DAY, Batch, Records
from monitor.findings import WindowResult
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.reference.builder import BuildSettings, build_reference
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import Source, TopicPartition

_JUDGED_EVERY: Final = DAY
"""Of the stream. The service looks at what labels changed every minute, in which the demo plays a month."""
_REFERENCE_ROWS: Final = 56_000
"""500 in each quarter of its 28 days: with fewer, chance looks like days that differ, and more must be tolerated."""
CONFIG: Final = """\
# The demo's configuration. Everything not said here is a default.
version: 1
kafka: {{bootstrap_servers: ["{bootstrap}"], dead_letters: {{file: "{folder}/dead-letters.jsonl"}}}}
models:
  - name: loan-scorer
    owner: lending
    task: binary_classification
    positive_class: 1
    decision: "score >= 0.5"
    predictions:
      topic: {topic}
      where: {{value.model: loan-scorer}}
      time_format: rfc3339
      map: {{id: value.prediction_id, time: value.ts, version: value.model_version, features: value.features,
            score: value.score, prediction: value.prediction, latency: value.latency_ms}}
    labels:
      topic: {labels}
      time_format: epoch_ms
      matures_after: 7d
      map: {{id: value.id, time: value.at, label: value.label}}
    join: {{wait: 21d}}
    reference: {{source: reference.json}}
    evidence: {{window: 6h}}
    windows:
      hourly: {{size: 1h, lateness: 5m, min_samples: 100, restate_for: 1d}}
      daily: {{size: 1d, slide: 6h, lateness: 5m}}
      day: {{size: 1d, lateness: 5m}}
    performance: {{window: day, learn: 14d}}
    calibration: {{alert_ece: 0.05}}
    slices: [{{by: [elevel]}}]
    detectors:
      - {{kind: psi, on: [features, score], warn: 0.05, alert: 0.1, alpha: 0.0001}}
      - {{kind: ks, on: [numeric, score], warn: 0.05, alert: 0.1, alpha: 0.0001}}
      - {{kind: rate, on: [quality, flagged], warn: 0.01, alert: 0.02, alpha: 0.0001}}
    retraining:
      when: "performance drop or calibration"
      target: {{kind: webhook, url: "https://pipelines.example/retrain"}}
alerts: {{mode: prometheus_only, late_delivery: 3650d}}
state: {{path: "{folder}/state", generation_every: 1h}}
http: {{listen: "{host}:{port}"}}
"""


@dataclass(slots=True)
class Play:
    """One run of the demo; ``frames`` is called whenever there is something new to show."""

    stream: DemoStream
    folder: Path
    frames: Callable[[Play], None]
    port: int = 0
    host: str = "127.0.0.1"
    bootstrap: str = "localhost:9092"
    ending: Callable[[], None] = lambda: None
    """Called when all is read, before the windows are closed that are not full yet."""
    ledger: Ledger = field(init=False)
    desk: Desk | None = None
    """The alerts, once there is a pipeline; their wall clock is the stream's time."""
    latest: WindowResult | None = None
    records: int = 0
    began: float = field(default_factory=time.monotonic)
    _parts: Iterable[Part] | None = None
    _reached: int = 0
    """Where the last hourly window ended."""

    def __post_init__(self) -> None:
        first = min(injection.start for injection in self.stream.injections)
        self.ledger = Ledger(self.stream.injections, quiet_until=first)

    @property
    def rate(self) -> float:
        """Records a second so far."""
        return self.records / max(time.monotonic() - self.began, 1e-9)

    def begin(self) -> None:
        """Have the stream made by another process from now on, for ``feed``."""
        self._parts = ahead(partial(parts, self.stream))

    def prepare(self) -> Config:
        """Write the configuration and the reference; return the configuration as it was read back."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "driftline.yaml"
        text = CONFIG.format(
            topic=TOPIC, labels=LABELS, folder=self.folder, host=self.host, port=self.port, bootstrap=self.bootstrap
        )
        path.write_text(text, encoding="utf-8")
        config = load(path, {}, needs_references=False)
        model = config.models[0]
        rows = list(self.stream.reference_rows(_REFERENCE_ROWS))

        def batches() -> Iterator[Batch]:
            decoder = Decoder([Schema.of(model)], config.limits)
            yield from decoder.decode(_records(rows)).batches

        settings = BuildSettings.of(model)
        build_reference(settings, batches, source="four weeks before the demo").save(self.folder / "reference.json")
        config = load(path, {})
        self.began = time.monotonic()
        return config

    def embedded(self, config: Config, source: MemorySource) -> Pipeline:
        """Return a pipeline over an embedded source, which gets empty partitions."""
        for number in range(PARTITIONS):
            source.append(TopicPartition(TOPIC, number))
            source.append(TopicPartition(LABELS, number))
        return self.attach(config, source)

    def attach(self, config: Config, source: Source) -> Pipeline:
        """Return a pipeline over a source, with this run as its listener."""
        self.desk = open_desk(config, self.folder, clock=self.clock)
        pipeline = open_pipeline(config, source, base=self.folder, alerts=self.desk, wall=self.clock)
        pipeline.results = partial(self.note, pipeline)
        return pipeline

    def clock(self) -> int:
        """Return how far the stream is, in microseconds; it stands still when the predictions have ended."""
        return min(max(self._reached, self.stream.start), self.stream.end)

    def close(self) -> None:
        """Let go of the alerts."""
        if self.desk is not None:
            self.desk.close()

    def judge(self) -> None:
        """Let the alerts work."""
        if self.desk is not None:
            self.desk.turn()

    def note(self, pipeline: Pipeline, results: list[WindowResult]) -> None:
        """Take in evaluated windows."""
        self.ledger.add(results, pipeline.joinings[MODEL].clocks.watermark)
        for result in results:
            self._reached = max(self._reached, result.end) if result.window == "hourly" else self._reached
            if (
                result.window == "daily"
                and not result.slice
                and (self.latest is None or result.start >= self.latest.start)
            ):
                self.latest = result
        self.frames(self)

    def feed(self, pipeline: Pipeline, source: MemorySource) -> None:
        """Play the stream a few hours at a time; returns when every window is closed."""
        for start, part in parts(self.stream) if self._parts is None else self._parts:
            for topic, record in part:
                item = Item(record.value, key=record.key, log_time=record.timestamp)
                source.append(TopicPartition(topic, record.partition), item)
                self.records += 1
            while pipeline.step(0):
                pass
            pipeline.checkpoint()
            self.judge()
            if start > self.stream.end + DAY:
                self._rest(pipeline)
            if start % _JUDGED_EVERY == 0:
                pipeline.judge()
        self.ending()
        pipeline.finish()
        if self.desk is not None:
            self.desk.touch()
        self.judge()

    def _rest(self, pipeline: Pipeline) -> None:
        """Hold up no label by predictions that have ended, as the service does after a minute without any."""
        for number in range(PARTITIONS):
            pipeline.joinings[MODEL].rest(TopicPartition(TOPIC, number))

    def through(self, pipeline: Pipeline) -> None:
        """Produce the stream into its topics and read it back; returns when every window is closed."""
        servers, judged = [self.bootstrap], 0
        with ThreadPoolExecutor(2) as writers:
            writing = [
                writers.submit(produce, self.stream.records(), servers, TOPIC),
                writers.submit(produce, label_records(self.stream), servers, LABELS),
            ]
            while not all(one.done() for one in writing) or self.records < sum(one.result() for one in writing):
                self.records += pipeline.step(0.2)
                if pipeline.due():
                    pipeline.checkpoint()
                    self.judge()
                    if self.clock() // _JUDGED_EVERY > judged:
                        judged = self.clock() // _JUDGED_EVERY
                        pipeline.judge()
        pipeline.checkpoint()
        self._rest(pipeline)
        pipeline.checkpoint()
        pipeline.judge()
        self.judge()
        self.ending()
        pipeline.finish()
        if self.desk is not None:
            self.desk.touch()
        self.judge()


def _records(rows: list[bytes]) -> Records:
    numbers = list(range(len(rows)))
    return Records(TOPIC, 0, len(rows), numbers, [0] * len(rows), False, [None] * len(rows), list(rows))
