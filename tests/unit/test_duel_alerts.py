"""Alerts hear of a challenger from the confidence sequence alone, through the whole service."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alerts.builtin import RIVALS
from alerts.conditions import Verdict
from monitor.alerting import findings
from monitor.alerting.findings import ModelFacts, signals_of
from monitor.config.load import load
from monitor.config.model import ModelConfig
from monitor.duel import CHALLENGER, CHAMPION, Duel, verdict_of
from monitor.events import DAY, HOUR
from monitor.findings import WindowResult
from monitor.join.payload import Rows
from monitor.sources.memory import Content, Item, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from tests.alerting_service import Alerting, Clock
from tests.outcomes_ground import BEGIN
from tests.unit.test_duel import PAYLOAD, Reader, pairs_of

CONFIG = ModelConfig(
    name="new", predictions={"topic": "p"}, challenger_of={"model": "old"}, performance={"min_labels": 50}
)


def fired(results: list[WindowResult]) -> set[str]:
    """Return the rules that some window fires."""
    signals = [signal for result in results for signal in signals_of(result, ModelFacts(), 0, 0)]
    return {rule.name for rule in RIVALS for one in signals if rule.condition.judge(one, {}) is Verdict.BREACH}


def course(seed: int, gap: float, hours: int = 30, rows: int = 20) -> list[WindowResult]:
    """Compare two models hour by hour; ``gap`` brings the challenger's scores that much closer to the truth."""
    rng = np.random.default_rng(seed)
    duel, _ = Duel.load(MemoryStore(), 0, CONFIG)
    found = []
    for hour in range(hours):
        shots = [(side, hour * rows + row, hour, 0) for side in (CHAMPION, CHALLENGER) for row in range(rows)]
        pairs = pairs_of(shots)
        payloads: Rows = np.zeros(len(shots), PAYLOAD.dtype)
        noise = rng.random(len(shots))
        closer = gap * (pairs.signs * 0 + np.repeat([0, 1], rows))
        off = np.minimum(noise * (1 - closer), 1.0)
        payloads["score"] = np.where(pairs.labels == 1, 1 - off, off)
        for side in (CHAMPION, CHALLENGER):
            own = np.arange(side * rows, (side + 1) * rows)
            duel.take(side, "binary_classification", replace(pairs, payloads=payloads).take(own), Reader())
        duel.close((hour + 1) * HOUR)
        found += duel.results()
        duel.delivered()
    return found


def test_equal_models_are_told_apart_no_more_often_than_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    courses = [course(seed, 0.0) for seed in range(24)]
    assert sum(bool(fired(one)) for one in courses) <= 3, "5 % of 24 is 1.2; more than 3 come once in 35 times"
    monkeypatch.setattr(findings, "_RIVALS", {"paired_t": "challenger"})
    assert sum(bool(fired(one)) for one in courses) >= 5, "Student's interval holds for one look, not for thirty"


@pytest.mark.parametrize(("gap", "rule"), [(0.3, "ChallengerBetter"), (-0.5, "ChallengerWorse")])
def test_a_difference_is_found(gap: float, rule: str) -> None:
    assert fired(course(3, gap)) == {rule}


def test_a_difference_that_turns_is_no_verdict() -> None:
    assert verdict_of(0.2, 0.1) == "changed"
    duel, _ = Duel.load(MemoryStore(), 0, CONFIG)
    finding = duel._finding("loss", "confidence_sequence", 0.15, 0.2, 0.1, 0.001, 1000)
    assert (finding.status, finding.direction) == ("insufficient", 0)
    assert not fired([WindowResult("new", "8", "champion=7", "challenger", 0, HOUR, 0, 1000, (finding,))])


SERVICE = """\
version: 1
kafka: {bootstrap_servers: ["unused:9092"]}
alerts: {receivers: [{name: ops, kind: webhook, url: "https://hooks.example/x"}]}
models:
"""
MODEL = """\
  - name: {name}
    positive_class: 1
    decision: "score >= 0.5"
    {more}
    predictions: {{topic: p, time_format: epoch_us, where: {{value.version: "{version}"}},
      map: {{score: value.score, features: value.features, version: value.version}}}}
    labels: {{topic: l, time_format: epoch_us, matures_after: 6h,
      map: {{id: value.id, time: value.at, label: value.truth}}}}
    join: {{wait: 1d}}
    performance: {{min_labels: 50}}
"""


def records(better: float) -> dict[TopicPartition, list[Content]]:
    """Return predictions of both models and labels, over a day and a half."""
    rng = random.Random(5)
    predictions: list[tuple[int, dict[str, Any]]] = []
    labels: list[tuple[int, dict[str, Any]]] = []
    for number in range(400):
        time, truth = BEGIN + number * (DAY // 400), int(rng.random() < 0.5)
        for version, closer in (("7", 0.0), ("8", better)):
            noise = min(1.0, rng.random() * (1 - closer))
            score = 1 - noise if truth else noise
            said = {"prediction_id": f"i{number}", "features": {"a": score}, "score": score, "version": version}
            predictions.append((time, said))
        labels.append((time + HOUR, {"id": f"i{number}", "truth": truth}))
    for number in range(20):
        end = BEGIN + 3 * DAY + number
        predictions += [(end, {"prediction_id": f"e{number}", "score": 0.5, "version": one}) for one in "78"]
        labels.append((end, {"id": "none", "truth": 1}))
    logs = {}
    for topic, name, rows in (("p", "ts", predictions), ("l", "at", labels)):
        rows.sort(key=lambda one: one[0])
        logs[TopicPartition(topic, 0)] = [Item(json.dumps({name: at, **row}).encode(), log_time=at) for at, row in rows]
    return logs  # type: ignore[return-value]  # items are contents


@pytest.mark.parametrize(("better", "rule"), [(0.4, "ChallengerBetter/info"), (-0.6, "ChallengerWorse/warn")])
def test_the_service_tells_who_is_better(tmp_path: Path, better: float, rule: str) -> None:
    (tmp_path / "driftline.yaml").write_text(
        SERVICE
        + MODEL.format(name="old", version="7", more="")
        + MODEL.format(name="new", version="8", more="challenger_of: {model: old}")
        + f'state: {{path: "{tmp_path}/state"}}\n'
    )
    config = load(tmp_path / "driftline.yaml", {})
    service = Alerting(config, tmp_path, MemoryStore(), MemorySource(records(better)), Clock(BEGIN + 4 * DAY))
    while service.left():
        service.turn()
    service.settle()
    lines = [line for line in service.desk.engine.history(limit=9999) if line.rule.startswith("Challenger")]
    assert {line.rule for line in lines if line.state == "firing"} == {rule}
    labels = lines[0].labels
    assert (labels["model"], labels["version"], labels["slice"]) == ("new", "8", "champion=7")
    service.crash()
