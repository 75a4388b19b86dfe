"""Simulated: false incidents of whole fleets stay within the budget whatever tolerated thing happens."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from detectors.evidence.ball import smoothed
from detectors.evidence.null import FloatArray
from tests.unit.evidence_cases import gaussian, rate_engine, shape_engine
from tests.unit.evidence_simulation import Draw, Outcome, Trial, boundary, even, references

N = 5000
ROWS = 500
PATIENCE = 100.0
SIZES = {1: 120, 50: 4}
"""Monitors of a fleet → fleets side by side."""
WINDOWS = 100


def fleets(size: int, seed: int = 1, law: FloatArray | None = None, rows: int = N, tolerance: float = 0.01) -> Trial:
    """Return fleets with references drawn from a law, in windows of that law."""
    count = SIZES[size]
    truth = gaussian() if law is None else law
    engine = shape_engine(
        references(rows, size * count, np.random.default_rng(seed), truth), alpha=0.05 / size, tolerance=tolerance
    )

    def draw(_: int, rng: np.random.Generator) -> FloatArray:
        return rng.multinomial(ROWS, truth, size * count).astype(float)

    return Trial(engine, draw, count, WINDOWS, PATIENCE, even(size), seed)


def with_draw(trial: Trial, draw: Draw) -> Outcome:
    return Trial(trial.engine, draw, trial.fleets, trial.windows, trial.patience, trial.weights, trial.seed).run()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tolerance", [0.0, 0.01])
def test_the_law_of_the_reference(size: int, tolerance: float) -> None:
    """References are drawn anew, so this covers their own error, too."""
    assert fleets(size, tolerance=tolerance).run().kept


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(5))
def test_the_surface_of_what_is_tolerated(size: int, seed: int) -> None:
    trial = fleets(size)
    laws = boundary(trial.engine.null, np.random.default_rng(seed))  # type: ignore[arg-type]
    assert with_draw(trial, lambda _, rng: rng.multinomial(ROWS, laws).astype(float)).kept


@pytest.mark.parametrize("size", SIZES)
def test_laws_that_move_within_what_is_tolerated(size: int) -> None:
    trial = fleets(size)
    ways = [boundary(trial.engine.null, np.random.default_rng(seed)) for seed in range(6)]  # type: ignore[arg-type]
    centre = trial.engine.null.shares[0]

    def draw(window: int, rng: np.random.Generator) -> FloatArray:
        part = np.abs(np.sin(window / 7))
        return rng.multinomial(ROWS, part * ways[window % 6] + (1 - part) * centre).astype(float)

    assert with_draw(trial, draw).kept


def sessions(size: int, weight: float) -> Draw:
    """Return windows of sessions of five equal records, each with a weight."""
    law = gaussian()
    return lambda _, rng: rng.multinomial(ROWS // 5, law, size * SIZES[size]).astype(np.float64) * (5 * weight)


@pytest.mark.parametrize("size", SIZES)
def test_sessions_that_share_one_weight(size: int) -> None:
    trial = fleets(size, rows=50_000, tolerance=0.002)
    assert with_draw(trial, sessions(size, 1 / 5)).kept
    assert not with_draw(trial, sessions(size, 1.0)).kept


def test_copies_of_one_stream() -> None:
    size = 50
    rng = np.random.default_rng(3)
    reference = np.repeat(references(N, SIZES[size], rng), size, axis=0)
    trial = fleets(size)
    engine = shape_engine(reference, alpha=0.05 / size, tolerance=0.0)

    def draw(_: int, rng: np.random.Generator) -> FloatArray:
        return np.repeat(rng.multinomial(ROWS, gaussian(), SIZES[size]).astype(float), size, axis=0)

    assert Trial(engine, draw, SIZES[size], WINDOWS, PATIENCE, trial.weights).run().kept


def test_nested_slices() -> None:
    """Monitor j sees the rows of the first j parts of fifty."""
    size, count = 50, SIZES[50]
    law = gaussian()

    def nested(rng: np.random.Generator, rows: int) -> FloatArray:
        parts = rng.multinomial(rows, law, (count, size))
        return parts.cumsum(axis=1).reshape(count * size, -1).astype(float)

    engine = shape_engine(nested(np.random.default_rng(4), 1000), alpha=0.05 / size, tolerance=0.0)
    assert Trial(engine, lambda _, rng: nested(rng, 100), count, WINDOWS, PATIENCE, even(size)).run().kept


@pytest.mark.parametrize("size", SIZES)
def test_windows_of_any_size(size: int) -> None:
    trial = fleets(size, tolerance=0.0)

    def draw(_: int, rng: np.random.Generator) -> FloatArray:
        rows = (10 ** rng.uniform(-0.5, 4, size * SIZES[size])).astype(np.int64)
        return rng.multinomial(rows, gaussian()).astype(float)

    assert with_draw(trial, draw).kept


@pytest.mark.parametrize("size", SIZES)
def test_cells_of_one_in_ten_thousand(size: int) -> None:
    law = np.array([0.6, 0.3, 0.0995, 2e-4, 1e-4, 1e-4, 1e-4])
    trial = fleets(size, law=law / law.sum(), tolerance=0.0)
    assert trial.run().kept


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0.0005, 0.05, 0.5])
@pytest.mark.parametrize("side", [0, 1])
def test_rates_at_the_end_of_what_is_tolerated(size: int, share: float, side: int) -> None:
    count = size * SIZES[size]
    engine = rate_engine(
        references(N, count, np.random.default_rng(6), np.array([1 - share, share])), alpha=0.05 / size
    )
    end = (engine.null.low, engine.null.high)[side][0]  # type: ignore[attr-defined]
    laws = np.stack([1 - end, end], axis=1)
    trial = Trial(
        engine, lambda _, rng: rng.multinomial(ROWS, laws).astype(float), SIZES[size], WINDOWS, PATIENCE, even(size)
    )
    assert trial.run().kept


def test_false_alarms_beside_true_ones() -> None:
    """Ten of a hundred monitors drift for ever; the shares of false alarms add up to the budget at most."""
    size, count = 100, 4
    rng = np.random.default_rng(8)
    engine = shape_engine(references(N, size * count, rng), alpha=0.05 / size, tolerance=0.0)
    inside = boundary(engine.null, rng)  # type: ignore[arg-type]
    moved = np.tile(np.arange(size) % 10 == 0, count)
    laws = np.where(moved[:, np.newaxis], gaussian(0.5), inside)
    drifted = frozenset(range(0, size, 10))
    trial = Trial(
        engine, lambda _, r: r.multinomial(ROWS, laws).astype(float), count, 60, PATIENCE, even(size), drifted=drifted
    )
    outcome = trial.run()
    assert outcome.incidents.min() > 30
    assert outcome.false_share.sum() <= 0.9 * outcome.bound


def test_slots_with_references_of_their_own() -> None:
    size, count = 5, 20
    cycle = np.array([gaussian(mean) for mean in (-0.3, 0.0, 0.3)])
    rng = np.random.default_rng(9)
    reference = np.stack([rng.multinomial(N, law, size * count) for law in cycle]).astype(float)
    engine = shape_engine(reference, alpha=0.05 / size, tolerance=0.0)

    def draw(window: int, rng: np.random.Generator) -> FloatArray:
        return rng.multinomial(ROWS, cycle[window % 3], size * count).astype(float)

    assert Trial(engine, draw, count, 150, PATIENCE, even(size), slots=3).run().kept
    shifted = Trial(engine, lambda window, rng: draw(window + 1, rng), count, 30, PATIENCE, even(size), slots=3)
    assert not shifted.run().kept


def test_a_late_drift_counts_as_quiet_until_it_starts() -> None:
    """The alarm comes after the change, and soon: the budget does not buy silence."""
    trial = fleets(50)
    changed = smoothed(trial.engine.null.shares * N)[0] * np.exp(0.5 * ndtri(ndtr(np.linspace(-1.5, 1.5, 14))))
    laws = changed / changed.sum(axis=1, keepdims=True)
    quiet = trial.draw

    def draw(window: int, rng: np.random.Generator) -> FloatArray:
        return quiet(window, rng) if window < 90 else rng.multinomial(ROWS, laws).astype(float)

    assert with_draw(trial, draw).incidents.min() >= 3
