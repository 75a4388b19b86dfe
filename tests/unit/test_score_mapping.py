"""Where the scores of several classes may stand in a record, and what each mistake in the mapping is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.config.model import ModelConfig
from monitor.config.root import LimitsConfig
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import Records
from tests.config_files import examined, minimal

CLASSES = ["cat", "dog", "1"]


def decoded(stream: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    config = ModelConfig(
        name="m", task="multiclass", classes=["cat", "dog", 1],
        predictions={"topic": "p", **stream},
    )  # fmt: skip
    record = {"prediction_id": "a", "ts": "2026-11-01T00:00:00Z", **value}
    decoder = Decoder([Schema.of(config, {"x": "numeric"})], LimitsConfig())
    chunk = decoder.decode(Records("p", 0, 1, [0], [0], True, [None], [json.dumps(record).encode()]))
    batch = chunk.batches[0]
    cells = {name: column[0] for name, column in batch.columns.items() if name.startswith("scores[")}
    return {**cells, "bad": sorted(batch.bad)}


@pytest.mark.parametrize(
    ("stream", "value"),
    [
        ({"map": {"scores": "value.p"}}, {"p": {"cat": 0.5, "dog": 0.25, "1": 0.25, "more": 3}}),
        ({"map": {"scores": "value.p"}, "score_names": ["dog", "cat", 1]}, {"p": [0.25, 0.5, 0.25]}),
        (
            {"map": {"scores": {"cat": "value.c", "dog": "value.d[0]", "1": "value.o"}}},
            {"c": 0.5, "d": [0.25], "o": 0.25},
        ),
        (
            {"map": {"scores": "row.p", "id": "{value.prediction_id}:{row}"}, "explode": "value.rows[*]"},
            {"rows": [{"p": {"cat": 0.5, "dog": 0.25, "1": 0.25}}]},
        ),
    ],
)
def test_scores_are_read_wherever_they_stand(stream: dict[str, Any], value: dict[str, Any]) -> None:
    expected = {"scores[cat]": 0.5, "scores[dog]": 0.25, "scores[1]": 0.25, "bad": []}
    assert decoded(stream, value) == expected


def test_a_score_that_is_no_number_is_a_bad_cell() -> None:
    found = decoded({"map": {"scores": "value.p"}}, {"p": {"cat": "0.5", "dog": 0.5}})
    assert found["bad"] == ["scores[cat]"]
    assert np.isnan(found["scores[cat]"])
    assert np.isnan(found["scores[1]"])


def test_what_stands_around_a_record_is_that_of_its_rows_also_where_rows_are_as_many_as_records() -> None:
    stream = {"explode": "value.rows[*]", "map": {"id": "{key}:{row}", "time": "timestamp", "score": "row"}}
    config = ModelConfig(name="m", predictions={"topic": "p", **stream})
    values: list[bytes | None] = [b'{"rows": [1, 2]}', b'{"rows": []}']
    records = Records("p", 0, 2, [0, 1], [10, 20], True, [b"first", b"second"], values)
    batch = Decoder([Schema.of(config, {})], LimitsConfig()).decode(records).batches[0]
    assert (batch.ids, batch.times.tolist()) == (["first:0", "first:1"], [10, 10])


SCORED = "map: {prediction: value.y, scores: value.p}"


@pytest.mark.parametrize(
    ("model", "predictions", "path", "message"),
    [
        ("", SCORED, "predictions.map.scores", "only several classes"),
        ("task: multiclass", SCORED, "predictions.map.scores", "needs classes"),
        (
            "task: multiclass\nclasses: [a, b]",
            "map: {scores: {a: value.a, c: value.c}}",
            "predictions.map.scores",
            "must be the classes",
        ),
        (
            "task: multiclass\nclasses: [a, b]",
            "score_names: [a, b], map: {prediction: value.y}",
            "predictions.score_names",
            "needs map.scores",
        ),
        (
            "task: multiclass\nclasses: [a, b]",
            "score_names: [a, a], map: {scores: value.p}",
            "predictions.score_names",
            "must be the classes",
        ),
        (
            "task: multiclass\nclasses: [a, b]\nlabels: {topic: l}\nperformance: {tops: [1.5]}",
            "map: {scores: value.p}",
            "performance.tops",
            "whole numbers",
        ),
        (
            "task: multiclass\nclasses: [a, b]\nlabels: {topic: l}\nperformance: {tops: [1]}",
            "map: {prediction: value.p}",
            "performance.tops",
            "needs the scores",
        ),
    ],
)
def test_each_mistake_is_told(tmp_path: Path, model: str, predictions: str, path: str, message: str) -> None:
    found = examined(tmp_path, minimal(model=model, predictions=predictions)).problems
    told = [problem.message for problem in found if problem.path == f"models[0].{path}"]
    assert any(message in text for text in told), [(problem.path, problem.message) for problem in found]
