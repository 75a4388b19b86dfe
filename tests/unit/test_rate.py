"""Rates: Fisher's law where rows are few, bands that fire as often as they say, odds ratios."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detectors.rate import Rate, odds_ratio


@pytest.mark.parametrize(
    ("reference", "window"),
    [
        ((4997, 3), (497, 3)), ((497, 3), (4997, 9)), ((100, 0), (47, 3)), ((5, 5), (3, 1)), ((0, 7), (1, 3)),
        ((3, 0), (2, 1)), ((1, 1), (1, 0)), ((0, 500), (2, 300)), ((5000, 0), (200, 1)), ((7, 4000), (1, 9000)),
    ],
)  # fmt: skip
def test_few_rows_get_the_mid_p_value_of_fishers_law(reference: tuple[int, int], window: tuple[int, int]) -> None:
    scores = Rate().score(np.array([reference]), np.array([window]))
    rows = sum(reference) + sum(window)
    law = stats.hypergeom(rows, reference[1] + window[1], sum(window))
    tie = law.pmf(window[1]) / 2
    expected = min(1.0, 2 * min(law.cdf(window[1]) - tie, law.sf(window[1]) + tie))
    assert scores.p_value[0] == pytest.approx(expected, rel=1e-9)


def test_the_band_of_few_rows_is_the_least_change_that_is_rare_enough() -> None:
    reference, window = (4997, 3), (498, 2)
    band = Rate(alpha=0.05).score(np.array([reference]), np.array([window])).threshold[0]
    law = stats.hypergeom(5500, 5, 500)
    changes = {count: abs(count / 500 - (5 - count) / 5000) for count in range(6)}
    assert sum(law.pmf(count) for count, change in changes.items() if change > band) <= 0.05
    smaller = max(change for change in changes.values() if change < band)
    assert sum(law.pmf(count) for count, change in changes.items() if change > smaller) > 0.05


@pytest.mark.parametrize(("rate", "rows", "fresh"), [(0.0001, 20_000, 500), (0.001, 5_000, 500), (0.5, 5_000, 500)])
def test_the_band_is_exceeded_no_more_often_than_it_says(rate: float, rows: int, fresh: int) -> None:
    rng = np.random.default_rng(11)
    before, now = rng.binomial(rows, rate, 20_000), rng.binomial(fresh, rate, 20_000)
    scores = Rate(alpha=0.01).score(np.stack([rows - before, before], 1), np.stack([fresh - now, now], 1))
    often = float(np.mean(scores.statistic > scores.threshold))
    assert often <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / 20_000)
    pooled = (before + now + 0.5) / (rows + fresh + 1)
    normal = 2.5758 * np.sqrt(pooled * (1 - pooled) * (1 / rows + 1 / fresh))
    if rate < 0.01:
        assert np.mean(scores.statistic > normal) > 0.015, "the normal band would do, so this test shows nothing"


def test_a_rate_that_stays_has_no_effect_and_one_that_moves_has_nearly_all_of_it() -> None:
    scores = Rate().score(np.array([[9_000, 1_000], [9_000, 1_000]]), np.array([[900, 100], [800, 200]]))
    assert scores.effect[0] == 0.0
    assert scores.effect[1] == pytest.approx(0.1, rel=0.01)
    assert scores.effect[1] < 0.1


def test_the_odds_ratio_agrees_with_its_formula_and_stays_finite() -> None:
    ratio, low, high = odds_ratio(np.array([[90, 10], [50, 0]]), np.array([[70, 30], [40, 10]]))
    assert ratio[0] == pytest.approx((30.5 / 70.5) / (10.5 / 90.5))
    half = 1.959963984540054 * np.sqrt(1 / 30.5 + 1 / 70.5 + 1 / 10.5 + 1 / 90.5)
    assert (low[0], high[0]) == pytest.approx((ratio[0] * np.exp(-half), ratio[0] * np.exp(half)))
    assert np.all(np.isfinite([ratio, low, high]))
    turned, least, most = odds_ratio(np.array([[70, 30]]), np.array([[90, 10]]))
    assert (1 / turned[0], 1 / most[0], 1 / least[0]) == pytest.approx((ratio[0], low[0], high[0]))
