"""The null of rates: an interval of tolerated rates around the reference's own uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from scipy.special import betaincinv

from detectors.evidence.ball import smoothed
from detectors.evidence.null import BoolArray, FloatArray, Rows

RATIO: Final = 1.25
"""Ratio of odds that is of no interest by default."""
FLOOR: Final = 0.0005
"""Change of a rate that is of no interest by default, however rare the rate."""
_WORTH: Final = 0.005
"""A bet whose factors differ from 1 by less would only wait for its turn."""


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """All rates in [low, high], ``[S, J]``; the cells are (other rows, rows of the kind)."""

    shares: FloatArray
    smooth: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def of(
        cls, reference: FloatArray, alpha: FloatArray, ratio: FloatArray, floor: FloatArray, dispersion: FloatArray
    ) -> Interval:
        """Return what reference counts ``[S, J, 2]`` leave open, widened by what is of no interest.

        Parameters
        ----------
        reference
            Rows by slot, monitor and cell; may be soft counts.
        alpha
            Probability, ``[J]``, that the rate of the reference lies outside in some slot.
        ratio, floor
            The interval reaches from the odds of its lower end / ratio to those of its upper end · ratio, and at least
            ``floor`` beyond either, ``[J]``.
        dispersion
            Design effect, ``[J]``.
        """
        rows = reference.sum(axis=-1)
        low, high = clopper_pearson(reference[..., 1] / dispersion, rows / dispersion, alpha / len(reference))
        low, high = widened(low, high, ratio, floor)
        return cls(reference / np.where(rows > 0, rows, 1.0)[..., np.newaxis], smoothed(reference), low, high)

    def project(self, laws: FloatArray, slot: int) -> tuple[FloatArray, BoolArray]:
        """Return the tolerated rate nearest to each law's."""
        low, high = (end[slot][:, np.newaxis] for end in (self.low, self.high))
        rates = laws[..., 1]
        nearest = np.empty_like(laws)
        nearest[..., 1] = np.clip(rates, low, high)
        nearest[..., 0] = np.where(nearest[..., 1] == rates, laws[..., 0], 1 - nearest[..., 1])
        live: BoolArray = np.any(np.abs(laws - nearest) > _WORTH * nearest, axis=-1)
        return nearest, live

    def take(self, rows: Rows) -> Self:
        """Return the null of some of the monitors."""
        return type(self)(self.shares[:, rows], self.smooth[:, rows], self.low[:, rows], self.high[:, rows])


def clopper_pearson(hits: FloatArray, rows: FloatArray, alpha: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the two-sided interval of a rate that misses it with probability ``alpha`` at most; [0, 1] without rows.

    >>> low, high = clopper_pearson(np.array([10.0]), np.array([1000.0]), np.array([0.05]))
    >>> round(float(low[0]), 6), round(float(high[0]), 6)
    (0.004806, 0.018313)

    References
    ----------
    Clopper and Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the binomial.
    """
    hits, rows, alpha = np.broadcast_arrays(hits, rows, alpha)
    misses = rows - hits
    low, high = np.zeros(rows.shape), np.ones(rows.shape)
    some, not_all = hits > 0, misses > 0
    low[some] = betaincinv(hits[some], misses[some] + 1, alpha[some] / 2)
    high[not_all] = betaincinv(hits[not_all] + 1, misses[not_all], 1 - alpha[not_all] / 2)
    return low, high


def widened(low: FloatArray, high: FloatArray, ratio: FloatArray, floor: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the interval widened by a ratio of odds, and by ``floor`` at least."""
    below = np.minimum(low / (low + ratio * (1 - low)), low - floor)
    above = np.maximum(high * ratio / (high * ratio + 1 - high), high + floor)
    return np.maximum(below, 0.0), np.minimum(above, 1.0)
