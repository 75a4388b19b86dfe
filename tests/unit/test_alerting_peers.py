"""A shard that is missing is told of by the first of the others, and only while it has something to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from monitor.config.load import load
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import SourceUnavailableError, TopicPartition
from monitor.store.memory import MemoryStore
from tests.alerting_service import SECOND, Alerting, Clock

NOW = 1_793_491_200_000_000
CONFIG = """\
version: 1
models: [{{name: m, predictions: {{topic: p, time_format: rfc3339, map: {{id: value.id, time: value.t}}}}}}]
alerts: {{mode: prometheus_only}}
state: {{path: "{folder}/state", shards: {{count: 3, index: {index}}}}}
"""


class Group:
    """Three shards that read one topic of six partitions, each with a clock and a broker in common."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock(NOW)
        self.told: dict[TopicPartition, int] = {}
        self.sources = [MemorySource() for _ in range(3)]
        for source in self.sources:
            source.told = self.told
        self.write(1)
        self.shards = [self._shard(folder / str(index), index) for index in range(3)]

    def _shard(self, folder: Path, index: int) -> Alerting:
        folder.mkdir()
        path = folder / "driftline.yaml"
        path.write_text(CONFIG.format(folder=folder, index=index))
        return Alerting(load(path, {}), folder, MemoryStore(), self.sources[index], self.clock)

    def write(self, records: int) -> None:
        """Append records to every partition."""
        items = [Item(b'{"id": "x"}')] * records
        for source in self.sources:
            for number in range(6):
                source.append(TopicPartition("p", number), *items)

    def pass_by(self, minutes: int, working: Sequence[int], records: int = 1) -> None:
        """Let time pass in which some of the shards work."""
        for _ in range(minutes * 2):
            self.write(records)
            for index in working:
                self.shards[index].turn(0)
            self.clock.wind(30)

    def firing(self, index: int) -> list[str]:
        """Return the shards that one says are missing."""
        listed = self.shards[index].desk.engine.alerts()
        return [one.alert.labels["shard"] for one in listed
                if one.alert.name == "MissingShard" and one.phase == "firing"]  # fmt: skip


@pytest.fixture
def group(tmp_path: Path) -> Group:
    return Group(tmp_path)


def test_the_first_that_works_tells_of_the_one_that_does_not(group: Group) -> None:
    group.pass_by(5, (0, 1, 2))
    assert [group.firing(index) for index in range(3)] == [[], [], []]
    group.pass_by(4, (0, 1))
    assert [group.firing(index) for index in range(2)] == [["2"], []]
    group.pass_by(3, (0, 1, 2))
    assert group.firing(0) == []
    group.pass_by(4, (1, 2))
    assert [group.firing(1), group.firing(2)] == [["0"], []], "another tells when the first is the one"
    group.pass_by(6, (2,))
    assert sorted(group.firing(2)) == ["0", "1"]


def test_a_shard_without_anything_to_read_is_not_missing(group: Group) -> None:
    group.pass_by(3, (0, 1, 2))
    for shard in group.shards:
        shard.settle()
    group.pass_by(30, (0, 1), records=0)
    assert group.firing(0) == []


def test_a_shard_that_never_ran_is_missing(group: Group) -> None:
    group.pass_by(4, (0, 1))
    assert group.firing(0) == ["2"]


def test_while_no_broker_answers_nobody_is_missing(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    group.pass_by(2, (0, 1, 2))

    def silent(_: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        raise SourceUnavailableError("nobody answers")

    monkeypatch.setattr(group.sources[0], "committed", silent)
    group.pass_by(10, (0,))
    assert group.firing(0) == []
    monkeypatch.undo()
    group.pass_by(1, (0,))
    assert group.firing(0) == [], "the time in which nothing was known does not count"
    group.pass_by(3, (0,))
    assert sorted(group.firing(0)) == ["1", "2"]


def test_one_process_watches_nobody(tmp_path: Path) -> None:
    path = tmp_path / "driftline.yaml"
    path.write_text(CONFIG.format(folder=tmp_path, index=0).replace("count: 3", "count: 1"))
    asked: list[object] = []
    source = MemorySource({TopicPartition("p", 0): [Item(b"{}")]})
    count: Callable[..., dict[TopicPartition, int]] = source.committed
    source.committed = lambda inputs: asked.append(inputs) or count(inputs)  # type: ignore[method-assign,func-returns-value]
    one = Alerting(load(path, {}), tmp_path, MemoryStore(), source, Clock(NOW))
    for _ in range(20):
        one.turn(30)
    assert (asked, one.clock.now) == ([], NOW + 600 * SECOND)
