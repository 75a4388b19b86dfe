"""A generator that works in another process gives what it would have given here."""

from __future__ import annotations

import multiprocessing
from functools import partial
from itertools import pairwise

import pytest

from monitor.demo.ahead import ahead
from monitor.demo.parts import parts
from monitor.demo.stream import DemoStream
from monitor.events import HOUR
from tests.unit.generators import broken, endless


def test_the_stream_is_the_same_whoever_makes_it() -> None:
    stream = DemoStream(3, quiet_days=1, rows_per_day=30)
    assert list(ahead(partial(parts, stream))) == list(parts(stream))


def test_parts_are_longer_before_the_first_change_and_hold_everything() -> None:
    stream = DemoStream(3, quiet_days=2, rows_per_day=200)
    starts, records = zip(*parts(stream), strict=True)
    first = min(injection.start for injection in stream.injections)
    quiet = [start for start in starts if start < first]
    assert quiet == list(range(stream.start, first, 12 * HOUR))
    assert {later - start for start, later in pairwise(starts[len(quiet) :])} >= {3 * HOUR}
    assert sorted(set(starts)) == list(starts)
    assert sum(map(len, records)) == len(stream) + len(list(stream.labels()))


def test_an_early_end_is_told() -> None:
    made = ahead(broken)
    assert next(made) == 1
    with pytest.raises(RuntimeError, match="ended early"):
        next(made)


def test_the_process_goes_with_its_reader() -> None:
    made = ahead(endless)
    assert next(made) == 0
    assert len(multiprocessing.active_children()) == 1
    made.close()
    assert not multiprocessing.active_children()
