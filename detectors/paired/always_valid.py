"""A confidence sequence for the mean difference of losses: it holds at every look at once, so one may look each minute.

It takes tables of differences, an hour or a minute each, in their order. What is expected of a row is the mean of the
tables before, so that a table's sums are enough. At a mean μ, exp(λ(S - nμ) - ψ(λ)V) never grows on average, for any λ
from 0 to 1/c, where S is the sum of the differences, V the sum of their squared distances from what was expected, c the
width of their range and ψ(λ) = (-log(1 - cλ) - cλ)/c². Averaged over λ this is an e-process; a mean at which it exceeds
2/α on either side is out, for good.

References
----------
Howard, Ramdas, McAuliffe, Sekhon (2021), "Time-uniform, nonparametric, nonasymptotic confidence sequences", The Annals
of Statistics 49(2), Theorem 4 (empirical Bernstein) and Proposition 9 (gamma-exponential mixture). Ville (1939), "Étude
critique de la notion de collectif".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import exp, inf, log
from typing import Final

from scipy.optimize import brentq
from scipy.special import gammainc, gammaln

from detectors.paired.losses import IntArray, PairedLosses

_WIDTH: Final = 2.0
"""Differences over their bound lie between -1 and 1."""


@dataclass(frozen=True, slots=True)
class State:
    """Sums over the tables so far, of differences over their bound."""

    rows: int = 0
    total: float = 0.0
    variance: float = 0.0
    """Sum of squared distances from what was expected."""
    low: float = -1.0
    high: float = 1.0
    """The intersection of all intervals so far; where it is empty the rows do not have one mean."""
    evidence: float = 0.0
    """Logarithm of the greatest e-value so far against a mean of 0."""


@dataclass(frozen=True, slots=True)
class ConfidenceSequence:
    """Intervals of the mean difference that all hold together with probability 1 - alpha.

    Parameters
    ----------
    losses
        The tables it takes.
    alpha
        Chance that any interval, ever, misses the mean.
    rho
        Where it is tightest: at a sum of squares (differences over their bound) of about ten times this.

    Examples
    --------
    >>> import numpy as np
    >>> losses = PairedLosses(bound=1.0)
    >>> sequence, state = ConfidenceSequence(losses), State()
    >>> for _ in range(20):
    ...     state = sequence.step(state, losses.tally(np.full(100, 0.5), np.tile([0.2, 0.6], 50)))
    >>> [round(side, 3) for side in sequence.interval(state)], sequence.p_value(state) < 0.01
    ([-0.118, -0.082], True)
    """

    losses: PairedLosses
    alpha: float = 0.05
    rho: float = 50.0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1 or not 0 < self.rho < inf:
            raise ValueError(f"alpha must lie between 0 and 1 and rho above 0, not {self.alpha} and {self.rho}")

    def step(self, state: State, table: IntArray) -> State:
        """Return the state after one more table; one without rows changes nothing."""
        rows, total, square = self.losses.sums(table)
        if not rows:
            return state
        expected = state.total / state.rows if state.rows else 0.0
        distance = max(0.0, square - 2 * expected * total + rows * expected * expected)
        n, sum_, variance = state.rows + rows, state.total + total, state.variance + distance
        half = self.boundary(variance) / n
        mean = sum_ / n
        sides = (self.log_mixture(sum_, variance), self.log_mixture(-sum_, variance))
        evidence = max(sides) + log(1 + exp(min(sides) - max(sides))) - log(2)
        return State(
            n,
            sum_,
            variance,
            max(state.low, mean - half),
            min(state.high, mean + half),
            max(state.evidence, evidence),
        )

    def interval(self, state: State) -> tuple[float, float]:
        """Return the interval of the mean difference, second model less first, in the unit of the losses."""
        return state.low * self.losses.bound, state.high * self.losses.bound

    def p_value(self, state: State) -> float:
        """Return a p-value of equal means that holds however often, and whenever, one looks."""
        return exp(-max(state.evidence, 0.0))

    def boundary(self, variance: float) -> float:
        """Return how far the sum of differences may be from its mean, on each side with half of alpha."""
        wanted = log(2 / self.alpha)
        top = 1.0
        while self.log_mixture(top, variance) < wanted:
            top *= 2
        return float(brentq(lambda total: self.log_mixture(total, variance) - wanted, 0.0, top, xtol=1e-9, rtol=1e-11))

    def log_mixture(self, total: float, variance: float) -> float:
        """Return the logarithm of exp(λ total - ψ(λ) variance), averaged over λ; increasing in ``total``."""
        square = _WIDTH * _WIDTH
        shape = self.rho / square
        after = (variance + self.rho) / square
        moved = (_WIDTH * total + variance) / square
        if moved + shape <= 0:
            return -inf
        begin = _begin(shape)
        inside = gammainc(after, moved + shape)
        if inside <= 0:
            return -inf
        return float(begin + gammaln(after) + log(inside) - after * log(moved + shape) + moved)


@cache
def _begin(shape: float) -> float:
    """Return the logarithm of what makes the weights of the mixture add up to 1."""
    return float(shape * log(shape) - gammaln(shape) - log(gammainc(shape, shape)))
