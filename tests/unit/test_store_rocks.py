"""The state on disk: reading, writing, locking, failing writes, generations."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from monitor.store.engine import BLOCK_CACHE
from monitor.store.memory import MemoryStore
from monitor.store.port import StateLockedError, StateStore, StateUnavailableError, StateVersionError
from monitor.store.recovery import LIVE
from monitor.store.ring import SCHEMA_KEY, SIZE
from monitor.store.rocks import RocksStore

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RocksStore]:
    with closing(RocksStore.open(tmp_path / "state", create=True)) as opened:
        yield opened


def reopen(store: RocksStore) -> RocksStore:
    store.close()
    return RocksStore.open(store.path, create=False)


@pytest.fixture(params=["rocks", "memory"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateStore]:
    opened: StateStore = MemoryStore() if request.param == "memory" else RocksStore.open(tmp_path, create=True)
    with closing(opened):
        yield opened


def test_what_was_written_is_read(any_store: StateStore) -> None:
    any_store.write({b"b": b"2", b"a": b"", b"\xff\xff": b"3"}, [b"never"], sync=True)
    any_store.write({b"ab": b"4"}, [b"b"], sync=False)
    assert any_store.get(b"a") == b""
    assert any_store.get(b"b") is None
    assert any_store.get_many([b"ab", b"b", b"ab"]) == [b"4", None, b"4"]
    assert any_store.get_many([]) == []
    assert list(any_store.scan(b"a")) == [(b"a", b""), (b"ab", b"4")]
    assert list(any_store.scan(b"")) == [(b"a", b""), (b"ab", b"4"), (b"\xff\xff", b"3")]
    assert list(any_store.scan(b"\xff")) == [(b"\xff\xff", b"3")]
    assert list(any_store.scan(b"zz")) == []


def test_a_key_that_is_put_and_deleted_at_once_is_put(any_store: StateStore) -> None:
    any_store.write({b"a": b"1"}, [b"a"], sync=True)
    assert any_store.get(b"a") == b"1"


@pytest.mark.parametrize("key", [b"", b"!", b"!schema"])
def test_reserved_keys_are_refused_and_nothing_is_written(any_store: StateStore, key: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be a key"):
        any_store.write({b"a": b"1", key: b"2"}, (), sync=True)
    with pytest.raises(ValueError, match="cannot be a key"):
        any_store.write({b"a": b"1"}, [key], sync=True)
    assert any_store.get(b"a") is None


def test_a_scan_sees_the_state_as_it_was_at_its_first_step(any_store: StateStore) -> None:
    any_store.write({b"a": b"1", b"b": b"1", b"c": b"1"}, (), sync=True)
    scan = any_store.scan(b"")
    assert next(scan) == (b"a", b"1")
    any_store.write({b"b": b"2", b"bb": b"2"}, [b"c"], sync=True)
    assert list(scan) == [(b"b", b"1"), (b"c", b"1")]


def test_a_closed_store_says_so(any_store: StateStore) -> None:
    any_store.write({b"a": b"1", b"b": b"1"}, (), sync=True)
    any_store.close()
    any_store.close()
    for use in (
        lambda: any_store.get(b"a"),
        lambda: any_store.get_many([b"a"]),
        lambda: list(any_store.scan(b"")),
        lambda: any_store.write({}, (), sync=True),
        any_store.snapshot,
    ):
        with pytest.raises(StateUnavailableError):
            use()


def test_closing_lets_go_of_the_files_even_within_a_scan(store: RocksStore) -> None:
    store.write({b"a": b"1", b"b": b"1"}, (), sync=True)
    scan = store.scan(b"")
    next(scan)
    with closing(reopen(store)) as again:
        assert again.get(b"a") == b"1"
    with pytest.raises(StateUnavailableError, match="closed during a scan"):
        next(scan)


def test_everything_is_there_after_opening_again(store: RocksStore) -> None:
    expected = {b"k%d" % i: os.urandom(i % 300) for i in range(2000)}
    store.write(expected, (), sync=True)
    with closing(reopen(store)) as again:
        assert dict(again.scan(b"")) == expected
        assert again.recovery is None


def test_cache_and_filters_are_in_force_after_opening_again(store: RocksStore) -> None:
    opened = reopen(reopen(store))
    opened.write({b"%d" % number: b"x" for number in range(100)}, [], sync=True)
    opened.snapshot()
    log = (opened.path / LIVE / "LOG").read_text()
    opened.close()
    assert f"capacity : {BLOCK_CACHE}" in log
    assert "filter_policy: bloomfilter" in log
    assert re.search(r'"filter_size": [1-9]', log)


def test_numbering_goes_on_beyond_the_ring(store: RocksStore) -> None:
    begun = store.commit()
    for i in range(SIZE + 10):
        store.write({b"n": b"%d" % i}, (), sync=False)
    with closing(reopen(store)) as again:
        assert again.commit() == begun + SIZE + 10
        assert again.get(b"n") == b"%d" % (SIZE + 9)


def test_a_second_process_is_refused_and_told_who_holds_the_state(store: RocksStore) -> None:
    store.write({b"a": b"1"}, (), sync=True)
    script = f"from monitor.store.rocks import RocksStore\nRocksStore.open({str(store.path)!r}, create=True)"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    assert f"StateLockedError: {store.path} is in use by process {os.getpid()};" in result.stderr
    assert store.get(b"a") == b"1"


def test_the_same_process_is_refused_too(store: RocksStore) -> None:
    with pytest.raises(StateLockedError) as caught:
        RocksStore.open(store.path, create=True)
    assert caught.value.pid == os.getpid()


def test_no_state_where_none_is_to_be_made(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(StateUnavailableError, match="there is no state"):
            RocksStore.open(path, create=False)
    assert not (tmp_path / "absent").exists()


def test_a_directory_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(StateUnavailableError, match=r"file.*: Not a directory|File exists"):
        RocksStore.open(tmp_path / "file", create=True)
    with pytest.raises(StateUnavailableError, match="Not a directory"):
        RocksStore.open(tmp_path / "file" / "state", create=True)
    refused = tmp_path / "read-only"
    refused.mkdir()
    with as_somebody_else(refused), pytest.raises(StateUnavailableError, match="cannot be written: Permission denied"):
        RocksStore.open(refused, create=True)
    assert list(refused.iterdir()) == []


@contextmanager
def as_somebody_else(directory: Path) -> Iterator[None]:
    """Make a directory read-only, and stop being root, whom that would not keep out."""
    directory.chmod(0o555)
    user = os.geteuid()
    parents = [parent for parent in directory.parents if parent != Path("/") and not parent.stat().st_mode & 0o001]
    for parent in parents:
        parent.chmod(parent.stat().st_mode | 0o011)
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(0)
        directory.chmod(0o755)


def test_a_newer_schema_is_refused_and_left_alone(store: RocksStore) -> None:
    store.write({b"a": b"1"}, (), sync=True)
    store._engine.write({SCHEMA_KEY: (7).to_bytes(4, "big")}, (), sync=True)
    store.snapshot()
    for _ in range(2):
        with pytest.raises(StateVersionError, match="schema 7, this version of driftline reads up to 1") as caught:
            reopen(store)
        assert caught.value.found == 7


@contextmanager
def files_no_larger_than(limit: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_leaves_the_state_readable_and_the_next_one_works(store: RocksStore) -> None:
    written = write_until_it_fails(store, 300_000)
    expect(store, written)
    with files_no_larger_than(10_000), pytest.raises(StateUnavailableError, match="File too large"):
        store.write(batch(written), (), sync=True)
    expect(store, written)
    store.write(batch(written), (), sync=True)
    expect(store, written + 1)
    with closing(reopen(store)) as again:
        expect(again, written + 1)
        assert again.recovery is None


def write_until_it_fails(store: RocksStore, limit: int) -> int:
    number = 0
    with files_no_larger_than(limit):
        while True:
            try:
                store.write(batch(number), (), sync=True)
            except StateUnavailableError:
                return number
            number += 1


def batch(number: int) -> dict[bytes, bytes]:
    return {b"%d/%d" % (number, i): os.urandom(500) for i in range(50)} | {b"n": b"%d" % number}


def expect(store: RocksStore, batches: int) -> None:
    assert store.get(b"n") == b"%d" % (batches - 1)
    assert sum(1 for _ in store.scan(b"")) == 50 * batches + 1


FULL_DISK = """
import contextlib, os, sys
from tests.unit.test_store_rocks import batch, expect
from monitor.store.port import StateUnavailableError
from monitor.store.rocks import RocksStore

