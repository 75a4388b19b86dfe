"""Dead letters: what they keep, and how they reach a file."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.root import Config
from monitor.dead_letters import DeadLetter, DeadLetterSink, FileSink, NoSink, TopicSink, build_sink
from monitor.events import Reject

REJECT = Reject(
    topic="p", partition=3, offset=7, row=2, reason="missing_id", detail="no id", model="fraud", log_time=5,
    key=b"k", value=b"\x00{\xff", headers=[("ce_id", b"1"), ("none", None)],
)  # fmt: skip
LETTER = DeadLetter.of(REJECT)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def test_a_letter_keeps_all_of_the_reject_and_its_key() -> None:
    assert LETTER.stable_key == REJECT.stable_key == "p:3:7:2"
    for name in ("topic", "partition", "offset", "row", "reason", "detail", "model", "log_time", "key", "value"):
        assert getattr(LETTER, name) == getattr(REJECT, name)
    assert LETTER.headers == tuple(REJECT.headers)
    bare = DeadLetter.of(REJECT, payload=False)
    assert (bare.key, bare.value, bare.headers) == (None, None, ())


text = st.text(max_size=20)
data = st.none() | st.binary(max_size=50)


@settings(max_examples=100)
@given(
    st.builds(
        DeadLetter,
        topic=text, partition=st.integers(0, 2**31), offset=st.integers(0, 2**62), row=st.none() | st.integers(0, 9),
        reason=text, detail=text, model=st.none() | text, log_time=st.integers(-1, 2**62), key=data, value=data,
        headers=st.lists(st.tuples(text, data), max_size=3).map(tuple),
    )
)  # fmt: skip
def test_letters_survive_the_state_and_fit_one_line_of_json(letter: DeadLetter) -> None:
    assert DeadLetter.from_bytes(letter.to_bytes()) == letter
    line = letter.to_json()
    assert b"\n" not in line
    fields = json.loads(line)
    assert fields["id"] == letter.stable_key
    assert fields["value"] == (None if letter.value is None else base64.b64encode(letter.value).decode())


def test_letters_are_appended_to_the_file_and_all_are_safe(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "dead.jsonl"
    sink = FileSink(path)
    assert sink.publish([]) == 0
    assert sink.publish([LETTER, LETTER]) == 2
    assert sink.publish([LETTER]) == 1
    found = lines(path)
    assert len(found) == 3
    assert found[0] == {
        "id": "p:3:7:2", "topic": "p", "partition": 3, "offset": 7, "row": 2, "reason": "missing_id",
        "detail": "no id", "model": "fraud", "log_time": 5, "key": "aw==", "value": "AHv/",
        "headers": [["ce_id", "MQ=="], ["none", None]],
    }  # fmt: skip
    sink.close()


def test_a_line_torn_by_a_crash_does_not_take_the_next_letter_with_it(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    path.write_bytes(b'{"id": "torn')
    assert FileSink(path).publish([LETTER]) == 1
    torn, whole = path.read_bytes().splitlines()
    assert torn == b'{"id": "torn'
    assert json.loads(whole)["id"] == "p:3:7:2"


def test_the_file_may_be_rotated_between_batches(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    sink = FileSink(path)
    sink.publish([LETTER])
    path.rename(tmp_path / "dead.jsonl.1")
    sink.publish([LETTER])
    assert len(lines(path)) == 1


def test_letters_wait_while_the_file_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dead.jsonl"
    path.mkdir()
    sink = FileSink(path)
    assert [sink.publish([LETTER]) for _ in range(20)] == [0] * 20
    assert capsys.readouterr().out.count("they wait") == 1
    path.rmdir()
    assert sink.publish([LETTER]) == 1


def test_letters_are_on_disk_before_they_count_as_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    assert FileSink(tmp_path / "dead.jsonl").publish([LETTER]) == 0


def test_payloads_stay_out_of_the_file_when_told_so(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    FileSink(path, payload=False).publish([LETTER])
    (found,) = lines(path)
    assert (found["key"], found["value"], found["headers"]) == (None, None, [])


@pytest.mark.parametrize(
    ("settings_", "kind"),
    [
        (None, NoSink), ({}, NoSink), ({"file": "dead.jsonl"}, FileSink), ({"topic": "dead"}, TopicSink),
    ],
)  # fmt: skip
def test_the_configuration_chooses_the_sink(settings_: object, kind: type[DeadLetterSink]) -> None:
    models = [{"name": "m", "predictions": {"topic": "p"}}]
    config = Config.model_validate({"version": 1, "models": models, "kafka": {"dead_letters": settings_}})
    sink = build_sink(config)
    assert isinstance(sink, kind)
    sink.close()


def test_without_a_sink_letters_are_done_with() -> None:
    assert NoSink().publish([LETTER, LETTER]) == 2
