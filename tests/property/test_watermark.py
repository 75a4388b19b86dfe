"""Event time is a function of the log: the borders between calls do not matter, and a brute-force rule agrees."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.watermark import NEVER, Clock

SKEW = 10
TIMES = st.lists(
    st.one_of(st.integers(0, 30), st.integers(0, 200), st.integers(1_000, 1_030), st.just(99_999)), max_size=120
)


def dispositions(
    times: list[int], cuts: list[int], stamps: list[int] | None = None
) -> tuple[dict[int, tuple[str, int]], Clock]:
    """Feed the rows in pieces; return each row's fate and the greatest time before it."""
    clock = Clock()
    held: list[int] = []
    fate: dict[int, tuple[str, int]] = {}
    borders = sorted({0, len(times), *(cut % (len(times) + 1) for cut in cuts)})
    for first, last in pairwise(borders):
        log_times = None if stamps is None else np.array(stamps[first:last], np.int64)
        verdict = clock.advance(np.array(times[first:last], np.int64), log_times, SKEW)
        name = {-1 - place: row for place, row in enumerate(held)} | {i: first + i for i in range(last - first)}
        for index, before in zip(verdict.accepted.tolist(), verdict.before.tolist(), strict=True):
            fate[name[index]] = ("accepted", before)
        for index in verdict.future.tolist():
            fate[name[index]] = ("future", 0)
        held = [name[index] for index in verdict.held.tolist()]
    for row in held:
        fate[row] = ("held", 0)
    return fate, clock


@given(TIMES, st.lists(st.integers(0, 200), max_size=6))
@settings(max_examples=300, deadline=None)
def test_borders_between_calls_change_nothing(times: list[int], cuts: list[int]) -> None:
    whole, one = dispositions(times, [])
    pieces, other = dispositions(times, cuts)
    assert whole == pieces
    assert (one.greatest, one.held, one.balance) == (other.greatest, other.held, other.balance)
    assert sorted(whole) == list(range(len(times)))


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=120), st.lists(st.integers(0, 200), max_size=6)
)
@settings(max_examples=300, deadline=None)
def test_borders_change_nothing_with_broker_stamps_either(rows: list[tuple[int, int]], cuts: list[int]) -> None:
    times, stamps = [time for time, _ in rows], [stamp for _, stamp in rows]
    whole, one = dispositions(times, [], stamps)
    pieces, other = dispositions(times, cuts, stamps)
    assert whole == pieces
    assert (one.greatest, one.held, one.balance) == (other.greatest, other.held, other.balance)
    believed = [row for row, (time, stamp) in enumerate(rows) if time <= stamp + SKEW]
    assert {row for row, (kind, _) in whole.items() if kind != "future"} == set(believed)
    assert len(one.held) == (len(believed) if len(believed) < 16 else 0)


@pytest.mark.parametrize("stamped", [False, True])
@pytest.mark.parametrize("place", [0, 7, 15])
def test_a_row_from_1970_at_the_very_start_is_late(place: int, *, stamped: bool) -> None:
    times = [1_000 + n for n in range(20)]
    times[place] = 0
    fate, clock = dispositions(times, [], times if stamped else None)
    assert clock.greatest == 1_019
    assert fate[place][0] == "accepted"
    assert all(before >= 1_000 - SKEW for _, before in fate.values())


@given(TIMES)
@settings(max_examples=300, deadline=None)
def test_greatest_time_is_the_greatest_accepted(times: list[int]) -> None:
    fate, clock = dispositions(times, [])
    accepted = [times[row] for row, (kind, _) in fate.items() if kind == "accepted"]
    assert clock.greatest == max(accepted, default=NEVER)
    assert len(clock.held) <= 64


def test_one_record_from_2099_closes_nothing() -> None:
    clock = Clock()
    clock.advance(np.arange(100, dtype=np.int64), None, SKEW)
    verdict = clock.advance(np.array([4_000_000, 100, 101]), None, SKEW)
    assert verdict.future.tolist() == [0]
    assert verdict.accepted.tolist() == [1, 2]
    assert clock.greatest == 101


def test_a_night_without_traffic_is_believed_after_sixteen_rows() -> None:
    clock = Clock()
    clock.advance(np.arange(100, dtype=np.int64), None, SKEW)
    first = clock.advance(np.arange(5_000, 5_015), None, SKEW)
    assert not len(first.accepted)
    assert len(first.held) == 15
    second = clock.advance(np.arange(5_015, 5_020), None, SKEW)
    assert sorted(second.accepted.tolist()) == [
        -15,
        -14,
        -13,
        -12,
        -11,
        -10,
        -9,
        -8,
        -7,
        -6,
        -5,
        -4,
        -3,
        -2,
        -1,
        0,
        1,
        2,
        3,
        4,
    ]
    assert clock.greatest == 5_019
    assert int(second.before.min()) == 99


def test_broker_stamps_bound_event_time_at_once() -> None:
    clock = Clock()
    clock.advance(np.arange(80, 96), np.arange(80, 96), SKEW)
    times = np.array([100, 4_000_000, 105])
    verdict = clock.advance(times, np.array([100, 101, 102]), SKEW)
    assert verdict.accepted.tolist() == [0, 2]
    assert verdict.future.tolist() == [1]
    assert clock.greatest == 105


def test_settle_believes_what_is_held() -> None:
    clock = Clock()
    clock.advance(np.array([5, 7, 900, 6]), None, SKEW)
    assert len(clock.held) == 4
    verdict = clock.settle(SKEW)
    assert sorted(verdict.accepted.tolist()) == [-4, -3, -2, -1]
    assert clock.greatest == 900
    assert not clock.held
