"""A process that is killed at any moment leaves all of a batch or none of it, and everything it acknowledged."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from monitor.store.rocks import RocksStore
from tests.crash.store_writer import KEYS, value

ROOT = Path(__file__).parents[2]
KILLS = 14


def test_kill_leaves_whole_batches_and_loses_none(tmp_path: Path) -> None:
    rng = random.Random(11)
    last = 0
    for _ in range(KILLS):
        acknowledged = run_until_killed(tmp_path, seed=rng.randrange(1000), seconds=rng.uniform(0.0, 0.3))
        with closing(RocksStore.open(tmp_path, create=True)) as store:
            assert store.recovery is None
            data = dict(store.scan(b""))
        found = int(data.pop(b"last").decode())
        assert found >= max(acknowledged, last)
        assert data == {b"key%d" % key: value(found, key) for key in range(KEYS)} | {b"only%d" % found: b""}
        last = found
    assert last > KILLS


def run_until_killed(path: Path, seed: int, seconds: float) -> int:
    """Kill the writer some time after its first write; return the last batch it acknowledged."""
    command = [sys.executable, "-m", "tests.crash.store_writer", str(path), str(seed)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        assert first, "the writer died by itself"
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        lines = [first, *writer.stdout.readlines()]
    assert writer.returncode == -signal.SIGKILL
    return int([line for line in lines if line.endswith("\n")][-1])
