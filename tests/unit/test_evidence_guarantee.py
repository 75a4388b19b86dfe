"""The rate of false incidents is kept, exactly where it can be computed; every spoilt variant breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from detectors.evidence import recent
from detectors.evidence.engine import advance
from detectors.evidence.null import BoolArray, FloatArray
from detectors.fleet.decision import decide
from tests.unit.evidence_cases import gaussian, shape_engine
from tests.unit.evidence_simulation import Trial, even, references

TIGHT = 62.0
"""Five heads in a row are worth 2 + 4 + 8 + 16 + 32: no more windows than promised to the first incident."""
PATIENCES = (45.0, 60.0, TIGHT)
FLEETS = 200
WINDOWS = 3_000
Update = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


def coin_incidents(
    patience: float, start: float = 1.0, update: Update = advance, *, reset: bool = True, windows: int = WINDOWS
) -> tuple[float, float]:
    """Return A · incidents / T of fair doubling coins, and its standard error."""
    rng = np.random.default_rng(62)
    held = np.full(FLEETS, -np.inf)
    incidents = np.zeros(FLEETS)
    with np.errstate(divide="ignore"):
        for _ in range(windows):
            held = update(held, np.log(2.0 * rng.integers(0, 2, FLEETS)), np.full(FLEETS, np.log(start)))
            near = np.flatnonzero(held > np.log(patience) - 1e-6)
            hit = near[[decide(held[place : place + 1], patience).incident for place in near]]
            incidents[hit] += 1
            if reset:
                held[hit] = -np.inf
    rates = patience * incidents / windows
    return float(rates.mean()), float(rates.std() / np.sqrt(FLEETS))


@pytest.mark.parametrize("patience", PATIENCES)
def test_fair_coins_keep_the_budget_and_can_spend_all_of_it(patience: float) -> None:
    rate, error = coin_incidents(patience)
    assert error < 0.02
    assert rate < 1 + 3 * error
    if patience == TIGHT:
        assert rate > 1 - 3 * error


def twice(log: FloatArray, factors: FloatArray, start: FloatArray) -> FloatArray:
    return advance(advance(log, factors, start), factors, np.full_like(start, -np.inf))


def late_start(log: FloatArray, factors: FloatArray, start: FloatArray) -> FloatArray:
    """Start another time when the bet has been won."""
    grown: FloatArray = np.logaddexp(advance(log, factors, start), np.where(factors > 0, start, -np.inf))
    return grown


@pytest.mark.parametrize(
    ("start", "update", "reset"),
    [(2.0, advance, True), (1.0, advance, False), (1.0, twice, True), (1.0, late_start, True)],
    ids=["weights sum to 2", "no reset", "a record used twice", "a start that knows the outcome"],
)
def test_spoilt_coins_overspend(start: float, update: Update, *, reset: bool) -> None:
    found = [coin_incidents(patience, start, update, reset=reset, windows=300) for patience in PATIENCES]
    assert any(rate > 1 + 3 * error for rate, error in found)


def tolerant(windows: int, seed: int = 0) -> Trial:
    """Return fleets of one monitor that tolerates so much that most shapes are dead, in quiet windows."""
    engine = shape_engine(references(2000, 12, np.random.default_rng(seed)), tolerance=0.2)
    law = gaussian()
    return Trial(engine, lambda _, rng: rng.multinomial(100, law, 12).astype(float), 12, windows, 50.0, even(1))


def test_dead_shapes_do_not_start() -> None:
    trial = tolerant(400)
    assert 0.2 < trial.engine.bets.live.mean() < 0.7
    assert trial.run().incidents.sum() == 0


def test_dead_shapes_that_start_alarm_by_and_by() -> None:
    trial = tolerant(400)
    all_live = replace(trial.engine.bets, live=np.ones_like(trial.engine.bets.live))
    spoilt = replace(trial, engine=replace(trial.engine, bets=all_live))
    assert (spoilt.run().incidents > 0).mean() > 0.9


def test_learners_that_see_the_window_they_bet_on_overspend(monkeypatch: pytest.MonkeyPatch) -> None:
    law = gaussian()
    engine = shape_engine(references(200_000, 20, np.random.default_rng(1)), tolerance=0.0)
    trial = Trial(engine, lambda _, rng: rng.multinomial(200, law, 20).astype(float), 20, 60, 100.0, even(1))
    assert trial.run().kept

    def peeking(counts: FloatArray, seen: FloatArray, rows: FloatArray, *rest: object) -> tuple[FloatArray, BoolArray]:
        return honest(counts, *recent.remember(counts, seen, rows, 0), *rest)  # type: ignore[arg-type]

    honest = recent.log_factors
    monkeypatch.setattr(recent, "log_factors", peeking)
    assert not trial.run().kept


def test_overlapping_windows_overspend() -> None:
    law = gaussian()
    engine = shape_engine(references(20_000, 20, np.random.default_rng(1)), tolerance=0.0)
    last = [np.zeros((20, 14))]

    def tumbling(_: int, rng: np.random.Generator) -> FloatArray:
        return rng.multinomial(20, law, 20).astype(float)

    def sliding(window: int, rng: np.random.Generator) -> FloatArray:
        last.append(tumbling(window, rng))
        return np.asarray(sum(last[-30:]), np.float64)

    honest = Trial(engine, tumbling, 20, 150, 100.0, even(1))
    assert honest.run().kept
    assert not replace(honest, draw=sliding).run().kept


def test_a_reference_taken_for_the_truth_overspends() -> None:
    law = gaussian()
    engine = shape_engine(references(2000, 20, np.random.default_rng(2)), tolerance=0.0)
    trial = Trial(engine, lambda _, rng: rng.multinomial(500, law, 20).astype(float), 20, 100, 100.0, even(1))
    assert trial.run().kept
    spoilt = shape_engine(
        references(200_000_000_000, 20, np.random.default_rng(2), engine.null.shares[0]), tolerance=0.0
    )
    assert not replace(trial, engine=spoilt).run().kept
