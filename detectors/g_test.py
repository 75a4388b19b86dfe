"""Likelihood-ratio (G) test of two binned samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from detectors.chi2 import with_cramers_v
from detectors.samples import IntArray, Samples
from detectors.scores import Scores


@dataclass(frozen=True, slots=True)
class GTest:
    """2 Σ observed ln(observed / expected) over both rows, about χ² with K-1 degrees of freedom without drift.

    The effect is √(G / (N + n)), less what chance adds.

    Examples
    --------
    >>> scores = GTest().score(np.array([[100, 200, 300, 400]]), np.array([[30, 40, 70, 60]]))
    >>> round(float(scores.statistic[0]), 12), round(float(scores.p_value[0]), 12)
    (9.455653339061, 0.023807844496)
    """

    alpha: float = 0.01

    def score(self, reference: IntArray, window: IntArray) -> Scores:
        """Compare ``[J, K]`` counts."""
        samples = Samples.of(reference, window)
        pooled = samples.pooled
        both = (
            xlogy(samples.p, samples.p).sum(axis=1) * samples.big
            + xlogy(samples.q, samples.q).sum(axis=1) * samples.small
        )
        together = xlogy(pooled, pooled).sum(axis=1) * (samples.big + samples.small)
        return with_cramers_v(samples, np.maximum(2 * (both - together), 0.0), self.alpha)
