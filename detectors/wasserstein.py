"""First Wasserstein distance of two binned samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.norms import Z95, NoiseNorm, variance, without_chance
from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores

_MOST_EDGES: Final = 64


@dataclass(frozen=True, slots=True)
class Wasserstein:
    """Σ |F - G| Δx: how far mass has to move, in bins, or in the unit of ``positions``.

    Without drift it is a sum of absolute normals with the covariance of the Brownian bridge at the pooled shares;
    p-value and band take it for a chi law with the same mean, variance and tail (neighbouring edges beyond 64 count as
    one), which errs on the quiet side: .5 % to 1 % of quiet windows exceed the band at ``alpha`` = .01. The effect is
    the root of the square less its mean without drift. The interval is ``norms``': never too narrow, on the wide side
    below.

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
        reference, window
            Counts, one row a monitor.
        positions
            Where each bin's mass stands, ``[J, K]``, increasing; by default 0, 1, 2, ….
        """
        samples = Samples.of(reference, window)
        below, above = samples.cumulated()
        widths = np.ones(below.shape) if positions is None else np.diff(positions, axis=1)
        gap = above - below
        statistic = (np.abs(gap) * widths).sum(axis=1) + 0.0 * samples.big
        noise = noise_of(samples, widths)
        slopes = _slopes(np.sign(gap) * widths)
        error = np.sqrt(variance(samples.p, slopes) / samples.big + variance(samples.q, slopes) / samples.small)
        return samples.scores(
            statistic,
            effect=without_chance(statistic, noise.square),
            low=np.maximum(statistic - noise.quantile(0.025), 0.0),
            high=statistic + Z95 * error,
            p_value=noise.tail(statistic),
            threshold=noise.quantile(self.alpha),
        )


def noise_of(samples: Samples, widths: FloatArray) -> NoiseNorm:
    """Return the law of the figure without drift."""
    pooled = np.clip(np.cumsum(samples.pooled, axis=1)[:, :-1], 0.0, 1.0)
    sigma = np.sqrt(pooled * (1 - pooled) * samples.s[:, np.newaxis]) * widths
    edges = pooled.shape[1]
    if edges > _MOST_EDGES:
        starts = np.arange(_MOST_EDGES) * edges // _MOST_EDGES
        sigma = np.add.reduceat(sigma, starts, axis=1)
        pooled = pooled[:, (starts + np.append(starts[1:], edges)) // 2]

    def correlation(part: slice) -> FloatArray:
        odds = np.sqrt(
            np.divide(pooled[part], 1 - pooled[part], out=np.zeros_like(pooled[part]), where=pooled[part] < 1)
        )
        row, column = odds[:, :, np.newaxis], odds[:, np.newaxis, :]
        larger = np.maximum(row, column)
        return np.divide(np.minimum(row, column), larger, out=np.zeros_like(larger), where=larger > 0)

    return NoiseNorm.of_sums(sigma, correlation)


def _slopes(steps: FloatArray) -> FloatArray:
    """Return what a row in each bin adds to Σ step·F: the steps of the edges from its bin on."""
    later = np.cumsum(steps[:, ::-1], axis=1)[:, ::-1]
    return np.concatenate([later, np.zeros((len(later), 1))], axis=1)
