"""TB-SR: many bettors against one null, each by the Shiryaev-Roberts recursion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np

from detectors.evidence import recent, sudden
from detectors.evidence.ball import Ball
from detectors.evidence.dictionary import Bets, Kind, Shape, rates_of, shapes_of
from detectors.evidence.null import BoolArray, FloatArray, Null, Rows, side_by_side
from detectors.evidence.state import Evidence

_FAMILIES: Final = {Kind.MEAN: 0.2, Kind.SPREAD: 0.12, Kind.SPIKE: 0.18, Kind.RATE: 0.5}
_RECENT: Final = 0.3
_SUDDEN: Final = 0.2
_AT_ONCE: Final = 1024


@dataclass(frozen=True, eq=False)
class Engine:
    """J monitors of K cells: pure, vectorised, each monitor's result independent of its neighbours.

    Bettors are the dictionary, three that learn from recent windows, and one that sees any change within a window. They
    share each window's start weight: half for the dictionary (of it, .2 for means, .12 for spreads, .18 for spikes), .3
    for the learners, .2 for the last; the share of bets that cannot win goes to the others.

    Examples
    --------
    >>> reference = np.array([[[100.0, 200.0, 300.0, 400.0]]])
    >>> one = np.ones(1)
    >>> engine = Engine.of(Ball.of(reference, 0.001 * one, 0.01 * one, one))
    >>> state = engine.initial()
    >>> for window in range(3):
    ...     state = engine.step(state, np.array([[80.0, 40.0, 40.0, 40.0]]), np.zeros(1), window)
    >>> round(float(state.total[0]), 1)
    70.2
    """

    null: Null
    ordered: BoolArray
    """Whether the order of the cells means anything, ``[J]``."""
    bets: Bets
    shapes: tuple[Shape, ...]

    @classmethod
    def of(cls, null: Null, ordered: BoolArray | None = None) -> Self:
        """Return the engine against a null; ``ordered`` defaults to all."""
        _, monitors, cells = null.shares.shape
        known = np.ones(monitors, bool) if ordered is None else ordered
        dictionary = shapes_of(cells) if isinstance(null, Ball) else rates_of()
        learners = tuple(Shape(Kind.RECENT, decay) for decay in recent.DECAYS)
        return cls(null, known, Bets.against(null, known), (*dictionary, *learners, Shape(Kind.SUDDEN)))

    @property
    def slots(self) -> int:
        """Calendar slots, S."""
        return int(self.null.shares.shape[0])

    @property
    def monitors(self) -> int:
        """How many monitors, J."""
        return int(self.null.shares.shape[1])

    @property
    def cells(self) -> int:
        """Cells of each, K."""
        return int(self.null.shares.shape[2])

    @cached_property
    def weights(self) -> FloatArray:
        """Start weight of every bettor, sums to 1."""
        kinds = [shape.kind for shape in self.shapes]
        shares = _FAMILIES | {Kind.RECENT: _RECENT, Kind.SUDDEN: _SUDDEN}
        return np.array([shares[kind] / kinds.count(kind) for kind in kinds])

    def take(self, rows: Rows) -> Self:
        """Return the engine of some of the monitors."""
        return type(self)(self.null.take(rows), self.ordered[rows], self.bets.take(rows), self.shapes)

    def joined(self, other: Self) -> Self:
        """Return the engine of these and other monitors of the same kind and size."""
        null, bets = side_by_side(self.null, other.null), side_by_side(self.bets, other.bets)
        return type(self)(null, np.concatenate([self.ordered, other.ordered]), bets, self.shapes)

    def initial(self, monitors: int | None = None) -> Evidence:
        """Return the state before the first window, of all monitors or of so many."""
        count = self.monitors if monitors is None else monitors
        return Evidence.initial(count, len(self.shapes), self.cells, self.slots)

    def step(self, state: Evidence, counts: FloatArray, log_start: FloatArray, window: int, slot: int = 0) -> Evidence:
        """Return the state after one tumbling window.

        Parameters
        ----------
        state
            The state before it.
        counts
            Rows of the window, ``[J, K]``, each row in one window only; records of one session together count 1. A
            monitor without rows stays as it is.
        log_start
            Natural logarithm of the weight ``[J]`` that each monitor starts with in this window, fixed before the
            window is seen; -inf starts nothing. For the guarantee the weights of a fleet sum to 1 at most.
        window
            Number of the window, for the onset.
        slot
            Calendar slot of the window; monitors with one slot ignore it.

        Raises
        ------
        ValueError
            When counts are negative or not finite, or of another shape.
        """
        if counts.shape != (self.monitors, self.cells):
            raise ValueError(f"{self.monitors} monitors of {self.cells} cells, but counts of shape {counts.shape}")
        if counts.size and not (np.isfinite(counts).all() and counts.min() >= 0):
            raise ValueError("counts must be finite and not negative")
        if self.monitors <= _AT_ONCE:
            return self._advance(state, np.asarray(counts, np.float64), log_start, window, slot)
        blocks = (slice(first, first + _AT_ONCE) for first in range(0, self.monitors, _AT_ONCE))
        return Evidence.joined(
            [
                self.take(block)._advance(state.take(block), counts[block], log_start[block], window, slot)
                for block in blocks
            ]
        )

    def _advance(self, state: Evidence, counts: FloatArray, log_start: FloatArray, window: int, slot: int) -> Evidence:
        place = slot if self.slots > 1 else 0
        learnt, live = recent.log_factors(counts, state.recent, state.rows, self.null, place)
        factors = np.empty_like(state.log)
        kinds = self.bets.live.shape[2]
        factors[:, :kinds] = self.bets.log_factors(counts, place)
        factors[:, kinds:-1] = learnt
        factors[:, -1] = sudden.log_factors(counts, self.null, place)
        start = self._log_start(live, place) + log_start[:, np.newaxis]
        filled = counts.sum(axis=1) > 0
        start[~filled] = -np.inf
        factors[~filled] = 0.0
        began = (state.log <= start) & (start > -np.inf)
        remembered = recent.remember(counts, state.recent, state.rows, place)
        keep = ~filled[:, np.newaxis, np.newaxis]
        return Evidence(
            advance(state.log, factors, start),
            np.where(began, np.int32(window), state.onset),
            np.where(keep, state.recent, remembered[0]),
            np.where(keep, state.rows, remembered[1]),
        )

    def _log_start(self, learning: BoolArray, slot: int) -> FloatArray:
        """Return the logarithm of the start weights ``[J, C]``: those of bets that are off go to the others."""
        dictionary = self.bets.live[slot]
        live = np.concatenate([dictionary, learning, np.ones((len(dictionary), 1), bool)], axis=1)
        shares = np.where(live, self.weights, 0.0)
        shares /= shares.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore"):
            logs: FloatArray = np.log(shares)
        return logs


def advance(log: FloatArray, log_factors: FloatArray, log_start: FloatArray) -> FloatArray:
    """Return ln(factor · (held + start)), the Shiryaev-Roberts recursion.

    If a factor has mean 1 at most given the past, what is held grows by ``start`` a window at most, on average.
    """
    moved: FloatArray = log_factors + np.logaddexp(log, log_start)
    return moved
