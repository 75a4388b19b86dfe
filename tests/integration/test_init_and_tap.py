"""A first configuration out of a real topic, and a look at its records with it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from monitor.commands.init import init
from monitor.commands.tap import tap
from monitor.config.load import load
from tests.kafka.broker import Broker

pytestmark = pytest.mark.kafka


def value(i: int) -> bytes:
    record = {"prediction_id": f"p{i}", "ts": "2026-11-20T10:00:00Z", "score": i / 1000, "features": {"a": i, "c": "x"}}
    return json.dumps(record).encode()


def test_init_from_a_topic_then_tap(broker: Broker, topic: str, tmp_path: Path) -> None:
    broker.create_topic(topic, partitions=3)
    for partition in range(3):
        broker.produce(topic, [value(3 * i + partition) for i in range(300)], partition=partition)
    out = tmp_path / "driftline.yaml"
    assert init(from_topic=topic, bootstrap=broker.address, out=out) == 0
    (model,) = load(out, {}).models
    assert (model.predictions.topic, model.predictions.map.features) == (topic, "value.features")
    text = io.StringIO()
    assert tap(out, None, 6, Console(file=text, width=160)) == 0
    assert "6 rows" in text.getvalue()


def test_a_topic_that_does_not_exist(broker: Broker, topic: str, tmp_path: Path) -> None:
    assert init(from_topic=topic, bootstrap=broker.address, out=tmp_path / "driftline.yaml") == 1
    assert topic not in broker.topics()
