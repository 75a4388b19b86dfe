"""What the configuration may say of requests and responses that are logged apart, and what each mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.model import StreamConfig
from monitor.decoding.halves import halves
from tests.config_files import examined, minimal

PAIR = "pair: {request: {where: {value.k: q}}, response: {where: {value.k: a}}}"
MAP = "map: {id: value.id, time: response.value.t, features: request.value.x, score: response.value.s}"


def test_each_half_reads_its_own() -> None:
    stream = StreamConfig.model_validate(
        {
            "topic": "t",
            "where": {"value.model": "m"},
            "feature_names": ["a"],
            "pair": {"request": {"where": {"value.k": "q"}}, "response": {"where": {"value.k": "a"}}},
            "map": {
                "id": "value.id", "time": "response.value.t", "features": "request.value.x",
                "scores": {"a": "response.value.a"}, "decode": {"value.p": "json", "request.value.q": "csv"},
            },
        }
    )  # fmt: skip
    request, response = halves(stream)
    assert request.where == {"value.model": "m", "value.k": "q"}
    assert (request.map.id, request.map.time, request.map.features) == ("value.id", "timestamp", "value.x")
    assert (response.map.time, response.map.features, response.map.scores) == ("value.t", None, {"a": "value.a"})
    assert (request.feature_names, response.feature_names) == (["a"], None)
    assert request.map.decode == {"value.p": "json", "value.q": "csv"}
    assert response.map.decode == {"value.p": "json"}


def test_a_sound_pair_is_taken(tmp_path: Path) -> None:
    found = examined(tmp_path, minimal(predictions=f"topic: t, {PAIR}, {MAP}")).problems
    assert [problem.path for problem in found if "predictions" in problem.path] == []


@pytest.mark.parametrize(
    ("predictions", "path", "message"),
    [
        (f"{PAIR}, map: {{id: value.id, score: value.s}}", "map.score", "must begin with request. or response."),
        (f"{PAIR}, map: {{id: request.value.id}}", "map.id", "need the same id"),
        (f"{PAIR}, explode: 'value.x[*]', {MAP}", "explode", "say it of request and response"),
        (f"pair: {{request: {{}}, response: {{}}}}, {MAP}", "pair", "nothing tells requests"),
        (PAIR.replace("a}}}", "a}}, timeout: 0s}") + f", {MAP}", "pair.timeout", "above 0"),
        (f"{PAIR}, map: {{id: value.id, score: 'response.value['}}", "map.score", "not a path"),
    ],
)
def test_each_mistake_is_told(tmp_path: Path, predictions: str, path: str, message: str) -> None:
    found = examined(tmp_path, minimal(predictions=f"topic: t, {predictions}")).problems
    told = [problem.message for problem in found if problem.path == f"models[0].predictions.{path}"]
    assert any(message in text for text in told), [(problem.path, problem.message) for problem in found]


def test_labels_have_no_halves(tmp_path: Path) -> None:
    text = f"positive_class: 1\nlabels: {{topic: l, {PAIR}}}"
    found = examined(tmp_path, minimal(model=text)).problems
    assert any(problem.path == "models[0].labels.pair" for problem in found)
