from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
import zstandard

from monitor.commands.guess import guess
from monitor.commands.init import configure, init, lines_of
from monitor.commands.starter import write
from monitor.config.load import load
from monitor.config.quoting import scalar
from monitor.config.root import Config, LimitsConfig
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import Headers, Records

N = 200


def flat(i: int) -> dict[str, Any]:
    return {
        "request_id": f"r{i}", "timestamp": 1_700_000_000_000 + i, "sepal_len": 5.1 + i, "color": "red", "pred": i % 3,
        "model_version": 3, "tags": ["a"], "volume": 7,
    }  # fmt: skip


def nested(i: int) -> dict[str, Any]:
    draw = random.Random(i)
    return {
        "prediction_id": f"p{i}", "ts": f"2026-11-20T10:00:{i % 60:02d}Z", "model": "fraud" if i % 2 else "churn/eu",
        "model_version": "7", "score": draw.random(), "latency_ms": 12,
        "features": {"amount": draw.gauss(0, 1), "country": draw.choice("ab"), "user": f"u{i}", "on": True, "a.b": 1,
                     "odd": [1, "x"][i % 2], "never": None, "loan amount": i if i % 4 else None, "score": 1},
    }  # fmt: skip


def records(values: list[Any], headers: list[Headers] | None = None, keys: list[bytes | None] | None = None) -> Records:
    n = len(values)
    texts: list[bytes | None] = [v if isinstance(v, bytes) else json.dumps(v).encode() for v in values]
    return Records("t", 0, n, list(range(n)), [1_000_000] * n, False, keys or [None] * n, texts, headers or [])


def loaded(text: str, tmp_path: Path) -> Config:
    path = tmp_path / "driftline.yaml"
    path.write_text(text)
    return load(path, {})


def made(tmp_path: Path, *found: Records, topic: str | None = "t", file: Path | None = None) -> tuple[str, Config]:
    text = configure(found, topic=topic, file=file, bootstrap="k1:9092,k2:9092")
    assert text is not None
    return text, loaded(text, tmp_path)


def test_nested_records_of_two_models(tmp_path: Path) -> None:
    found = records([nested(i) for i in range(N)])
    text, config = made(tmp_path, found)
    assert [m.name for m in config.models] == ["churn-eu", "fraud"]
    assert [m.predictions.where for m in config.models] == [{"value.model": "churn/eu"}, {"value.model": "fraud"}]
    model = config.models[1]
    assert model.predictions.map.model_dump(exclude_defaults=True) == {
        "version": "value.model_version", "score": "value.score", "latency": "value.latency_ms",
        "features": "value.features",
    }  # fmt: skip
    assert (model.predictions.map.id, model.predictions.map.time) == ("value.prediction_id", "value.ts")
    assert {name: feature.type for name, feature in model.features.items()} == {
        "amount": "numeric", "country": "categorical", "user": "id", "on": "categorical", "a.b": "numeric",
        "odd": "ignore", "loan amount": "numeric",
    }  # fmt: skip
    assert model.reference is not None
    assert model.reference.learn == 14 * 86_400_000_000
    assert config.kafka.bootstrap_servers == ["k1:9092", "k2:9092"]
    for words in ("read as rfc3339", "2 different values", "25.0% missing", "2 models on this log", "always null"):
        assert words in text
    chunk = Decoder([Schema.of(m) for m in config.models], LimitsConfig()).decode(found)
    assert sum(map(len, chunk.batches)) == N
    assert not chunk.rejects


def test_flat_records_of_a_file(tmp_path: Path) -> None:
    found = records([flat(i) for i in range(N)])
    _, config = made(tmp_path, found, topic=None, file=Path("log.jsonl"))
    (model,) = config.models
    stream = model.predictions
    assert (stream.file, stream.time_format, model.task) == ("log.jsonl", "epoch_ms", "multiclass")
    assert (stream.map.id, stream.map.time, stream.map.prediction) == (
        "value.request_id", "value.timestamp", "value.pred",
    )  # fmt: skip
    assert stream.map.features == {"sepal_len": "value.sepal_len", "color": "value.color"}
    (batch,) = Decoder([Schema.of(model)], LimitsConfig()).decode(found).batches
    assert len(batch) == N
    assert set(batch.columns) == {"prediction", "sepal_len", "color"}


def test_rows_in_one_message_with_positional_features_and_headers(tmp_path: Path) -> None:
    headers: list[Headers] = [
        [("ce_id", f"{i}".encode()), ("ce_time", b"2026-11-20T10:00:00Z"), ("ce_inferenceservicename", b"iris")]
        for i in range(N)
    ]
    found = records([{"instances": [[6.8, 2.8], [6.0, 3.4]]}] * N, headers, [f"k{i}".encode() for i in range(N)])
    _, config = made(tmp_path, found)
    (model,) = config.models
    stream = model.predictions
    assert model.name == "iris"
    assert stream.where == {"headers.ce_inferenceservicename": "iris"}
    assert (stream.explode, stream.feature_names) == ("value.instances[*]", ["f0", "f1"])
    assert (stream.map.id, stream.map.time, stream.map.features) == ("{key}:{row}", "headers.ce_time", "row")
    (batch,) = Decoder([Schema.of(model)], LimitsConfig()).decode(found).batches
    assert len(batch) == 2 * N


