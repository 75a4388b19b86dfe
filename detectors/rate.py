"""Two-sample comparison of a rate: missing cells, unseen categories, flagged rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, ndtri, xlogy

from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores

_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Rate:
    """The difference of two rates, from counts ``[J, 2]``: other rows, rows of the kind.

    The p-value is the likelihood-ratio test's (χ² with one degree of freedom), which holds for rates near 0 and 1 where
    the normal one does not. The interval is Newcombe's hybrid score interval of the difference; the band is the normal
    one at the pooled rate with half a row added on either side, so that a rate of zero has a band, too.

    Examples
    --------
    >>> scores = Rate().score(np.array([[990, 10]]), np.array([[180, 20]]))
    >>> round(float(scores.statistic[0]), 3), bool(scores.p_value[0] < 1e-6)
    (0.09, True)

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions, method 10.
    """

    alpha: float = 0.01

    def score(self, reference: IntArray, window: IntArray) -> Scores:
        """Compare ``[J, 2]`` counts; the statistic is the absolute difference of the rates."""
        if reference.ndim != 2 or reference.shape[1] != 2:
            raise ValueError(f"a rate has two counts a monitor, not {reference.shape}")
        samples = Samples.of(reference, window)
        p, q = samples.p[:, 1], samples.q[:, 1]
        gap = q - p
        low, high = newcombe(p, samples.big, q, samples.small)
        crossing = (low <= 0) & (high >= 0)
        smallest = np.where(crossing, 0.0, np.minimum(np.abs(low), np.abs(high)))
        pooled = (reference[:, 1] + window[:, 1] + 0.5) / (samples.big + samples.small + 1)
        return samples.scores(
            np.abs(gap),
            effect=np.abs(gap),
            low=smallest + 0.0 * gap,
            high=np.maximum(np.abs(low), np.abs(high)),
            p_value=_likelihood_ratio(samples),
            threshold=-float(ndtri(self.alpha / 2)) * np.sqrt(pooled * (1 - pooled) * samples.s),
        )


def newcombe(p: FloatArray, big: FloatArray, q: FloatArray, small: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the 95 % interval of q - p from Wilson's intervals of both."""
    low_p, high_p = wilson(p, big)
    low_q, high_q = wilson(q, small)
    gap = q - p
    return (
        gap - np.sqrt((q - low_q) ** 2 + (high_p - p) ** 2),
        gap + np.sqrt((high_q - q) ** 2 + (p - low_p) ** 2),
    )


def wilson(share: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return Wilson's 95 % score interval of a share."""
    centre = (share + _Z**2 / (2 * rows)) / (1 + _Z**2 / rows)
    half = _Z * np.sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2)) / (1 + _Z**2 / rows)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def _likelihood_ratio(samples: Samples) -> FloatArray:
    pooled = samples.pooled
    apart = (
        xlogy(samples.p, samples.p).sum(axis=1) * samples.big + xlogy(samples.q, samples.q).sum(axis=1) * samples.small
    )
    together = xlogy(pooled, pooled).sum(axis=1) * (samples.big + samples.small)
    tail: FloatArray = chdtrc(1.0, np.maximum(2 * (apart - together), 0.0))
    return tail
