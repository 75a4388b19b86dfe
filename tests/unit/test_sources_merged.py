"""One source over several, and the source that a configuration asks for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from monitor.config.root import Config
from monitor.sources.build import MissingExtraError, build_source, needs_headers
from monitor.sources.files import FileSource
from monitor.sources.kafka import KafkaPythonSource
from monitor.sources.librdkafka import LibrdkafkaSource
from monitor.sources.memory import MemorySource
from monitor.sources.merged import MergedSource
from monitor.sources.port import LostRecordsError, TopicPartition

A, B, C = TopicPartition("a", 0), TopicPartition("b", 0), TopicPartition("c", 0)


def merged() -> tuple[MergedSource, MemorySource, MemorySource]:
    first = MemorySource({A: [b"a%d" % n for n in range(5)], B: [b"b%d" % n for n in range(5)]})
    second = MemorySource({C: [b"c%d" % n for n in range(5)]})
    return MergedSource({"a": first, "b": first, "c": second}), first, second


def test_questions_are_answered_by_whoever_knows_the_topic() -> None:
    source, _, _ = merged()
    assert source.partitions(["a", "c", "d"]) == {"a": 1, "c": 1}
    assert set(source.topic_ids(["a", "b", "c", "d"])) == {"a", "b", "c"}
    assert source.start_offsets([A, C], "latest") == source.end_offsets([A, C]) == {A: 5, C: 5}


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_reading_takes_from_all_within_the_limit(limit: int) -> None:
    source, _, _ = merged()
    source.assign({A: 0, B: 2, C: 4})
    seen: list[bytes | None] = []
    for _ in range(20):
        polled = source.consume(limit, 0)
        assert sum(map(len, polled)) <= limit
        seen += [value for records in polled for value in records.values]
    assert sorted(filter(None, seen)) == [b"a0", b"a1", b"a2", b"a3", b"a4", b"b2", b"b3", b"b4", b"c4"]
    assert source.consume(limit, 0.1) == []


def test_pausing_seeking_and_committing_reach_the_right_source() -> None:
    source, first, second = merged()
    source.assign({A: 5, B: 5, C: 5})
    source.pause([A, C])
    for name in (A, B, C):
        source.seek(name, 4)
    assert [records.values for records in source.consume(10, 0)] == [[b"b4"]]
    source.resume([A, C])
    assert sorted(records.values[0] or b"" for records in source.consume(10, 0)) == [b"a4", b"c4"]
    source.commit({A: 1, C: 2})
    assert (first.told, second.told) == ({A: 1}, {C: 2})
    with pytest.raises(LostRecordsError):
        source.assign({A: 0, C: 77})
    source.close()


def config(**changes: object) -> Config:
    model = {"name": "m", "predictions": {"topic": "p"}}
    return Config.model_validate({"version": 1, "models": [model], **changes})


def models(*streams: dict[str, object]) -> list[dict[str, object]]:
    return [{"name": f"m{number}", "predictions": stream} for number, stream in enumerate(streams)]


def test_topics_come_from_the_client_that_is_named() -> None:
    source = build_source(config())
    assert isinstance(source, KafkaPythonSource)
    source.close()
    source = build_source(config(kafka={"client": "librdkafka"}))
    assert isinstance(source, LibrdkafkaSource)
    source.close()


def test_files_need_no_cluster_and_bear_the_name_of_their_topic(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_bytes(b"1\n")
    source = build_source(config(models=models({"topic": "p", "file": str(file)}, {"file": str(file)})), follow=False)
    assert isinstance(source, FileSource)
    assert source.partitions(["p", str(file)]) == {"p": 1, str(file): 1}
    source.assign({TopicPartition("p", 0): 0})
    assert [records.topic for records in source.consume(1, 0)] == ["p"]
    source.close()


def test_the_limit_on_records_holds_for_lines_too(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_bytes(b"x" * 5000 + b"\n")
    limits = {"max_record_bytes": "1KiB"}
    source = build_source(config(models=models({"file": str(file)}), limits=limits), follow=False)
    source.assign({TopicPartition(str(file), 0): 0})
    assert [len(value or b"") for records in source.consume(1, 0) for value in records.values] == [1025]
    source.close()


def test_files_and_topics_together_are_merged(tmp_path: Path) -> None:
    source = build_source(config(models=models({"topic": "p"}, {"file": str(tmp_path / "q.jsonl")})))
    assert isinstance(source, MergedSource)
    source.close()


@pytest.mark.parametrize(
    ("stream", "wanted"),
    [
        ({"topic": "p"}, False),
        ({"topic": "p", "map": {"id": "headers.ce_id"}}, True),
        ({"topic": "p", "map": {"id": "{headers.ce_id}:{row}"}}, True),
        ({"topic": "p", "map": {"features": {"a": "headers.a"}}}, True),
        ({"topic": "p", "where": {"headers.model": "m"}}, True),
    ],
)
def test_headers_are_read_only_when_a_mapping_names_them(stream: dict[str, object], wanted: bool) -> None:
    assert needs_headers(config(models=models(stream))) is wanted
    assert needs_headers(config(models=models(stream), kafka={"dead_letters": {"file": "dead.jsonl"}}))


def test_a_missing_extra_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "monitor.sources.librdkafka", raising=False)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'driftline\[librdkafka\]'"):
        build_source(config(kafka={"client": "librdkafka"}))
