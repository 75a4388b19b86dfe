"""Records that end the process: found one by one, set aside, and nothing else is lost for it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.config.load import load
from monitor.crashes import AT_ONCE, NAME, _sealed
from monitor.decoding.decoder import Decoder
from monitor.events import Chunk, Records
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.sources.memory import MemorySource
from monitor.sources.port import TopicPartition
from tests.crash.fatal import DIED, FATAL, ONE, clean, main, stream
from tests.crash.killing import VICTIMS
from tests.crash.poison import TOPIC, configure, harm, run
from tests.crash.runs import Outcome, drain, outcome_of


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return a run over the clean stream."""
    return run(configure(tmp_path_factory.mktemp("clean")), clean())


class DeadError(BaseException):
    """The process is gone."""


class Deadly(Decoder):
    """Dies of the wrong record, without taking the test along."""

    def decode(self, records: Records) -> Chunk:
        if any(value is not None and FATAL in value for value in records.values):
            raise DeadError
        return super().decode(records)


class Mortal(Decoder):
    """Dies after so many calls, whatever it is given."""

    left: Iterator[int]

    def decode(self, records: Records) -> Chunk:
        if next(self.left, None) is None:
            raise DeadError
        return super().decode(records)


def live(path: Path, *, most: int, fault: Callable[[str], None] = lambda _: None) -> tuple[Outcome, int]:
    """Start the service until it comes to the end of the stream; return how often it had to be started again."""
    logs = {TopicPartition(TOPIC, number): log for number, log in stream().dirty.items()}
    for restarts in range(most + 1):
        pipeline = open_pipeline(load(path, {}), MemorySource(logs), base=path.parent)
        for decoder in pipeline.decoders.values():
            decoder.__class__ = Deadly
        pipeline.fault = fault
        try:
            drain(pipeline)
            return outcome_of(pipeline), restarts
        except DeadError:
            continue
        finally:
            pipeline.close()
    pytest.fail(f"not done after {most} restarts")


def test_each_fatal_record_is_set_aside_after_a_few_deaths(tmp_path: Path, undisturbed: Outcome) -> None:
    mixed = stream()
    outcome, restarts = live(configure(tmp_path), most=5 * len(mixed.letters))
    assert harm(outcome, undisturbed, mixed) == []
    assert restarts >= 4


def test_a_fault_in_native_code_is_survived(tmp_path: Path, undisturbed: Outcome) -> None:
    """The same with processes that really die."""
    path, mixed = configure(tmp_path), stream(ONE)
    deaths = 0
    while deaths <= 5:
        process = VICTIMS.Process(target=main, args=(str(path),))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == DIED
        deaths += 1
    assert deaths == 5
    logs = {TopicPartition(TOPIC, number): log for number, log in mixed.dirty.items()}
    pipeline = open_pipeline(load(path, {}), MemorySource(logs), base=path.parent)
    assert harm(outcome_of(pipeline), undisturbed, mixed) == []
    pipeline.close()


@pytest.mark.parametrize("point", ["before_apply", "before_write", "after_write", "after_commit"])
def test_deaths_that_no_record_is_to_blame_for_set_none_aside(tmp_path: Path, undisturbed: Outcome, point: str) -> None:
    """Killed six times at the same place, the service reads on, record by record, and refuses nothing."""
    path, mixed = configure(tmp_path), stream({0: (), 1: ()})
    logs = {TopicPartition(TOPIC, number): log for number, log in mixed.dirty.items()}

    def fault(name: str) -> None:
        if name == point:
            raise DeadError

    careful = set()
    for _ in range(6):
        pipeline = open_pipeline(load(path, {}), MemorySource(logs), base=path.parent)
        careful.add(bool(pipeline.guard.careful))
        pipeline.fault = fault
        with pytest.raises(DeadError):
            drain(pipeline)
        pipeline.close()
    stuck = point == "before_write"
    assert careful == {False, stuck}, "what was written, or never handed out, is not to blame"
    pipeline = open_pipeline(load(path, {}), MemorySource(logs, seed=3), base=path.parent)
    drain(pipeline)
    outcome = outcome_of(pipeline)
    pipeline.close()
    assert harm(outcome, undisturbed, mixed) == []


