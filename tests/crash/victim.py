"""The service as a process that can be killed, or that kills itself at a named point of the checkpoint.

``main([CONFIG, PROGRESS, POINT, NUMBER, "--mutant"])``, all after PROGRESS optional, runs until SIGTERM. PROGRESS is
a file of 24 bytes, mapped into memory: records applied and records durable since the start of the log, so that whoever
kills the process can tell how many rows were not saved; and how many checkpoints there were. With POINT the process
kills itself the NUMBER-th time it comes there.
``--mutant`` writes the positions apart from the counts, as a broken build would.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from monitor.config.load import load
from monitor.opening import open_pipeline
from monitor.partition import PARTITIONS
from monitor.pipeline import Pipeline
from monitor.sources.build import build_source
from monitor.store.rocks import RocksStore

POINTS = ("before_apply", "before_write", "after_write", "after_publish", "after_evaluate", "after_commit")
MUTANT_POINT = "between_writes"


class Faults:
    """Counts how often each point is passed, keeps the progress file, and dies where it was told to."""

    def __init__(self, progress: Path, point: str | None, number: int) -> None:
        with progress.open("r+b") as file:
            self.map = mmap.mmap(file.fileno(), 24)
        self.point = point
        self.number = number
        self.passed = 0
        self.pipeline: Pipeline | None = None

    def note(self) -> int:
        """Write down how far reading got, and return it."""
        reached = 0 if self.pipeline is None else sum(self.pipeline.positions().values())
        struct.pack_into("<q", self.map, 0, reached)
        return reached

    def __call__(self, name: str) -> None:
        if self.pipeline is not None:
            reached = self.note()
            if name == "after_write":
                struct.pack_into("<q", self.map, 8, reached)
                struct.pack_into("<q", self.map, 16, struct.unpack_from("<q", self.map, 16)[0] + 1)
        if name == self.point:
            self.passed += 1
            if self.passed >= self.number:
                os.kill(os.getpid(), signal.SIGKILL)


class SplitStore:
    """A store that writes panes first and positions after: the bug that the crash test must find."""

    def __init__(self, store: RocksStore, faults: Faults) -> None:
        self.store = store
        self.faults = faults

    def write(self, puts: Mapping[bytes, bytes], deletes: Iterable[bytes] = (), *, sync: bool = True) -> None:
        late = {key: value for key, value in puts.items() if key.startswith(PARTITIONS)}
        self.store.write({key: value for key, value in puts.items() if key not in late}, deletes, sync=sync)
        self.faults(MUTANT_POINT)
        self.store.write(late, (), sync=sync)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def main(arguments: list[str]) -> None:
    mutant = "--mutant" in arguments
    words = [word for word in arguments if not word.startswith("--")]
    point, number = (words[2], int(words[3])) if len(words) > 2 else (None, 0)
    faults = Faults(Path(words[1]), point, number)
    config = load(Path(words[0]), os.environ)
    rocks = RocksStore.open(Path(config.state.path) / "store", create=True)
    store: Any = SplitStore(rocks, faults) if mutant else rocks
    pipeline = open_pipeline(config, build_source(config), base=Path(words[0]).parent, fault=faults, store=store)
    faults.pipeline = pipeline
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    while not stopping:
        pipeline.step(0.1)
        faults.note()
        if pipeline.due():
            pipeline.checkpoint()
    pipeline.checkpoint()
    pipeline.close()


def child(errors: Path, arguments: list[str]) -> None:
    """Be the victim, in a process that was forked for it; what it complains of goes to a file."""
    with errors.open("wb") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    main(arguments)