def test_without_id_and_time_the_log_stands_in(tmp_path: Path) -> None:
    found = records([{"x": {"a": i}, "id": 1, "ts": "yesterday"} for i in range(N)])
    text, config = made(tmp_path, found)
    stream = config.models[0].predictions
    assert (stream.map.id, stream.map.time) == ("{topic}:{partition}:{offset}", "timestamp")
    assert "labels cannot be joined" in text
    (batch,) = Decoder([Schema.of(config.models[0])], LimitsConfig()).decode(found).batches
    assert batch.ids[:2] == ["t:0:0", "t:0:1"]


@pytest.mark.parametrize("divisor", [1, 1000, 1_000_000])
def test_epochs_are_told_apart_by_size_and_said_aloud(tmp_path: Path, divisor: int) -> None:
    found = records(
        [{"id": i, "ts": 1_700_000_000_000_000 // divisor + i, "score": 0.5, "x": {"a": 1}} for i in range(N)]
    )
    text, config = made(tmp_path, found)
    form = {1: "epoch_us", 1000: "epoch_ms", 1_000_000: "epoch_s"}[divisor]
    assert config.models[0].predictions.time_format == form
    assert f"read as {form}, the first is 2023-11-14T22:13:20Z" in text


def test_regression_is_guessed_from_many_different_numbers(tmp_path: Path) -> None:
    _, config = made(
        tmp_path, records([{"id": i, "ts": "2026-11-20T10:00:00Z", "prediction": i / 7} for i in range(N)])
    )
    assert config.models[0].task == "regression"


def test_broken_records_are_passed_over(tmp_path: Path) -> None:
    odd: list[Any] = [b"", b"{", b"[1]", b"[" * 10_000, b"\xff", {}, {'a"b': 1, "": 2, "\ud800": 3}, {"": None}]
    _, config = made(tmp_path, records(odd + [nested(i) for i in range(N)]))
    assert [m.name for m in config.models] == ["churn-eu", "fraud"]
    assert configure([records([b"{", b"[1]"])], topic="t", file=None, bootstrap="") is None
    text, config = made(tmp_path, records([{}]))
    assert "my-model" in text


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "on",
        "a: b",
        "${HOME}",
        "${file:/etc/passwd}",
        "$${x}",
        "# no",
        "é",
        "\n",
        "'",
        '"',
        "\x7f",
        "-",
        "1",
        "",
    ],
)
def test_any_text_survives_being_written(tmp_path: Path, text: str) -> None:
    value = {"id": "i", "ts": "2026-11-20T10:00:00Z", "model": text or "x", "features": {"f": 1}, "score": 0.1}
    _, config = made(tmp_path, records([value] * 3))
    assert config.models[0].predictions.where == {"value.model": text or "x"}
    assert scalar("value.x[0]") == "value.x[0]"


def test_an_empty_guess_still_validates(tmp_path: Path) -> None:
    text = write(guess([], {}), topic="t", file=None, bootstrap="localhost:9092")
    assert loaded(text, tmp_path).models[0].name == "my-model"


@pytest.mark.parametrize("kind", ["plain", "gz", "zst"])
def test_init_writes_a_file_that_loads(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    raw = b"\n".join(json.dumps(nested(i)).encode() for i in range(600)) + b"\n"
    log = tmp_path / f"log.jsonl{'' if kind == 'plain' else '.' + kind}"
    log.write_bytes({"plain": lambda b: b, "gz": gzip.compress, "zst": zstandard.compress}[kind](raw))
    out = tmp_path / "made.yaml"
    assert init(from_file=log, out=out) == 0
    assert load(out, {}).models[0].predictions.file == str(log)
    assert "500 rows" in capsys.readouterr().err
    before = out.read_text()
    assert init(from_file=log, out=out) == 1
    assert out.read_text() == before
    assert init(from_file=log, out=Path("-")) == 0
    assert capsys.readouterr().out == before


def test_init_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "made.yaml"
    assert init(out=out) == 2
    assert init(from_file=tmp_path / "absent", from_topic="t", out=out) == 2
    assert init(from_file=tmp_path / "absent", out=out) == 69
    broken = tmp_path / "broken.gz"
    broken.write_bytes(b"no gzip")
    assert init(from_file=broken, out=out) == 69
    empty = tmp_path / "empty"
    empty.write_bytes(b"\n\nnot json\n")
    assert init(from_file=empty, out=out) == 1
    assert not out.exists()
    assert "no JSON objects" in " ".join(capsys.readouterr().err.split())


def test_a_long_line_is_not_read_whole(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * (3 << 20) + b"\n{}\n")
    (found,) = lines_of(log)
    assert max(len(value or b"") for value in found.values) <= 1 << 20
