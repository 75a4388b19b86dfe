"""First Wasserstein distance of two binned samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores


@dataclass(frozen=True, slots=True)
class Wasserstein:
    """Σ |F - G| Δx: how far mass has to move, in bins, or in the unit of ``positions``.

    There is no neat law. Without drift each term is about half-normal, which gives the mean that the effect subtracts.
    The band is that of fully dependent terms, σ |Z| with σ = Σ √(F(1-F)s) Δx; a sum of dependent terms is below it in
    convex order, so the band errs on the quiet side. The interval is the normal one of the linearised sum.

    Examples
    --------
    >>> scores = Wasserstein().score(np.array([[100, 200, 300, 400]]), np.array([[30, 40, 70, 60]]))
    >>> round(float(scores.statistic[0]), 12)
    0.2
    """

    alpha: float = 0.01

    def score(self, reference: IntArray, window: IntArray, positions: FloatArray | None = None) -> Scores:
        """Compare ``[J, K]`` counts of ordered bins.

        Parameters
        ----------
        positions
            Where each bin's mass stands, ``[J, K]``, increasing; by default 0, 1, 2, ….
        """
        samples = Samples.of(reference, window)
        below, above = samples.cumulated()
        widths = np.ones(below.shape) if positions is None else np.diff(positions, axis=1)
        gap = above - below
        statistic = (np.abs(gap) * widths).sum(axis=1) + 0.0 * samples.big
        pooled = np.cumsum(samples.pooled, axis=1)[:, :-1]
        sigma = np.sqrt(np.maximum(pooled * (1 - pooled), 0.0) * samples.s[:, np.newaxis]) * widths
        total = sigma.sum(axis=1)
        error = 1.959963984540054 * np.sqrt(self._variance(samples, np.sign(gap) * widths))
        effect = statistic - np.sqrt(2 / np.pi) * total
        return samples.scores(
            statistic,
            effect=effect,
            low=np.maximum(effect - error, 0.0),
            high=statistic + error,
            p_value=np.full(len(statistic), np.nan),
            threshold=-float(ndtri(self.alpha / 2)) * total,
        )

    @staticmethod
    def _variance(samples: Samples, slopes: FloatArray) -> FloatArray:
        """Return the variance of Σ slope (G - F): a row in bin k adds the slopes of the edges from k on."""
        tails = np.cumsum(slopes[:, ::-1], axis=1)[:, ::-1]
        gains = np.concatenate([tails, np.zeros((len(tails), 1))], axis=1)
        total = np.zeros(len(gains))
        for shares, rows in ((samples.p, samples.big), (samples.q, samples.small)):
            mean = (shares * gains).sum(axis=1)
            total = total + ((shares * gains**2).sum(axis=1) - mean**2) / rows
        variance: FloatArray = np.maximum(total, 0.0)
        return variance
