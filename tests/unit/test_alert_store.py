"""The alerts' store: damage, versions, other processes, and a process that is killed."""

from __future__ import annotations

import os
import random
import signal as signals
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.commands import Command, submit
from alerts.durations import DAY, SECOND
from alerts.engine import AlertEngine
from alerts.memory import Memory
from alerts.outbox import read_health
from alerts.retraining.facts import OwnChange
from alerts.retraining.ledger import ModelState, read_changes, read_model
from alerts.schema import MIGRATIONS, StoreVersionError
from alerts.seal import BrokenSealError, seal, unseal
from alerts.silences import SilenceError, Silences
from alerts.store import Store, StoreUnavailableError
from tests.timeline.timeline import EPOCH, Recorder, Timeline, policy
from tests.unit.test_alert_engine import slices

ROOT = Path(__file__).parents[2]
VICTIM = """
import sys
from alerts.conditions import StatusIs
from alerts.engine import AlertEngine
from alerts.policy import Policy, Route
from alerts.rules import Rule
from alerts.signal import Signal
from alerts.store import Store
rule = Rule("FeatureDrift", frozenset({"drift"}), StatusIs(), damping=None)
engine = AlertEngine(Store(sys.argv[1]), Policy((rule,), Route("ops")), {"ops": None}, dispatch=False)
number = engine.last_applied
while True:
    status = ("drift", "ok")[number // 3 % 2]
    signals = [
        Signal(number=number + n, kind="drift", observed_at=number, model="m", column=f"c{n}", status=status)
        for n in (1, 2, 3)
    ]
    engine.apply(signals, number)
    engine.tick(number * 1_000_000)
    number += 3
    print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store(path)
    yield opened
    opened.close()


def test_a_killed_process_leaves_all_or_nothing(path: Path) -> None:
    reached = 0
    for number in range(2):
        command = [sys.executable, "-c", VICTIM, str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(5 + 7 * number):
                reached = int(process.stdout.readline())
            os.kill(process.pid, signals.SIGKILL)
        store = Store(path)
        engine = AlertEngine(store, policy(), {"ops": Recorder("ops")}, dispatch=False)
        last = engine.last_applied
        assert last >= reached
        assert last % 3 == 0
        changes = sum(1 for _ in engine.history(limit=10_000))
        assert changes == last
        assert len(engine.alerts()) == (3 if last // 3 % 2 else 0)
        engine.close()
        store.close()


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_what_is_no_database_is_put_aside(path: Path, size: int) -> None:
    path.write_bytes(random.Random(size).randbytes(size))
    store = Store(path)
    assert store.begun_anew == (size > 0)
    assert path.with_name("alerts.db.damaged").exists() is (size > 0)
    assert store.look("SELECT count(*) FROM alerts") == [(0,)]
    store.close()


def test_damage_while_it_runs_is_put_aside_and_the_signals_are_applied(path: Path) -> None:
    store = Store(path)
    engine = AlertEngine(store, policy(), {"ops": Recorder("ops")}, dispatch=False)
    engine.apply(slices(3000), EPOCH)
    store.look("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    half = len(data) // 8192 * 4096  # what the tables are stays readable, their rows do not
    data[half:] = random.Random(1).randbytes(len(data) - half)
    path.write_bytes(data)
    store._connection.close()
    store._connection = store.connect()
    assert engine.apply(slices(3000, first=3001), EPOCH) == 6000
    assert store.begun_anew == 1
    assert len(engine.alerts()) == 3000
    engine.close()
    store.close()


def test_a_flipped_bit_costs_one_alert_not_a_wrong_one(path: Path) -> None:
    store = Store(path)
    engine = AlertEngine(store, policy(), {"ops": Recorder("ops")}, dispatch=False)
    engine.apply(slices(3), EPOCH)
    engine.close()
    name, data = store.look("SELECT fingerprint, entry FROM alerts LIMIT 1")[0]
    for place in range(0, len(data), 7):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        with store.transaction() as connection:
            connection.execute("UPDATE alerts SET entry = ? WHERE fingerprint = ?", (bytes(flipped), name))
        with store.reading() as connection:
            assert len(Memory.load(connection).entries) == 2
    store.close()


def test_a_broken_seal_is_seen() -> None:
    assert unseal(seal(b"")) == b""
    for data in (b"", b"abc", seal(b"x")[:-1]):
        with pytest.raises(BrokenSealError):
            unseal(data)


def test_a_newer_store_is_refused(path: Path, store: Store) -> None:
    store.look(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(StoreVersionError, match=f"version {len(MIGRATIONS) + 1}"):
        Store(path)


def test_changes_of_ones_own_that_were_noted_before_are_kept(path: Path) -> None:
    connection = sqlite3.connect(path)
    for step in MIGRATIONS[:4]:
        connection.executescript(step)
    rows = [
        ("m", "e", 1, "held", None, "7", "t", 5, "version 7 went live", 3),
        ("n", "", 0, "", 2, "", "", None, "", 0),
    ]
    connection.executemany(f"INSERT INTO retraining_models VALUES ({', '.join('?' * 10)})", rows)  # noqa: S608
    connection.execute("PRAGMA user_version = 4")
    connection.commit()
    connection.close()
    store = Store(path)
    with store.reading() as reader:
        known = [read_model(reader, name) for name in ("m", "n")]
        changes = [read_changes(reader, name) for name in ("m", "n")]
    store.close()
    assert known == [ModelState("m", "e", 1, "held", None, "7", "t", "", 3), ModelState("n", fault_at=2)]
    assert changes == [(OwnChange(5, "version 7 went live"),), ()]


def test_every_step_of_the_migration_is_whole(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE alerts (x)")
    connection.close()
    with pytest.raises(StoreUnavailableError, match="already exists"):
        Store(path)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("alerts",)]
    connection.close()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailableError):
        Store(tmp_path / "file" / "alerts.db")


def test_a_full_disk_changes_nothing_and_goes_on_later(path: Path) -> None:
    store = Store(path)
    engine = AlertEngine(store, policy(), {"ops": Recorder("ops")}, dispatch=False)
    engine.apply(slices(10), EPOCH)
    pages = store.look("PRAGMA page_count")[0][0]
    store.look(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(StoreUnavailableError, match="full"):
        engine.apply(slices(5000, first=11), EPOCH)
    assert engine.last_applied == 10
    assert len(engine.alerts()) == 10
    store.look("PRAGMA max_page_count = 1000000")
    assert engine.apply(slices(5000, first=11), EPOCH) == 5010
    engine.close()
    store.close()


def test_a_writer_that_is_locked_out_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerts.store._WAIT", 0.1)
    store = Store(path)
    engine = AlertEngine(store, policy(), {"ops": Recorder("ops")}, dispatch=False)
    other = store.connect()
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="locked"):
        engine.apply(slices(3), EPOCH)
    assert engine.last_applied == 0
    other.execute("ROLLBACK")
    other.close()
    assert engine.apply(slices(3), EPOCH) == 3
    engine.close()
    store.close()


def test_commands_and_silences_of_another_process(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    other = Store(line.store.path)
    line.at(0.5).do(lambda _: Silences(other, line.now).add("column=b", EPOCH + DAY, author="ada", comment="x"))
    line.at(1).drift("a", "b")
    line.at(10).do(lambda engine: submit(
        other, Command(line.now(), "bob", "resolve", engine.alerts()[0].alert.fingerprint, "known")
    ))  # fmt: skip
    line.wind(20)
    other.close()
    assert (set(line.told[0].firing), set(line.told[0].resolved)) == ({"a"}, set())
    assert len(line.told) == 2


@pytest.mark.parametrize(
    ("matchers", "end", "author", "comment"),
    [
        ("a=b", 0, "ada", "x"),
        ("a=b", 2 * SECOND, "", "x"), ("a=b", 2 * SECOND, "ada", " "), ("", 2 * SECOND, "ada", "x"),
        ('a=~".*"', 2 * SECOND, "ada", "x"), ('a!="b"', 2 * SECOND, "ada", "x"), ("a=", 2 * SECOND, "ada", "x"),
    ],
)  # fmt: skip
def test_silences_that_must_not_be(store: Store, matchers: str, end: int, author: str, comment: str) -> None:
    with pytest.raises(SilenceError):
        Silences(store, lambda: SECOND).add(matchers, end, author=author, comment=comment)


def test_silences_are_listed_by_their_end(store: Store) -> None:
    now = [SECOND]
    kept = Silences(store, lambda: now[0])
    late = kept.add("a=b", 9 * SECOND, author="ada", comment="x")
    soon = kept.add("a=c", 5 * SECOND, author="ada", comment="x", starts_at=3 * SECOND)
    assert kept.list() == [soon, late]
    assert not soon.active(now[0])
    now[0] = 6 * SECOND
    assert kept.list() == [late]
    assert kept.list(over=True) == [soon, late]
    assert kept.expire(late.id, author="bob")
    assert not kept.expire(late.id, author="bob")
    assert not kept.expire("none", author="bob")
    assert kept.list() == []


def test_what_nobody_asks_for_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="author"):
        submit(store, Command(1, " ", "enable", "ops", ""))


def test_reading_waits_for_no_writer(store: Store) -> None:
    with store.transaction() as writer:
        writer.execute("INSERT INTO receivers (name) VALUES ('ops')")
        begin = time.monotonic()
        with store.reading() as reader:
            assert read_health(reader, ["ops"])["ops"].open == 0
        assert time.monotonic() - begin < 5
