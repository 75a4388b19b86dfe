"""Labels of entities through the service's own code: two files in, judged predictions out."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from monitor.commands.replay import isolated
from monitor.events import MINUTE, SECOND
from monitor.opening import open_pipeline
from monitor.sources.build import build_source
from tests.config_files import examined, loaded, minimal, problems

BEGIN = 1_793_577_600_000_000
ROWS = 3_000
MODEL = """\
version: 1
models:
  - name: m
    positive_class: 1
    decision: score >= 0.5
    predictions:
      file: p.jsonl
      time_format: epoch_us
      map: {id: value.id, time: value.at, score: value.s, entity: value.who}
    labels:
      file: l.jsonl
      time_format: epoch_us
      match: last_before
      map: {id: value.who, time: value.at, label: value.y}
    join: {wait: 4h}
    reference: {learn: 7d}
state: {path: state}
"""


def log(folder: Path) -> tuple[int, int, int]:
    """Write predictions about 40 customers and labels about them; return those joined, orphans, and those unnamed."""
    rng = random.Random(7)
    last: dict[int, int] = {}
    joined, orphans, unnamed, rows, labels = set(), 0, 0, [], []
    for number in range(ROWS):
        at, who = BEGIN + number * 10 * SECOND, rng.randrange(40)
        named = rng.random() < 0.95
        unnamed += not named
        rows.append({"id": f"r{number}", "at": at, "s": rng.random(), **({"who": f"c{who}"} if named else {})})
        if named:
            last[who] = number
        if rng.random() < 0.5:
            about = rng.randrange(42)
            labels.append({"who": f"c{about}", "at": at + 5 * SECOND, "y": rng.randint(0, 1)})
            if about in last:
                joined.add(last[about])
            else:
                orphans += 1
    for name, lines in (("p.jsonl", rows), ("l.jsonl", labels)):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return len(joined), orphans, unnamed


def test_labels_find_the_last_prediction_of_their_customer(tmp_path: Path) -> None:
    joined, orphans, unnamed = log(tmp_path)
    config = isolated(loaded(tmp_path, MODEL), str(tmp_path / "s"), tmp_path / "p.jsonl", tmp_path / "l.jsonl")
    # the last labels wait for grace, so the logs go on for a while
    with (tmp_path / "p.jsonl").open("a") as file:
        file.writelines(
            json.dumps({"id": f"x{n}", "at": BEGIN + ROWS * 10 * SECOND + n * MINUTE, "s": 0.1}) + "\n"
            for n in range(20)
        )
    pipeline = open_pipeline(config, build_source(config, follow=False))
    try:
        while pipeline.step(0.0):
            pipeline.checkpoint()
        pipeline.finish()
        view = pipeline.joinings["m"].view()
        assert view.rows["prediction", "joined"] == view.rows["label", "joined"] == joined
        assert view.rows["label", "orphan"] == orphans
        assert view.entities == {"unnamed": unnamed + 20, "overflow": 0}
        assert pipeline.joinings["m"].join.tally.unaccounted() == {}
    finally:
        pipeline.close()


@pytest.mark.parametrize(
    ("labels", "entity", "path", "message"),
    [
        ("match: last_before, map: {id: value.c}", "", "labels.match", "needs the entity; set predictions.map.entity"),
        ("match: last_before", ", entity: value.c", "labels.match", "needs the entity that labels name"),
        ("match: last", ", entity: value.c", "labels.match", "not one of: id, last_before"),
        ("map: {entity: value.c}", "", "labels.map.entity", "is not read from labels"),
    ],
)
def test_what_matching_needs(tmp_path: Path, labels: str, entity: str, path: str, message: str) -> None:
    text = minimal(
        f"topic: t, map: {{id: value.id{entity}}}", model=f"positive_class: 1\nlabels: {{topic: l, {labels}}}"
    )
    found = problems(tmp_path, text)
    assert [problem.path for problem in found] == [f"models[0].{path}"]
    assert message in str(found[0])


def test_an_entity_that_nothing_uses_is_doubtful(tmp_path: Path) -> None:
    text = minimal("topic: t, map: {id: value.id, entity: value.c}", model="positive_class: 1\nlabels: {topic: l}")
    assert "is not used: labels name predictions" in str(examined(tmp_path, text).problems)
