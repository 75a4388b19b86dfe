"""Fairness of decisions: the usual definitions by brute force, intervals that cover, groups too small to compare."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from detectors.calibration.figure import simultaneous, wilson
from detectors.fairness import (
    demographic_parity,
    equalised_odds,
    false_positive_rates,
    selection_rates,
    true_positive_rates,
)
from detectors.performance import Estimate
from detectors.rate import newcombe
from tests.oracles import FloatArray


def covered(figure: Estimate, truth: float | FloatArray) -> float:
    return float(np.mean((figure.low - 1e-12 <= truth) & (truth <= figure.high + 1e-12)))


def test_figures_are_those_of_single_rows() -> None:
    rng = np.random.default_rng(1)
    group, label = rng.integers(0, 4, 5000), rng.random(5000) < 0.4
    flagged = rng.random(5000) < 0.2 + 0.1 * group + 0.3 * label
    cells = np.bincount(group * 4 + label * 2 + flagged, minlength=16).reshape(1, 4, 4)
    selected, hits, alarms = (
        [flagged[(group == g) & part].mean() for g in range(4)] for part in (label | True, label, ~label)
    )
    assert selection_rates(cells).rate[0] == pytest.approx(selected)
    assert true_positive_rates(cells).rate[0] == pytest.approx(hits)
    assert false_positive_rates(cells).rate[0] == pytest.approx(alarms)
    interval = stats.binomtest(int(cells[0, 1, 3]), int(cells[0, 1, 2:].sum())).proportion_ci(method="wilson")
    rates = true_positive_rates(cells)
    assert (rates.low[0, 1], rates.high[0, 1]) == pytest.approx((interval.low, interval.high))
    parity = demographic_parity(cells[:, :, 1] + cells[:, :, 3], cells.sum(axis=2))
    assert parity.difference.value[0] == pytest.approx(max(selected) - min(selected))
    assert parity.ratio.value[0] == pytest.approx(min(selected) / max(selected))
    assert parity.worst.tolist() == [[int(np.argmin(selected)), int(np.argmax(selected))]]
    odds = equalised_odds(cells)
    assert odds.difference.value[0] == pytest.approx(max(max(hits) - min(hits), max(alarms) - min(alarms)))
    assert odds.ratio.value[0] == pytest.approx(min(min(hits) / max(hits), min(alarms) / max(alarms)))


def test_two_groups_have_newcombes_interval() -> None:
    found = demographic_parity(np.array([[30, 60]]), np.array([[200, 250]])).difference
    low, high = newcombe(np.array([0.15]), np.array([200.0]), np.array([0.24]), np.array([250.0]))
    assert (found.low[0], found.high[0]) == pytest.approx((low[0], high[0]))
    swapped = demographic_parity(np.array([[60, 30]]), np.array([[250, 200]])).difference
    assert (swapped.low[0], swapped.high[0]) == pytest.approx((low[0], high[0]))


@pytest.mark.parametrize(
    "rates", [(0.3, 0.3), (0.2, 0.5), (0.1, 0.1, 0.1, 0.1, 0.1, 0.1), (0.05, 0.1, 0.2, 0.2), (0.9, 0.95, 0.99)]
)
@pytest.mark.parametrize("rows", [60, 1000])
def test_intervals_hold_the_true_disparity(rates: tuple[float, ...], rows: int) -> None:
    rng = np.random.default_rng(rows)
    n = np.full((3000, len(rates)), rows)
    found = demographic_parity(rng.binomial(n, rates), n)
    assert covered(found.difference, max(rates) - min(rates)) >= 0.94
    assert covered(found.ratio, min(rates) / max(rates)) >= 0.935


def test_the_interval_of_the_two_extreme_groups_alone_would_not_hold() -> None:
    """Many equal groups: that of the largest and the smallest rate differ by chance, and seem to differ for certain."""
    rng = np.random.default_rng(2)
    n = np.full((1000, 12), 300)
    count = rng.binomial(n, 0.3)
    low, _ = newcombe(count.min(axis=1) / 300, np.full(1000, 300.0), count.max(axis=1) / 300, np.full(1000, 300.0))
    assert np.mean(low <= 0) < 0.7
    found = demographic_parity(count, n).difference
    assert covered(found, 0.0) >= 0.94
    assert found.value.min() > 0


def test_intervals_of_equalised_odds_hold_both_rates() -> None:
    rng = np.random.default_rng(3)
    hit, alarm = np.array([0.8, 0.7, 0.75]), np.array([0.2, 0.1, 0.15])
    positives, negatives = np.full((2000, 3), 150), np.full((2000, 3), 400)
    tp, fp = rng.binomial(positives, hit), rng.binomial(negatives, alarm)
    found = equalised_odds(np.stack([negatives - fp, fp, positives - tp, tp], axis=2))
    assert covered(found.difference, 0.1) >= 0.94
    assert covered(found.ratio, 0.5) >= 0.94


def test_the_odds_of_two_groups_have_newcombes_interval_at_the_level_of_two_rates() -> None:
    cells = np.array([[[270, 30, 20, 80], [280, 20, 60, 40]]])
    found = equalised_odds(cells).difference
    z = float(simultaneous(np.array(2.0)))
    (low_one, low_two), (high_one, high_two) = wilson(np.array([80.0, 40.0]), np.array([100.0, 100.0]), z)
    assert found.value[0] == pytest.approx(0.4)
    assert found.low[0] == pytest.approx(0.4 - np.hypot(0.8 - low_one, high_two - 0.4))
    assert found.high[0] == pytest.approx(0.4 + np.hypot(high_one - 0.8, 0.4 - low_two))


def test_small_groups_are_left_out_and_too_few_groups_have_no_figure() -> None:
    flagged = np.array([[50, 10, 5, 0], [50, 10, 5, 0], [0, 0, 0, 0], [100, 100, 0, 0]])
    n = np.array([[100, 100, 5, 0], [100, 20, 5, 0], [0, 0, 0, 0], [100, 100, 100, 100]])
    found = demographic_parity(flagged, n)
    assert found.left_out.tolist() == [2, 3, 4, 0]
    assert np.isnan(found.difference.value).tolist() == [False, True, True, False]
    assert found.worst.tolist() == [[1, 0], [-1, -1], [-1, -1], [2, 0]]
    assert found.difference.value[0] == pytest.approx(0.4)
    assert found.difference.value[3] == 1.0
    assert found.ratio.value[3] == 0.0
    assert found.ratio.high[3] < 0.25
    nobody = demographic_parity(np.array([[0, 0]]), np.array([[100, 100]]))
    assert nobody.difference.value[0] == 0.0
    assert np.isnan(nobody.ratio.value[0])
    none_fit = demographic_parity(np.array([[5, 9]]), np.array([[9, 9]]), enough=1)
    assert none_fit.difference.value[0] == pytest.approx(4 / 9)


def test_odds_need_positives_and_negatives() -> None:
    cells = np.array([[[100, 20, 0, 0], [100, 30, 0, 0]], [[100, 20, 10, 90], [100, 30, 40, 60]]])
    found = equalised_odds(cells)
    assert np.isnan(found.difference.value).tolist() == [True, False]
    assert found.difference.value[1] == pytest.approx(0.3)
    assert found.worst[1].tolist() == [1, 0]


def test_counts_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="at most as many"):
        demographic_parity(np.array([[5]]), np.array([[4]]))
    with pytest.raises(ValueError, match="at most as many"):
        demographic_parity(np.array([[-1]]), np.array([[4]]))
    with pytest.raises(ValueError, match=r"\[J, G\]"):
        demographic_parity(np.array([1]), np.array([4]))


def test_the_order_of_the_groups_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    n = rng.integers(30, 500, (20, 5))
    count = rng.binomial(n, 0.3)
    order = rng.permutation(5)
    one, other = demographic_parity(count, n), demographic_parity(count[:, order], n[:, order])
    for first, second in ((one.difference, other.difference), (one.ratio, other.ratio)):
        for name in ("value", "low", "high"):
            assert getattr(first, name) == pytest.approx(getattr(second, name))
    assert np.array_equal(order[other.worst], one.worst)
    pairs = [demographic_parity(count[:, [a, b]], n[:, [a, b]]).difference for a, b in combinations(range(5), 2)]
    assert one.difference.value == pytest.approx(np.max([pair.value for pair in pairs], axis=0))
