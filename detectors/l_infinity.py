"""L-infinity distance: the largest change of any one bin's share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import log_ndtr

from detectors.norms import Z95, without_chance
from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores
from detectors.sparse import SparseCells

_BISECTIONS: Final = 40
_POINTS: Final = 64
_TINY: Final = 1e-300


@dataclass(frozen=True, slots=True)
class LInfinity:
    """max |p - q| over the bins.

    Without drift no bin's change exceeds t with the probability of each one's not exceeding it, multiplied (Šidák):
    normal at the pooled share, exact in sparse bins. That gives p-value and band. The effect is the root of the square
    less its mean without drift. The interval is ``norms``': never too narrow, on the wide side below.

    Examples
    --------
    >>> scores = LInfinity().score(np.array([[100, 200, 300, 400]]), np.array([[30, 40, 70, 60]]))
    >>> round(float(scores.statistic[0]), 12)
    0.1
    """

    alpha: float = 0.01

    def score(self, reference: IntArray, window: IntArray) -> Scores:
        """Compare ``[J, K]`` counts."""
        samples = Samples.of(reference, window)
        gap = np.abs(samples.q - samples.p)
        statistic = gap.max(axis=1, initial=0.0) + 0.0 * samples.big
        law = _LargestChange.of(samples)
        error = _errors(samples)
        return samples.scores(
            statistic,
            effect=without_chance(statistic, law.mean_square()),
            low=np.maximum(statistic - law.quantile(0.025), 0.0),
            high=np.minimum((gap + Z95 * error).max(axis=1, initial=0.0) + 0.0 * samples.big, 1.0),
            p_value=np.where(statistic > 0, law.tail(statistic * (1 - 1e-12)), 1.0 + 0.0 * statistic),
            threshold=law.quantile(self.alpha),
        )


@dataclass(frozen=True, slots=True)
class _LargestChange:
    """The law of max |q - p| over the bins without drift."""

    sigma: FloatArray
    """Standard deviation of each bin's change; 0 for bins that are sparse or unused."""
    sparse: SparseCells
    changes: FloatArray
    """|q - p| for each pair of counts of a sparse bin."""
    exponent: FloatArray
    """½ for two bins, whose changes are the same; else 1."""
    limit: FloatArray

    @classmethod
    def of(cls, samples: Samples) -> _LargestChange:
        shares = samples.pooled
        sigma = np.sqrt(shares * (1 - shares) * samples.s[:, np.newaxis])
        sparse = SparseCells.of(samples)
        sigma[sparse.monitors, sparse.cells] = 0.0
        small, big = samples.small[sparse.monitors, np.newaxis], samples.big[sparse.monitors, np.newaxis]
        changes = np.abs(sparse.window / small - sparse.reference / big)
        used = (shares > 0).sum(axis=1)
        return cls(sigma, sparse, changes, np.where(used == 2, 0.5, 1.0), np.where(np.isnan(samples.big), np.nan, 1.0))

    def tail(self, change: FloatArray) -> FloatArray:
        """Return P(largest change > ``change``)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(self.sigma > 0, change[:, np.newaxis] / self.sigma, np.inf)
        inside = np.log1p(-2 * np.exp(log_ndtr(-np.abs(z))) * (1 - 1e-15)).sum(axis=1)
        within = (self.sparse.weights * (self.changes <= change[self.sparse.monitors, np.newaxis])).sum(axis=1)
        np.add.at(inside, self.sparse.monitors, np.log(np.clip(within, _TINY, 1.0)))
        tail: FloatArray = -np.expm1(self.exponent * inside) * self.limit
        return tail

    def quantile(self, alpha: float) -> FloatArray:
        """Return the change that is exceeded with probability ``alpha``, at most."""
        low, high = np.zeros_like(self.limit), np.ones_like(self.limit)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            often = self.tail(middle) > alpha
            low, high = np.where(often, middle, low), np.where(often, high, middle)
        return high * self.limit

    def mean_square(self) -> FloatArray:
        """Return the mean of the square, ∫ 2t P(change > t) dt."""
        end = self.quantile(1e-6)
        points = (np.arange(_POINTS) + 0.5) / _POINTS
        total = sum((2 * point * self.tail(end * point) for point in points), np.zeros_like(end))
        square: FloatArray = total * end**2 / _POINTS
        return square


def _errors(samples: Samples) -> FloatArray:
    p, q = samples.p, samples.q
    spread = p * (1 - p) / samples.big[:, np.newaxis] + q * (1 - q) / samples.small[:, np.newaxis]
    errors: FloatArray = np.sqrt(np.maximum(spread, 0.0))
    return errors
