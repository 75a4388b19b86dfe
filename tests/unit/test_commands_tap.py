from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from monitor.commands import tap as module
from monitor.commands.recent import newest, read_recent
from monitor.commands.tap import render, summary, tap
from monitor.config.model import StreamConfig
from monitor.config.root import LimitsConfig
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.sources.memory import PAUSE, Content, Item, MemorySource
from monitor.sources.port import SourceUnavailableError, TopicPartition

CONFIG = """
version: 1
kafka:
  bootstrap_servers: [localhost:1]
  security: {protocol: SASL_SSL, mechanism: SCRAM-SHA-512, username: canary-user, password: canary-password}
defaults: {reference: {learn: 14d}}
models:
  - name: fraud
    predictions: {SOURCE, map: {id: value.id, time: value.ts, features: value.x, score: value.score}}
"""


def value(**keys: Any) -> bytes:
    return json.dumps(
        {"id": "a", "ts": "2026-11-20T10:00:00Z", "x": {"n": 1.5, "c": "DE"}, "score": 0.5, **keys}
    ).encode()


def shown(width: int = 140) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=width, force_terminal=False), out


def config(tmp_path: Path, source: str) -> Path:
    path = tmp_path / "driftline.yaml"
    path.write_text(CONFIG.replace("SOURCE", source))
    return path


def test_recent_takes_the_newest_of_every_partition() -> None:
    logs: dict[TopicPartition, list[Content]] = {
        TopicPartition("t", p): [PAUSE, *(Item(b"%d" % i, log_time=100 * i + p) for i in range(n))]
        for p, n in enumerate((5, 30, 0))
    }
    source = MemorySource(logs)
    found = read_recent(source, "t", 10, monotonic=iter(range(1000)).__next__)
    assert {r.partition: r.offsets for r in found} == {0: [0, 1, 2, 3, 4], 1: list(range(20, 30))}
    last = newest(found, 12)
    assert [(r.partition, r.offsets) for r in last] == [(0, [3, 4]), (1, list(range(20, 30)))]
    assert newest(found, 0) == newest([], 3) == []


def test_recent_reads_the_first_where_asked_and_nothing_where_there_is_nothing() -> None:
    name = TopicPartition("t", 0)
    contents: list[Content] = [b"%d" % i for i in range(9)]
    found = read_recent(MemorySource({name: contents}), "t", 4, from_start=True)
    assert [r.values for r in found] == [[b"0", b"1", b"2", b"3"]]
    assert read_recent(MemorySource({name: []}), "t", 4) == []
    assert read_recent(MemorySource(), "t", 4) == []


def test_recent_gives_up_when_records_do_not_come() -> None:
    class Silent(MemorySource):
        def consume(self, limit: int, timeout: float) -> list[Any]:
            return super().consume(0, timeout) if limit else []

    assert read_recent(Silent({TopicPartition("t", 0): [b"a"]}), "t", 4, monotonic=iter(range(1000)).__next__) == []


def test_raw_and_mapped_stand_side_by_side() -> None:
    stream = StreamConfig.model_validate(
        {"topic": "t", "map": {"id": "value.id", "time": "value.ts", "features": "value.x", "score": "value.score"}}
    )
    source = MemorySource(
        {
            TopicPartition("t", 0): [
                Item(value(x={"n": "text", "c": None}), key=b"key\x1b[31m", headers=(("h", b"[bold]"),)),
                b"{",
                Item(None),
                value(ts=3),
                value(note="\x1b]0;evil\x07"),
                b"[" * 5000,
            ]
        }
    )
    chunks = [Decoder([Schema("fraud", stream, {"n": "numeric", "c": "categorical"})], LimitsConfig()).decode(records)
              for records in read_recent(source, "t", 20)]  # fmt: skip
    console, out = shown()
    console.print(render("t", chunks))
    text = out.getvalue()
    for words in ("n = BAD", "c = missing", "score = 0.5", "2026-11-20T10:00:00.000Z", "REJECTED not_json",
                  "REJECTED bad_time", "REJECTED too_deep", "a deletion mark", "h: [bold]", "fraud"):  # fmt: skip
        assert words in text
    assert "\x1b" not in text
    assert "\x07" not in text
    assert summary(chunks) == (
        "2 rows, 1 decode_fallback, 1 rejected (bad_time), 1 rejected (not_json), 1 rejected (too_deep), 1 tombstone"
    )


def test_tap_reads_a_file_and_shows_no_secret(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join(value(id=str(i)) for i in range(50)) + b"\n")
    console, out = shown()
    assert tap(config(tmp_path, f"file: {log}"), None, 5, console) == 0
    assert "5 rows" in out.getvalue()
    assert "canary" not in out.getvalue()


def test_tap_says_when_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(b"")
    console, out = shown()
    path = config(tmp_path, f"file: {tmp_path / 'log.jsonl'}")
    assert tap(path, None, 5, console) == 1
    assert tap(path, "other", 5, console) == 1
    assert "no model reads other" in out.getvalue()


def test_tap_says_when_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(MemorySource):
        def partitions(self, topics: Iterable[str]) -> dict[str, int]:
            raise SourceUnavailableError(f"no broker for {topics}")

    monkeypatch.setattr(module, "build_source", lambda *_, **__: Gone())
    console, out = shown()
    assert tap(config(tmp_path, "topic: t"), None, 5, console) == 69
    assert "cannot be read: no broker" in out.getvalue()
