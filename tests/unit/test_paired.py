"""Paired comparison of two models: against scipy, formulas written out, and simulations of what is promised."""

from __future__ import annotations

from functools import cache
from math import comb, exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import binomtest, ttest_rel

from detectors.paired.always_valid import ConfidenceSequence, State
from detectors.paired.losses import IntArray, PairedLosses
from detectors.paired.rights import mcnemar, tally

UNIT = PairedLosses(bound=1.0)
SEQUENCE = ConfidenceSequence(UNIT, alpha=0.05, rho=20.0)
FIELDS = ("n", "mean", "low", "high", "t", "p_value", "sign_p")


@pytest.mark.parametrize(
    ("first", "second"), [(0, 0), (0, 1), (3, 3), (6, 16), (1, 40), (400, 300), (10**6, 10**6 + 2000)]
)
def test_mcnemar_is_the_binomial_test(first: int, second: int) -> None:
    found = mcnemar(np.array([5, first, second, 7]))
    n, least = first + second, min(first, second)
    exact = binomtest(least, n, 0.5).pvalue if n else 1.0
    assert found.exact == pytest.approx(exact, rel=1e-9)
    if n <= 1000:
        point = comb(n, least) / 2**n
        below = sum(comb(n, k) for k in range(least)) / 2**n
        # half of what is as likely as what was seen, and all that is less likely
        assert found.mid_p == pytest.approx(2 * below + point if first != second else 1 - point / 2, rel=1e-9)
    assert found.low <= found.difference <= found.high
    assert found.difference == pytest.approx((second - first) / (n + 12))


def test_mcnemar_without_rows_says_nothing() -> None:
    found = mcnemar(np.array([[0, 0, 0, 0], [3, 1, 2, 0]]))
    assert all(np.isnan(getattr(found, name)[0]) for name in ("difference", "low", "high", "exact", "mid_p"))
    assert np.isfinite(found.mid_p[1])
    for bad in ([1, 2, 3], [1, -1, 0, 0]):
        with pytest.raises(ValueError, match="four counts"):
            mcnemar(np.array(bad))
    with pytest.raises(ValueError, match="do not fit"):
        tally(np.ones(2, bool), np.ones(3, bool))


def test_mcnemar_and_its_interval_keep_their_level() -> None:
    chances = np.array([0.7, 0.08, 0.08, 0.14])
    tables = np.random.default_rng(1).multinomial(200, chances, 4000)
    found = mcnemar(tables)
    assert (found.exact <= 0.05).mean() < 0.05
    assert 0.035 < (found.mid_p <= 0.05).mean() < 0.056
    assert 0.94 < ((found.low <= 0) & (found.high >= 0)).mean() < 0.97
    # half of the two-sided p-value, which ignores that either may win, does not keep it
    assert (found.mid_p / 2 <= 0.05).mean() > 0.08


@pytest.mark.parametrize("seed", range(4))
def test_the_paired_t_test_is_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bound = [1.0, 40.0, 1e-3, 1e6][seed]
    first, second = bound * rng.random(500), bound * np.where(rng.random(500) < 0.2, 0.5, rng.random(500))
    losses = PairedLosses(bound)
    found = losses.compare(losses.tally(first, second))
    expected = ttest_rel(second, first)
    interval = expected.confidence_interval(0.95)
    assert found.t == pytest.approx(expected.statistic, rel=1e-7, abs=1e-7)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=bound * 1e-8)
    better, worse = int((second < first).sum()), int((second > first).sum())
    assert found.sign_p == pytest.approx(binomtest(better, better + worse, 0.5).pvalue, rel=1e-9)


def test_ugly_losses() -> None:
    ugly = np.array([np.nan, np.inf, 0.5, 0.5, -np.inf, 0.0, 1e308])
    table = UNIT.tally(ugly, np.array([0.5, 0.5, np.nan, 0.5, 0.5, 7.0, -1e308]))
    assert table.tolist()[:5] == [3, 1, 1, 2, 4]
    found = UNIT.compare(table)
    assert (found.n, found.mean) == (3, 0.0)
    none = UNIT.compare(UNIT.tally(np.zeros(0), np.zeros(0)))
    assert none.n == 0
    assert all(np.isnan(getattr(none, name)) for name in FIELDS[1:])
    one = UNIT.compare(UNIT.tally(np.zeros(1), np.ones(1)))
    assert (one.mean, one.low, one.high, one.sign_p) == (1.0, -np.inf, np.inf, 1.0)
    same = UNIT.compare(UNIT.tally(np.full(9, 0.1), np.full(9, 0.1)))
    assert (same.mean, same.sign_p, np.isnan(same.t)) == (0.0, 1.0, True)
    apart = UNIT.compare(UNIT.tally(np.full(9, 0.25), np.full(9, 0.5)))
    assert (apart.low, apart.high, apart.p_value) == (0.25, 0.25, 0.0)
    with pytest.raises(ValueError, match="positive and finite"):
        PairedLosses(0.0)
    with pytest.raises(ValueError, match="do not fit"):
        UNIT.tally(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="not a table"):
        UNIT.compare(np.array([-1] + [0] * 7))


values = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-2, 2)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(values, values), max_size=30), st.integers(0, 30), st.randoms())
def test_tables_add_exactly(rows: list[tuple[float, float]], cut: int, rng: object) -> None:
    first, second = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    mixed = np.random.default_rng(len(rows)).permutation(len(rows))
    whole = UNIT.tally(first, second)
    parts = UNIT.tally(first[mixed][:cut], second[mixed][:cut]) + UNIT.tally(first[mixed][cut:], second[mixed][cut:])
    assert whole.tolist() == parts.tolist()


@pytest.mark.parametrize(("total", "variance"), [(0.0, 0.0), (3.0, 1.0), (25.0, 40.0), (-6.0, 10.0), (300.0, 5000.0)])
def test_the_mixture_is_its_integral(total: float, variance: float) -> None:
    """Over λ = (1 - x)/c, with density proportional to x^(ρ/c² - 1) exp(-ρx/c²) on 0 < x < 1."""
    c, rho = 2.0, SEQUENCE.rho
    shape = rho / c**2

    def density(x: float) -> float:
        return float(x ** (shape - 1) * exp(-shape * (x - 1)))

    def weighed(x: float) -> float:
        rate = (1 - x) / c
        psi = (-log(x) - (1 - x)) / c**2
        return density(x) * exp(rate * total - psi * variance)

    top, bottom = (quad(part, 0, 1, epsabs=0.0, epsrel=1e-11, limit=400)[0] for part in (weighed, density))
    expected = top / bottom
    assert SEQUENCE.log_mixture(total, variance) == pytest.approx(log(expected), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("variance", [0.0, 1.0, 80.0, 1e4, 1e7])
def test_the_boundary_is_where_the_mixture_reaches_two_over_alpha(variance: float) -> None:
    edge = SEQUENCE.boundary(variance)
    assert SEQUENCE.log_mixture(edge, variance) == pytest.approx(log(2 / SEQUENCE.alpha), abs=1e-6)
    # no interval for one look alone is wider than one for all, and this one pays little
    assert 1.96 * variance**0.5 < edge < 4.6 * variance**0.5 + 20


def test_the_sequence_holds_at_every_look_and_students_interval_does_not() -> None:
    """Skewed differences, .9 with chance .1 and else -.1, so that their mean is 0; a look every 80 rows."""
    rng = np.random.default_rng(3)
    streams, ours, student, widths = 150, 0, 0, []
    for _ in range(streams):
        state, table, off = State(), np.zeros(8, np.int64), False
        for _ in range(25):
            fresh = UNIT.tally(np.zeros(80), np.where(rng.random(80) < 0.1, 0.9, -0.1))
            state, table = SEQUENCE.step(state, fresh), table + fresh
            n, total, square = UNIT.sums(table)
            off |= abs(total) > 1.96 * np.sqrt(square - total * total / n)
        low, high = SEQUENCE.interval(state)
        ours += not low <= 0 <= high
        student += off
        widths.append(high - low)
    assert ours <= SEQUENCE.alpha * streams
    assert student > 3 * SEQUENCE.alpha * streams
    # Student's for the last look alone has .026
    assert np.median(widths) < 0.09


def peeking(self: ConfidenceSequence, state: State, table: IntArray) -> State:
    """Take distances from the table's own mean: tables of one row seem to have no spread at all."""
    rows, total, square = self.losses.sums(table)
    n, sum_, variance = state.rows + rows, state.total + total, state.variance + square - total * total / rows
    half = self.boundary(variance) / n
    return State(n, sum_, variance, max(state.low, sum_ / n - half), min(state.high, sum_ / n + half))


def test_a_sequence_that_expects_what_it_has_already_seen_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    streams = rng.choice([-1.0, 1.0], (30, 400))
    # few different values of the variance, so that each is solved for once
    monkeypatch.setattr(ConfidenceSequence, "boundary", cache(ConfidenceSequence.boundary))

    def misses() -> int:
        found = 0
        for differences in streams:
            state = State()
            for difference in differences:
                state = SEQUENCE.step(state, UNIT.tally(np.zeros(1), np.array([difference])))
            found += not state.low <= 0 <= state.high
        return found

    monkeypatch.setattr(ConfidenceSequence, "log_mixture", cache(ConfidenceSequence.log_mixture))
    streams, whole = streams[:4], streams
    assert misses() == 0
    streams = whole
    monkeypatch.setattr(ConfidenceSequence, "step", peeking)
    assert misses() > 3 * SEQUENCE.alpha * len(streams)


def test_a_difference_is_found_and_its_p_value_never_grows() -> None:
    rng = np.random.default_rng(4)
    state, p_values = State(), [1.0]
    for _ in range(60):
        state = SEQUENCE.step(state, UNIT.tally(rng.random(100) * 0.5, rng.random(100) * 0.5 + 0.03))
        p_values.append(SEQUENCE.p_value(state))
    assert p_values == sorted(p_values, reverse=True)
    assert p_values[-1] < 1e-3
    low, high = SEQUENCE.interval(state)
    assert 0 < low < 0.03 < high
    assert SEQUENCE.step(state, np.zeros(8, np.int64)) == state
    with pytest.raises(ValueError, match="alpha must lie"):
        ConfidenceSequence(UNIT, alpha=1.0)
