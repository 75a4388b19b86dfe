"""Predictions that carry their label: no second stream, the same figures."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from monitor.commands.replay import isolated
from monitor.events import SECOND
from monitor.opening import open_pipeline
from monitor.sources.build import build_source
from tests.config_files import loaded, minimal, problems
from tests.river import guarded

BEGIN = 1_793_577_600_000_000
MODEL = """\
version: 1
models:
  - name: m
    positive_class: 1
    decision: score >= 0.5
    predictions:
      file: p.jsonl
      time_format: epoch_us
      map: {id: value.id, time: value.at, score: value.s, label: value.y}
    join: {wait: 1h}
    reference: {learn: 7d}
    detectors: [{kind: adwin, delta: 0.01}]
state: {path: state}
"""


def test_both_sides_of_one_row_meet(tmp_path: Path) -> None:
    rng = random.Random(3)
    lines, errors, bad, without = [], [], 0, 0
    for number in range(4000):
        truth, wrong, dice = rng.randint(0, 1), rng.random() < (0.1 if number < 2000 else 0.5), rng.random()
        row = {"id": f"r{number}", "at": BEGIN + number * SECOND, "s": 0.9 if truth != wrong else 0.1}
        if dice < 0.8:
            row["y"] = truth
            errors.append(float(wrong))
        elif dice < 0.9:
            row["y"] = rng.choice([7, "maybe", {"a": 1}])
            bad += 1
        else:
            without += 1
            row |= rng.choice([{}, {"y": None}])
        lines.append(json.dumps(row) + "\n")
    # a row that is logged twice counts once
    lines.insert(101, lines[100])
    twice = "y" in (row := json.loads(lines[100])) and row["y"] in {0, 1}
    (tmp_path / "p.jsonl").write_text("".join(lines))
    config = isolated(loaded(tmp_path, MODEL), str(tmp_path / "s"), tmp_path / "p.jsonl")
    pipeline = open_pipeline(config, build_source(config, follow=False))
    try:
        while pipeline.step(0.0):
            pipeline.checkpoint()
        pipeline.finish()
        joining = pipeline.joinings["m"]
        rows = joining.join.counters
        assert rows["prediction", "joined"] == rows["label", "joined"] == len(errors)
        assert (rows["prediction", "duplicate"], rows["label", "duplicate"]) == (1, int(twice))
        assert sum(joining.counters.values()) == rows["label", "invalid"] == bad
        assert rows["maturity", "labelled"] + rows["maturity", "unlabelled"] + rows["maturity", "waiting"] == 4000
        assert 0 < rows["maturity", "waiting"] < 200
        assert joining.join.tally.unaccounted() == {}
        assert joining.concept is not None
        (view,) = joining.concept.views()
        alarms = guarded("adwin", {"delta": 0.01}, errors[: view.rows])
        assert view.drifts == len(alarms) > 0
        assert view.rows > len(errors) - 200
    finally:
        pipeline.close()


@pytest.mark.parametrize(
    ("model", "path", "message"),
    [
        ("positive_class: 1\nlabels: {topic: l}", "predictions.map.label", "predictions carry their labels"),
        ("", "labels", "labels of a binary model need positive_class"),
        ("task: multiclass", "labels", "labels of a multiclass model need classes"),
    ],
)
def test_what_is_wrong_with_them(tmp_path: Path, model: str, path: str, message: str) -> None:
    found = problems(tmp_path, minimal("topic: t, map: {id: value.id, score: value.s, label: value.y}", model=model))
    assert [problem.path for problem in found] == [f"models[0].{path}"]
    assert message in str(found[0])
