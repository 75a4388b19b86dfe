"""What days may differ by: coverage of the radius, the tolerance ``auto``, and what fails without them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import xlogy
from scipy.stats import chi2, f, norm

from detectors.evidence.ball import Ball
from detectors.evidence.dispersion import Dispersion
from detectors.evidence.engine import Engine
from detectors.evidence.null import FloatArray
from detectors.evidence.tolerance import TOLERANCES, auto_ratio, auto_tolerance, day_alpha
from detectors.evidence.wander import CHANCE, Wander
from tests.unit.evidence_cases import EDGES, gaussian

DAYS = 14
ROWS_A_DAY = 2000
ONE_SLOT = np.zeros(24, np.int64)


def moved(means: FloatArray) -> FloatArray:
    """Return shares of Gaussians with these means, ``[..., 14]``."""
    below = norm.cdf(EDGES - means[..., np.newaxis])
    ends = np.zeros_like(means)[..., np.newaxis]
    shares: FloatArray = np.diff(np.concatenate([ends, below, ends + 1], axis=-1), axis=-1)
    return shares


def days_of(kind: str, size: float, count: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return laws of days ``[D, J, K]`` and their mean over endless days."""
    if kind == "mean":
        return moved(rng.normal(0, size, (DAYS, count))), moved(rng.normal(0, size, 100_000)).mean(axis=0)
    centre = gaussian()
    if kind == "dirichlet":
        parts = rng.standard_gamma(centre * size, (DAYS, count, 14))
        return parts / parts.sum(axis=2, keepdims=True), centre
    return np.broadcast_to(centre, (DAYS, count, 14)), centre


def missed(kind: str, size: float, alpha: float) -> tuple[float, float]:
    """Return how often the mean law is outside of the region: with three figures, with the factor alone."""
    rng = np.random.default_rng(10)
    laws, truth = days_of(kind, size, 4000, rng)
    days = rng.multinomial(ROWS_A_DAY, laws).astype(float)
    total = days.sum(axis=0)
    shares = total / total.sum(axis=1, keepdims=True)
    ratio = 2 * DAYS * ROWS_A_DAY * (xlogy(shares, shares) - xlogy(shares, truth)).sum(axis=1)
    found = Dispersion.of(days)
    level = np.full(4000, alpha)
    plain = chi2.isf(alpha, 13)
    return float(np.mean(ratio > plain * found.design_effect(level, 14))), float(np.mean(ratio > plain * found.factor))


@pytest.mark.parametrize(("kind", "size"), [("none", 0.0), ("dirichlet", 2000.0), ("dirichlet", 300.0)])
@pytest.mark.parametrize("alpha", [0.01, 0.001])
def test_the_radius_covers_days_that_differ_in_all_directions(kind: str, size: float, alpha: float) -> None:
    full, _ = missed(kind, size, alpha)
    assert full <= alpha + 3 * np.sqrt(alpha / 4000)


@pytest.mark.parametrize("size", [0.05, 0.1, 0.2])
def test_the_factor_alone_does_not_cover_days_whose_mean_moves(size: float) -> None:
    alpha = 0.001
    full, factor = missed("mean", size, alpha)
    assert full <= 0.015
    assert factor > 0.015
    assert factor > 2 * full


def test_the_design_effect_is_the_ratio_of_quantiles() -> None:
    known = Dispersion(np.array([2.4]), np.array([3.0]), np.array([13.0]))
    alpha = np.array([1e-4])
    expected = 2.4 * 13 * f.isf(1e-4, 3, 39) / chi2.isf(1e-4, 13)
    assert known.design_effect(alpha, 14)[0] == pytest.approx(expected, rel=1e-9)
    assert Dispersion.none(1, 14).design_effect(alpha, 14)[0] == 1


def test_the_factor_is_chi_square_over_its_degrees_of_freedom() -> None:
    rng = np.random.default_rng(11)
    days = rng.multinomial(300, rng.dirichlet(np.full(5, 40.0), (9, 2))).astype(float)
    found = Dispersion.of(days)
    for place in range(2):
        table = days[:, place]
        expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
        statistic = ((table - expected) ** 2 / expected).sum()
        assert found.factor[place] == pytest.approx(max(statistic / (8 * 4), 1.0), rel=1e-12)


@pytest.mark.parametrize("days", [np.zeros((7, 2, 3)), np.ones((1, 2, 3)), np.zeros((0, 2, 3)), np.zeros((7, 2, 2, 3))])
def test_days_that_say_nothing_are_taken_to_be_alike(days: FloatArray) -> None:
    found = Dispersion.of(days)
    assert np.array_equal(found.factor, np.ones(2))
    assert np.all(np.isfinite(found.design_effect(np.full(2, 0.01), 3)))
    with pytest.raises(ValueError, match="axes"):
        Dispersion.of(np.zeros((3, 2)))


