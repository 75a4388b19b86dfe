"""Bets have mean 1 at most under every tolerated law, by enumeration of everything that can happen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import xlogy
from scipy.stats import chi2

from detectors.evidence import recent, sudden
from detectors.evidence.ball import Ball, projection_weight, statistical_radius
from detectors.evidence.dictionary import laws_of
from detectors.evidence.engine import Engine
from detectors.evidence.interval import Interval, clopper_pearson
from detectors.evidence.null import FloatArray, log_bet
from tests.unit.evidence_cases import REFERENCES, balls, compositions, intervals, log_probability, surface

MOST = 1 + 1e-9
LEAST = 1 - 1e-6


def means(log_factors: FloatArray, counts: FloatArray, laws: FloatArray) -> FloatArray:
    """Return E[factor] of ``[W, D]`` log factors under each law, ``[L, D]``."""
    mean: FloatArray = np.exp(log_probability(counts, laws)) @ np.exp(log_factors)
    return mean


def hardest(null: Ball, reference: FloatArray, laws: FloatArray) -> FloatArray:
    """Return laws on the surface of the true ball: many directions, and the ones nearest to what is bet on."""
    radius = float(null.radius[0, 0])
    nearest, live = null.project(laws, 0)
    return np.concatenate([surface((reference / reference.sum())[0], radius, 360), nearest[0][live[0]]])


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("rows", [1, 3, 8])
def test_bets_on_shapes_have_mean_one_on_the_surface(reference: FloatArray, rows: int) -> None:
    null = balls(reference)
    engine = Engine.of(null)
    counts = compositions(rows, 3)
    laws = laws_of(null, np.ones(1, bool), 0)
    factors = engine.bets.log_factors(counts, 0)
    live = engine.bets.live[0, 0]
    greatest = means(factors[:, live], counts, hardest(null, reference, laws)).max(axis=0)
    assert live.sum() >= 4
    assert greatest.max() <= MOST
    assert greatest.min() >= LEAST
    assert np.array_equal(factors[:, ~live], np.zeros_like(factors[:, ~live]))


@pytest.mark.parametrize("reference", REFERENCES)
def test_bets_against_a_smaller_ball_are_no_bets(reference: FloatArray) -> None:
    null = balls(reference)
    spoilt = Engine.of(Ball(null.shares, null.smooth, 0.9 * null.radius))
    counts = compositions(8, 3)
    laws = laws_of(null, np.ones(1, bool), 0)
    factors = spoilt.bets.log_factors(counts, 0)
    assert means(factors, counts, hardest(null, reference, laws)).max() > MOST


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("rows", [1, 4, 8])
def test_bets_on_recent_windows_have_mean_one_on_the_surface(reference: FloatArray, rows: int) -> None:
    null = balls(reference)
    counts = compositions(rows, 3)
    past = np.random.default_rng(3).dirichlet(np.ones(3), 20) * 2000
    for seen in past:
        remembered = np.tile(seen, (len(counts), len(recent.DECAYS), 1))
        totals = remembered.sum(axis=2)[..., np.newaxis]
        law = recent.recent_laws(remembered[:1], totals[:1], null.smooth, 0)
        factors, live = recent.log_factors(counts, remembered, totals, null.take(np.zeros(len(counts), np.int64)), 0)
        greatest = means(factors, counts, hardest(null, reference, law)).max(axis=0)
        assert greatest.max() <= MOST
        assert np.all(greatest[live[0]] >= LEAST)


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("rows", [1, 2, 5, 8])
def test_the_sudden_bet_has_mean_one_at_most(reference: FloatArray, rows: int) -> None:
    null = balls(reference)
    counts = compositions(rows, 3)
    centre = (reference / reference.sum())[0]
    inside = [surface(centre, float(null.radius[0, 0]) * part, 180) for part in (0.01, 0.3, 1.0)]
    factors = sudden.log_factors(counts, null.take(np.zeros(len(counts), np.int64)), 0) - sudden.LOG_FEE
    greatest = means(factors[:, np.newaxis], counts, np.concatenate(inside)).max()
    assert 0.2 < greatest <= 1


def test_a_sudden_bet_that_divides_by_the_reference_is_no_bet() -> None:
    null = balls(REFERENCES[0])
    counts = compositions(8, 3)
    rows = counts.sum(axis=1)
    centre = null.shares[0]
    factors = sudden.mixture(counts, rows, null.smooth[0]) - xlogy(counts, centre).sum(axis=1)
    laws = surface(centre[0], float(null.radius[0, 0]), 180)
    assert means(factors[:, np.newaxis], counts, laws).max() > 1.01


@pytest.mark.parametrize("hits", [0.0, 1.0, 30.0, 999.0, 1000.0])
@pytest.mark.parametrize("rows", [1, 7])
def test_bets_on_rates_have_mean_one_at_the_ends(hits: float, rows: int) -> None:
    null = intervals(np.array([[1000.0 - hits, hits]]))
    engine = Engine.of(null)
    counts = compositions(rows, 2)
    inside = np.linspace(null.low[0, 0], null.high[0, 0], 400)
    laws = np.stack([1 - inside, inside], axis=1)
    factors = np.concatenate(
        [engine.bets.log_factors(counts, 0), sudden.log_factors(counts, spread(null, len(counts)), 0)[:, np.newaxis]],
        axis=1,
    )
    live = np.append(engine.bets.live[0, 0], False)
    greatest = means(factors, counts, laws).max(axis=0)
    assert greatest.max() <= MOST
    assert live.any()
    assert np.all(greatest[live] >= LEAST)
    wider = np.stack([1 - null.high[0], null.high[0]], axis=1) + np.array([[-0.01, 0.01]])
    if null.high[0, 0] < 0.9:
        assert means(factors, counts, wider).max() > MOST


def spread(null: Interval, times: int) -> Interval:
    """Return the null of a monitor many times over."""
    return null.take(np.zeros(times, np.int64))


def test_the_published_example() -> None:
    reference = np.array([[100.0, 200.0, 300.0, 400.0]])
    null = balls(reference, tolerance=0.0)
    law = np.array([0.15, 0.2, 0.35, 0.3])
    assert float(null.radius[0, 0]) == pytest.approx(0.008133118098, abs=1e-12)
    nearest, live = null.project(law[np.newaxis, np.newaxis], 0)
    bets = log_bet(law, nearest[0, 0])
    assert live[0, 0]
    assert np.exp(bets) == pytest.approx([1.18298353, 1, 1.07099784, 0.86604104], abs=1e-8)
    assert bets @ [30, 40, 70, 60] == pytest.approx(1.213164808658, abs=1e-11)


def test_the_projection_is_the_nearest_tolerated_law() -> None:
    rng = np.random.default_rng(5)
    for _ in range(12):
        centre, law = rng.dirichlet(np.full(3, 3.0), 2)
        radius = 10 ** rng.uniform(-3, -1)
        weight = float(projection_weight(law, centre, np.array(radius)))
        if weight == 1:
            assert (centre * np.log(centre / law)).sum() <= radius
            continue
        nearest = (1 - weight) * centre + weight * law
        others = surface(centre, radius, 20_000)
        away = (law * np.log(law / others)).sum(axis=1)
        assert (law * np.log(law / nearest)).sum() == pytest.approx(away.min(), rel=1e-6)
        assert nearest == pytest.approx(others[np.argmin(away)], abs=1e-3)


@pytest.mark.parametrize("concentration", [0.05, 1.0, 100.0])
@pytest.mark.parametrize("cells", [2, 5, 40])
def test_the_weight_is_the_root_from_above(concentration: float, cells: int) -> None:
    rng = np.random.default_rng(11)
    centre, laws = rng.dirichlet(np.full(cells, concentration), (2, 2000))
    centre[rng.random(centre.shape) < 0.1] = 0.0
    laws[rng.random(laws.shape) < 0.2] = 0.0
    centre[:, 0] += 1e-6
    laws[:, -1] += 1e-6
    centre /= centre.sum(axis=1, keepdims=True)
    laws /= laws.sum(axis=1, keepdims=True)
    radius = 10 ** rng.uniform(-6, 0.5, 2000)

    def divergence(weight: FloatArray) -> FloatArray:
        mixed = (1 - weight)[:, np.newaxis] * centre + weight[:, np.newaxis] * laws
        far: FloatArray = (xlogy(centre, centre) - xlogy(centre, np.maximum(mixed, 1e-300))).sum(axis=1)
        return far

    low, high = np.zeros(2000), np.ones(2000)
    for _ in range(90):
        middle = (low + high) / 2
        near = divergence(middle) <= radius
        low, high = np.where(near, middle, low), np.where(near, high, middle)
    weight = projection_weight(laws, centre, radius)
    assert np.max(np.abs(weight - high) / high) < 1e-9
    beyond = weight < 1
    assert np.all(divergence(weight)[beyond] >= radius[beyond] * (1 - 1e-8))


def test_radius_and_interval_equal_scipy() -> None:
    rows, alpha = np.array([10.0, 1e3, 1e9]), np.array([1e-12, 1e-3, 0.2])
    assert statistical_radius(rows, 11, alpha) == pytest.approx(chi2.isf(alpha, 10) / (2 * rows), rel=1e-12)
    assert np.isinf(statistical_radius(np.zeros(1), 11, alpha[:1]))[0]
    low, high = clopper_pearson(np.array([0.0, 5.0, 10.0, 0.0]), np.array([10.0, 10.0, 10.0, 0.0]), np.full(4, 0.05))
    assert low == pytest.approx([0, 0.187086, 0.691503, 0], abs=1e-6)
    assert high == pytest.approx([0.308497, 0.812914, 1, 1], abs=1e-6)
