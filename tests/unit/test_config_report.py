"""What ``driftline validate`` says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from monitor.commands.schema import schema
from monitor.commands.validate import check_inputs, validate
from monitor.config.document import render, sections
from monitor.config.load import load
from monitor.config.report import check_source, check_state_path
from monitor.config.report import validate as report
from monitor.sources.port import Source, SourceUnavailableError
from tests.config_files import FIFTEEN_LINES, FULL, minimal, write

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"


def test_a_sound_configuration_says_what_will_be_watched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "hunter2", "secret")
    assert validate(write(tmp_path, FULL), no_environment=True) == 0
    out, err = capsys.readouterr()
    for words in (
        "is sound", "localhost:9092 (SASL_SSL, SCRAM-SHA-512)", "kept in driftline.dlq",
        "fraud-scorer: binary_classification, owner team-payments", "topic ml.predictions where value.model fits",
        "flagged at score >= 0.92", "learnt from the first 2w",
        "daily: 1d every 1h, closes 30m late, from 2000 rows on",
        "psi on features, score in window daily: warn 0.1, alert 0.25", "blind to  anything in windows of fewer than",
    ):  # fmt: skip
        assert words in out
    assert err == ""


def test_errors_go_to_stderr_and_end_in_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, minimal("topik: t", extra="kafka: {start: latest}"))
    assert validate(path, no_environment=True) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"{path}:4:18: models[0].predictions: needs exactly one of topic and file [E109]",
        f"{path}:4:19: models[0].predictions.topik: unknown key; did you mean topic? [E104]",
        f"warning: {path}:5:16: kafka.start: what was logged before the first start is never read [W101]",
    ]


def test_a_file_that_is_not_there_ends_in_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(tmp_path / "none.yaml", no_environment=True) == 78
    assert "cannot be read" in capsys.readouterr().err


class Topics:
    """Just enough of a source to ask for its partitions."""

    def __init__(self, counts: dict[str, int], *, up: bool = True) -> None:
        self.counts = counts
        self.up = up

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """See ``Source``."""
        if not self.up:
            raise SourceUnavailableError("no broker answered at https://joe:hunter2@host")
        return {topic: self.counts[topic] for topic in topics if topic in self.counts}


def found(tmp_path: Path, text: str, source: Topics) -> list[tuple[str, str, bool]]:
    """Return what validation with this source finds."""
    real: Source = source  # type: ignore[assignment]  # only partitions is asked for
    problems, _ = report(write(tmp_path, text), {}, check_broker=lambda config: check_source(config, real))
    return [(p.path, p.message, p.is_warning) for p in problems if "not kept" not in p.message]


def test_the_broker_is_asked_for_every_topic(tmp_path: Path) -> None:
    text = minimal(extra="kafka: {dead_letters: {topic: d}}\nstate: {shards: {count: 2}}")
    assert found(tmp_path, text, Topics({"t": 2, "d": 1})) == []
    assert found(tmp_path, text, Topics({"d": 1})) == [("models[0].predictions.topic", "no such topic", False)]
    assert found(tmp_path, text, Topics({"t": 2})) == [("kafka.dead_letters.topic", "no such topic", False)]
    few = "has 1 partitions, fewer than shards.count"
    assert found(tmp_path, text, Topics({"t": 1, "d": 1})) == [("models[0].predictions.topic", few, True)]
    assert found(tmp_path, text, Topics({}, up=False)) == [
        ("kafka.bootstrap_servers", "no broker answered at https://***@host", False)
    ]


def test_the_topics_of_both_halves_must_exist(tmp_path: Path) -> None:
    pair = "pair: {request: {topic: q}, response: {}}"
    roles = "map: {id: value.id, time: response.value.t, features: request.value.x, score: response.value.s}"
    text = minimal(predictions=f"topic: t, {pair}, {roles}")
    assert found(tmp_path, text, Topics({"t": 3, "q": 2})) == []
    assert found(tmp_path, text, Topics({"t": 3})) == [
        ("models[0].predictions.pair.request.topic", "no such topic", False)
    ]


def test_what_several_processes_need_is_said(tmp_path: Path) -> None:
    text = minimal(model="positive_class: 1\nlabels: {topic: l}", extra="state: {shards: {count: 2}}")
    (path, message, warning), *more = found(tmp_path, text, Topics({"t": 2, "l": 2}))
    assert (path, warning, more) == ("models[0].labels", True, [])
    assert "keyed by the id" in message
    (path, message, warning), *more = found(tmp_path, text, Topics({"t": 4, "l": 2}))
    assert (path, warning, more) == ("models[0].labels", False, [])
    assert "repartition one of them" in message


def test_without_a_broker_the_command_ends_in_78(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = minimal(extra=f"kafka: {{bootstrap_servers: ['127.0.0.1:{port}'], request_timeout: 1s}}")
    command = [str(Path(sys.executable).with_name("driftline")), "validate", "-c", str(write(tmp_path, text))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (78, "")
    assert "kafka.bootstrap_servers: no broker answered" in done.stderr


def test_input_files_are_looked_for(tmp_path: Path) -> None:
    here = write(tmp_path, '{"value": 1}\n', "a.jsonl")
    config = load(write(tmp_path, minimal(f"file: {here}")), {})
    assert list(check_inputs(config)) == []
    config = load(write(tmp_path, minimal(f"file: {tmp_path}/none.jsonl")), {})
    assert [(c.steps, c.message) for c in check_inputs(config)] == [
        (("models", 0, "predictions", "file"), "no such file")
    ]


def test_the_states_folder_must_be_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(write(tmp_path, minimal(extra=f"state: {{path: {tmp_path}/a/b}}")), {})
    assert list(check_state_path(config, tmp_path)) == []
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert [c.message for c in check_state_path(config, tmp_path)] == ["cannot be written by this user"]
    monkeypatch.undo()
    write(tmp_path, "", "file")
    config = load(write(tmp_path, minimal(extra=f"state: {{path: {tmp_path}/file/b}}")), {})
    assert [c.message for c in check_state_path(config, tmp_path)] == ["cannot be written by this user"]


def test_the_summary_of_fifteen_lines_names_what_it_is_blind_to(tmp_path: Path) -> None:
    _, summary = report(write(tmp_path, FIFTEEN_LINES), {"KAFKA": "b:1"}, check_broker=None)
    assert "blind to  drift and volume, until the reference is learnt" in summary
    assert "blind to  a stream that stops, by volume, until rows come again: the alert" in summary
    assert "blind to  anything but their number of rows in windows of fewer than 200 rows" in summary
    _, summary = report(write(tmp_path, minimal()), {}, check_broker=None)
    assert "map.score is not set" in summary
    assert "map.features is not set" in summary


def test_named_features_leave_new_fields_unseen(tmp_path: Path) -> None:
    named = write(tmp_path, minimal("topic: t, map: {features: {amount: value.amount}}"))
    _, summary = report(named, {}, check_broker=None)
    assert "blind to  fields that records begin to carry" in summary
    whole = write(tmp_path, minimal("topic: t, map: {features: value.features}"))
    assert "fields that records begin to carry" not in report(whole, {}, check_broker=None)[1]


def test_the_reference_page_is_up_to_date() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == render(), (
        "run: python -m monitor.config.document > docs/reference/configuration.md"
    )


def test_the_reference_page_explains_every_key() -> None:
    rows = [line for line in render().splitlines() if line.startswith("| `")]
    assert len(rows) == sum(len(section.model_fields) for section, _ in sections())
    assert [row for row in rows if row.endswith("|  |")] == []


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema() == 0
    assert capsys.readouterr().out.startswith('{\n  "$schema"')


def test_slices_are_told_with_what_they_need(tmp_path: Path) -> None:
    text = minimal("topic: t, map: {features: value.f}", model="slices: [{by: [country, tier], min_samples: 50}]")
    _, summary = report(write(tmp_path, text), {}, check_broker=None)
    assert "slices    by country and tier: 20 values, from 50 rows on" in summary
