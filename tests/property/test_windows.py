"""Windows and tiers against brute force."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.events import DAY, HOUR, MINUTE
from monitor.windows import Tiers, Window, WindowSet


def window(size: int, slide: int, lateness: int = 0, restate_for: int = 7 * DAY) -> Window:
    return Window("w", size, slide, lateness, restate_for, 1)


@given(st.integers(1, 50), st.integers(1, 12), st.integers(-1000, 5000))
def test_starts_are_all_windows_that_hold_the_time(slide: int, multiple: int, time: int) -> None:
    one = window(slide * multiple, slide)
    multiples = range((time // slide - multiple - 1) * slide, time + 2 * slide, slide)
    expected = [s for s in multiples if s <= time < s + one.size]
    assert list(one.starts(time)) == expected


@given(st.integers(1, 50), st.integers(1, 12), st.integers(-1000, 5000))
def test_first_open_is_the_first_window_that_ends_after_the_watermark(slide: int, multiple: int, mark: int) -> None:
    one = window(slide * multiple, slide)
    start = one.first_open(mark)
    assert start % slide == 0
    assert start + one.size > mark >= start - slide + one.size


@given(
    st.integers(1, 20),
    st.integers(1, 6),
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 400)), max_size=40),
)
@settings(deadline=None)
def test_restated_counts_rows_after_each_windows_end(
    slide: int, multiple: int, lateness: int, rows: list[tuple[int, int]]
) -> None:
    one = window(slide * multiple, slide, lateness)
    expected: dict[int, int] = {}
    for time, before in rows:
        for start in one.starts(time):
            if start + one.size <= before - lateness:
                expected[start] = expected.get(start, 0) + 1
    times = np.array([time for time, _ in rows], np.int64)
    assert one.restated(times, np.array([before for _, before in rows], np.int64)) == expected


def test_default_windows_make_three_tiers() -> None:
    fast = Window("fast", 15 * MINUTE, 15 * MINUTE, MINUTE, DAY, 1)
    daily = Window("daily", DAY, HOUR, 30 * MINUTE, 7 * DAY, 1)
    both = WindowSet((fast, daily))
    assert both.tiers == Tiers((15 * MINUTE, HOUR, DAY), (DAY, 7 * DAY, 7 * DAY))
    assert both.tiers.of_window(fast) == (0,)
    assert both.tiers.of_window(daily) == (0, 1)
    assert both.lateness == 30 * MINUTE
    assert both.longest == DAY


@given(st.lists(st.sampled_from([5, 15, 30, 60, 120, 1440]), min_size=1, max_size=3))
def test_every_window_is_a_whole_number_of_its_tiers(minutes: list[int]) -> None:
    windows = [window(size * MINUTE, size * MINUTE) for size in minutes]
    tiers = Tiers.of(windows)
    for one in windows:
        levels = tiers.of_window(one)
        assert levels[0] == 0
        assert all(math.gcd(one.size, one.slide) % tiers.lengths[level] == 0 for level in levels)


def test_rows_go_to_the_finest_tier_that_still_takes_them() -> None:
    tiers = Tiers((15 * MINUTE, HOUR, DAY), (DAY, 7 * DAY, 30 * DAY))
    delays = np.array([-5, 0, DAY, DAY + 1, 7 * DAY, 8 * DAY, 31 * DAY])
    assert tiers.place(delays).tolist() == [0, 0, 0, 1, 1, 2, 3]


GRAINS = [5, 10, 15, 20, 30, 60]


@given(
    st.lists(st.sampled_from(GRAINS), min_size=1, max_size=3),
    st.lists(st.sampled_from(GRAINS), max_size=3),
    st.lists(st.integers(-HOUR, 40 * DAY), max_size=30),
)
def test_panes_of_older_windows_keep_a_tier_that_no_row_enters(
    minutes: list[int], before: list[int], delays: list[int]
) -> None:
    windows = [window(size * MINUTE, size * MINUTE) for size in minutes]
    own = Tiers.of(windows)
    tiers = Tiers.of(windows, [size * MINUTE for size in before])
    assert tiers.base == own.base
    places = tiers.place(np.array([*delays, -(1 << 62) - DAY], np.int64)).tolist()
    own_places = own.place(np.array([*delays, -(1 << 62) - DAY], np.int64)).tolist()
    lengths = [*tiers.lengths, None]
    assert [lengths[place] for place in places] == [[*own.lengths, None][place] for place in own_places]
    for level, length in enumerate(tiers.lengths):
        above = tiers.lengths[tiers.above(level)]
        assert above % length == 0
        assert (above == length) == (level == len(tiers.lengths) - 1)
