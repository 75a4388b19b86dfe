"""A shop with two models, a few days of their traffic, and the service's port over it: what dashboards are shown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry

from monitor.alerting.desk import Desk
from monitor.alerting.opening import open_desk
from monitor.config.load import load
from monitor.config.root import Config
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import DAY, HOUR, MINUTE, SECOND, Batch, Records
from monitor.metrics import PipelineMetrics, make_registry
from monitor.opening import open_pipeline
from monitor.past import KnownPast
from monitor.pipeline import Pipeline
from monitor.reference.builder import BuildSettings, build_reference
from monitor.retraining.keeper import RetrainingKeeper
from monitor.server import Server
from monitor.service import Health
from monitor.snapshot import Snapshots
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import TopicPartition
from monitor.views import ViewHolder
from tests.prometheus import eventually

BEGIN = 1_793_577_600_000_000
"""2026-11-02T00:00:00Z, a Monday."""
DAYS = 4
BREAKS = BEGIN + 2 * DAY
"""From here on baskets are larger, some amounts are missing, and both models are worse."""
CONFIG = """\
version: 1
kafka: {{bootstrap_servers: ["unused:9092"], dead_letters: {{file: "{folder}/dead.jsonl"}}}}
models:
  - name: fraud
    owner: payments
    task: binary_classification
    positive_class: 1
    decision: "score >= 0.6"
    predictions:
      topic: fraud
      time_format: epoch_us
      map: {{id: value.id, time: value.at, version: value.v, features: value.f, score: value.s,
            latency: value.ms, error: value.e, action: value.a, propensity: value.q}}
    labels:
      topic: chargebacks
      time_format: epoch_us
      matures_after: 12h
      map: {{id: value.id, time: value.at, label: value.y}}
    join: {{wait: 2d}}
    reference: {{source: fraud.json}}
    evidence: {{window: 6h}}
    windows:
      fast: {{size: 6h, lateness: 1m, min_samples: 20}}
      daily: {{size: 1d, lateness: 1m}}
    performance: {{window: daily, learn: 1d, min_labels: 50, cost: {{false_positive: 1, false_negative: 5}},
                  labelled_when: [tried]}}
    slices: [{{by: [country], min_samples: 20}}]
    detectors:
      - {{kind: psi, on: [features, score], warn: 0.1, alert: 0.25}}
      - {{kind: ks, on: [numeric, score], warn: 0.1, alert: 0.2}}
      - {{kind: jensen_shannon, on: [features]}}
      - {{kind: wasserstein, on: [numeric]}}
      - {{kind: rate, on: [quality, flagged, error, volume], warn: 0.01, alert: 0.05}}
      - {{kind: adwin, delta: 0.01}}
  - name: eta
    owner: logistics
    task: regression
    predictions:
      topic: eta
      time_format: epoch_us
      map: {{id: value.id, time: value.at, version: value.v, features: value.f, prediction: value.p,
            action: value.a, propensity: value.q}}
    labels:
      topic: arrivals
      time_format: epoch_us
      matures_after: 12h
      map: {{id: value.id, time: value.at, label: value.y}}
    join: {{wait: 2d}}
    reference: {{source: eta.json}}
    evidence: {{window: 6h}}
    windows: {{fast: {{size: 6h, lateness: 1m, min_samples: 20}}}}
    performance: {{window: fast, learn: 1d, min_labels: 20, labelled_when: [tried]}}
  - name: fraud-next
    owner: payments
    task: binary_classification
    positive_class: 1
    challenger_of: {{model: fraud}}
    predictions:
      topic: fraud
      time_format: epoch_us
      map: {{id: value.id, time: value.at, version: value.v, features: value.f, score: value.s2}}
    labels:
      topic: chargebacks
      time_format: epoch_us
      matures_after: 12h
      map: {{id: value.id, time: value.at, label: value.y}}
    join: {{wait: 2d}}
    reference: {{source: fraud-next.json}}
    evidence: {{window: 6h}}
    windows: {{fast: {{size: 6h, lateness: 1m, min_samples: 20}}}}
    performance: {{window: fast, learn: 1d, min_labels: 50}}
    retraining:
      when: performance drop
      target: {{kind: webhook, url: "https://pipelines.example/retrain"}}
  - name: iris
    owner: garden
    task: regression
    predictions:
      topic: iris
      time_format: epoch_us
      pair: {{request: {{where: {{value.k: q}}}}, response: {{where: {{value.k: a}}}}}}
      map: {{id: value.id, time: request.value.at, version: response.value.v, features: request.value.f,
            prediction: response.value.p}}
    reference: {{learn: 7d}}
