"""Slices of a regression: which errors are large is learnt, exactly; then slices are found as those of classes are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.events import DAY, HOUR, IntArray
from monitor.outcomes.large import ENOUGH, SHARE, Sizes, limit_of, size_codes, smallest
from monitor.outcomes.searching import Searching
from tests.evidence_labels import run
from tests.found_slices import BEGIN, Case, alarms, cases, configured, judged, logs, source_of, told

LEARNT = BEGIN + 9 * DAY
UGLY = [0.0, -0.0, 5e-324, 1e-300, 0.1, 1.0, 1.0, 3.0, 1e9, 1e300, -2.0, np.nan, np.inf, -np.inf, 2e300]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(UGLY) | st.floats(), min_size=1, max_size=40))
def test_steps_rise_with_the_error_and_name_its_size(errors: list[float]) -> None:
    said = np.array(errors)
    codes = size_codes(said, np.zeros(len(said)))
    for error, code in zip(errors, codes.tolist(), strict=True):
        if not abs(error) <= 1e300:
            assert code == -1
            continue
        assert smallest(code) <= abs(error) < smallest(code + 1)
        assert code < 2**15
        if abs(error) >= 2.3e-308:
            assert smallest(code + 1) <= smallest(code) * (1 + 1 / 16)
    assert (size_codes(np.zeros(len(said)), said) == codes).all()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=60))
def test_at_most_a_tenth_reach_the_limit_and_no_lower_one_would_do(codes: list[int]) -> None:
    limit = limit_of(Counter(codes))
    above = sum(code >= limit for code in codes)
    assert above <= SHARE * len(codes)
    assert limit >= 1
    if limit > 1:
        assert sum(code >= limit - 1 for code in codes) > SHARE * len(codes)


def test_the_limit_rests_on_whole_hours_in_their_order() -> None:
    sizes, rng = Sizes(), np.random.default_rng(1)
    hours = {start * HOUR: rng.integers(0, 50, 300) for start in range(6)}
    for start in (3, 0, 5, 1, 4, 2):
        half = len(hours[start * HOUR]) // 2
        sizes.add(start * HOUR, hours[start * HOUR][half:])
        sizes.add(start * HOUR, hours[start * HOUR][:half])
    assert sizes.learn(4 * HOUR - 1) is None, "only three hours are over"
    first = np.concatenate([hours[start * HOUR] for start in range(4)])
    assert len(first) >= ENOUGH
    wanted = (limit_of(Counter(first.tolist())), 4 * HOUR)
    assert sizes.learn(4 * HOUR) == sizes.learn(9 * HOUR) == wanted


def numbers(found: Sequence[Case], seed: int, bad: int) -> list[Case]:
    """Return predictions with normal errors, three times as wide in one segment from a time on."""
    rng = random.Random(seed)
    return [
        replace(
            case,
            score=round(case.score * 100, 2),
            error=rng.gauss(0, 3 if case.time >= bad and case.features[:2] == ("fr", "shop") else 1),
        )
        for case in found
    ]


def marked(found: Sequence[Case], limit: float) -> list[Case]:
    """Return the same, wrong where the error is large."""
    return [replace(case, wrong=abs(case.score - case.truth) >= limit) for case in found]


def test_a_segment_whose_errors_grow_is_found_and_named(tmp_path: Path) -> None:
    found = numbers(cases(BEGIN, LEARNT + 2 * DAY, 60, 3), 1, LEARNT + DAY)
    config = configured(tmp_path, learn="8d", window="6h", task="regression")
    pipeline = run(config, tmp_path, logs(found, pause_every=3000))
    start, piece, finding = alarms(pipeline)[0]
    assert piece == "kind=shop,place=fr"
    assert {one[1] for one in alarms(pipeline)} <= {piece, "kind=shop", "place=fr"}, "parents are worse by its rows"
    assert LEARNT + DAY <= start <= LEARNT + 2 * DAY + 6 * HOUR
    source = source_of(pipeline)
    limit = source.searching.limit
    assert limit is not None
    assert smallest(limit) == pytest.approx(1.645, abs=0.12), "a tenth of normal errors are larger"
    assert f"off by {smallest(limit):.4g} or more: " in finding.explanation
    assert source.picks is not None
    assert source.cells is not None
    (member,) = [one for one in source.picks.members if source.cells.label(one.cell) == piece]
    rows, errors = judged(marked(found, smallest(limit)), member.since * 6 * HOUR, LEARNT + 2 * DAY)
    assert (member.rows, member.errors) == (rows[piece], errors[piece])
    lift = [one for one in told(pipeline)[-1].findings if one.detector == "lift"]
    assert lift


def test_batches_pauses_and_restarts_change_nothing(tmp_path: Path) -> None:
    """Restarts fall into the hours that the limit is learnt from, too."""
    found = numbers(cases(BEGIN, BEGIN + 58 * HOUR, 60, 4), 2, BEGIN + 2 * DAY)
    first = configured(tmp_path / "a", learn="1d", task="regression")
    whole = run(first, tmp_path / "a", logs(found, pause_every=900))
    rarely, restart = random.Random(1), random.Random(11)
    config = configured(tmp_path / "b", learn="1d", task="regression")
    pieces = run(config, tmp_path / "b", logs(found, pause_every=331), seed=1, rarely=rarely, restart=restart)
    assert len({result.slice for result in told(whole)}) > 3
    assert [repr(result) for result in told(pieces)] == list(map(repr, told(whole)))
    assert source_of(pieces).searching.since == source_of(whole).searching.since


@pytest.mark.parametrize("find", ["min_samples: 50", "min_samples: 50, large_error: 1.5"])
def test_hours_hold_the_rows_whose_error_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, find: str) -> None:
    """Against brute force, row by row."""
    found = numbers(cases(BEGIN, BEGIN + 60 * HOUR, 60, 5), 3, BEGIN)
    seen: dict[int, IntArray] = {}
    counts = Searching.counts

    def watched(self: Searching, first: int, last: int) -> dict[str, IntArray]:
        read = counts(self, first, last)
        assert self.cells is not None
        seen[first] = np.sum([*read.values(), np.zeros(self.cells.size, np.int64)], axis=0)
        return read

    monkeypatch.setattr(Searching, "counts", watched)
    config = configured(tmp_path, learn="1d", find=find, task="regression")
    pipeline = run(config, tmp_path, logs(found, pause_every=170))
    source = source_of(pipeline)
    limit, cells, begin = source.searching.limit, source.cells, BEGIN
    assert limit is not None
    assert cells is not None
    if limit > 1:
        hours = Counter(case.time // HOUR * HOUR for case in found)
        begin = next(start for start in sorted(hours) if sum(hours[one] for one in hours if one < start) >= ENOUGH)
        assert begin == source.searching.since
        sizes = np.abs([case.score - case.truth for case in found if case.time < begin])
        assert (sizes >= smallest(limit)).mean() <= SHARE < (sizes >= smallest(limit - 1)).mean()
    true = marked(found, smallest(limit) if limit > 1 else float(np.nextafter(1.5, 2)))
    assert set(seen) >= set(range(begin, BEGIN + 60 * HOUR, HOUR))
    for start in range(begin, BEGIN + 60 * HOUR, HOUR):
        rows, errors = judged(true, start, start + HOUR)
        counted = cells.counted(seen[start])
        assert (counted.total, counted.wrong) == (rows[""], errors[""])
        for cell in range(cells.lattice.size):
            assert (counted.rows[cell], counted.errors[cell]) == (rows[cells.label(cell)], errors[cells.label(cell)])
