"""Pearson's chi-square test of two binned samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.quadratic import quadratic_scores
from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores
from detectors.sparse import Figure


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """Σ (observed - expected)² / expected over both rows; bins that neither sample uses are dropped.

    The statistic grows with the number of rows, so the effect is Cramér's V = √(χ² / (N + n)), less what chance adds;
    its interval comes from the non-central chi-square law.

    Examples
    --------
    >>> scores = ChiSquare().score(np.array([[100, 200, 300, 400]]), np.array([[30, 40, 70, 60]]))
    >>> round(float(scores.statistic[0]), 12), round(float(scores.p_value[0]), 12)
    (9.545331284462, 0.022853969648)

    References
    ----------
    Bergsma (2013), A bias-correction for Cramér's V.
    """

    alpha: float = 0.01

    def score(self, reference: IntArray, window: IntArray) -> Scores:
        """Compare ``[J, K]`` counts."""
        samples = Samples.of(reference, window)
        pooled = samples.pooled
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = (samples.p - samples.q) ** 2 / pooled
        total = np.where(pooled == 0, 0.0, terms).sum(axis=1)
        statistic = total * samples.big * samples.small / (samples.big + samples.small)
        return with_cramers_v(samples, statistic, self.alpha)


def with_cramers_v(samples: Samples, statistic: FloatArray, alpha: float, figure: Figure | None = None) -> Scores:
    """Return scores of a chi-square figure with Cramér's V for the effect and the textbook p-value."""
    one = np.where(np.isnan(statistic), np.nan, 1.0)
    scores = quadratic_scores(samples, statistic, one, alpha, figure)
    textbook = quadratic_scores(samples, statistic, one, alpha) if figure is not None else scores
    rows = samples.big + samples.small
    return samples.scores(
        statistic,
        effect=np.sqrt(np.maximum(scores.effect, 0.0) / rows),
        low=np.sqrt(scores.low / rows),
        high=np.sqrt(scores.high / rows),
        p_value=textbook.p_value,
        threshold=scores.threshold,
    )
