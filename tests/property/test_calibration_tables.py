"""Every calibration table is linear in its rows, whatever they are: splits, order, merging, rows taken out again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.calibration.coverage import CoverageTable
from detectors.calibration.fixed import MOST_ROWS
from detectors.calibration.pinball import PinballTable
from detectors.calibration.pit import PitTable
from detectors.calibration.table import CalibrationTable
from detectors.counts import Counts
from detectors.estimate.class_table import ClassTable
from tests.oracles import FloatArray, IntArray

UGLY = [0.0, -0.0, 1.0, 0.5, 0.25, np.nan, np.inf, -np.inf, -1e-300, 1e-300, 1.0 + 1e-9, 1e300, -1e300, 1e-16, 5e-324]
number = st.one_of(st.sampled_from(UGLY), st.floats(0, 1), st.floats(-5, 5))
row = st.tuples(number, number, number, st.sampled_from([0.0, 1.0, np.nan, 0.5, np.inf, 2.0]), st.integers(-1, 3))


class Table(Protocol):
    @property
    def size(self) -> int: ...

    @property
    def identity(self) -> str: ...


Tally = Callable[[FloatArray, IntArray, IntArray, int], IntArray]


@dataclass(frozen=True)
class Case:
    table: Table
    tally: Tally


SCORES, CLASSES = CalibrationTable(np.array([0.2, 0.5, 0.7])), ClassTable((np.array([0.3]), np.array([0.2, 0.6])))
PITS, COVERED, LOSSES = PitTable(7), CoverageTable(0.9), PinballTable((0.1, 0.9), unit=2.0)
CASES = {
    "scores": Case(SCORES, lambda rows, *rest: SCORES.tally(rows[:, 0], rows[:, 3], *rest)),
    "pit": Case(PITS, lambda rows, *rest: PITS.tally(rows[:, 0], *rest)),
    "coverage": Case(COVERED, lambda rows, *rest: COVERED.tally(rows[:, 0], rows[:, 1], rows[:, 2], *rest)),
    "pinball": Case(LOSSES, lambda rows, *rest: LOSSES.tally(rows[:, 0], rows[:, 1:3], *rest)),
}


def rows_of(drawn: list[tuple[float, ...]]) -> FloatArray:
    return np.array(drawn, np.float64).reshape(-1, 5)


def whole(case: Case, rows: FloatArray, weight: int = 1) -> IntArray:
    return case.tally(rows, np.full(len(rows), weight, np.int64), np.zeros(len(rows), np.int64), 1)


@pytest.mark.parametrize("name", CASES)
@given(drawn=st.lists(row, max_size=30), seed=st.integers(0, 99), groups=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_tables_are_linear_in_their_rows(name: str, drawn: list[tuple[float, ...]], seed: int, groups: int) -> None:
    case, rows, rng = CASES[name], rows_of(drawn), np.random.default_rng(seed)
    total = whole(case, rows)
    assert total.shape == (1, case.table.size)
    assert total[0, 0] == len(rows)
    group = rng.integers(0, groups, len(rows))
    parts = case.tally(rows, np.ones(len(rows), np.int64), group, groups)
    assert np.array_equal(parts.sum(axis=0, keepdims=True), total)
    order = rng.permutation(len(rows))
    assert np.array_equal(whole(case, rows[order]), total)
    out = rng.random(len(rows)) < 0.5
    assert np.array_equal(total + whole(case, rows[out], -1), whole(case, rows[~out]))
    assert np.array_equal(whole(case, rows, 3), 3 * total)
    counts = Counts(case.table.identity, total[0])
    assert Counts.from_bytes(counts.to_bytes()) == counts
    assert Counts.from_bytes((Counts.zero(case.table.identity, len(total[0])) - counts).to_bytes()) + counts == (
        Counts.zero(case.table.identity, len(total[0]))
    )


@given(drawn=st.lists(row, max_size=30), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_tables_of_classes_are_linear_in_their_rows(drawn: list[tuple[float, ...]], seed: int) -> None:
    rows, rng = rows_of(drawn), np.random.default_rng(seed)
    label = rng.integers(-1, 3, len(rows))

    def tally(part: IntArray, weight: int = 1) -> IntArray:
        here = rows[part]
        return CLASSES.tally(
            here[:, :2], here[:, 4].astype(np.int64), label[part],
            np.full(len(part), weight, np.int64), np.zeros(len(part), np.int64), 1,
        )  # fmt: skip

    everything = np.arange(len(rows))
    total = tally(everything)
    assert np.array_equal(tally(rng.permutation(everything)), total)
    out = rng.random(len(rows)) < 0.5
    assert np.array_equal(total + tally(everything[out], -1), tally(everything[~out]))
    counted = CLASSES.predicted(total).sum(axis=(1, 2, 3)) // 2
    assert total[0, 0] == counted[0] + total[0, 1]
    assert CLASSES.labelled(total).n.sum() // 2 == counted[0] - total[0, 2]


@given(drawn=st.lists(row, max_size=40))
@settings(max_examples=100, deadline=None)
def test_every_row_of_scores_is_counted_once(drawn: list[tuple[float, ...]]) -> None:
    rows = rows_of(drawn)
    score, label = rows[:, 0], rows[:, 3]
    cells = whole(CASES["scores"], rows)
    quality = {name: int(count[0]) for name, count in SCORES.quality(cells).items()}
    bins = SCORES.score_bins(cells)
    inside = (score >= 0) & (score <= 1)
    assert quality["no_score"] == np.isnan(score).sum()
    assert quality["score_outside"] == (~inside & ~np.isnan(score)).sum()
    assert quality["rows"] == bins.n.sum() + quality["no_label"] + quality["no_score"] + quality["score_outside"]
    good = inside & np.isin(label, [0, 1])
    assert bins.n.sum() == good.sum()
    assert bins.score.sum() == pytest.approx(score[good].sum(), abs=1e-8)
    assert bins.positives.sum() == label[good].sum()


def test_more_rows_than_sums_hold_are_refused() -> None:
    big, zero = np.array([MOST_ROWS, 1]), np.zeros(2, np.int64)
    with pytest.raises(OverflowError, match="2147483648 rows"):
        SCORES.tally(np.array([0.5, 0.5]), np.array([1.0, 0.0]), big, zero, 1)
    most = SCORES.tally(np.array([1.0]), np.array([1.0]), big[:1], zero[:1], 1)
    assert SCORES.score_bins(most).score.sum() == MOST_ROWS
    assert SCORES.losses(most).log[0] == pytest.approx(0.0, abs=1e-3)
    with pytest.raises(OverflowError, match="not 4294967296"):
        SCORES.score_bins(most + most)
    assert np.array_equal(most + most - most, most), "what overflows on the way is right again at the end"
    wrong = SCORES.tally(np.array([0.0]), np.array([1.0]), big[:1], zero[:1], 1)
    assert SCORES.losses(wrong).log[0] / MOST_ROWS == pytest.approx(-np.log(1e-15), rel=1e-9)
    assert SCORES.losses(wrong).log_sq[0] / MOST_ROWS == pytest.approx(np.log(1e-15) ** 2, rel=1e-9)


@given(st.lists(st.one_of(st.floats(0, 1), st.sampled_from(UGLY)), max_size=200), st.integers(1, 20))
@settings(max_examples=80, deadline=None)
def test_fitted_bins_have_about_equal_mass_and_no_empty_end(sample: list[float], bins: int) -> None:
    scores = np.array(sample, np.float64)
    table = CalibrationTable.fit(scores, bins)
    kept = scores[(scores >= 0) & (scores <= 1)]
    mass = np.bincount(table.code(kept), minlength=table.bins)
    assert table.bins <= bins
    if len(kept):
        assert np.all(mass > 0)
        heaviest = np.unique(kept, return_counts=True)[1].max()
        assert mass.max() <= -(-len(kept) // bins) + heaviest
    cut = CalibrationTable.fit(scores, bins, cuts=[0.42])
    assert 0.42 in cut.edges
    assert cut.identity != table.identity or 0.42 in table.edges
    assert len(cut.names) == cut.size
