"""Single directions: bets are fair under every tolerated law, limits hold the truth, and small changes are seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta, chi2, norm, poisson, t

from detectors.evidence import recent, sudden
from detectors.evidence.bounded import PART, Along, Bounded
from detectors.evidence.dictionary import Kind
from detectors.evidence.dispersion import along
from detectors.evidence.engine import Engine
from detectors.evidence.limits import (
    directions_of,
    highest_mean,
    highest_shares,
    normal_scores,
    one_sided_effect,
    score_radius,
)
from detectors.evidence.null import FloatArray
from detectors.evidence.sensitivity import information
from tests.unit.evidence_cases import (
    REFERENCES,
    balls,
    bounded,
    compositions,
    gaussian,
    log_probability,
    pulled,
    surface,
)
from tests.unit.evidence_simulation import Trial, boundary, even, references

MOST = 1 + 1e-9


def edge(null: Bounded, reference: FloatArray, directions: int = 720) -> FloatArray:
    """Return laws all along the edge of what is tolerated, ``[L, 3]``."""
    laws = surface((reference / reference.sum())[0], float(null.radius[0, 0]), directions)
    inside = pulled(null, laws[np.newaxis])[0]
    kept: FloatArray = np.concatenate([inside, null.shares[0]])
    return kept


def greatest(factors: FloatArray, counts: FloatArray, laws: FloatArray) -> FloatArray:
    """Return the greatest mean of ``[W, D]`` log factors under any of the laws, ``[D]``."""
    found: FloatArray = (np.exp(log_probability(counts, laws)) @ np.exp(factors)).max(axis=0)
    return found


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("rows", [1, 3, 8])
def test_every_bet_is_fair_on_the_edge(reference: FloatArray, rows: int) -> None:
    null = bounded(reference)
    engine = Engine.of(null)
    counts, laws = compositions(rows, 3), edge(null, reference)
    assert greatest(engine.bets.log_factors(counts, 0), counts, laws).max() <= MOST
    many = null.take(np.zeros(len(counts), np.int64))
    assert greatest((sudden.log_factors(counts, many, 0) - sudden.LOG_FEE)[:, np.newaxis], counts, laws).max() <= MOST
    for seen in np.random.default_rng(3).dirichlet(np.ones(3), 20) * 2000:
        remembered = np.tile(seen, (len(counts), len(recent.DECAYS), 1))
        factors, _ = recent.log_factors(counts, remembered, remembered.sum(axis=2)[..., np.newaxis], many, 0)
        assert greatest(factors, counts, laws).max() <= MOST


@pytest.mark.parametrize("reference", REFERENCES[:2])
def test_bets_on_the_mean_cost_nothing_on_the_edge(reference: FloatArray) -> None:
    null = bounded(reference)
    engine = Engine.of(null)
    counts, laws = compositions(8, 3), edge(null, reference)
    means = [place for place, shape in enumerate(engine.shapes[: engine.bets.live.shape[2]]) if shape.kind == Kind.MEAN]
    live = [place for place in means if engine.bets.live[0, 0, place]]
    assert live
    assert greatest(engine.bets.log_factors(counts, 0)[:, live], counts, laws).min() >= 1 - 1e-3


@pytest.mark.parametrize("spoilt", ["high", "low", "most"])
def test_bets_against_narrower_limits_are_no_bets(spoilt: str) -> None:
    reference = REFERENCES[1]
    null = bounded(reference)
    counts, laws = compositions(8, 3), edge(null, reference)
    centre = null.shares if spoilt == "most" else np.einsum("sjfk,sjk->sjf", null.scores, null.shares)
    narrow = centre + 0.9 * (getattr(null, spoilt) - centre)
    engine = Engine.of(replace(null, **{spoilt: narrow}))
    assert greatest(engine.bets.log_factors(counts, 0), counts, laws).max() > MOST


def test_the_highest_mean_is_the_optimum() -> None:
    rng = np.random.default_rng(7)
    for _ in range(12):
        shares, score = rng.dirichlet(np.full(3, 2.0)), rng.normal(size=3)
        radius = 10 ** rng.uniform(-4, -0.5)
        most = float((surface(shares, radius, 20_000) @ score).max())
        found = float(highest_mean(shares, score, np.array(radius)))
        assert found == pytest.approx(most, abs=1e-6)
        assert found >= most - 1e-12


@pytest.mark.parametrize(
    ("shares", "score", "radius", "highest"),
    [
        ([0.5, 0.5, 0.0], [0.0, 0.0, 1.0], 0.1, 1 - np.exp(-0.1)),
        ([0.5, 0.5], [0.0, 1.0], 0.0, 0.5),
        ([0.5, 0.5], [0.0, 1.0], np.inf, np.inf),
        ([1.0, 0.0], [2.0, 2.0], 0.3, 2.0),
        ([0.0, 1.0], [0.0, 1.0], 0.3, 1.0),
        ([0.5, 0.5], [0.0, 1.0], 1e3, 1.0),
    ],
    ids=["an empty cell", "nothing open", "everything open", "one score", "nowhere to go", "far"],
)
def test_the_highest_mean_of_what_is_ugly(
    shares: list[float], score: list[float], radius: float, highest: float
) -> None:
    found = highest_mean(np.array(shares), np.array(score), np.array(radius))
    assert float(found) == pytest.approx(highest, abs=1e-6)


def test_the_highest_shares_are_those_of_clopper_and_pearson() -> None:
    hits = np.array([[0.0, 1.0, 30.0, 969.0], [1000.0, 0.0, 0.0, 0.0]])
    found = highest_shares(hits / 1000, np.full(2, 1000.0), np.ones((2, 4)), np.array([1e-5, 1e-3]), np.zeros(2))
    level = np.array([[1e-5], [1e-3]])
    expected = np.where(hits < 1000, beta.isf(level, hits + 1, np.maximum(1000 - hits, 1e-9)), 1.0)
    assert found == pytest.approx(expected, rel=1e-9)
    assert (highest_shares(hits / 1000, np.zeros(2), np.ones((2, 4)), level[:, 0], np.zeros(2)) == 1).all()


def test_days_take_the_quantile_of_student() -> None:
    alpha, days = np.array([1e-2, 1e-4, 1e-6]), np.array([6.0, 13.0, 55.0])
    expected = np.square(t.isf(alpha, days) / norm.isf(alpha))
    assert one_sided_effect(np.ones(3), days, alpha) == pytest.approx(expected, rel=1e-8)
    assert one_sided_effect(np.array([0.2, 1.0, 3.0]), np.full(3, np.inf), alpha) == pytest.approx([1, 1, 3])
    assert score_radius(np.array([1000.0]), alpha[:1], np.zeros(1)) == pytest.approx(chi2.isf(2e-2, 1) / 2000)
    assert np.isinf(score_radius(np.zeros(1), alpha[:1], np.zeros(1)))[0]


def test_directions_of_days() -> None:
    rng = np.random.default_rng(2)
    still = rng.multinomial(5_000, gaussian(), (400, 1, 1)).astype(float)
    assert along(still, np.ones(1, bool)) == pytest.approx(np.ones((1, 16)), abs=0.3)
    means = rng.normal(0, 0.05, 400)
    moving = np.stack([rng.multinomial(5_000, gaussian(mean)) for mean in means])[:, np.newaxis, np.newaxis]
    found = along(moving.astype(float), np.ones(1, bool))[0]
    assert found[0] == pytest.approx(1 + 5_000 * 0.05**2, rel=0.2)
    assert found[1] < 2
    assert (along(np.zeros((3, 1, 1, 4)), np.ones(1, bool)) == 0).all()
    law = moving.sum(axis=0)[0, 0] / moving.sum()
    apart = np.square(moving[:, 0, 0] - 5_000 * law) / (5_000 * law * (1 - law))
    assert found[2:] == pytest.approx(apart.sum(axis=0) / 399, rel=1e-9)


@pytest.mark.parametrize("rows", [500, 20_000])
def test_limits_hold_the_truth_as_often_as_they_say(rows: int) -> None:
    level, count = 0.05, 2_000
    drawn = references(rows, count, np.random.default_rng(rows))
    null = bounded(drawn, alpha=level, tolerance=0.0)
    mean = np.einsum("jfk,k->jf", null.scores[0], gaussian())
    outside = [
        (mean < null.low[0]).any(axis=1) | (mean > null.high[0]).any(axis=1),
        (gaussian() > null.most[0]).any(axis=1),
    ]
    allowed = [2 * PART * level * count, PART * level * count]
    for seen, bound in zip(outside, allowed, strict=True):
        assert poisson.sf(seen.sum() - 1, bound) >= 1e-3
    # Limits for twice the rows must not pass.
    wrong = bounded(2 * drawn, alpha=level, tolerance=0.0)
    seen = ((mean < wrong.low[0]) | (mean > wrong.high[0])).any(axis=1)
    assert poisson.sf(seen.sum() - 1, allowed[0]) < 1e-3


def test_scores_follow_the_order_or_the_commonest() -> None:
    smooth = np.array([[0.2, 0.5, 0.3]])
    ordered = normal_scores(smooth, np.ones(1, bool))
    assert ordered[0] == pytest.approx(norm.ppf([0.1, 0.45, 0.85]))
    common = normal_scores(smooth, np.zeros(1, bool))
    assert common[0] == pytest.approx(norm.ppf([0.9, 0.25, 0.65]))
    assert directions_of(smooth, np.ones(1, bool))[0, 1] == pytest.approx(ordered[0] ** 2 - 1)


@pytest.mark.parametrize(("law", "least"), [(gaussian(0.2), 2.5), (gaussian(0.0, 1.3), 2.0)], ids=["mean", "spread"])
def test_a_small_reference_sees_more_in_single_directions(law: FloatArray, least: float) -> None:
    reference = references(500, 20, np.random.default_rng(4))
    laws = np.tile(law, (20, 1, 1))
    wide = information(Engine.of(balls(reference, tolerance=0.0)), laws).sum()
    cut = information(Engine.of(bounded(reference, tolerance=0.0)), laws).sum()
    assert cut > least * wide


def test_the_promise_is_kept_on_the_edge_and_broken_beyond_it() -> None:
    rng = np.random.default_rng(9)
    null = bounded(references(2_000, 60, rng), tolerance=0.002)
    ways = boundary(null, rng, 0.3)
    engine = Engine.of(null)
    trial = Trial(engine, lambda _, fresh: fresh.multinomial(500, ways).astype(float), 60, 200, 100.0, even(1))
    assert trial.run().kept
    beyond = null.shares[0] + 2.5 * (ways - null.shares[0])
    beyond = np.maximum(beyond, 0.0)
    beyond /= beyond.sum(axis=1, keepdims=True)
    assert not replace(trial, draw=lambda _, fresh: fresh.multinomial(500, beyond).astype(float)).run().kept


def test_recovery_looks_at_single_directions() -> None:
    reference = references(20_000, 1, np.random.default_rng(5))
    null = bounded(reference, tolerance=0.0)
    one, slots = np.zeros(1, np.int64), np.ones((1, 1))
    assert null.mean_inside(null.shares[0], slots, one)[0]
    moved = gaussian(0.06)[np.newaxis]
    far = (null.shares[0] * np.log(null.shares[0] / moved)).sum()
    assert far < null.radius[0, 0] * 3
    assert not null.mean_inside(moved, slots, one)[0]


def test_few_days_make_limits_wide() -> None:
    reference = references(20_000, 1, np.random.default_rng(5))[np.newaxis]
    one = np.ones(1)
    parts = [
        Bounded.around(reference, 1e-3 * one, 0 * one, one, np.ones(1, bool), Along(np.ones((1, 16)), freedom * one))
        for freedom in (np.inf, 13.0, 6.0)
    ]
    widths = [float((part.high - part.low)[0, 0, 0]) for part in parts]
    assert widths == sorted(widths)
    assert widths[1] / widths[0] == pytest.approx(t.isf(1.25e-4, 13) / norm.isf(1.25e-4), rel=0.02)


@pytest.mark.parametrize(
    "reference",
    [np.zeros(5), np.array([7.0, 0, 0, 0, 0]), np.full(5, 1e12), np.full(5, 0.3), np.array([1.0, 0, 0, 0, 1e9])],
    ids=["no rows", "one cell", "huge", "less than a row", "a cell of one row"],
)
@pytest.mark.parametrize(
    "window", [np.zeros(5), np.array([0, 0, 0, 0, 1.0]), np.full(5, 1e9), np.array([3.0, 0, 0, 0, 0])]
)
def test_ugly_references_and_windows_give_evidence(reference: FloatArray, window: FloatArray) -> None:
    engine = Engine.of(bounded(reference[np.newaxis]))
    state = engine.initial()
    for number in range(3):
        state = engine.step(state, window[np.newaxis], np.zeros(1), number)
    assert not np.isnan(state.log).any()
    assert not np.isposinf(state.log).any()
    assert not np.isnan(information(engine, engine.null.smooth[0][:, np.newaxis])).any()


@pytest.mark.parametrize("moving", [0.0, 0.05, 0.2])
def test_limits_hold_the_truth_where_days_differ(moving: float) -> None:
    rng, count, days, level = np.random.default_rng(12), 1_500, 14, 0.05
    means = rng.normal(0, moving, (days, count)) if moving else np.zeros((days, count))
    kinds = np.round(means, 2)
    laws = np.stack([gaussian(mean) for mean in np.unique(kinds)])[np.searchsorted(np.unique(kinds), kinds)]
    drawn = rng.multinomial(1_400, laws).astype(float)
    ones = np.ones(count)
    factor = along(drawn[:, np.newaxis], np.ones(count, bool))
    honest = Along(factor, (days - 1) * ones)
    # Days of a moving mean make a wider Gaussian; its mean is 0.
    truth = gaussian(0.0, float(np.hypot(1, moving)))

    def outside(found: Along) -> int:
        null = Bounded.around(drawn.sum(axis=0)[np.newaxis], level * ones, 0 * ones, ones, np.ones(count, bool), found)
        mean = null.scores[0, :, 0] @ truth
        return int(((mean < null.low[0, :, 0]) | (mean > null.high[0, :, 0])).sum())

    allowed = PART * level * count
    assert poisson.sf(outside(honest) - 1, allowed) >= 1e-3
    if moving:
        alike = Along(np.ones_like(factor), np.inf * ones)
        assert poisson.sf(outside(alike) - 1, allowed) < 1e-3
