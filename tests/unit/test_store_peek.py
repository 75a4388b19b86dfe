"""Reading the state beside the process that writes it always finds one moment of it, whole."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from pathlib import Path

import pytest

from monitor.store import ring
from monitor.store.engine import Engine
from monitor.store.peek import peek
from monitor.store.port import CorruptStateError, StateUnavailableError
from monitor.store.recovery import LIVE
from monitor.store.rocks import RocksStore

KEYS = 50


def read(engine: Engine) -> tuple[int, set[bytes]]:
    values = dict(engine.scan(b"k"))
    assert len(values) == KEYS
    return ring.last_commit(engine), {value[:8] for value in values.values()}


def test_a_state_that_is_being_written_is_read_at_one_moment(tmp_path: Path) -> None:
    stop = threading.Event()

    def write_on(store: RocksStore) -> None:
        number = 2
        while not stop.is_set():
            store.write({b"k%d" % i: number.to_bytes(8, "big") + os.urandom(8000) for i in range(KEYS)}, (), sync=False)
            number += 1

    with closing(RocksStore.open(tmp_path, create=True)) as store:
        store.write({b"k%d" % i: (2).to_bytes(8, "big") for i in range(KEYS)}, (), sync=True)
        writer = threading.Thread(target=write_on, args=(store,))
        writer.start()
        try:
            seen = [peek(tmp_path / LIVE, read) for _ in range(15)]
        finally:
            stop.set()
            writer.join()
    for commit, values in seen:
        assert len(values) == 1
        assert int.from_bytes(values.pop(), "big") in {commit, commit - 1}
    assert seen == sorted(seen, key=lambda item: item[0])
    assert seen[-1][0] > seen[0][0]


def test_a_damaged_state_is_refused_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.store.peek._PAUSE", 0.0)
    with closing(RocksStore.open(tmp_path, create=True)):
        pass
    (tmp_path / LIVE / "CURRENT").unlink()
    with pytest.raises(CorruptStateError):
        peek(tmp_path / LIVE, read)
    with pytest.raises(StateUnavailableError, match="there is no state"):
        peek(tmp_path / "absent", read)
