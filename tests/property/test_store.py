"""The state on disk behaves as a dictionary that can be put back, through crashes and damage."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from monitor.store.memory import MemoryStore
from monitor.store.port import CorruptStateError
from monitor.store.rocks import RocksStore

KEYS = st.sampled_from([b"a", b"ab", b"b", b"\xff", b"\xff\xff", *(b"k%d" % i for i in range(6))])
VALUES = st.one_of(st.binary(max_size=8), st.integers(0, 3000).map(lambda size: random.Random(size).randbytes(size)))


class Store(RuleBasedStateMachine):
    """Drives the real store and the one in memory side by side."""

    @initialize()
    def begin(self) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="driftline-store-"))
        self.path = self.base / "0"
        self.real = RocksStore.open(self.path, create=True)
        self.model = MemoryStore()
        self.generations: dict[int, dict[bytes, bytes]] = {}
        self.unsynced: list[dict[bytes, bytes]] = []
        self.crashes = 0

    @rule(puts=st.dictionaries(KEYS, VALUES, max_size=6), deletes=st.lists(KEYS, max_size=4), sync=st.booleans())
    def write(self, puts: dict[bytes, bytes], deletes: list[bytes], sync: bool) -> None:
        self.unsynced = [] if sync else [*self.unsynced, dict(self.model.scan(b""))]
        self.real.write(puts, deletes, sync=sync)
        self.model.write(puts, deletes, sync=sync)

    @rule()
    def snapshot(self) -> None:
        self.generations[self.real.snapshot().number] = dict(self.model.scan(b""))

    @rule()
    def restart(self) -> None:
        self.real.close()
        self.real = RocksStore.open(self.path, create=False)
        assert self.real.recovery is None

    @rule()
    def crash(self) -> None:
        self.abandon()
        self.real = RocksStore.open(self.path, create=False)
        assert self.real.recovery is None

    @precondition(lambda self: self.generations)
    @rule(seed=st.integers(0, 1 << 16), cut=st.booleans())
    def damage(self, seed: int, cut: bool) -> None:
        chosen = random.Random(seed)
        self.abandon()
        live = self.path / "live"
        file = live / chosen.choice(sorted(file.name for file in live.iterdir()))
        size = file.stat().st_size
        if cut:
            os.truncate(file, chosen.randrange(size) if size else 0)
        elif size:
            data = bytearray(file.read_bytes())
            data[chosen.randrange(size)] ^= 1 << chosen.randrange(8)
            file.write_bytes(data)
        try:
            self.real = RocksStore.open(self.path, create=False)
            dict(self.real.scan(b""))
        except CorruptStateError:
            self.real.close()
            self.fall_back()
        else:
            self.adopt()

    @invariant()
    def reads_the_same(self) -> None:
        expected = dict(self.model.scan(b""))
        assert list(self.real.scan(b"")) == list(expected.items())
        assert list(self.real.scan(b"k")) == list(self.model.scan(b"k"))
        assert self.real.get_many(sorted(expected)) == list(expected.values())
        assert self.real.get(b"never") is None

    def teardown(self) -> None:
        self.real.close()
        shutil.rmtree(self.base)

    def abandon(self) -> None:
        """Go on with the files as they are now, as after a kill."""
        self.crashes += 1
        self.real._engine._db.cancel_all_background(True)
        copy = self.base / f"{self.crashes}"
        shutil.copytree(self.path, copy)
        self.real.close()
        shutil.rmtree(self.path)
        self.path = copy

    def fall_back(self) -> None:
        self.real = RocksStore.open(self.path, create=False)
        assert self.real.recovery is not None
        self.adopt()

    def adopt(self) -> None:
        """Expect what the store says it fell back to; without a word, only unsynced writes may be gone."""
        if self.real.recovery is not None:
            number = self.real.recovery.generation.number
            self.generations = {kept: state for kept, state in self.generations.items() if kept <= number}
            self.put_back(self.generations[number])
        elif (state := dict(self.real.scan(b""))) in self.unsynced:
            self.put_back(state)
        self.unsynced = []

    def put_back(self, state: dict[bytes, bytes]) -> None:
        self.model = MemoryStore()
        self.model.write(state, (), sync=True)


TestStore = Store.TestCase
TestStore.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
