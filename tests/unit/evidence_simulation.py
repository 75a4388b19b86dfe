"""The protocol of false alarms: many fleets side by side, each record from a tolerated law, incidents counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import poisson

from detectors.evidence.ball import Ball
from detectors.evidence.bounded import Bounded
from detectors.evidence.engine import Engine
from detectors.evidence.null import FloatArray, IntArray
from detectors.fleet.decision import decide
from tests.unit.evidence_cases import gaussian, pulled

Draw = Callable[[int, np.random.Generator], FloatArray]
"""Counts of one window ``[fleets · J, K]``."""


@dataclass(frozen=True)
class Outcome:
    """Incidents of every fleet, and the shares of false alarms that their alarms added up to."""

    incidents: IntArray
    false_share: FloatArray
    windows: int
    patience: float

    @property
    def bound(self) -> float:
        """What all fleets together may have on average."""
        return len(self.incidents) * self.windows / self.patience

    @property
    def kept(self) -> bool:
        """Whether the number of incidents is within chance of the bound."""
        return bool(poisson.sf(self.incidents.sum() - 1, self.bound) >= 1e-3)


@dataclass(frozen=True)
class Trial:
    """Fleets side by side: monitor j of fleet f is row f·J + j."""

    engine: Engine
    draw: Draw
    fleets: int
    windows: int
    patience: float
    weights: FloatArray
    seed: int = 0
    drifted: frozenset[int] = field(default_factory=frozenset)
    slots: int = 1

    def run(self) -> Outcome:
        """Count the incidents; whoever is alarmed starts afresh."""
        rng = np.random.default_rng(self.seed)
        size = len(self.weights)
        state, blank = self.engine.initial(), self.engine.initial()
        log_start = np.log(np.tile(self.weights, self.fleets))
        truth = np.isin(np.arange(size), list(self.drifted))
        incidents, false_share = np.zeros(self.fleets, np.int64), np.zeros(self.fleets)
        for window in range(self.windows):
            state = self.engine.step(state, self.draw(window, rng), log_start, window, window % self.slots)
            total = state.total.reshape(self.fleets, size)
            near = np.flatnonzero(np.logaddexp.reduce(total, axis=1) >= np.log(self.patience) - 1e-9)
            for fleet in near.tolist():
                decision = decide(total[fleet], self.patience)
                incidents[fleet] += decision.incident
                alarmed = decision.alarmed
                false_share[fleet] += (alarmed & ~truth).sum() / max(alarmed.sum(), 1)
                rows = fleet * size + np.flatnonzero(decision.reset)
                state = state.put(rows, blank.take(rows))
        return Outcome(incidents, false_share, self.windows, self.patience)


def even(monitors: int) -> FloatArray:
    """Return even weights."""
    return np.full(monitors, 1 / monitors)


def boundary(null: Ball, rng: np.random.Generator, wildness: float = 1.0) -> FloatArray:
    """Return laws on the surface of what is tolerated, towards random laws, ``[J, K]``."""
    _, monitors, cells = null.shares.shape
    pull = rng.normal(0, wildness, (monitors, 1, cells))
    kind = rng.integers(0, 4, monitors)
    steady = np.linspace(-2, 2, cells)
    pull[kind == 1] = steady * rng.choice([-1, 1], (int((kind == 1).sum()), 1, 1))
    pull[kind == 2] = (steady**2) * rng.choice([-1, 1], (int((kind == 2).sum()), 1, 1))
    laws = null.smooth[0][:, np.newaxis, :] * np.exp(pull)
    laws /= laws.sum(axis=2, keepdims=True)
    for _ in range(8):
        nearest, live = Ball.project(null, laws, 0)
        if live.all():
            break
        laws = np.where(live[..., np.newaxis], laws, laws * laws / null.smooth[0][:, np.newaxis, :])
        laws /= laws.sum(axis=2, keepdims=True)
    inward: FloatArray = nearest[:, 0, :]
    inward /= inward.sum(axis=1, keepdims=True)
    return pulled(null, inward) if isinstance(null, Bounded) else inward


def references(rows: int, monitors: int, rng: np.random.Generator, law: FloatArray | None = None) -> FloatArray:
    """Return reference counts of monitors drawn from one law, ``[J, K]``."""
    return rng.multinomial(rows, gaussian() if law is None else law, monitors).astype(np.float64)
