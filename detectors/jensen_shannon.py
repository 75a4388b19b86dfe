"""Jensen-Shannon divergence of two binned samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from detectors.quadratic import quadratic_scores
from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores


@dataclass(frozen=True, slots=True)
class JensenShannon:
    """½ KL(p‖m) + ½ KL(q‖m) with m = (p + q) / 2, in nats: between 0 and ln 2, finite for empty bins.

    Others show the distance, its square root, or bits: divide by ln 2 for base 2. Without drift it is about (s/8)·χ²
    with
    K-1 degrees of freedom.

    Examples
    --------
    >>> scores = JensenShannon().score(np.array([[100, 200, 300, 400]]), np.array([[30, 40, 70, 60]]))
    >>> round(float(scores.statistic[0]), 12)
    0.007063104721

    References
    ----------
    Lin (1991), Divergence measures based on the Shannon entropy.
    """

    alpha: float = 0.01

    def score(self, reference: IntArray, window: IntArray) -> Scores:
        """Compare ``[J, K]`` counts."""
        samples = Samples.of(reference, window)

        def figure(counts: FloatArray, before: FloatArray, monitors: IntArray) -> FloatArray:
            small, big = samples.small[monitors, np.newaxis], samples.big[monitors, np.newaxis]
            return divergence(before / big, counts / small)

        statistic = divergence(samples.p, samples.q).sum(axis=1)
        return quadratic_scores(samples, statistic, samples.s / 8, self.alpha, figure)


def divergence(p: FloatArray, q: FloatArray) -> FloatArray:
    """Return what each bin adds, from its shares; never negative."""
    middle = (p + q) / 2
    safe = np.where(middle == 0, 1.0, middle)
    terms: FloatArray = (xlogy(p, p / safe) + xlogy(q, q / safe)) / 2
    return np.maximum(terms, 0.0)
