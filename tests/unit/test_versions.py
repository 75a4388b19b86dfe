"""Which versions are counted apart: a function of the rows in their order, never of how they are cut into batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.assembly import build_model
from monitor.events import DAY
from monitor.model import OTHER, Model
from monitor.watermark import NEVER
from tests.references import START, batch_of, cut, model_config

KEEP = 7 * DAY
ROWS = st.lists(st.tuples(st.sampled_from("abcdefg"), st.integers(0, 40)), min_size=1, max_size=40)


def model(bound: int) -> Model:
    windows = {"daily": {"size": 86_400_000_000, "restate_for": KEEP}}
    return build_model(model_config(windows=windows), Path(), bound)


def brute_force(rows: list[tuple[str, int]], bound: int) -> list[str]:
    """Admit row by row: a version without rows for longer than windows are restated makes room."""
    kept: dict[str, int] = {}
    greatest = -1
    names = []
    for name, day in rows:
        greatest = max(greatest, day)
        while name not in kept and len(kept) >= bound and min(kept.values()) < greatest - KEEP // DAY:
            del kept[min(kept, key=lambda known: (kept[known], known))]
        if name not in kept and len(kept) >= bound:
            names.append(OTHER)
            continue
        kept[name] = max(kept.get(name, day), day)
        names.append(name)
    return names


@given(ROWS, st.lists(st.integers(0, 40), max_size=4), st.integers(1, 4))
@settings(deadline=None, max_examples=150)
def test_versions_are_admitted_row_by_row_whatever_the_batches(
    rows: list[tuple[str, int]], borders: list[int], bound: int
) -> None:
    times = START + DAY * np.array([day for _, day in rows], np.int64)
    batch = batch_of({"x": np.zeros(len(rows))}, times=times, versions=[name for name, _ in rows])
    before = np.maximum.accumulate(np.concatenate([[NEVER], times[:-1]]))
    one = model(bound)
    admitted: list[str] = []
    for part in cut(batch, borders):
        done = len(admitted)
        admitted += one.admit(part, before[done : done + len(part)]).versions
    assert admitted == brute_force(rows, bound)
    assert len(one.versions) <= bound


def test_a_lower_bound_lets_known_versions_run_out() -> None:
    one = model(4)
    times = START + np.arange(4) * DAY
    one.admit(batch_of({"x": np.zeros(4)}, times=times, versions=list("abcd")), times)
    one.most_versions = 2
    later = np.array([START + 9 * DAY])
    assert one.admit(batch_of({"x": np.zeros(1)}, times=later, versions=["e"]), later).versions == [OTHER]
    assert set(one.versions) == {"c", "d"}
    later = np.array([START + 10 * DAY + 1])
    assert one.admit(batch_of({"x": np.zeros(1)}, times=later, versions=["e"]), later).versions == ["e"]
    assert set(one.versions) == {"d", "e"}
