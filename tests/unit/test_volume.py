"""The law of a window's rows: against SciPy and brute force, by simulation, and on ugly input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate, stats

from detectors.scores import Scores
from detectors.volume import Expectation, VolumeProfile, VolumeRatio

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def expectation(
    reference: float, exposure: float, excess: float = 0.0, repeats: float = 1e9, freedom: float = 1e7
) -> Expectation:
    """Return one expectation; without more said, the law is Poisson and known."""
    day = 5 * reference * exposure
    return Expectation(*(np.array([float(x)]) for x in (reference, exposure, excess, repeats, day, freedom)))


def score(expected: Expectation, *rows: int, alpha: float = 0.01) -> Scores:
    """Return the scores of several counts of the same window."""
    many = Expectation(*(np.repeat(getattr(expected, name), len(rows)) for name in Expectation.__slots__))
    return VolumeRatio(alpha).score(many, np.array(rows, np.int64))


@pytest.mark.parametrize("mean", [3.0, 40.0, 1e4, 1e8])
def test_without_dispersion_the_law_is_poisson(mean: float) -> None:
    expected = expectation(mean * 1e7, 1e-7)
    law = stats.poisson(float(expected.rows[0]))
    for z in (-4, -2, -0.5, 0.5, 2, 4):
        rows = max(int(mean + z * np.sqrt(mean)), 0)
        mid = law.pmf(rows) / 2
        found = score(expected, rows)
        tail = law.sf(rows) + mid if found.direction[0] > 0 else law.cdf(rows) - mid
        assert found.p_value[0] == pytest.approx(min(2 * tail, 1.0), rel=2e-3)


@pytest.mark.parametrize("freedom", [2, 7, 21])
@pytest.mark.parametrize("excess", [0.01, 0.3])
def test_the_law_is_the_average_of_negative_binomial_laws(freedom: int, excess: float) -> None:
    """Integrate the law's definition over every χ² there is."""
    reference, exposure, repeats = 4_000.0, 0.25, 4.0
    expected = expectation(reference, exposure, excess, repeats, freedom)
    mean, day = float(expected.rows[0]), float(expected.day[0])

    chi2 = np.exp(np.linspace(-40, 8, 4_001))
    factor = freedom / chi2
    dispersion = np.maximum(excess * factor + (factor - 1) / day, 0.0) * (1 + 1 / repeats) + 1 / (reference + 0.5)
    law = stats.nbinom(1 / dispersion, 1 / (1 + mean * dispersion))
    for rows in (0, 500, 900, 1_200, 3_000):
        mid = law.pmf(rows) / 2
        tail = law.sf(rows) + mid if rows >= mean else law.cdf(rows) - mid
        whole = integrate.simpson(tail * stats.chi2(freedom).pdf(chi2) * chi2, x=np.log(chi2))
        assert score(expected, rows).p_value[0] == pytest.approx(min(2 * whole, 1.0), rel=2e-4)


@pytest.mark.parametrize("freedom", [7, 21])
def test_for_many_rows_it_is_students(freedom: int) -> None:
    """Days that differ by 0.1 % and rows beyond number leave Student's law of a new day among the old ones."""
    expected = expectation(4e12, 0.25, 1e-6, 4.0, freedom)
    spread = np.sqrt(1e-6 * 1.25)
    for z in (1.0, 2.5, 4.0):
        found = score(expected, int(1e12 * (1 + z * spread)))
        assert found.p_value[0] == pytest.approx(2 * stats.t(freedom).sf(z), rel=0.02)


