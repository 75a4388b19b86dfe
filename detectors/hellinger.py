"""Hellinger distance of two binned samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.quadratic import quadratic_scores
from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores


@dataclass(frozen=True, slots=True)
class Hellinger:
    """√(½ Σ (√p - √q)²), between 0 and 1.

    Its square is about (s/8)·χ² with K-1 degrees of freedom without drift. The effect is the root of the square less
    its
    mean (0 where chance explains it all); interval and band are the roots of those of the square.

    Examples
    --------
    >>> scores = Hellinger().score(np.array([[100, 200, 300, 400]]), np.array([[30, 40, 70, 60]]))
    >>> round(float(scores.statistic[0]), 12)
    0.084132731007
    """

    alpha: float = 0.01

    def score(self, reference: IntArray, window: IntArray) -> Scores:
        """Compare ``[J, K]`` counts."""
        samples = Samples.of(reference, window)

        def figure(counts: FloatArray, before: FloatArray, monitors: IntArray) -> FloatArray:
            small, big = samples.small[monitors, np.newaxis], samples.big[monitors, np.newaxis]
            halves: FloatArray = (np.sqrt(counts / small) - np.sqrt(before / big)) ** 2 / 2
            return halves

        square = ((np.sqrt(samples.p) - np.sqrt(samples.q)) ** 2).sum(axis=1) / 2
        scores = quadratic_scores(samples, square, samples.s / 8, self.alpha, figure)
        return samples.scores(
            np.sqrt(square),
            effect=np.sqrt(np.maximum(scores.effect, 0.0)),
            low=np.sqrt(scores.low),
            high=np.sqrt(scores.high),
            p_value=scores.p_value,
            threshold=np.sqrt(scores.threshold),
        )
