"""Capture and lift at k: equal to two oracles from exact counts, within the stated and reached bound from bins.

One oracle is scikit-learn's ROC curve, read at the share of all rows that it flags: between two thresholds rows are
ties and taken in proportion. The other is the definition, by fractions: the mean over every order of the ties.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from detectors.performance.binary import BinaryTable
from detectors.performance.curves import Curve
from tests.performance_rows import KINDS, FloatArray, IntArray, scored

SHARES = (0.0005, 0.01, 0.05, 0.1, 1 / 3, 0.5, 0.9, 1.0)


def gained(score: FloatArray, label: IntArray, share: float) -> float:
    """Return the share of the positives among the rows of the highest scores, from scikit-learn's ROC curve."""
    false, true, _ = oracle.roc_curve(label, score, drop_intermediate=False)
    positives = label.sum()
    flagged = (false * (len(label) - positives) + true * positives) / len(label)
    return float(np.interp(share, flagged, true))


def by_definition(rows: list[tuple[int, int]], share: Fraction) -> Fraction:
    """Return the mean over all orders of the rows in which no score rises; the row at the cut counts in part."""
    orders = [order for order in permutations(rows) if all(a[0] >= b[0] for a, b in pairwise(order))]
    taken = [min(max(share * len(rows) - place, Fraction(0)), Fraction(1)) for place in range(len(rows))]
    caught = [
        sum((part * label for part, (_, label) in zip(taken, order, strict=True)), Fraction(0)) for order in orders
    ]
    return sum(caught, Fraction(0)) / len(orders) / sum(label for _, label in rows)


def exact(score: FloatArray, tops: tuple[float, ...] = SHARES) -> BinaryTable:
    """Return a table that has a bin for every score there is."""
    edges = np.unique(score)
    edges = edges[edges > 0]
    return BinaryTable(edges if len(edges) else np.array([0.5]), tops=tops)


def compare(score: FloatArray, label: IntArray) -> None:
    table = exact(score)
    found = table.metrics(table.tally(score, label))
    for share in SHARES:
        expected = gained(score, label, share)
        assert found[f"capture_at_{share:g}"].value[0] == pytest.approx(expected, abs=1e-9), share
        assert found[f"lift_at_{share:g}"].value[0] == pytest.approx(expected / share, abs=1e-9 / share), share


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [2, 50, 3000])
def test_capture_and_lift_of_exact_counts_equal_scikit_learn(kind: str, rows: int) -> None:
    compare(*scored(kind, rows))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bins", [3, 20, 200])
def test_both_are_within_their_bound_where_scores_are_binned(kind: str, bins: int) -> None:
    for seed in range(3):
        score, label = scored(kind, 700, seed)
        fitted = BinaryTable.fit(scored(kind, 5000, seed + 100)[0], bins=bins, tops=SHARES)
        found = fitted.metrics(fitted.tally(score, label))
        for share in SHARES:
            for name, unit in (("capture", 1.0), ("lift", share)):
                figure = found[f"{name}_at_{share:g}"]
                off = abs(figure.value[0] - gained(score, label, share) / unit)
                assert off <= figure.bound[0] + 1e-9 / unit, (name, share)
                assert figure.low[0] <= figure.value[0] <= figure.high[0]


def test_the_bound_is_reached_by_an_order_within_the_bin() -> None:
    table = BinaryTable(np.array([0.5]), tops=(0.25, 0.5))
    label = np.array([0, 0, 1, 0, 1, 1, 1, 0, 0, 1])
    place = np.arange(10) / 100
    best, worst = 0.6 + 0.2 * label + place, 0.8 - 0.2 * label + place
    found = table.metrics(table.tally(best, label))
    assert found.keys() == table.metrics(table.tally(worst, label)).keys()
    for share in table.tops:
        figure = found[f"capture_at_{share:g}"]
        off = [abs(gained(score, label, share) - figure.value[0]) for score in (best, worst)]
        assert max(off) == pytest.approx(figure.bound[0], abs=1e-12)