@settings(max_examples=60, deadline=None)
@given(
    mean=st.floats(0.05, 1e7),
    repeats=st.integers(2, 12),
    excess=st.sampled_from([0.0, 1e-4, 0.02, 0.5]),
    freedom=st.integers(1, 60),
    alpha=st.sampled_from([0.05, 0.01, 1e-4]),
    factor=st.floats(0.0, 4.0),
)
def test_rows_are_beyond_the_band_when_the_p_value_says_so(
    mean: float, repeats: int, excess: float, freedom: int, alpha: float, factor: float
) -> None:
    found = score(expectation(mean * repeats, 1 / repeats, excess, repeats, freedom), round(mean * factor), alpha=alpha)
    p_value, statistic, band = (float(x[0]) for x in (found.p_value, found.statistic, found.threshold))
    assert 0 < p_value <= 1
    assert 0 <= found.effect[0] <= statistic
    assert found.low[0] <= statistic <= found.high[0]
    if abs(p_value / alpha - 1) > 1e-5:
        assert (statistic > band) == (p_value < alpha)


def test_further_away_is_more_surprising() -> None:
    rows = np.unique(np.geomspace(1, 1e5, 300).astype(np.int64))
    found = score(expectation(4_000, 0.25, 0.02, 4.0, 7), 0, *rows.tolist())
    above, below = found.direction > 0, found.direction < 0
    assert (np.diff(found.p_value[above]) <= 1e-12).all()
    assert (np.diff(found.p_value[below]) >= -1e-12).all()
    assert (np.diff(found.statistic[above]) > 0).all()


def traffic(rng: np.random.Generator, days: int, level: float, of_day: float, of_hour: float) -> IntArray:
    """Return rows by day and hour: a daily and a weekly cycle, days and hours with levels of their own."""
    cycle = level * (1 + 0.6 * np.sin(np.arange(24) / 24 * 2 * np.pi))
    mean = cycle * np.where(np.arange(days) % 7 < 5, 1.0, 0.5)[:, np.newaxis]
    for variance, shape in ((of_day, (days, 1)), (of_hour, (days, 24))):
        if variance:
            mean = mean * rng.gamma(1 / variance, variance, shape)
    return rng.poisson(mean)