alerts:
  mode: builtin
  shadow_for: 0s
  receivers: [{{name: ops, kind: webhook, url: "http://127.0.0.1:9/", allow: [127.0.0.1/32], allow_http: true,
               allow_ports: [9]}}]
  route: {{receiver: ops, group_wait: 0s}}
metrics: {{export: [ks, jensen_shannon, wasserstein, p_value, quality]}}
http: {{listen: "127.0.0.1:0"}}
state: {{path: "{folder}/state"}}
"""
PER_HOUR = {"fraud": 60, "eta": 30}
LABELS = {"fraud": "chargebacks", "eta": "arrivals"}


def rows(model: str, first: int, last: int, seed: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield (log time, topic, value) of predictions and, hours later, of labels; not in order."""
    rng = np.random.default_rng([seed, len(model)])
    number = PER_HOUR[model] * (last - first) // HOUR
    times = np.sort(rng.integers(first, last, number)).tolist()
    risk = rng.random(number)
    countries = rng.choice(["de", "fr", "it"], number, p=[0.6, 0.3, 0.1]).tolist()
    sizes = rng.lognormal(3, 1, number)
    for n, at in enumerate(times):
        broken = at >= BREAKS
        amount = None if broken and rng.random() < 0.1 else round(float(sizes[n]) * (3 if broken else 1), 2)
        value: dict[str, Any] = {"id": f"{model}{seed}-{n}", "at": at, "v": "2" if broken else "1"}
        value |= {"a": "tried", "q": 0.5 if n % 3 else 1.0}
        value["f"] = {"amount": amount, "country": countries[n], "age": int(18 + 60 * risk[n])}
        noise = rng.random()
        if model == "fraud":
            score = round(float(risk[n]) ** 2, 4)
            value |= {
                "s": score,
                "s2": round(float(risk[n]), 4),
                "ms": round(float(rng.gamma(3, 5)), 2),
                "e": int(noise < 0.01),
            }
            truth: float = int(noise < (0.3 if broken else score))
        else:
            value["p"] = round(10 + 5 * math.sin(at / DAY), 2)
            truth = round(value["p"] + float(rng.normal(1 if broken else 0, 2)), 2)
        yield at, model, value
        if rng.random() < 0.9:
            late = at + int(rng.exponential(2 * HOUR)) + MINUTE
            yield late, LABELS[model], {"id": value["id"], "at": late, "y": truth}


