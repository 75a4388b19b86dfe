"""``driftline replay`` over predictions and labels: findings of outcomes come with those of the inputs."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle

from monitor.commands.replay import ReplayOptions, replay
from monitor.events import DAY, HOUR

BEGIN = 1_793_491_200_000_000
ROWS = 4000
CONFIG = """\
version: 1
kafka: {{bootstrap_servers: ["unused:9092"]}}
models:
  - name: m
    positive_class: 1
    decision: "score >= 0.5"
    predictions: {{file: "{folder}/p.jsonl", time_format: epoch_us,
      map: {{score: value.score, features: value.features, version: value.version}}}}
    labels: {{file: "{folder}/l.jsonl", time_format: epoch_us, matures_after: 12h,
      map: {{id: value.id, time: value.at, label: value.truth}}}}
    join: {{wait: 1d}}
    performance: {{learn: 1d, min_labels: 50}}
    windows: {{daily: {{size: 1d, slide: 1h, lateness: 30m}}}}
state: {{path: "{folder}/state"}}
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], list[tuple[int, float, int]]]:
    """Return the findings of four days, on the last of which labels mean the opposite, and the labelled rows."""
    folder = tmp_path_factory.mktemp("outcomes")
    rng = random.Random(8)
    predictions, labels, rows = [], [], []
    for number in range(ROWS):
        time, score = BEGIN + number * (4 * DAY // ROWS), round(rng.random(), 4)
        row = {"prediction_id": f"i{number}", "ts": time, "score": score, "version": "1", "features": {"a": score}}
        predictions.append(json.dumps(row))
        truth = int(rng.random() < score)
        truth = 1 - truth if number >= 3 * ROWS // 4 else truth
        if rng.random() < 0.8:
            labels.append((time + rng.randrange(4 * HOUR), {"id": f"i{number}", "truth": truth}))
            rows.append((time, score, truth))
    labels.sort(key=lambda label: label[0])
    for number in range(20):  # time moves on once several records agree
        time = BEGIN + 6 * DAY + number
        labels.append((time, {"id": "none", "truth": 1}))
        predictions.append(json.dumps({"prediction_id": f"e{number}", "ts": time, "score": 0.5, "version": "1"}))
    (folder / "p.jsonl").write_text("\n".join(predictions) + "\n")
    (folder / "l.jsonl").write_text("\n".join(json.dumps({"at": at, **label}) for at, label in labels) + "\n")
    config = folder / "driftline.yaml"
    config.write_text(CONFIG.format(folder=folder))
    assert replay(config, {}, ReplayOptions(json=folder / "out.jsonl")) == 0
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()], rows


def day(found: list[dict[str, Any]], number: int, column: str, detector: str) -> dict[str, Any]:
    start = f"2026-11-0{number}T00:00:00Z"
    return next(
        row
        for row in found
        if (row["window"], row["window_start"], row["column"], row["detector"])
        == ("daily:outcomes", start, column, detector)
    )


def test_each_day_says_what_its_labels_say(told: tuple[list[dict[str, Any]], list[tuple[int, float, int]]]) -> None:
    found, rows = told
    for number in range(1, 5):
        begin = BEGIN + (number - 1) * DAY
        mine = [(score, truth) for time, score, truth in rows if begin <= time < begin + DAY]
        score, truth = np.array([s for s, _ in mine]), np.array([t for _, t in mine])
        accuracy = day(found, number, "accuracy", "performance")
        assert accuracy["statistic"] == pytest.approx(oracle.accuracy_score(truth, score >= 0.5), abs=1e-9)
        loss = day(found, number, "log_loss", "performance_matured")
        assert loss["statistic"] == pytest.approx(oracle.log_loss(truth, score), abs=1e-9)
        assert day(found, number, "labels", "coverage")["statistic"] == pytest.approx(len(mine) / (ROWS / 4), abs=1e-3)


def test_the_day_that_turns_is_found_and_no_other(
    told: tuple[list[dict[str, Any]], list[tuple[int, float, int]]],
) -> None:
    found, _ = told
    assert day(found, 2, "accuracy", "performance_change")["status"] == "ok"
    assert day(found, 3, "accuracy", "performance_change")["status"] == "ok"
    assert day(found, 4, "accuracy", "performance_change")["status"] == "drift"
    assert day(found, 4, "accuracy", "estimate")["statistic"] > 0.6
    assert day(found, 4, "accuracy", "estimate")["status"] == "warn", "labels contradict the estimate"
    assert day(found, 4, "ece", "calibration")["status"] == "warn"
