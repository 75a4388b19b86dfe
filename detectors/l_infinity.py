"""L-infinity distance: the largest change of any one bin's share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from detectors.samples import IntArray, Samples
from detectors.scores import Scores


@dataclass(frozen=True, slots=True)
class LInfinity:
    """max |p - q| over the bins.

    The p-value is Šidák's for the largest |z|, z = (q - p) / √(π(1-π)s) with π the pooled share; the band is the
    largest
    change that this allows in any bin. The effect subtracts the mean of the winning bin's |q - p| without drift; its
    interval is the normal one of that bin.

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
        rows = np.arange(len(gap))
        place = np.argmax(np.nan_to_num(gap), axis=1)
        statistic = gap[rows, place]
        shares = samples.pooled
        sigma = np.sqrt(shares * (1 - shares) * samples.s[:, np.newaxis])
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(sigma > 0, gap / sigma, np.where(np.isnan(sigma), np.nan, 0.0)).max(axis=1)
        bins = np.maximum((sigma > 0).sum(axis=1), 1)
        p, q = samples.p[rows, place], samples.q[rows, place]
        error = 1.959963984540054 * np.sqrt(p * (1 - p) / samples.big + q * (1 - q) / samples.small)
        critical = -ndtri((1 - (1 - self.alpha) ** (1 / bins)) / 2)
        return samples.scores(
            statistic,
            effect=statistic - np.sqrt(2 / np.pi) * sigma[rows, place],
            low=np.maximum(statistic - error, 0.0),
            high=np.minimum(statistic + error, 1.0),
            p_value=-np.expm1(bins * np.log1p(-np.minimum(2 * ndtr(-z), 1 - 1e-16))),
            threshold=critical * sigma.max(axis=1),
        )
