"""Chains hold what a list of rows holds, whatever the batches, writes and crashes."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.join import chains
from monitor.join.chains import Chains
from monitor.store.memory import MemoryStore

CELL = 10
STAY = 25
"""How long after the end of its cell a row is needed."""


def leaves(times: Any) -> Any:
    return times // CELL * CELL + CELL + STAY


class Course:
    """Chains beside a plain list of all rows that ever came."""

    def __init__(self, seed: int, most: int) -> None:
        self.rng = random.Random(seed)
        self.most = most
        self.store = MemoryStore()
        self.rows: list[tuple[int, int, int]] = []
        """Key, proof, time; the place in the list is the offset."""
        self.written = 0
        self.watermark = self.durable = 0
        self.open()

    def open(self) -> None:
        self.chains = Chains(self.store, 1, "m", (("value", "<i8"),), CELL, self.most)
        data = self.store.get(b"state")
        if data is not None:
            self.chains.load([int(part) for part in data.split()])

    def add(self) -> None:
        number = self.rng.choice([1, 5, 60])
        new = [
            (self.rng.choice([2, 2, 3, 9]), self.rng.choice([0, 0, 1]), self.watermark + self.rng.randint(0, 30))
            for _ in range(number)
        ]
        first = len(self.rows)
        self.rows += new
        rows = self.chains.empty(np.array([row[:2] for row in new], np.uint64))
        rows["time"] = [row[2] for row in new]
        rows["offset"] = rows["value"] = np.arange(first, first + number)
        self.chains.add(rows, leaves(rows["time"]))

    def write(self) -> None:
        puts, deletes = self.chains.changes()
        puts[b"state"] = b" ".join(b"%d" % part for part in self.chains.state())
        self.store.write(puts, deletes, sync=False)
        if self.rng.random() < 0.8:
            self.chains.written()
            self.written, self.durable = len(self.rows), self.watermark
        else:
            # a write that failed may be there all the same
            self.written, self.durable = len(self.rows), self.watermark
            self.open()

    def crash(self) -> None:
        del self.rows[self.written :]
        self.watermark = self.durable
        self.open()

    def expected(self) -> tuple[list[int], int]:
        """Return the offsets of what counts and is still needed, and how many of all rows do not count."""
        numbers: Counter[tuple[int, int, int]] = Counter()
        found, over = [], 0
        for time, offset in sorted((row[2], offset) for offset, row in enumerate(self.rows)):
            key, proof, _ = self.rows[offset]
            numbers[key, proof, time // CELL] += 1
            over += numbers[key, proof, time // CELL] > self.most
            if numbers[key, proof, time // CELL] <= self.most and leaves(time) >= self.watermark:
                found.append(offset)
        return sorted(found), over

    def check(self) -> None:
        keys = np.array([2, 3, 9, 77], np.uint64)
        rows, owners = self.chains.of(keys)
        assert (keys[owners] == rows["key"]).all()
        rows = rows[self.chains.counting(rows)]
        rows = rows[leaves(rows["time"]) >= self.watermark]
        expected, over = self.expected()
        assert sorted(rows["offset"].tolist()) == expected
        assert rows["value"].tolist() == rows["offset"].tolist()
        assert [self.rows[offset][1] for offset in rows["offset"].tolist()] == rows["proof"].tolist()
        assert self.chains.overflow == over

    def run(self, steps: int = 25) -> None:
        for _ in range(steps):
            dice = self.rng.random()
            if dice < 0.5:
                self.add()
            elif dice < 0.7:
                self.watermark += self.rng.choice([0, 3, 20])
                self.chains.expire(self.watermark)
            elif dice < 0.9:
                self.write()
            else:
                self.crash()
            self.check()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 3, 20, 1000]))
def test_chains_are_lists(seed: int, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # so that chains are kept in memory, and dropped from it, within a short course
        patch.setattr(chains, "_LONG", 4)
        patch.setattr(chains, "_KEPT", 70)
        Course(seed, most).run()


def test_nothing_is_left_when_all_is_over() -> None:
    course = Course(4, 3)
    course.run()
    for watermark in (10_000, 20_000):
        course.write()
        course.watermark = watermark
        course.chains.expire(watermark)
    course.write()
    assert len(course.chains) == 0
    assert [key for key, _ in course.store.scan(b"")] == [b"state"]


def forget_new(self: Chains, keys: Any, rows: Any, locations: Any) -> None:
    """Leave out of long chains what comes later."""


def newest_only(self: Chains, rows: Any) -> Any:
    """Have every row count."""
    return np.ones(len(rows), bool)


def nothing_new(self: Chains, rows: Any, parts: Any, tail: Any, kept: Any) -> bool:
    """Take no note of the rows that a cell gets."""
    return True


@pytest.mark.parametrize(
    ("name", "broken"), [("_lengthen", forget_new), ("counting", newest_only), ("_fits", nothing_new)]
)
def test_the_comparison_finds(name: str, broken: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "_LONG", 4)
    monkeypatch.setattr(Chains, name, broken)
    for seed in range(60):
        try:
            Course(seed, 1000 if name == "_lengthen" else 3).run()
        except AssertionError:
            return
    pytest.fail(f"{name}: not found in 60 courses")
