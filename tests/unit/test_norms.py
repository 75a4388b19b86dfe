"""Bands and intervals of the norms: total variation, Wasserstein, Kolmogorov-Smirnov, L-infinity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import chi, norm

from detectors.ks import KolmogorovSmirnov
from detectors.l_infinity import LInfinity
from detectors.norms import NoiseNorm, variance, without_chance
from detectors.samples import FloatArray
from detectors.scores import Scores, WindowStatistic
from detectors.total_variation import TotalVariation
from detectors.wasserstein import Wasserstein

EDGES = norm.ppf([0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
NORMS = [TotalVariation(), Wasserstein(), KolmogorovSmirnov(), LInfinity()]
EXACT_BANDS = [TotalVariation(), LInfinity()]


def gaussian(mean: float, spread: float = 1.0) -> FloatArray:
    shares: FloatArray = np.diff(norm.cdf((EDGES - mean) / spread), prepend=0.0, append=1.0)
    return shares


def drawn(figure: WindowStatistic, p: FloatArray, q: FloatArray, rows: int = 5_000, fresh: int = 1_000) -> Scores:
    rng = np.random.default_rng(17)
    return figure.score(rng.multinomial(rows, p, 3_000), rng.multinomial(fresh, q, 3_000))


@pytest.mark.parametrize("figure", NORMS)
@pytest.mark.parametrize(
    "shares", [gaussian(0), np.array([0.5, 0.5]), np.array([0.9, 0.08, 0.02]), np.full(60, 1 / 60)]
)
def test_quiet_windows_exceed_the_band_no_more_often_than_it_says(figure: WindowStatistic, shares: FloatArray) -> None:
    scores = drawn(figure, shares, shares)
    assert np.mean(scores.statistic > scores.threshold) <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / 3_000)
    assert np.mean(scores.p_value < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 3_000)
    assert np.array_equal(scores.p_value < 0.01, scores.statistic > scores.threshold)


@pytest.mark.parametrize("figure", EXACT_BANDS)
@pytest.mark.parametrize("shares", [gaussian(0), np.array([0.5, 0.5])])
def test_bands_that_claim_to_be_exact_are_exceeded_that_often(figure: WindowStatistic, shares: FloatArray) -> None:
    scores = drawn(figure, shares, shares)
    assert np.mean(scores.statistic > scores.threshold) == pytest.approx(0.01, abs=0.006)
    assert np.mean(scores.p_value < 0.05) == pytest.approx(0.05, abs=0.013)


@pytest.mark.parametrize("figure", NORMS)
@pytest.mark.parametrize(("mean", "spread"), [(0.0, 1.0), (0.1, 1.0), (0.3, 1.0), (1.0, 1.0), (0.0, 1.3)])
def test_intervals_hold_the_truth(figure: WindowStatistic, mean: float, spread: float) -> None:
    p, q = gaussian(0), gaussian(mean, spread)
    scores = drawn(figure, p, q)
    endless = [np.round(shares * 1e12).astype(np.int64)[np.newaxis] for shares in (p, q)]
    truth = figure.score(*endless).statistic[0]
    assert np.mean((scores.low <= truth + 1e-9) & (truth <= scores.high + 1e-9)) >= 0.95 - 0.012
    if mean == 1.0:
        assert np.mean(scores.effect) == pytest.approx(truth, rel=0.02)


@pytest.mark.parametrize("figure", NORMS)
def test_the_effect_is_most_often_nothing_without_drift(figure: WindowStatistic) -> None:
    scores = drawn(figure, gaussian(0), gaussian(0))
    assert np.mean(scores.effect == 0) > 0.4
    assert np.mean(scores.effect) < 0.4 * np.mean(scores.statistic)


@pytest.mark.parametrize("figure", [KolmogorovSmirnov(), LInfinity(), TotalVariation(), Wasserstein()])
def test_an_interval_about_the_observed_maximum_would_exclude_zero_too_often(figure: WindowStatistic) -> None:
    scores = drawn(figure, gaussian(0), gaussian(0))
    assert np.mean(scores.low > 0) <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 3_000)
    naive = scores.statistic - (scores.high - scores.statistic)
    assert np.mean(naive > 0) > 0.05


def test_fully_dependent_terms_are_half_normal() -> None:
    def together(part: slice) -> FloatArray:
        return np.ones((1, 2, 2))

    for law in (
        NoiseNorm.of_shares(np.array([[1.0, 2.0]]), together),
        NoiseNorm.of_sums(np.array([[1.0, 2.0]]), together),
    ):
        for alpha in (0.5, 0.05, 0.001):
            assert law.quantile(alpha)[0] == pytest.approx(-3 * norm.ppf(alpha / 2), rel=1e-4)
        assert law.tail(np.array([6.0]))[0] == pytest.approx(2 * norm.sf(2), rel=1e-3)
        assert law.square[0] == pytest.approx(9.0)


def test_independent_terms_have_the_moments_of_their_sum() -> None:
    def apart(part: slice) -> FloatArray:
        return np.zeros((1, 5, 5))

    law = NoiseNorm.of_shares(np.ones((1, 5)), apart)
    fitted = chi(law.freedom[0], scale=law.scale[0])
    assert fitted.mean() == pytest.approx(5 * np.sqrt(2 / np.pi), rel=1e-6)
    assert fitted.var() == pytest.approx(5 * (1 - 2 / np.pi), rel=1e-6)


@pytest.mark.parametrize("make", [NoiseNorm.of_shares, NoiseNorm.of_sums])
def test_no_noise_at_all(make: Any) -> None:
    law = make(np.array([[0.0, 0.0], [np.nan, 0.0]]), lambda part: np.zeros((len(range(*part.indices(2))), 2, 2)))
    assert law.quantile(0.01)[0] == 0.0
    assert law.tail(np.array([0.0, 1.0])).tolist()[0] == 1.0
    assert law.tail(np.array([0.5, 1.0])).tolist()[0] == 0.0
    assert np.isnan(law.tail(np.array([0.5, 1.0]))[1])


def test_what_chance_adds_is_taken_off_in_the_square() -> None:
    assert without_chance(np.array([5.0, 1.0, np.nan]), np.array([9.0, 4.0, 1.0]))[:2].tolist() == [4.0, 0.0]
    shares = np.array([[0.2, 0.3, 0.5]])
    assert variance(shares, np.array([[1.0, 1.0, 1.0]]))[0] == pytest.approx(0.0, abs=1e-15)
    assert variance(shares, np.array([[1.0, 0.0, 0.0]]))[0] == pytest.approx(0.16)
