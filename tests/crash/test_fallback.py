"""The state is damaged and goes back to a generation: counts are read again, dead letters are not sent again."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monitor.config.load import load
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.published import NAME
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.recovery import LIVE
from monitor.store.rocks import RocksStore
from tests.crash.bad_records import BAD_TIMES, BROKEN_JSON, EMPTY, NO_ROW
from tests.crash.poison import Mixed, configure, mix
from tests.crash.runs import Outcome, drain, letters_of, outcome_of

SMALL = [one for one in (*BROKEN_JSON, *NO_ROW, *EMPTY, *BAD_TIMES) if len(one.value or b"") < 5_000]
TAKEN, LOST, END = 300, 600, 1050
"""Places in each partition: where a generation is taken, and where the damaged state had come to."""


@pytest.fixture(scope="module")
def mixed() -> Mixed:
    return mix(SMALL)


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory: pytest.TempPathFactory, mixed: Mixed) -> Outcome:
    """Return what a run without damage says."""
    service = Service(tmp_path_factory.mktemp("undamaged"), mixed)
    for place in (TAKEN, LOST, END):
        service.read(place)
    return service.outcome


@dataclass
class Service:
    """A state on disk, and a topic that grows."""

    folder: Path
    mixed: Mixed
    outcome: Outcome = field(init=False)

    def __post_init__(self) -> None:
        self.path = configure(self.folder)

    @property
    def store(self) -> Path:
        return self.folder / "state" / "store"

    @contextmanager
    def opened(self, until: int) -> Iterator[Pipeline]:
        logs = {TopicPartition("p", n): log[:until] for n, log in self.mixed.dirty.items()}
        pipeline = open_pipeline(load(self.path, {}), MemorySource(logs, seed=until), base=self.folder)
        try:
            yield pipeline
            self.outcome = outcome_of(pipeline)
        finally:
            pipeline.close()

    def read(self, until: int, *, snapshot: bool = False) -> None:
        """Read up to a place, as one process."""
        with self.opened(until) as pipeline:
            drain(pipeline)
            if snapshot:
                pipeline.assembly.store.snapshot()

    def damage(self) -> None:
        """Spoil the middle of every file of the live state that no generation shares."""
        for file in (self.store / LIVE).iterdir():
            if file.stat().st_nlink == 1 and file.stat().st_size:
                data = bytearray(file.read_bytes())
                middle = len(data) // 2
                data[middle : middle + 16] = bytes(byte ^ 0x5A for byte in data[middle : middle + 16])
                file.write_bytes(bytes(data))

    def letters(self) -> list[tuple[str, str]]:
        return letters_of(load(self.path, {}))


@pytest.fixture
def damaged(tmp_path: Path, mixed: Mixed) -> Service:
    """Return a service whose state is damaged; the generation to fall back to lies well before that."""
    service = Service(tmp_path, mixed)
    service.read(TAKEN, snapshot=True)
    service.read(LOST)
    service.damage()
    return service


def assert_as_undamaged(service: Service, undamaged: Outcome) -> None:
    assert service.outcome.windows == undamaged.windows
    assert service.outcome.cells == undamaged.cells
    assert service.outcome.clocks == undamaged.clocks
    assert service.outcome.counters == undamaged.counters
    assert Counter(service.letters()) == Counter(undamaged.letters)


def test_no_letter_is_sent_again_and_none_is_missing(damaged: Service, undamaged: Outcome) -> None:
    sent = damaged.letters()
    assert max(Counter(sent).values()) == 1
    with damaged.opened(END) as pipeline:
        store = pipeline.assembly.store
        assert isinstance(store, RocksStore)
        assert store.recovery is not None
        assert set(pipeline.positions().values()) == {TAKEN}
        assert set(pipeline.hold.offsets.values()) == {LOST}
        drain(pipeline)
        assert not pipeline.hold
    assert damaged.letters()[: len(sent)] == sent
    assert_as_undamaged(damaged, undamaged)


def test_without_the_mark_letters_are_sent_twice(damaged: Service, undamaged: Outcome) -> None:
    """What the mark is for; a damaged mark is no mark."""
    file = damaged.store / NAME
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    damaged.read(END)
    counted = Counter(damaged.letters())
    assert set(counted) == set(undamaged.letters)
    assert max(counted.values()) == 2
    assert damaged.outcome.windows == undamaged.windows


def test_the_mark_holds_over_crashes_while_reading_again(damaged: Service, undamaged: Outcome) -> None:
    """Killed at the very start, and again and again on the way back to where the state was."""
    for until in (TAKEN, TAKEN + 1, TAKEN + 90, LOST - 1, LOST, LOST + 1):
        damaged.read(until)
    damaged.read(END)
    assert_as_undamaged(damaged, undamaged)


def test_what_was_acknowledged_is_not_sent_again_by_the_next_process(tmp_path: Path, mixed: Mixed) -> None:
    """The state learns of an acknowledgement with the next write, which need not come."""
    service = Service(tmp_path, mixed)
    with service.opened(TAKEN) as pipeline:
        pipeline.step(0)
        pipeline.checkpoint()
        waiting = len(service.letters())
        assert waiting
    service.read(TAKEN)
    assert max(Counter(service.letters()).values()) == 1
    assert len(service.letters()) >= waiting


def test_a_second_damage_goes_back_once_more(damaged: Service, undamaged: Outcome) -> None:
    damaged.read(TAKEN + 100)
    damaged.damage()
    damaged.read(LOST + 100)
    damaged.damage()
    damaged.read(END)
    assert_as_undamaged(damaged, undamaged)


def test_letters_that_were_waiting_are_sent_once(tmp_path: Path, mixed: Mixed, undamaged: Outcome) -> None:
    """Some waited since before the generation, some since after it; some of both were sent before the damage."""
    service = Service(tmp_path, mixed)
    with taking(service, TAKEN, lambda offered: offered // 2) as pipeline:
        drain(pipeline)
        pipeline.assembly.store.snapshot()
    with taking(service, LOST, lambda offered: offered - 7) as pipeline:
        drain(pipeline)
        assert len(pipeline.outgoing) == 7
    service.damage()
    with taking(service, LOST - 50, lambda offered: max(0, offered - 3)) as pipeline:
        drain(pipeline)
    service.read(END)
    assert_as_undamaged(service, undamaged)


@contextmanager
def taking(service: Service, until: int, number: Callable[[int], int]) -> Iterator[Pipeline]:
    """Open the service with a receiver that takes a certain number of the letters it is offered."""
    with service.opened(until) as pipeline:
        publish = pipeline.outgoing.sink.publish
        pipeline.outgoing.sink.publish = lambda letters: publish(letters[: number(len(letters))])  # type: ignore[method-assign]
        yield pipeline


def test_a_topic_made_anew_holds_nothing_back(damaged: Service) -> None:
    """Its records are others; the letters about them have never been sent."""
    text = damaged.path.read_text()
    damaged.path.write_text(text.replace("    idle_timeout: 1h", "    idle_timeout: 1h\n    lost_records: reset"))
    source = MemorySource({TopicPartition("p", n): [Item(b"{")] for n in damaged.mixed.dirty})
    source.recreate("p")
    for number in damaged.mixed.dirty:
        source.append(TopicPartition("p", number), *[Item(b"[")] * 5)
    before = damaged.letters()
    pipeline = open_pipeline(load(damaged.path, {}), source, base=damaged.folder)
    assert not pipeline.hold
    drain(pipeline)
    pipeline.close()
    assert Counter(damaged.letters()[len(before) :]) == {
        (f"p:{number}:{offset}", "not_json"): 1 for number in (0, 1) for offset in range(5)
    }


def test_a_state_moved_away_starts_afresh(damaged: Service, undamaged: Outcome) -> None:
    """The mark goes with the state that it belongs to."""
    shutil.rmtree(damaged.store)
    (damaged.folder / "dead.jsonl").unlink()
    damaged.read(END)
    assert Counter(damaged.letters()) == Counter(undamaged.letters)
