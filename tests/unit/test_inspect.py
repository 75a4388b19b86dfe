"""Looking into a state: beside the process that writes it, without a trace, and whatever is wrong with it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

import monitor
from monitor.commands.inspect import STATE_ERROR, inspect
from monitor.inspection import NAMES, ClockState, inspect_state
from monitor.keys import compose
from monitor.store.rocks import RocksStore
from monitor.watermark import NEVER


def partition(offset: int) -> bytes:
    return msgspec.msgpack.encode(
        {
            "format": 1,
            "offsets": {"predictions": offset, "labels": offset // 2},
            "clocks": {"fraud": [1_793_491_200_000_000, [1, 2], 2, False], "credit": [NEVER, [], 0, True]},
            "held": {"fraud": [b"secret row", b"secret row"]},
            "counters": [["", "records", offset], ["fraud", "late", 3]],
        }
    )


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RocksStore]:
    """Yield a store that this process has open, with a generation and a later write that is only in the log."""
    with closing(RocksStore.open(tmp_path / "store", create=True)) as store:
        queued = {compose(b"Q", 0, f"predictions:0:{i}", "not_json"): b"secret payload" for i in range(4)}
        store.write({compose(b"S", 0): partition(100), compose(b"S", 1): partition(10), **queued}, (), sync=True)
        store.snapshot()
        store.write(
            {compose(b"S", 0): partition(250), compose(b"T", 0): msgspec.msgpack.encode({"a": "b"})}, (), sync=True
        )
        yield store


def test_a_running_state_is_read_without_a_trace(running: RocksStore, tmp_path: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    found = inspect_state(tmp_path)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before
    assert found == inspect_state(running.path)
    assert found.last_process == os.getpid()
    live = found.live
    assert live is not None
    assert (live.schema, live.commit) == (1, 3)
    assert live.offsets == {"labels[0]": 125, "labels[1]": 5, "predictions[0]": 250, "predictions[1]": 10}
    assert live.counters == {"fraud/late": 6, "records": 260}
    assert live.clocks[:2] == (
        ClockState("fraud", 0, 1_793_491_200_000_000, 2, idle=False),
        ClockState("credit", 0, None, 0, idle=True),
    )
    kinds = {kind.name: kind for kind in live.namespaces}
    assert kinds["partitions"].keys == 2
    assert kinds["dead letters waiting"].keys == 4
    assert kinds["dead letters waiting"].bytes > 4 * len(b"secret payload")
    assert live.values == {"topic ids/0": {"a": "b"}}
    (generation,) = found.generations
    assert (generation.number, generation.commit, generation.problem) == (1, 2, None)
    assert generation.offsets["predictions[0]"] == 100
    assert generation.behind == {"labels[0]": 75, "labels[1]": 0, "predictions[0]": 150, "predictions[1]": 0}


def test_the_report_names_what_matters_and_no_payload(
    running: RocksStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running.write({b"zz": b"secret", compose(b"S", 7): b"\xc1", compose(b"C", 0, "fraud"): b"\xc1"}, (), sync=True)
    assert inspect(tmp_path, as_json=False) == 0
    text = capsys.readouterr().out
    for line in (
        "  predictions[0]  250",
        "  fraud[0]   2026-11-01T00:00:00Z, 2 rows held",
        "  credit[0]  never, idle",
        "  fraud/late  6",
        "predictions[0] reads on at 100, 150 records to repeat",
        "unknown b'z'",
        "1 bytes that this version does not understand",
        "1 bytes that are not msgpack",
    ):
        assert line in text
    assert "secret" not in text


def test_json_holds_the_same(running: RocksStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert running.generation() == 1
    assert inspect(tmp_path, as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["live"]["offsets"]["predictions[0]"] == 250
    assert found["generations"][0]["behind"]["predictions[0]"] == 150


def test_no_state_is_said_plainly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(tmp_path, as_json=False) == STATE_ERROR
    assert "PROBLEM       there is no state in" in capsys.readouterr().out


def test_damage_is_reported_not_raised(
    running: RocksStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("monitor.store.peek._PAUSE", 0.0)
    running.snapshot()
    running.close()
    (running.path / "live" / "CURRENT").unlink()
    (running.path / "generations/000001/CURRENT").unlink()
    (running.path / "generations/000002/driftline.head").unlink()
    assert inspect(running.path, as_json=False) == STATE_ERROR
    text = capsys.readouterr().out
    assert text.count("PROBLEM") == 3
    assert "records to repeat" not in text


def test_what_was_put_aside_is_listed(running: RocksStore, capsys: pytest.CaptureFixture[str]) -> None:
    running.close()
    (running.path / "live" / "CURRENT").unlink()
    with closing(RocksStore.open(running.path, create=True)) as store:
        assert store.recovery is not None
        assert inspect(running.path, as_json=False) == 0
        assert f"put aside as damaged: {store.recovery.kept}" in capsys.readouterr().out


def test_every_kind_of_key_has_a_letter_and_a_name_of_its_own() -> None:
    found = {
        f"{file.stem}.{name}": letter
        for file in sorted(Path(monitor.__path__[0]).rglob("*.py"))
        for name, letter in re.findall(
            r'^([A-Z]+): Final = b"([A-Za-z])"$', file.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert len(found) > 25
    shared = [place for place, letter in found.items() if list(found.values()).count(letter) > 1]
    assert shared == []
    assert {letter.encode() for letter in found.values()} <= NAMES.keys()
