"""The join equals brute force, whatever the interleaving, the batches, the checkpoints and the crashes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.store.memory import MemoryStore
from monitor.store.rocks import RocksStore
from tests.property.join_driver import Driver
from tests.property.join_oracle import scenario


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_any_course_of_events_comes_to_the_same_as_brute_force(logs: int, course: int) -> None:
    driver = Driver(scenario(random.Random(logs)), MemoryStore(), random.Random(course))
    driver.run()
    driver.compare()
