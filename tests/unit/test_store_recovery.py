"""Damage to the files of the state: found, never served; the newest intact generation takes its place."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monitor.store import ring
from monitor.store.engine import Engine
from monitor.store.envelope import seal
from monitor.store.port import CorruptStateError, StateUnavailableError
from monitor.store.recovery import LIVE
from monitor.store.rocks import RocksStore

State = dict[bytes, bytes]


@dataclass(slots=True)
class Killed:
    """A state directory as a killed process leaves it, and what it held at each generation and at the end."""

    path: Path
    final: State = field(default_factory=dict)
    generations: dict[int, State] = field(default_factory=dict)

    def copy(self, target: Path) -> Path:
        """Copy the directory; what shares a table still shares it."""
        shutil.rmtree(target, ignore_errors=True)
        linked: dict[int, Path] = {}
        for directory, _, names in os.walk(self.path):
            into = target / Path(directory).relative_to(self.path)
            into.mkdir(parents=True, exist_ok=True)
            for name in names:
                inode = (Path(directory) / name).stat().st_ino
                if inode in linked:
                    (into / name).hardlink_to(linked[inode])
                else:
                    linked[inode] = Path(shutil.copyfile(Path(directory) / name, into / name))
        return target


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """Make 300 writes with three generations and an explicit flush between, and never close."""
    rng = random.Random(20)
    base = tmp_path_factory.mktemp("state")
    state = Killed(base / "running")
    with closing(RocksStore.open(state.path, create=True)) as store:
        for number in range(300):
            puts = {b"k%03d" % rng.randrange(300): rng.randbytes(rng.randrange(2000)) for _ in range(20)}
            gone = [key for key in rng.sample(sorted(state.final), min(3, len(state.final))) if key not in puts]
            store.write(puts, gone, sync=True)
            state.final = {key: value for key, value in state.final.items() if key not in gone} | puts
            if number in {60, 150, 220}:
                state.generations[store.snapshot().number] = dict(state.final)
            if number == 260:
                store._engine.flush()
        state.generations.pop(1)
        state.path = state.copy(base / "killed")
    return state


@pytest.fixture
def damaged(killed: Killed, tmp_path: Path) -> Killed:
    return Killed(killed.copy(tmp_path / "state"), killed.final, killed.generations)


def content(store: RocksStore, keys: State) -> State:
    """Read by scan and by key, which must agree."""
    scanned = dict(store.scan(b""))
    values = store.get_many(sorted(keys))
    assert {key: value for key, value in zip(sorted(keys), values, strict=True) if value is not None} == {
        key: value for key, value in scanned.items() if key in keys
    }
    return scanned


def check(state: Killed) -> str:
    """Open, and return ``same``, ``fell back`` or ``refused``; anything else fails."""
    for _ in range(2):
        try:
            with closing(RocksStore.open(state.path, create=True)) as store:
                expected = (
                    state.final if store.recovery is None else state.generations[store.recovery.generation.number]
                )
                assert content(store, state.final) == expected
                store.write({b"after": b"1"}, (), sync=True)
                return "same" if store.recovery is None else "fell back"
        except CorruptStateError as error:
            problem = str(error)
    assert "No generation of" in problem
    return "refused"


def hurt(path: Path, how: str, rng: random.Random) -> None:
    size = path.stat().st_size
    if how == "flip":
        data = bytearray(path.read_bytes())
        for _ in range(min(size, rng.choice([1, 1, 4]))):
            data[rng.randrange(size)] ^= 1 << rng.randrange(8)
        with path.open("r+b") as file:
            file.write(data)
    elif how == "cut":
        os.truncate(path, rng.randrange(size) if size else 0)
    elif how == "empty":
        os.truncate(path, 0)
    elif how == "lengthen":
        with path.open("ab") as file:
            file.write(rng.randbytes(100))
    else:
        path.unlink()


def files(path: Path) -> list[Path]:
    """Return every file once, under the last of its names."""
    found = {file.stat().st_ino: file.relative_to(path) for file in sorted(path.rglob("*")) if file.is_file()}
    return sorted(found.values())


def test_a_killed_state_opens_unharmed(damaged: Killed) -> None:
    assert check(damaged) == "same"


@pytest.mark.parametrize("how", ["flip", "cut", "empty", "lengthen", "remove"])
def test_damage_to_any_file_never_changes_what_is_read(killed: Killed, tmp_path: Path, how: str) -> None:
    rng = random.Random(how)
    outcomes = set()
    for file in files(killed.path) * (1 if how == "flip" else 2):
        state = Killed(killed.copy(tmp_path / "state"), killed.final, killed.generations)
        hurt(state.path / file, how, rng)
        outcome = check(state)
        if file.parts[0] != LIVE and file.suffix != ".sst":
            assert outcome == "same"
        outcomes.add(outcome)
    assert "same" in outcomes
    assert "fell back" in outcomes or how == "lengthen"


def test_a_log_cut_at_any_place_is_found(killed: Killed, tmp_path: Path) -> None:
    log = next(file for file in files(killed.path / LIVE) if file.suffix == ".log")
    size = (killed.path / LIVE / log).stat().st_size
    rng = random.Random(4)
    for cut in [0, 1, size - 1, *(rng.randrange(size) for _ in range(15)), *range(0, size, size // 8 // 4096 * 4096)]:
        state = Killed(killed.copy(tmp_path / "state"), killed.final, killed.generations)
        os.truncate(state.path / LIVE / log, cut)
        assert check(state) == "fell back"


def test_recovery_says_what_was_lost_and_keeps_one_damaged_state(damaged: Killed) -> None:
    for round_ in range(2):
        (damaged.path / LIVE / "CURRENT").unlink()
        with closing(RocksStore.open(damaged.path, create=True)) as store:
            recovery = store.recovery
            assert recovery is not None
            assert recovery.generation.number == 3
            assert recovery.generation.commit == 222
            assert recovery.reached == (301 if round_ == 0 else 222)
            assert recovery.kept is not None
            assert [str(entry) for entry in (damaged.path / "damaged").iterdir()] == [recovery.kept]
            assert store.commit() == 222
            assert content(store, damaged.final) == damaged.generations[3]


def test_without_recovery_damage_is_only_reported(damaged: Killed) -> None:
    os.truncate(damaged.path / LIVE / "driftline.head", 10)
    for _ in range(2):
        with pytest.raises(CorruptStateError, match="head is damaged"):
            RocksStore.open(damaged.path, create=True, recover=False)
    assert check(damaged) == "fell back"


def test_a_damaged_generation_is_passed_over_and_removed(damaged: Killed) -> None:
    (damaged.path / LIVE / "CURRENT").unlink()
    (damaged.path / "generations/000003/driftline.head").unlink()
    with closing(RocksStore.open(damaged.path, create=True)) as store:
        assert store.recovery is not None
        assert store.recovery.generation.number == 2
        assert content(store, damaged.final) == damaged.generations[2]
        assert store.generation() == 2
        assert store.snapshot().number == 3


def test_without_an_intact_generation_nothing_is_touched(damaged: Killed) -> None:
    shutil.rmtree(damaged.path / "generations")
    (damaged.path / LIVE / "CURRENT").unlink()
    before = {
        file: (damaged.path / file).read_bytes() for file in files(damaged.path) if file.suffix in {".sst", ".log"}
    }
    for _ in range(2):
        with pytest.raises(CorruptStateError, match=r"No generation of .* is intact\. Put a backup"):
            RocksStore.open(damaged.path, create=True)
    assert before == {file: (damaged.path / file).read_bytes() for file in before}


def test_a_lost_live_state_is_not_taken_for_a_new_one(damaged: Killed) -> None:
    shutil.rmtree(damaged.path / LIVE)
    with closing(RocksStore.open(damaged.path, create=True)) as store:
        assert store.recovery is not None
        assert store.recovery.kept is None
        assert content(store, damaged.final) == damaged.generations[3]


def test_damage_found_while_reading_falls_back_at_the_next_opening(tmp_path: Path) -> None:
    with closing(RocksStore.open(tmp_path, create=True)) as store:
        store.write({b"a": b"1", b"b": b"2"}, (), sync=True)
        store.snapshot()
        store.write({b"b": b"3"}, (), sync=True)
        store._engine._db[b"a"] = seal(b"a", b"1")[:-1] + b"?"
        for read in (lambda: store.get(b"a"), lambda: store.get_many([b"b", b"a"]), lambda: list(store.scan(b""))):
            with pytest.raises(CorruptStateError) as caught:
                read()
            assert caught.value.key == b"a"
        assert store.get(b"b") == b"3"
    with closing(RocksStore.open(tmp_path, create=False)) as store:
        assert store.recovery is not None
        assert "checksum" in store.recovery.reason
        assert dict(store.scan(b"")) == {b"a": b"1", b"b": b"2"}


def test_a_table_that_all_generations_share_is_beyond_repair(tmp_path: Path) -> None:
    with closing(RocksStore.open(tmp_path, create=True)) as store:
        store.write({b"%05d" % i: os.urandom(100) for i in range(1000)}, (), sync=True)
        store.snapshot()
    table = max((tmp_path / LIVE).glob("*.sst"), key=lambda file: file.stat().st_size)
    with table.open("r+b") as file:
        file.seek(table.stat().st_size // 2)
        file.write(b"damage")
    with closing(RocksStore.open(tmp_path, create=False)) as store, pytest.raises(CorruptStateError, match="mismatch"):
        list(store.scan(b""))
    with pytest.raises(CorruptStateError, match="No generation of"):
        RocksStore.open(tmp_path, create=False)


@pytest.fixture
def numbered(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path / "engine", create=True)
    with closing(engine):
        yield engine


def number(engine: Engine, commits: range) -> None:
    for commit in commits:
        key, value = ring.slot(commit)
        engine.write({key: value}, (), sync=False)


def test_a_hole_within_the_ring_is_found(numbered: Engine) -> None:
    assert ring.last_commit(numbered) == 0
    number(numbered, range(1, 6))
    assert ring.last_commit(numbered) == 5
    number(numbered, range(8, 10))
    with pytest.raises(CorruptStateError, match="write 9 is there, but 2 from 6 on are missing"):
        ring.last_commit(numbered)
    number(numbered, range(6, 8))
    assert ring.last_commit(numbered) == 9


def test_a_hole_that_the_ring_wrapped_around_is_found(numbered: Engine) -> None:
    number(numbered, range(1, ring.SIZE + 20))
    assert ring.last_commit(numbered) == ring.SIZE + 19
    number(numbered, range(ring.SIZE + 21, ring.SIZE + 40))
    with pytest.raises(CorruptStateError, match=f"1 from {ring.SIZE + 20} on are missing"):
        ring.last_commit(numbered)


def test_full_while_falling_back_leaves_the_damaged_state_where_it_is(
    damaged: Killed, monkeypatch: pytest.MonkeyPatch
) -> None:
    (damaged.path / LIVE / "CURRENT").unlink()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(StateUnavailableError, match="No space left"):
            RocksStore.open(damaged.path, create=True)
    assert check(damaged) == "fell back"