def fill():  # opening the store anew may have made its files smaller
    with contextlib.suppress(OSError), open("/mnt/hog", "ab", buffering=0) as hog:
        while hog.write(bytes(1 << 12)):
            pass

store, number = RocksStore.open("/mnt/state", create=True), 0
while True:
    try:
        store.write(batch(number), (), sync=True)
        number += 1
        if number % 30 == 0:
            store.snapshot()
    except StateUnavailableError as error:
        assert "No space left" in str(error), error
        break
assert number > 30, number
refused = 0
for _ in range(40):
    fill()
    try:
        store.write(batch(number), (), sync=True)
        number += 1
        store.snapshot()
    except StateUnavailableError as error:
        assert "No space left" in str(error), error
        refused += 1
    expect(store, number)
assert refused > 5, refused
os.remove("/mnt/hog")
store.write(batch(number), (), sync=True)
expect(store, number + 1)
store.snapshot()
store.close()
store = RocksStore.open("/mnt/state", create=False)
assert store.recovery is None
expect(store, number + 1)
store.close()
print("survived a full disk")
"""


def test_a_full_disk_stops_writing_only_until_there_is_space() -> None:
    prepare = "mount -t tmpfs -o size=12m tmpfs /mnt && head -c 7000000 /dev/zero > /mnt/hog && exec "
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", prepare + f'"{sys.executable}" -c "$0"', FULL_DISK]
    if shutil.which("unshare") is None or subprocess.run([*command[:3], "true"], check=False).returncode:
        reason = "no user namespaces here; allow them: sysctl -w kernel.unprivileged_userns_clone=1"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert "survived a full disk" in result.stdout, result.stdout + result.stderr


def test_generations_are_counted_and_the_oldest_go(tmp_path: Path) -> None:
    with closing(RocksStore.open(tmp_path, create=True, generations=2)) as store:
        assert store.generation() == 0
        for number in range(1, 5):
            store.write({b"n": b"%d" % number}, (), sync=True)
            generation = store.snapshot()
            assert (generation.number, generation.commit) == (number, store.commit())
        assert store.generation() == 4
    assert sorted(entry.name for entry in (tmp_path / "generations").iterdir()) == ["000003", "000004"]


def test_what_a_crash_left_half_made_is_cleared_away(tmp_path: Path) -> None:
    with closing(RocksStore.open(tmp_path, create=True)) as store:
        store.snapshot()
    for name in (".live.new", "generations/.new", "generations/.000001.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rest").write_text("half")
    with closing(RocksStore.open(tmp_path, create=False)) as store:
        assert store.recovery is None
    assert not [entry for entry in tmp_path.rglob(".*") if entry.is_dir()]
