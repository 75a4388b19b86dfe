"""What a monitor says it cannot see, and how soon it says it sees the rest, against what it does."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.evidence.dictionary import Kind
from detectors.evidence.engine import Engine
from detectors.evidence.null import FloatArray
from detectors.evidence.sensitivity import (
    blind_rates,
    dead_zone,
    delays,
    expected_delay,
    index_of,
    information,
    smallest_found,
)
from tests.unit.evidence_cases import gaussian, rate_engine, shape_engine

PATIENCE = 720.0
WEIGHT = np.array([0.001])
ROWS = np.array([1000.0])


def one(rows: int, tolerance: float = 0.0) -> Engine:
    """Return the engine of a Gaussian column."""
    return shape_engine(np.round(gaussian() * rows)[np.newaxis], alpha=5e-5, tolerance=tolerance)


def simulated(engine: Engine, law: FloatArray, most: int = 120, runs: int = 40) -> FloatArray:
    """Return the windows to an alarm in many runs; ``most + 1`` where there was none."""
    many = engine.take(np.zeros(runs, np.int64))
    rng = np.random.default_rng(4)
    state = many.initial()
    found = np.full(runs, most + 1.0)
    for window in range(most):
        state = many.step(
            state, rng.multinomial(int(ROWS[0]), law, runs).astype(float), np.full(runs, np.log(WEIGHT[0])), window
        )
        found = np.where((found > most) & (state.total >= np.log(PATIENCE)), window + 1.0, found)
        if (found <= most).all():
            break
    return found


def at(engine: Engine, kind: Kind, size: float) -> int:
    return next(
        place
        for place, shape in enumerate(engine.shapes)
        if shape.kind == kind and shape.size == pytest.approx(size, rel=1e-3)
    )


@pytest.mark.parametrize("rows", [20_000, 200_000])
@pytest.mark.parametrize(
    ("kind", "size", "law"),
    [
        (Kind.MEAN, 0.1, gaussian(0.1)),
        (Kind.MEAN, -0.2, gaussian(-0.2)),
        (Kind.SPREAD, 1.0541, gaussian(0, 1.0541)),
        (Kind.SPREAD, 2**0.5, gaussian(0, 2**0.5)),
        (Kind.MEAN, 0.8, gaussian(0.8)),
    ],
)
def test_shapes_are_found_about_as_soon_as_is_said(rows: int, kind: Kind, size: float, law: FloatArray) -> None:
    engine = one(rows)
    said = delays(engine, ROWS, WEIGHT, PATIENCE)[0, at(engine, kind, size)]
    found = simulated(engine, law)
    if np.isinf(said) or said > 60:
        assert np.median(found) > 40
    else:
        assert 0.5 * said - 1 <= found.mean() <= 1.5 * said + 1


def test_nothing_is_found_inside_the_dead_zone_and_all_beyond_twice_as_much() -> None:
    engine = one(5000, tolerance=0.01)
    zone = float(dead_zone(engine.null)[0, 0])  # type: ignore[arg-type]
    assert zone == pytest.approx(0.037, abs=0.001)
    for mean in np.linspace(0.02, 0.6, 30):
        law = gaussian(float(mean))
        index = float(index_of(engine, law[np.newaxis, np.newaxis])[0, 0])
        gain = float(information(engine, law[np.newaxis, np.newaxis])[0, 0])
        assert (gain > 0) == (index > 0.97 * zone) or abs(index / zone - 1) < 0.1
        if index > 2 * zone:
            assert simulated(engine, law, most=30).max() <= 30


def test_the_smallest_that_is_found_is_found() -> None:
    engine = one(20_000)
    least = float(smallest_found(engine, ROWS, WEIGHT, PATIENCE, 20)[0])
    assert dead_zone(engine.null)[0, 0] < least < 0.03  # type: ignore[arg-type]
    assert smallest_found(engine, ROWS, WEIGHT, PATIENCE, 5)[0] > least
    assert np.isinf(smallest_found(engine, ROWS * 0 + 1, WEIGHT, PATIENCE, 1)[0])


def test_rates_are_blind_in_their_interval_and_see_beyond() -> None:
    engine = rate_engine(np.array([[4975.0, 25.0]]), alpha=5e-5)
    low, high = blind_rates(engine.null)  # type: ignore[arg-type]
    assert low[0, 0] < 0.005 < high[0, 0] < 0.02
    ends = np.array([[[1 - low[0, 0], low[0, 0]], [1 - high[0, 0], high[0, 0]], [0.96, 0.04]]])
    gain = information(engine, ends)
    assert np.array_equal(gain[0] > 0, [False, False, True])
    said = expected_delay(gain[0, 2] * ROWS, PATIENCE / WEIGHT / 0.03)[0]
    assert simulated(engine, ends[0, 2]).mean() == pytest.approx(said, abs=2)


def test_delays_of_published_values() -> None:
    said = expected_delay(np.array([0.0074, 0.0220, 0.17]), np.full(3, 1e4))
    assert said == pytest.approx([458, 200, 38], rel=0.05)
    assert np.isinf(expected_delay(np.zeros(1), np.ones(1)))[0]
    assert np.all(np.diff(expected_delay(np.geomspace(1e-6, 1e3, 50), np.full(50, 1e5))) <= 0)
