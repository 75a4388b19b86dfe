"""What a monitor cannot see, and how soon it sees what it can: figures for an operator, before anything happens."""

from __future__ import annotations

import numpy as np

from detectors.evidence.ball import Ball
from detectors.evidence.dictionary import laws_of
from detectors.evidence.engine import Engine
from detectors.evidence.interval import Interval
from detectors.evidence.null import FloatArray

_STEPS = 60


def dead_zone(null: Ball) -> FloatArray:
    """Return the population stability index below which a shape monitor is blind, ``[S, J]``: twice the radius.

    >>> one = np.ones(1)
    >>> reference = 5000 * np.full((1, 1, 14), 1 / 14)
    >>> float(dead_zone(Ball.of(reference, 5e-5 * one, 0.01 * one, one))[0, 0].round(3))
    0.037
    """
    return 2 * null.radius


def blind_rates(null: Interval) -> tuple[FloatArray, FloatArray]:
    """Return the rates between which a rate monitor is blind, ``[S, J]`` each."""
    return null.low, null.high


def information(engine: Engine, laws: FloatArray, slot: int = 0) -> FloatArray:
    """Return the evidence that a row brings against the null if each of ``laws`` ``[J, M, K]`` is true, in nats.

    0 for laws that are tolerated: no number of rows would find them.
    """
    nearest, live = engine.null.project(laws, slot)
    held = np.where(laws > 0, laws, 1.0)
    gained = (laws * (np.log(held) - np.log(np.where(laws > 0, nearest, 1.0)))).sum(axis=2)
    return np.where(live, np.maximum(gained, 0.0), 0.0)


def index_of(engine: Engine, laws: FloatArray, slot: int = 0) -> FloatArray:
    """Return the population stability index of laws ``[J, M, K]`` to the reference's smoothed shares."""
    shares = engine.null.smooth[slot][:, np.newaxis, :]
    held = np.maximum(laws, 1e-300)
    index: FloatArray = ((held - shares) * np.log(held / shares)).sum(axis=2)
    return index


def expected_delay(information_per_window: FloatArray, patience: FloatArray) -> FloatArray:
    """Return the mean number of windows to an alarm, at least 1; ∞ without information.

    Siegmund's approximation for a test with ``patience`` windows between false alarms:
    (b - 1 + exp(-b)) / I, where exp(b) - b - 1 = patience·I.

    >>> expected_delay(np.array([0.0074, 0.0, 50.0]), np.array([1e4, 1e4, 1e4])).round(0).tolist()
    [458.0, inf, 1.0]

    References
    ----------
    Siegmund (1985), Sequential Analysis, chapter II.
    """
    gain, windows = np.broadcast_arrays(information_per_window, patience)
    goal = np.where(gain > 0, gain * windows, 1.0)
    low, high = np.zeros_like(goal), np.log1p(goal) + np.sqrt(2 * goal) + 1
    high = np.minimum(high, 700.0)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        below = np.expm1(middle) - middle < goal
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    some = gain > 0
    delay = (high + np.expm1(-high)) / np.where(some, gain, 1.0)
    return np.where(some, np.maximum(delay, 1.0), np.inf)


def delays(engine: Engine, rows: FloatArray, weights: FloatArray, patience: float, slot: int = 0) -> FloatArray:
    """Return how many windows each shape of the dictionary takes to be found, ``[J, D]``; ∞ if never.

    Parameters
    ----------
    engine
        The monitors.
    rows
        Rows of a window, ``[J]``.
    weights
        Start weights, ``[J]``.
    patience
        A of the fleet, in windows.

    Notes
    -----
    A lone drift must bring weight·(share of its bettor)·evidence to A; others that drift with it make it sooner.
    """
    gain = information(engine, laws_of(engine.null, engine.ordered, slot), slot)
    start = weights[:, np.newaxis] * engine.weights[: gain.shape[1]]
    return expected_delay(gain * rows[:, np.newaxis], patience / start)


def smallest_found(
    engine: Engine, rows: FloatArray, weights: FloatArray, patience: float, windows: float, slot: int = 0
) -> FloatArray:
    """Return the least index of a shape of the dictionary that is found within so many windows, ``[J]``; ∞ if none.

    Shapes are made smaller and larger in proportion, on the way from the reference and beyond it.
    """
    shares = engine.null.smooth[slot][:, np.newaxis, :]
    laws = laws_of(engine.null, engine.ordered, slot)
    start = weights[:, np.newaxis] * engine.weights[: laws.shape[1]]
    best = np.full(engine.monitors, np.inf)
    for part in np.geomspace(0.01, 1.0, 80):
        mixed = (1 - part) * shares + part * laws
        soon = expected_delay(information(engine, mixed, slot) * rows[:, np.newaxis], patience / start) <= windows
        found = np.where(soon, index_of(engine, mixed, slot), np.inf).min(axis=1)
        best = np.minimum(best, found)
    return best
