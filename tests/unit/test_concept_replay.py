"""Alarms of concept drift through the service's own code: two files in, findings out."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from monitor.commands.replay import ReplayOptions, replay
from monitor.events import HOUR, SECOND
from tests.river import guarded

ROWS = 4_000
BEGIN = 1_793_577_600_000_000
STEP = 3 * SECOND
CONFIG = """\
version: 1
models:
  - name: m
    positive_class: 1
    decision: score >= 0.5
    predictions:
      file: p.jsonl
      time_format: epoch_us
      map: {id: value.id, time: value.at, version: value.v, score: value.s}
    labels: {file: l.jsonl, time_format: epoch_us, map: {id: value.id, time: value.at, label: value.y}}
    join: {wait: 1d}
    reference: {learn: 7d}
    detectors: [{kind: adwin, delta: 0.01}, {kind: ddm, warm_start: 10}]
state: {path: state}
"""


def log(tmp_path: Path) -> list[tuple[int, str, float]]:
    """Write predictions and labels up to an hour later; return moment, version and error in the order of moments."""
    rng = random.Random(5)
    rows, labels = [], []
    for number in range(ROWS):
        at, version = BEGIN + number * STEP, rng.choice("ab")
        score, wrong = rng.choice([0.2, 0.9]), rng.random() < (0.1 if number < ROWS // 2 or version == "b" else 0.5)
        rows.append({"id": f"r{number}", "at": at, "v": version, "s": score})
        said = at + rng.randint(1, HOUR)
        labels.append((said, number, int((score >= 0.5) != wrong), version, float(wrong)))
    labels.sort()
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = [json.dumps({"id": f"r{number}", "at": said, "y": truth}) for said, number, truth, _, _ in labels]
    (tmp_path / "l.jsonl").write_text("\n".join(texts) + "\n")
    return [(said, version, error) for said, _, _, version, error in labels]


def test_replay_finds_what_river_finds(tmp_path: Path) -> None:
    pairs = log(tmp_path)
    config, out = tmp_path / "driftline.yaml", tmp_path / "out.jsonl"
    config.write_text(CONFIG)
    predictions, labels = tmp_path / "p.jsonl", tmp_path / "l.jsonl"
    assert replay(config, {}, ReplayOptions(predictions=predictions, labels=labels, json=out)) == 0
    found = [row for line in out.read_text().splitlines() if (row := json.loads(line))["window"] == "concept"]
    # the clocks' slack is a minute, and so are the join's buckets; what lies beyond stays open at the end of a log
    last = max(at for at, _, _ in pairs)
    drifts = set()
    for version in "ab":
        own = [pair for pair in pairs if pair[1] == version]
        for kind, parameters in (("adwin", {"delta": 0.01}), ("ddm", {"warm_start": 10})):
            for index, level in guarded(kind, parameters, [error for _, _, error in own]):
                if level == "drift":
                    drifts.add((version, kind, own[index][0] // HOUR * HOUR))
    told = {(row["version"], row["detector"], row["window_start"]) for row in found if row["status"] == "drift"}
    assert {(version, kind, text(start)) for version, kind, start in drifts} == told
    assert {version for version, kind, _ in told if kind == "adwin"} == {"a"}
    rows = {(row["version"], row["window_start"]): row["n"] for row in found}
    whole = {text(start) for start in range(BEGIN, last // HOUR * HOUR, HOUR)}
    for (version, start), number in rows.items():
        hour = [pair for pair in pairs if pair[1] == version and text(pair[0] // HOUR * HOUR) == start]
        assert number == len(hour) or start not in whole
        mean = next(row["statistic"] for row in found if (row["version"], row["window_start"]) == (version, start))
        assert start not in whole or np.isclose(mean, np.mean([error for _, _, error in hour]))
    assert whole <= {start for _, start in rows}


def text(time: int) -> str:
    """Return a time as findings write it."""
    return datetime.fromtimestamp(time / 1e6, UTC).isoformat().replace("+00:00", "Z")
