"""Configurations that tests write and read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from monitor.config.load import ConfigError, Examined, Problem, examine, load
from monitor.config.root import Config

FIFTEEN_LINES = """\
version: 1
kafka: {bootstrap_servers: ["${KAFKA}"]}
defaults: {reference: {learn: 14d}}
models:
  - name: fraud-scorer
    owner: payments
    task: binary_classification
    positive_class: 1
    decision: "score >= 0.92"
    predictions: {topic: ml.predictions, where: {value.model: fraud-scorer}, time_format: rfc3339,
      map: {id: value.id, time: value.ts, version: value.version, features: value.features, score: value.score}}
"""

FULL = """\
version: 1
kafka:
  bootstrap_servers: ["${KAFKA:-localhost:9092}"]
  client: kafka-python
  security: {protocol: SASL_SSL, mechanism: SCRAM-SHA-512, username: "${USER_NAME:-joe}", password: "${file:secret}"}
  group_id: driftline
  isolation_level: read_committed
  start: 2026-11-01T00:00:00Z
  dead_letters: {topic: driftline.dlq}
  request_timeout: 10s
defaults:
  reference: {learn: 14d}
calendar: {timezone: Europe/Berlin, holidays: [2026-12-25]}
models:
  - name: fraud-scorer
    owner: team-payments
    task: binary_classification
    positive_class: fraud
    decision: "score >= 0.92"
    predictions:
      topic: ml.predictions
      format: json
      where: {value.model: fraud-scorer}
      map: {id: value.prediction_id, time: value.ts, version: value.model_version, features: value.features,
        score: value.score, latency: value.latency_ms}
      time_format: rfc3339
      sample: 1.0
    features:
      amount: {type: numeric, range: [0, 100000]}
      country: {type: categorical, top_k: 50}
      age: {type: numeric, importance: 0.4}
      sex: {type: categorical, protected: true}
      customer_id: {type: id}
    reference: {bins: 256}
    windows:
      fast: {size: 15m, lateness: 1m}
      daily: {size: 1d, slide: 1h, lateness: 30m, min_samples: 2_000}
    detectors:
      - {kind: psi, on: [features, score], window: daily, warn: 0.1, alert: 0.25}
      - {kind: ks, on: [numeric], window: daily, alpha: 0.01, correction: benjamini_hochberg}
    slices:
      - {by: [country], top_k: 20, min_samples: 300}
state: {path: /var/lib/driftline, checkpoint: 1s, shards: {count: 1, index: 0}}
http: {listen: "0.0.0.0:9464"}
limits: {max_series: 20000, max_features_per_model: 1000, max_record_bytes: 1MiB, versions: 4}
log: {level: info, format: json}
"""


def write(folder: Path, text: str, name: str = "driftline.yaml") -> Path:
    """Write one file and return its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Config:
    """Load a text."""
    return load(write(folder, text), environ or {})


def examined(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Examined:
    """Examine a text."""
    return examine(write(folder, text), environ or {})


def problems(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    """Load a text that must be refused; return what is wrong with it."""
    try:
        loaded(folder, text, environ)
    except ConfigError as error:
        return error.problems
    raise AssertionError("was accepted")


def told(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the problems as they are printed, without the file's folder."""
    return [str(problem).removeprefix(f"{folder}/") for problem in problems(folder, text, environ)]


def minimal(predictions: str = "topic: t", extra: str = "", model: str = "") -> str:
    """Return a small configuration with additions at the root and in its model."""
    lines = ["version: 1", "models:", "  - name: m", f"    predictions: {{{predictions}}}"]
    lines += [f"    {line}" for line in model.splitlines()]
    return "\n".join([*lines, *extra.splitlines(), ""])
