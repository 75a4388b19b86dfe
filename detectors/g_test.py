"""Likelihood-ratio (G) test of two binned samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from detectors.chi2 import with_cramers_v
from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores


@dataclass(frozen=True, slots=True)
class GTest:
    """2 Σ observed ln(observed / expected) over both rows, about χ² with K-1 degrees of freedom without drift.

    The p-value is the textbook one, liberal where bins are sparse; the band and the effect, √(G / (N + n)) less what
    chance adds, know of sparse bins.

    Examples
    --------
    >>> scores = GTest().score(np.array([[100, 200, 300, 400]]), np.array([[30, 40, 70, 60]]))
    >>> round(float(scores.statistic[0]), 9), round(float(scores.p_value[0]), 12)
    (9.455653339, 0.023807844496)
    """

    alpha: float = 0.01

    def score(self, reference: IntArray, window: IntArray) -> Scores:
        """Compare ``[J, K]`` counts."""
        samples = Samples.of(reference, window)

        def figure(counts: FloatArray, before: FloatArray, monitors: IntArray) -> FloatArray:
            small, big = samples.small[monitors, np.newaxis], samples.big[monitors, np.newaxis]
            pooled = (counts + before) / (small + big)
            safe = np.where(pooled == 0, 1.0, pooled)
            terms = xlogy(counts, counts / (small * safe)) + xlogy(before, before / (big * safe))
            doubled: FloatArray = np.maximum(2 * terms, 0.0)
            return doubled

        everyone = np.arange(len(window))
        statistic = figure(window.astype(np.float64), reference.astype(np.float64), everyone).sum(axis=1)
        return with_cramers_v(samples, statistic, self.alpha, figure)