def halves(first: int, last: int, seed: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield requests and their responses, apart; every tenth request is never answered."""
    rng = np.random.default_rng(seed)
    for n, at in enumerate(range(first, last, HOUR // 6)):
        petal = round(float(rng.gamma(4, 0.5)), 2)
        yield at, "iris", {"k": "q", "id": f"i{n}", "at": at, "f": {"petal": petal}}
        if n % 10:
            told = at + int(rng.integers(1_000, SECOND))
            yield told, "iris", {"k": "a", "id": f"i{n}", "v": "1", "p": round(2 * petal, 2)}


def configured(folder: Path, config: str = CONFIG) -> Config:
    """Write the configuration and the references of the week before; return the configuration."""
    path = folder / "driftline.yaml"
    path.write_text(config.format(folder=folder))
    draft = load(path, {}, needs_references=False)
    for model in draft.models:
        if model.predictions.pair is not None:
            continue  # it learns
        values = [
            json.dumps(value).encode()
            for _, topic, value in rows(_topic(model.name), BEGIN - 7 * DAY, BEGIN, 99)
            if topic == _topic(model.name)
        ]

        def batches(model: Any = model, values: list[bytes] = values) -> Iterator[Batch]:
            numbers = list(range(len(values)))
            records = Records(
                _topic(model.name),
                0,
                len(values),
                numbers,
                [0] * len(values),
                False,
                [None] * len(values),
                list(values),
            )
            yield from Decoder([Schema.of(model)], draft.limits).decode(records).batches

        build_reference(BuildSettings.of(model), batches, source="the week before").save(folder / f"{model.name}.json")
    return load(path, {})


def _topic(model: str) -> str:
    """Return where a model's predictions are; a challenger's stand beside its champion's."""
    return model.partition("-")[0]


@dataclass
class Shop:
    """The service after its traffic, with its port."""

    config: Config
    pipeline: Pipeline
    desk: Desk
    keeper: RetrainingKeeper
    holder: ViewHolder
    registry: CollectorRegistry
    metrics: PipelineMetrics
    server: Server

    @property
    def target(self) -> str:
        """Where it is scraped."""
        return f"127.0.0.1:{self.server.port}"

    def close(self) -> None:
        """Stop answering."""
        self.server.stop()
        self.keeper.close()
        self.desk.close()
        self.pipeline.close()


def opened(folder: Path) -> Shop:
    """Play the traffic through the service's own code and open the port."""
    config = configured(folder)
    source = MemorySource()
    for topic in (*LABELS, *LABELS.values(), "iris"):
        source.append(TopicPartition(topic, 0))
    desk = open_desk(config, folder)
    pipeline = open_pipeline(config, source, base=folder, alerts=desk)
    holder = ViewHolder()
    keeper = RetrainingKeeper(config, folder, desk.engine.store, lambda: holder.current)
    desk.beside.append(keeper.turn)
    snapshots = Snapshots(build="test", config_hash="shop", alerts=lambda: desk.view, retraining=lambda: keeper.picture)
    registry, metrics = make_registry(holder, config.limits.max_series, config.metrics.export)
    said = [row for model in LABELS for row in rows(model, BEGIN, BEGIN + DAYS * DAY, 1)]
    said += halves(BEGIN, BEGIN + DAYS * DAY, 1)
    said.sort(key=itemgetter(0))
    day = 0
    for number, (at, topic, value) in enumerate(said):
        text = b"{broken" if number % 5000 == 4999 else json.dumps(value).encode()
        source.append(TopicPartition(topic, 0), Item(text, log_time=at))
        if at // DAY > day:
            day = at // DAY
            _read(pipeline, desk, metrics)
    _mark(KnownPast.of(pipeline.assembly.history))
    for _ in range(2):
        _read(pipeline, desk, metrics)
    eventually("the receiver's failure is seen", lambda: _drawn(desk))
    holder.swap(snapshots.take(pipeline))
    desk.turn()
    holder.swap(snapshots.take(pipeline))
    server = Server(config.http, registry, holder, Health(not_ready=None))
    server.site.past = KnownPast.of(pipeline.assembly.history)
    server.start()
    return Shop(config, pipeline, desk, keeper, holder, registry, metrics, server)


def _mark(past: KnownPast) -> None:
    """Say that the newest incident of fraud was worth it."""
    newest = past.incidents("fraud", limit=1)[0]
    past.orders.add(at=newest.end, who="kim", model="fraud", column=newest.alarms[0].column, until=newest.start,
                    because="amounts have tripled", kind="useful")  # fmt: skip


def _drawn(desk: Desk) -> bool:
    """Draw the alerts anew; return whether a message waits for the receiver that is not there."""
    desk.touch()
    desk.turn()
    return any(one.waiting and one.retries for one in desk.view.receivers)


def _read(pipeline: Pipeline, desk: Desk, metrics: PipelineMetrics) -> None:
    while pipeline.step(0):
        pass
    pipeline.checkpoint()
    pipeline.judge()
    desk.turn()
    metrics.observe(pipeline.last)