rows_of = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1)), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(rows_of, st.fractions(Fraction(1, 50), 1, max_denominator=50))
def test_both_equal_the_definition_to_the_last_tie(rows: list[tuple[int, int]], share: Fraction) -> None:
    score, label = np.array([one[0] / 4 for one in rows]), np.array([one[1] for one in rows])
    table = exact(score, (float(share),))
    found = table.metrics(table.tally(score, label))
    capture, lift = found[f"capture_at_{float(share):g}"], found[f"lift_at_{float(share):g}"]
    if not label.any():
        assert np.isnan([capture.value[0], capture.bound[0], lift.value[0]]).all()
        assert capture.n[0] == 0
        return
    expected = by_definition(rows, share)
    assert capture.value[0] == pytest.approx(float(expected), abs=1e-9)
    assert lift.value[0] == pytest.approx(float(expected / share), abs=1e-9 / float(share))
    if 0 < label.sum() < len(label):
        assert float(expected) == pytest.approx(gained(score, label, float(share)), abs=1e-9)


def figures_of(score: list[float], label: list[int], weight: int = 1) -> tuple[FloatArray, FloatArray]:
    table = BinaryTable(np.arange(1, 100) / 100, tops=SHARES)
    weights = np.full(len(score), weight)
    found = table.metrics(table.tally(np.array(score), np.array(label, np.int64), weight=weights))
    return tuple(  # type: ignore[return-value]
        np.array([found[f"{name}_at_{share:g}"].value[0] for share in SHARES]) for name in ("capture", "lift")
    )


def test_ugly_rows() -> None:
    nothing: list[tuple[list[float], list[int]]] = [
        ([], []), ([0.5], [0]), ([0.1, 0.9], [0, 0]), ([np.nan, np.inf, -0.5], [1, 1, 1]),
    ]  # fmt: skip
    for score, label in nothing:
        assert all(np.isnan(figure).all() for figure in figures_of(score, label))
    alike = [([0.5], [1]), ([0.1, 0.9, 0.4], [1, 1, 1]), ([0.7] * 6, [0, 1, 0, 0, 1, 1])]
    for score, label in alike:
        capture, lift = figures_of(score, label)
        assert capture == pytest.approx(np.array(SHARES), abs=1e-12)
        assert lift == pytest.approx(np.ones(len(SHARES)), abs=1e-12)
    plain = figures_of([0.9, 0.2, 0.4], [1, 0, 1])
    mixed = figures_of([0.9, np.nan, 0.2, np.inf, 0.4, -1.0, 2.0], [1, 1, 0, 1, 1, 0, 1])
    assert np.array_equal(plain, mixed), "rows without a usable score are in no order"
    assert np.array(figures_of([0.9, 0.2, 0.4], [1, 0, 1], 10**9)) == pytest.approx(np.array(plain), abs=1e-12)


def lowest(self: Curve, top: FloatArray) -> FloatArray:
    """Take the rows of the lowest scores."""
    below = np.cumsum(self.positives + self.negatives, axis=1) - self.positives - self.negatives
    here = self.positives + self.negatives
    taken = np.clip(top[:, np.newaxis] - below, 0.0, here)
    return np.asarray((self.positives * taken / np.maximum(here, 1.0)).sum(axis=1))


def whole_bins(self: Curve, top: FloatArray) -> FloatArray:
    """Take all rows of the score at which the cut falls."""
    above = self.positives_above + self.negatives_above
    return np.asarray((self.positives * (above < top[:, np.newaxis])).sum(axis=1))


def positives_first(self: Curve, top: FloatArray) -> FloatArray:
    """Take positives before the negatives of the same score."""
    above = self.positives_above + self.negatives_above
    return np.asarray(np.clip(top[:, np.newaxis] - above, 0.0, self.positives).sum(axis=1))


@pytest.mark.parametrize("broken", [lowest, whole_bins, positives_first])
def test_the_oracle_finds(broken: Callable[[Curve, FloatArray], FloatArray], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Curve, "_positives_in", broken)
    with pytest.raises(AssertionError):
        compare(*scored("few values", 1000))
