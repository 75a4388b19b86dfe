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

    The statistic grows with the number of rows, so the effect is Cramér's V = √(χ² / (N + n)), less what chance adds.
    Its interval is that of the non-central chi-square law, which holds for small drift, widened to the normal one of
    the linearised V², which holds for large drift.

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
            slopes = np.where(pooled == 0, 0.0, (samples.p - samples.q) / pooled)
        total = (slopes * (samples.p - samples.q)).sum(axis=1)
        statistic = total * samples.big * samples.small / (samples.big + samples.small)
        return with_cramers_v(samples, statistic, self.alpha, error=_error(samples, slopes))


def with_cramers_v(
    samples: Samples,
    statistic: FloatArray,
    alpha: float,
    figure: Figure | None = None,
    error: FloatArray | float = 0.0,
) -> Scores:
    """Return scores of a chi-square figure with Cramér's V for the effect and the textbook p-value.

    ``error`` is the standard error of V² under drift, to which the interval is widened.
    """
    one = np.where(np.isnan(statistic), np.nan, 1.0)
    scores = quadratic_scores(samples, statistic, one, alpha, figure)
    textbook = quadratic_scores(samples, statistic, one, alpha) if figure is not None else scores
    rows = samples.big + samples.small
    square = scores.effect / rows
    return samples.scores(
        statistic,
        effect=np.sqrt(np.maximum(square, 0.0)),
        low=np.sqrt(np.maximum(np.minimum(scores.low / rows, square - 1.959963984540054 * error), 0.0)),
        high=np.sqrt(np.maximum(scores.high / rows, square + 1.959963984540054 * error)),
        p_value=textbook.p_value,
        threshold=scores.threshold,
    )


def _error(samples: Samples, slopes: FloatArray) -> FloatArray:
    """Return the standard error of V² = ab Σ (p - q)²/π by its derivatives; a, b are the samples' parts of all rows."""
    a = samples.big / (samples.big + samples.small)
    by_p = 2 * slopes - a[:, np.newaxis] * slopes**2
    by_q = -2 * slopes - (1 - a)[:, np.newaxis] * slopes**2
    total = _variance(samples.p, by_p) / samples.big + _variance(samples.q, by_q) / samples.small
    error: FloatArray = a * (1 - a) * np.sqrt(total)
    return error


def _variance(shares: FloatArray, values: FloatArray) -> FloatArray:
    centred = values - (shares * values).sum(axis=1, keepdims=True)
    variance: FloatArray = (shares * centred**2).sum(axis=1)
    return variance