def killed_at_random(path: Path, deaths: int) -> tuple[list[dict[TopicPartition, list[int]]], list[int]]:
    """Kill the service over another record each time; return what it refused, and how far it was, at each start."""
    logs = {TopicPartition(TOPIC, number): log for number, log in stream({0: (), 1: ()}).dirty.items()}
    rng = random.Random(4)
    refused, reached = [], []
    for _ in range(deaths):
        pipeline = open_pipeline(load(path, {}), MemorySource(logs), base=path.parent)
        refused.append(pipeline.guard.refused)
        reached.append(sum(pipeline.positions().values()))
        left = iter(range(rng.randrange(1, 300) if pipeline.guard.careful else 0))
        for decoder in pipeline.decoders.values():
            decoder.__class__ = Mortal
            decoder.__dict__["left"] = left
        with suppress(DeadError):
            drain(pipeline)
        pipeline.close()
    return refused, reached


def test_records_over_which_somebody_else_killed_the_process_are_not_set_aside(
    tmp_path: Path, undisturbed: Outcome
) -> None:
    path = configure(tmp_path)
    refused, reached = killed_at_random(path, 12)
    assert not any(refused)
    assert reached[:4] == [0, 0, 0, 0]
    assert reached[-1] > 0, "it gets on between its deaths"
    logs = {TopicPartition(TOPIC, number): log for number, log in stream({0: (), 1: ()}).dirty.items()}
    pipeline = open_pipeline(load(path, {}), MemorySource(logs), base=path.parent)
    drain(pipeline)
    assert harm(outcome_of(pipeline), undisturbed, stream({0: (), 1: ()})) == []
    pipeline.close()


@pytest.mark.parametrize("deaths", [0, 4])
def test_the_state_is_written_often_only_while_records_are_read_one_by_one(tmp_path: Path, deaths: int) -> None:
    path = configure(tmp_path)
    killed_at_random(path, deaths)
    logs = {TopicPartition(TOPIC, number): log for number, log in stream({0: (), 1: ()}).dirty.items()}
    pipeline = open_pipeline(load(path, {}), MemorySource(logs), base=path.parent)
    pipeline.monotonic = lambda: pipeline._written_at
    read = pipeline.step(0.1)
    assert bool(pipeline.guard.careful) == (deaths > 0)
    assert (0 < read <= AT_ONCE, pipeline.due()) == ((True, True) if deaths else (False, False))
    pipeline.close()


def test_a_note_of_an_older_layout_is_no_note(tmp_path: Path) -> None:
    path = configure(tmp_path)
    folder = tmp_path / "state" / "store"
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(b"\0" * 512 + _sealed([[[TOPIC, 0, 0, 9]], []]))
    pipeline = opened(path)
    assert not pipeline.guard.careful
    assert pipeline.guard.starts[TopicPartition(TOPIC, 0)] == (0, 1)
    pipeline.close()


def test_one_death_is_not_enough_to_blame_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.crashes.BLAMED", 1)
    refused, _ = killed_at_random(configure(tmp_path), 12)
    assert any(refused)


def test_an_orderly_end_counts_against_nothing(tmp_path: Path) -> None:
    path = configure(tmp_path)
    for _ in range(6):
        pipeline = open_pipeline(load(path, {}), MemorySource({TopicPartition(TOPIC, 0): []}), base=path.parent)
        pipeline.step(0)
        pipeline.checkpoint()
        assert not pipeline.guard.careful
        pipeline.close()


def test_records_are_read_in_bulk_again_once_the_place_is_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Outcome
) -> None:
    monkeypatch.setattr("monitor.pipeline._BATCH", 64)
    mixed = stream()
    with capture_logs() as said:
        outcome, _ = live(configure(tmp_path), most=5 * len(mixed.letters))
    assert harm(outcome, undisturbed, mixed) == []
    events = [one["event"] for one in said]
    assert events.count("records are read in bulk again") >= 2


@pytest.mark.parametrize("data", [b"", b"x", b"\0" * 600, bytes(range(256)) * 3])
def test_a_damaged_note_is_no_note(tmp_path: Path, data: bytes) -> None:
    path = configure(tmp_path)
    folder = tmp_path / "state" / "store"
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(data)
    pipeline = opened(path)
    assert not pipeline.guard.careful
    assert not pipeline.guard.refused
    pipeline.close()


def opened(path: Path) -> Pipeline:
    return open_pipeline(load(path, {}), MemorySource({TopicPartition(TOPIC, 0): []}), base=path.parent)


def test_a_build_that_notes_nothing_never_gets_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.crashes.CrashGuard._note", lambda *_: None)
    with pytest.raises(pytest.fail.Exception, match="not done"):
        live(configure(tmp_path), most=8)
