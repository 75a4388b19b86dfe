"""Change events from a topic: each is kept once, whatever crashes, and what is none is left out."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.change_events import ChangeReader, NoEventError, decode, follow_changes
from monitor.config.root import ChangeEventsConfig
from monitor.evidence import orders as orders_module
from monitor.evidence.orders import Event, Orders
from monitor.sources.memory import CRASH, PAUSE, Content, Item, MemorySource, SimulatedCrashError
from monitor.sources.port import SourceUnavailableError, TopicPartition
from tests.evidence_service import configured

TOPIC = "deploys"
CONFIG = ChangeEventsConfig(topic=TOPIC, start="earliest")
FIRST, SECOND = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)


def record(what: str, **more: object) -> Item:
    """Return a record that was logged at second 7."""
    return Item(json.dumps({"what": what, **more}).encode(), log_time=7_000_000)


def reader(folder: Path, source: MemorySource, config: ChangeEventsConfig = CONFIG) -> ChangeReader:
    """Return a reader that has gone to where it goes on."""
    made = ChangeReader(config, {"fraud"}, Orders(folder), source, lambda: 99)
    made.open()
    return made


def told(folder: Path) -> list[str]:
    """Return what was kept."""
    return [order.because for order in Orders(folder).after(0)]


def test_an_event_becomes_an_order(tmp_path: Path) -> None:
    at = record("model v7", kind="release", model="fraud", at="1970-01-01T00:00:05Z")
    source = MemorySource({FIRST: [at, record("campaign"), record("not ours", model="churn")]})
    assert reader(tmp_path, source).turn() == 2
    first, second = Orders(tmp_path).after(0)
    assert (first.kind, first.who, first.at) == ("event", "topic deploys", 99)
    assert (first.model, first.column, first.until, first.because) == ("fraud", "release", 5_000_000, "model v7")
    assert (second.model, second.column, second.until) == ("", "deploy", 7_000_000)


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b"{", b"[1]", b"3", b"\xff", b"{}", b'{"what": ""}', b'{"what": 3}', b'{"what": "x", "who": "y"}',
        b'{"what": "x", "at": "yesterday"}', b'{"what": "x", "at": 5}', b'{"what": "x", "kind": ["a"]}',
        b'{"what": "' + b"x" * 2_001 + b'"}', b'{"what": "x", "kind": "' + b"k" * 101 + b'"}', b"[" * 40_000,
        b'{"what": "x"}' + b" " * 70_000,
    ],
)  # fmt: skip
def test_what_is_no_event_is_left_out_and_passed_over(tmp_path: Path, value: bytes | None) -> None:
    with pytest.raises(NoEventError):
        decode(value, 0, CONFIG)
    source = MemorySource({FIRST: [Item(value), record("after")]})
    assert reader(tmp_path, source).turn() == 1
    assert told(tmp_path) == ["after"]


def test_times_are_of_the_format_or_of_the_log() -> None:
    seconds = ChangeEventsConfig(topic=TOPIC, time_format="epoch_s")
    assert decode(b'{"what": "x", "at": 1.5}', 3, seconds) == Event("", "deploy", 1_500_000, "x")
    assert decode(b'{"what": " x ", "at": null}', 3, seconds) == Event("", "deploy", 3, "x")
    with pytest.raises(NoEventError, match="at is no time"):
        decode(b'{"what": "x"}', -1, seconds)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.sampled_from(["event", "crash", "pause", "junk"]), max_size=30),
    st.lists(st.sampled_from(["event", "crash", "pause", "junk"]), max_size=30),
    st.integers(0, 99),
)
def test_each_event_is_kept_once_whatever_crashes(one: list[str], other: list[str], seed: int) -> None:
    import tempfile  # noqa: PLC0415 - hypothesis wants a folder for each example

    made: dict[TopicPartition, list[Content]] = {FIRST: [], SECOND: []}
    expected = []
    for name, kinds in ((FIRST, one), (SECOND, other)):
        for number, kind in enumerate(kinds):
            if kind == "event":
                expected.append(f"{name.partition}.{number}")
            items: dict[str, Content] = {
                "event": record(f"{name.partition}.{number}"),
                "junk": Item(b"{"),
                "crash": CRASH,
                "pause": PAUSE,
            }
            made[name].append(items[kind])
    with tempfile.TemporaryDirectory() as folder:
        source = MemorySource(made, seed=seed)
        for _ in range(1 + (one + other).count("crash")):
            try:
                again = reader(Path(folder), source)
                for _ in range(3 * len(one + other) + 20):
                    again.turn()
            except SimulatedCrashError:
                continue
        assert sorted(told(Path(folder))) == sorted(expected)


def test_events_and_position_are_written_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = MemorySource({FIRST: [record("a")]})
    opened = reader(tmp_path, source)
    with sqlite3.connect(tmp_path / orders_module.FILE) as file:
        file.execute("CREATE TRIGGER no BEFORE INSERT ON places BEGIN SELECT RAISE(ABORT, 'full'); END")
    with pytest.raises(Exception, match="full"):
        opened.turn()
    assert told(tmp_path) == []
    with sqlite3.connect(tmp_path / orders_module.FILE) as file:
        file.execute("DROP TRIGGER no")
    assert reader(tmp_path, source).turn() == 1
    monkeypatch.setattr(orders_module, "READ_MOST", 1)
    Orders(tmp_path).add(at=1, who="ann", model="", column="deploy", until=1, because="by hand", kind="event")
    source.append(FIRST, record("b"), record("c"))
    reader(tmp_path, source).turn()
    assert told(tmp_path) == ["by hand", "c"]


def test_latest_begins_at_the_end_and_goes_on_from_there(tmp_path: Path) -> None:
    latest = ChangeEventsConfig(topic=TOPIC)
    source = MemorySource({FIRST: [record("old")]})
    assert reader(tmp_path, source, latest).turn() == 0
    source.append(FIRST, record("while it was down"))
    source.append(SECOND, record("in a new partition"))
    reader(tmp_path, source, latest).turn()
    assert sorted(told(tmp_path)) == ["in a new partition", "while it was down"]


def test_lost_records_and_a_topic_made_anew(tmp_path: Path) -> None:
    source = MemorySource({FIRST: [record("a"), record("b"), record("c")]})
    opened = reader(tmp_path, source)
    source.delete_records(FIRST, 2)
    assert (opened.turn(), opened.turn()) == (0, 1)
    source.recreate(TOPIC)
    source.append(FIRST, record("d"))
    assert (opened.turn(), opened.turn()) == (0, 1)
    assert reader(tmp_path, source).turn() == 0
    assert told(tmp_path) == ["c", "d"]
    source.recreate(TOPIC)
    source.append(FIRST, record("e"))
    assert reader(tmp_path, source).turn() == 1


def test_a_topic_that_does_not_exist_is_waited_for(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match="no topic deploys"):
        reader(tmp_path, MemorySource())


def test_one_process_of_several_reads(tmp_path: Path) -> None:
    config = configured(tmp_path)
    assert follow_changes(config, threading.Event()) is None
    shards = config.state.shards.model_copy(update={"count": 2, "index": 1})
    state = config.state.model_copy(update={"shards": shards})
    other = config.model_copy(update={"change_events": CONFIG, "state": state})
    assert follow_changes(other, threading.Event()) is None