def live(kind: str, size: float, tolerances: str, count: int = 30) -> tuple[int, float, float]:
    """Return incidents, their bound and the median tolerance of monitors that live through thirty more days."""
    rng = np.random.default_rng(12)
    weight, patience = 1 / 50, 168.0

    def windows(days: int) -> FloatArray:
        parts = [days_of(kind, size, count, rng)[0] for _ in range(-(-days // DAYS))]
        laws = np.repeat(np.concatenate(parts)[:days, np.newaxis], 24, axis=1)
        return rng.multinomial(1000, laws).astype(float)

    past = windows(DAYS)
    alpha = np.full(count, 0.05 * weight)
    allowed = day_alpha(np.full(count, weight), patience, 24)
    views = ((past, ONE_SLOT), (past.sum(axis=1, keepdims=True), ONE_SLOT[:1])) if tolerances == "auto" else ()
    found = [auto_tolerance(Wander.of(view, slots), allowed) for view, slots in views]
    tolerance = np.max([np.zeros(count), *found], axis=0)
    assert np.isnan(tolerance).sum() <= 2
    tolerance = np.where(np.isnan(tolerance), TOLERANCES[-1], tolerance)
    effect = Dispersion.of(past.sum(axis=1)).design_effect(alpha, 14)
    engine = Engine.of(Ball.of(past.sum(axis=(0, 1))[np.newaxis], alpha, tolerance, effect))
    state, blank = engine.initial(), engine.initial()
    incidents = 0
    for place, counts in enumerate(windows(30).reshape(-1, count, 14)):
        state = engine.step(state, counts, np.full(count, np.log(weight)), place)
        hit = np.flatnonzero(state.total >= np.log(patience))
        incidents += len(hit)
        state = state.put(hit, blank.take(hit)) if len(hit) else state
    return incidents, 30 * 24 / patience * weight * count, float(np.median(tolerance))


@pytest.mark.parametrize(("kind", "size"), [("none", 0.0), ("mean", 0.05), ("mean", 0.1), ("dirichlet", 2000.0)])
def test_auto_keeps_the_budget_over_days_like_those_of_the_reference(kind: str, size: float) -> None:
    incidents, bound, tolerance = live(kind, size, "auto")
    assert incidents <= bound + 3 * np.sqrt(bound)
    assert tolerance <= (0.2 if size else 0.0)


def test_without_tolerance_days_that_differ_overspend() -> None:
    incidents, bound, _ = live("mean", 0.05, "zero")
    assert incidents > 5 * bound


def test_wander_is_the_scatter_of_laws_without_that_of_rows() -> None:
    rng = np.random.default_rng(13)
    laws = moved(rng.normal(0, 0.1, (200, 1)))[:, np.newaxis]
    truth = ((laws[:, 0, 0] - laws[:, 0, 0].mean(axis=0)) ** 2 / laws[:, 0, 0].mean(axis=0)).sum(axis=1).mean()
    windows = rng.multinomial(500, np.broadcast_to(laws, (200, 24, 1, 14))).astype(float)
    found = Wander.of(windows, ONE_SLOT)
    assert found.trace[0] == pytest.approx(truth, rel=0.05)
    assert found.directions[0] < 1.3
    quiet = Wander.of(rng.multinomial(500, gaussian(), (14, 24, 50)).astype(float), ONE_SLOT)
    assert np.mean(quiet.trace) < 5e-4


@pytest.mark.parametrize("rows", [5, 60, 1000])
@pytest.mark.parametrize("law", [gaussian(), np.array([0.9, 0.0899, 0.01, 0.0001]), np.array([0.5, 0.5])])
def test_what_chance_explains_is_no_wander(rows: int, law: FloatArray, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = np.random.default_rng(15).multinomial(rows, law, (DAYS, 24, 400)).astype(float)
    assert (Wander.of(windows, ONE_SLOT).trace > 0).mean() <= CHANCE + 3 * np.sqrt(CHANCE / 400)
    assert (Wander.of(windows, np.arange(24) % 3).trace > 0).mean() <= CHANCE + 3 * np.sqrt(CHANCE / 400)
    monkeypatch.setattr("detectors.evidence.wander._explained", lambda mean, _: mean)
    assert (Wander.of(windows, ONE_SLOT).trace > 0).mean() > 0.2


def test_wander_within_slots_ignores_the_cycle() -> None:
    rng = np.random.default_rng(14)
    cycle = moved(np.repeat([-0.3, 0.0, 0.3], 8))
    windows = rng.multinomial(1000, np.broadcast_to(cycle[:, np.newaxis], (14, 24, 5, 14))).astype(float)
    assert Wander.of(windows, ONE_SLOT).trace.min() > 0.05
    assert Wander.of(windows, np.repeat(np.arange(3), 8)).trace.max() < 2e-3


def test_tolerances_come_from_the_grid_or_not_at_all() -> None:
    wander = Wander(np.array([0.0, 0.0009, 0.004, 0.5, 0.01]), np.ones(5), np.array([13.0, 13, 13, 13, 0]))
    found = auto_tolerance(wander, np.full(5, 0.01))
    assert found[:3].tolist() == [0.0, 0.01, 0.05]
    assert np.isnan(found[3:]).all()
    assert set(found[:3]) <= set(TOLERANCES)
    ratios = auto_ratio(wander, np.array([0.5, 0.5, 0.01, 0.5, 0.0]), np.full(5, 0.01))
    assert ratios[[0, 1]].tolist() == [1.25, 1.25]
    assert ratios[2] == 10.0
    assert np.isnan(ratios[3])
