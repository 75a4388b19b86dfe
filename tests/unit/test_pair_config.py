"""What the configuration may say of requests and responses that are logged apart, and what each mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.model import ModelConfig, StreamConfig, stream_name, stream_names
from monitor.config.stream_checks import unlike_topics, untold_layout
from monitor.decoding.halves import halves
from monitor.origins import origins_of
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


APART = "pair: {request: {topic: q}, response: {topic: a}}"


@pytest.mark.parametrize(
    ("predictions", "names"),
    [
        (f"{APART}", ("a", "q")),
        ("topic: a, pair: {request: {topic: q}, response: {}}", ("a", "q")),
        ("topic: q, pair: {request: {}, response: {topic: a}}", ("a", "q")),
        (f"topic: t, {PAIR}", ("t",)),
    ],
)
def test_halves_in_two_topics_are_taken(tmp_path: Path, predictions: str, names: tuple[str, ...]) -> None:
    result = examined(tmp_path, minimal(predictions=f"{predictions}, {MAP}"))
    assert [problem.path for problem in result.problems if "predictions" in problem.path] == []
    assert result.config is not None
    stream = result.config.models[0].predictions
    assert (stream_name(stream), stream_names(stream)) == (names[0], names)
    request, response = halves(stream)
    assert (response.topic, request.topic) == (names[0], names[-1])


@pytest.mark.parametrize(
    ("predictions", "path", "message"),
    [
        (f"topic: t, {APART}, {MAP}", "topic", "neither requests nor responses"),
        (f"file: f, {APART}, {MAP}", "pair.request.topic", "meet in that file only"),
        (f"file: f, {PAIR}, {MAP}", "map.time", "both halves need one"),
        (f"pair: {{request: {{topic: q}}, response: {{}}}}, {MAP}", "", "exactly one of topic and file"),
        (f"topic: t, pair: {{request: {{topic: t}}, response: {{}}}}, {MAP}", "pair", "nothing tells requests"),
    ],
)
def test_halves_that_cannot_meet_are_told(tmp_path: Path, predictions: str, path: str, message: str) -> None:
    found = examined(tmp_path, minimal(predictions=predictions)).problems
    where = f"models[0].predictions.{path}".rstrip(".")
    assert any(message in problem.message for problem in found if problem.path == where), found


def test_a_topic_is_no_part_of_where_cells_come_from() -> None:
    streams = [
        StreamConfig.model_validate(
            {"topic": "t", "pair": {"request": {**more}, "response": {}}, "map": {"score": "response.value.s"}}
        )
        for more in ({}, {"topic": "q"})
    ]
    assert origins_of(streams[0]) == origins_of(streams[1])


def test_several_processes_need_both_halves_laid_out_alike() -> None:
    model = ModelConfig.model_validate(
        {"name": "m", "predictions": {"pair": {"request": {"topic": "q"}, "response": {"topic": "a"}}}}
    )
    assert unlike_topics(model, {"q": 2, "a": 3}, 1) is None
    assert unlike_topics(model, {"q": 2, "a": 2}, 2) is None
    assert "a request would not meet its response" in str(unlike_topics(model, {"q": 2, "a": 3}, 2))
    assert untold_layout(model, 1) is None
    assert "requests meet responses only where both are keyed by the id" in str(untold_layout(model, 2))


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