def simulate(
    weeks: int, of_day: float, of_hour: float, length: int, spoil: Callable[[Expectation], Expectation] | None = None
) -> FloatArray:
    """Return the p-values of windows without drift, each beside a reference of its own."""
    rng = np.random.default_rng(weeks * 1000 + length)
    windows: list[tuple[Expectation, int]] = []
    for _ in range(600):
        table = traffic(rng, 7 * weeks + 7, 200.0, of_day, of_hour)
        start = int(rng.integers(0, 168 // length)) * length
        expected = VolumeProfile.fit(table[: 7 * weeks], 0).expect(168 * weeks + start, length)
        windows.append((expected, int(table[7 * weeks :].ravel()[start : start + length].sum())))
    together = Expectation(
        *(np.concatenate([getattr(expected, name) for expected, _ in windows]) for name in Expectation.__slots__)
    )
    rows = np.array([rows for _, rows in windows], np.int64)
    return VolumeRatio().score(together if spoil is None else spoil(together), rows).p_value


def too_often(p_values: FloatArray, level: float) -> bool:
    """Whether so many false alarms are no chance (3.5 standard errors) beyond a stated error of 25 %."""
    return bool((p_values <= level).mean() > 1.25 * level + 3.5 * np.sqrt(level * (1 - level) / len(p_values)))


@pytest.mark.parametrize("length", [1, 6, 24])
@pytest.mark.parametrize(
    ("weeks", "of_day", "of_hour"), [(2, 0.0, 0.0), (2, 0.03, 0.0), (2, 0.0, 0.05), (2, 0.03, 0.05), (4, 0.03, 0.05)]
)
def test_false_alarms_are_as_rare_as_promised(weeks: int, of_day: float, of_hour: float, length: int) -> None:
    p_values = simulate(weeks, of_day, of_hour, length)
    assert not any(too_often(p_values, level) for level in (0.1, 0.05, 0.01, 0.001))


def _poisson(expected: Expectation) -> Expectation:
    return replace(expected, excess=0.0 * expected.excess, freedom=0.0 * expected.freedom + 1e6)


def _sure(expected: Expectation) -> Expectation:
    return replace(expected, freedom=0.0 * expected.freedom + 1e6)


def _exact_mean(expected: Expectation) -> Expectation:
    """Take the reference's mean for the truth."""
    return replace(expected, repeats=1e9 + 0.0 * expected.repeats)


@pytest.mark.parametrize("spoil", [_poisson, _sure, _exact_mean])
def test_a_law_that_forgets_the_days_fails_the_same_test(spoil: Callable[[Expectation], Expectation]) -> None:
    p_values = simulate(2, 0.03, 0.0, 24, spoil)
    assert any(too_often(p_values, level) for level in (0.1, 0.05, 0.01, 0.001))


def test_half_the_rows_are_found_where_days_are_alike_and_an_empty_window_everywhere() -> None:
    rng = np.random.default_rng(5)
    profile = VolumeProfile.fit(traffic(rng, 28, 200.0, 0.005, 0.0), 0)
    expected = profile.expect(28 * 24 + 10, 1.0)
    assert score(expected, int(expected.rows[0] / 2)).p_value[0] < 1e-4
    for of_day in (0.0, 0.05, 0.2):
        window = VolumeProfile.fit(traffic(rng, 28, 200.0, of_day, 0.05), 0).expect(28 * 24 + 10, 1.0)
        empty = score(window, 0)
        assert empty.p_value[0] < 1e-3
        assert empty.direction[0] == -1


def test_the_interval_holds_the_true_ratio() -> None:
    rng = np.random.default_rng(6)
    held = 0
    for _ in range(400):
        table = traffic(rng, 35, 100.0, 0.02, 0.02)
        expected = VolumeProfile.fit(table[:28], 0).expect(28 * 24 + 12, 6.0)
        found = score(expected, int(rng.poisson(3 * table[28, 12:18].sum())))
        held += bool(found.low[0] <= np.log(3) <= found.high[0])
    assert 0.92 <= held / 400 <= 0.99


def test_the_effect_is_free_of_chance() -> None:
    """Without drift the squared effect is small beside the squared statistic; with drift it comes to the truth."""
    rng = np.random.default_rng(7)
    quiet, moved = [], []
    for _ in range(150):
        table = traffic(rng, 35, 50.0, 0.02, 0.05)
        expected = VolumeProfile.fit(table[:28], 0).expect(28 * 24, 24.0)
        quiet.append(score(expected, int(table[28].sum())))
        moved.append(score(expected, int(table[28].sum() * 4)))
    squares = [np.mean([getattr(found, name)[0] ** 2 for found in quiet]) for name in ("statistic", "effect")]
    assert squares[1] < 0.65 * squares[0]  # of a normal figure, 2φ(1) = 0.48 of the square would stay
    assert np.sqrt(np.mean([found.effect[0] ** 2 for found in moved])) == pytest.approx(np.log(4), rel=0.02)


@pytest.mark.parametrize(("of_day", "of_hour"), [(0.0, 0.0), (0.04, 0.0), (0.0, 0.1), (0.04, 0.1)])
def test_the_dispersions_are_found_back(of_day: float, of_hour: float) -> None:
    profile = VolumeProfile.fit(traffic(np.random.default_rng(8), 7 * 150, 300.0, of_day, of_hour), 0)
    assert profile.of_day == pytest.approx(of_day, rel=0.2, abs=5e-4)
    assert profile.of_hour == pytest.approx(of_hour, rel=0.1, abs=5e-4)


@settings(max_examples=60, deadline=None)
@given(
    days=st.integers(2, 30),
    first=st.integers(-500, 500),
    begin=st.integers(-2_000, 2_000),
    pieces=st.lists(st.integers(1, 200), min_size=1, max_size=6),
    seed=st.integers(0, 1_000),
)
def test_expected_rows_add_up_and_are_the_means(
    days: int, first: int, begin: int, pieces: list[int], seed: int
) -> None:
    """Windows of quarters of hours: what a window expects is the sum of what its parts expect."""
    table = np.random.default_rng(seed).poisson(20.0, (days, 24))
    profile = VolumeProfile.fit(table, first)
    cycle = 168 if days >= 14 else 24
    kept = table[-7 * (days // 7) :] if days >= 14 else table
    origin = first + 24 * (len(table) - len(kept))
    means = kept.reshape(-1, cycle).mean(axis=0)

    def brute(quarter: int, quarters: int) -> float:
        return float(sum(means[((q // 4) - origin) % cycle] / 4 for q in range(quarter, quarter + quarters)))

    def mean(quarter: int, quarters: int) -> float:
        expected = profile.expect(quarter / 4, quarters / 4)
        return float(expected.reference[0] * expected.exposure[0])

    at, total = begin, 0.0
    for piece in pieces:
        assert mean(at, piece) == pytest.approx(brute(at, piece), rel=1e-9)
        total += mean(at, piece)
        at += piece
    assert mean(begin, sum(pieces)) == pytest.approx(total, rel=1e-9)


def test_a_window_of_weeks_knows_no_more_than_the_reference() -> None:
    """A window of four weeks beside a reference of two is as unsure as the two weeks are."""
    profile = VolumeProfile.fit(traffic(np.random.default_rng(9), 14, 10.0, 0.0, 0.0), 0)
    expected = profile.expect(0, 4 * 168)
    assert expected.reference[0] == pytest.approx(profile.rows.sum())
    assert expected.exposure[0] == pytest.approx(2.0)
    assert expected.repeats[0] == pytest.approx(0.5)


def test_where_nothing_ever_came_nothing_is_expected() -> None:
    nights = np.zeros((28, 24), np.int64)
    nights[:, 8:20] = 100
    profile = VolumeProfile.fit(nights, 0)
    night = profile.expect(28 * 24 + 2, 1.0)
    found = score(night, 0, 1, 50)
    assert found.statistic[0] < 0.3
    assert found.p_value[0] > 0.5
    assert found.threshold[0] == np.inf
    assert found.p_value[2] < 1e-6
    assert (found.direction[1:] == 1).all()


def test_a_reference_without_rows_says_nothing() -> None:
    found = score(VolumeProfile.fit(np.zeros((3, 24), np.int64), 0).expect(100, 5.0), 0, 7)
    for name in ("statistic", "effect", "low", "high", "p_value", "threshold"):
        assert np.isnan(getattr(found, name)).all(), name
    assert found.n.tolist() == [0, 7]
    assert found.direction.tolist() == [0, 0]


def test_constant_days_and_numbers_beyond_all_reason() -> None:
    profile = VolumeProfile.fit(np.full((14, 24), 10**11), 0)
    assert (profile.of_day, profile.of_hour) == (0.0, 0.0)
    found = score(profile.expect(0, 24.0), 0, 24 * 10**11, 10**17)
    assert np.isfinite(found.p_value).all()
    assert found.p_value[1] > 0.9
    assert (found.p_value[[0, 2]] < 1e-9).all()
    assert np.isfinite(found.threshold).all()


def test_what_cannot_be_is_refused() -> None:
    for table in (np.zeros((1, 24), np.int64), np.zeros((3, 23), np.int64), np.full((3, 24), -1)):
        with pytest.raises(ValueError, match=r"days|negative"):
            VolumeProfile.fit(table, 0)
    with pytest.raises(ValueError, match="negative"):
        score(expectation(100, 0.5), -1)
    with pytest.raises(ValueError, match="do not compare"):
        VolumeRatio().score(expectation(100, 0.5), np.array([1, 2]))


def test_no_windows_are_no_scores() -> None:
    assert len(score(expectation(100, 0.5)).statistic) == 0
