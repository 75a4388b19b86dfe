"""Two-sample comparison of a rate: missing cells, unseen categories, flagged rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, ndtri, xlogy

from detectors.norms import Z95, without_chance
from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores
from detectors.sparse import SparseCells


@dataclass(frozen=True, slots=True)
class Rate:
    """The difference of two rates, from counts ``[J, 2]``: other rows, rows of the kind.

    Where fewer than ten rows of the smaller sample are expected on one side, the p-value is Fisher's exact one,
    two-sided mid-p, and the band is that of the same law. Elsewhere the p-value is the likelihood-ratio test's (χ² with
    one degree of freedom) and the band the normal one at the pooled rate with half a row added on either side, so that
    a rate of zero has a band, too. The interval is Newcombe's hybrid score interval of the difference. The effect is
    the root of the squared difference less its mean without drift.

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
        p_value, band, noise = self._chance(samples)
        return samples.scores(
            np.abs(gap),
            effect=without_chance(np.abs(gap), noise),
            low=smallest + 0.0 * gap,
            high=np.maximum(np.abs(low), np.abs(high)),
            p_value=p_value,
            threshold=band,
        )

    def _chance(self, samples: Samples) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return p-value, band and mean square of the difference without drift."""
        pooled = (samples.reference[:, 1] + samples.window[:, 1] + 0.5) / (samples.big + samples.small + 1)
        noise = pooled * (1 - pooled) * samples.s
        p_value, band = _likelihood_ratio(samples), -float(ndtri(self.alpha / 2)) * np.sqrt(noise)
        law = SparseCells.of(samples)
        # Both sides are sparse only in tiny samples, and then both tell the same.
        _, rows = np.unique(law.monitors, return_index=True)
        monitors, cells = law.monitors[rows], law.cells[rows]
        counts, weights = law.window[rows], law.weights[rows]
        seen = samples.window[monitors, cells][:, np.newaxis]
        ties = (weights * (counts == seen)).sum(axis=1) / 2
        below, above = ((weights * side).sum(axis=1) + ties for side in (counts < seen, counts > seen))
        p_value[monitors] = np.minimum(2 * np.minimum(below, above), 1.0)
        small, big = samples.small[monitors, np.newaxis], samples.big[monitors, np.newaxis]
        band[monitors] = _exceeded(np.abs(counts / small - law.reference[rows] / big), weights, self.alpha)
        return p_value, band, noise


def newcombe(p: FloatArray, big: FloatArray, q: FloatArray, small: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the 95 % interval of q - p from Wilson's intervals of both."""
    low_p, high_p = wilson(p, big)
    low_q, high_q = wilson(q, small)
    gap = q - p
    return (
        gap - np.sqrt((q - low_q) ** 2 + (high_p - p) ** 2),
        gap + np.sqrt((high_q - q) ** 2 + (p - low_p) ** 2),
    )


def odds_ratio(reference: IntArray, window: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the ratio of the odds in the window to those in the reference with its 95 % interval.

    Half a row is added to each count (Haldane, Anscombe 1956), so that nothing is infinite; the interval is the normal
    one of the logarithm.

    >>> [round(float(x[0]), 2) for x in odds_ratio(np.array([[990, 10]]), np.array([[180, 20]]))]
    [10.71, 5.01, 22.92]
    """
    smoothed = np.stack([reference, window]) + 0.5
    log = np.log(smoothed[1, :, 1] / smoothed[1, :, 0]) - np.log(smoothed[0, :, 1] / smoothed[0, :, 0])
    half = Z95 * np.sqrt((1 / smoothed).sum(axis=(0, 2)))
    return np.exp(log), np.exp(log - half), np.exp(log + half)


def wilson(share: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return Wilson's 95 % score interval of a share."""
    centre = (share + Z95**2 / (2 * rows)) / (1 + Z95**2 / rows)
    half = Z95 * np.sqrt(share * (1 - share) / rows + Z95**2 / (4 * rows**2)) / (1 + Z95**2 / rows)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def _exceeded(changes: FloatArray, weights: FloatArray, alpha: float) -> FloatArray:
    """Return the least change that is exceeded with probability ``alpha`` at most."""
    order = np.argsort(-changes, axis=1, kind="stable")
    ordered = np.take_along_axis(changes, order, axis=1)
    at_least = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    place = (at_least <= alpha).sum(axis=1)
    exceeded: FloatArray = ordered[np.arange(len(ordered)), np.minimum(place, ordered.shape[1] - 1)]
    return exceeded


def _likelihood_ratio(samples: Samples) -> FloatArray:
    pooled = samples.pooled
    apart = (
        xlogy(samples.p, samples.p).sum(axis=1) * samples.big + xlogy(samples.q, samples.q).sum(axis=1) * samples.small
    )
    together = xlogy(pooled, pooled).sum(axis=1) * (samples.big + samples.small)
    tail: FloatArray = chdtrc(1.0, np.maximum(2 * (apart - together), 0.0))
    return tail
