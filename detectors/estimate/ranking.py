"""Expected ROC AUC and average precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import psi

from detectors.calibration.figure import FloatArray, IntArray, ratio
from detectors.estimate.cells import Cells
from detectors.estimate.estimated import Estimated


def roc_auc(cells: Cells) -> Estimated:
    """Return the expected chance that a positive outranks a negative; NaN where either kind is not expected.

    With t and f expected positives and negatives of a score bin: Σ f_b (T above b + t_b / 2) / (F T). Where rows of one
    bin share a probability this equals the area under the curve of the single rows, whatever their order.

    References
    ----------
    Bamber (1975), The area above the ordinal dominance graph, Journal of Mathematical Psychology 12.
    """
    ranks = _Ranks.of(cells)
    positives, negatives = ranks.expected.sum(axis=1), (ranks.n - ranks.expected).sum(axis=1)
    t, f = ranks.expected, ranks.n - ranks.expected
    above = _above(t) + t / 2
    below = negatives[:, np.newaxis] - _above(f) - f / 2
    pairs = positives * negatives
    value = ratio((f * above).sum(axis=1), pairs)
    excess = value * (negatives - positives)
    gradient = ratio(below - above - excess[:, np.newaxis], np.broadcast_to(pairs[:, np.newaxis], t.shape))
    fewer = np.minimum(positives, negatives)
    return cells.estimate(value, ranks.spread(np.nan_to_num(gradient)), denominator=fewer)


def average_precision(cells: Cells, *, plug_in: bool = False) -> Estimated:
    """Return the expected average precision; NaN where no positive is expected.

    Rows of a bin are taken one by one in any order, as raw scores would rank them, each with the bin's probability. A
    positive counts itself: that adds Σ p (1 - p) / rank, which matters when positives are few. ``plug_in`` leaves it
    out, as estimators do that put probabilities in the place of labels.
    """
    ranks = _Ranks.of(cells)
    n, t = ranks.n, ranks.expected
    p = np.nan_to_num(ratio(t, n))
    before, hits = _above(n), _above(t)
    harmonic = psi(before + n + 1) - psi(before + 1)
    gain = p * (t + (hits - p * before) * harmonic)
    if not plug_in:
        gain = gain + p * (1 - p) * harmonic
    positives = t.sum(axis=1)
    value = ratio(gain.sum(axis=1), positives)
    itself = 0.0 if plug_in else 1 - 2 * p
    own = 2 * p + np.nan_to_num(ratio(harmonic, n)) * (hits - 2 * p * before + itself)
    lower = np.cumsum(p * harmonic, axis=1) - p * harmonic
    gradient = ratio(own + lower - value[:, np.newaxis], np.broadcast_to(positives[:, np.newaxis], t.shape))
    return cells.estimate(value, ranks.spread(np.nan_to_num(gradient)), denominator=positives)


@dataclass(frozen=True, slots=True)
class _Ranks:
    """Cells of equal score together, by rising score."""

    n: FloatArray
    expected: FloatArray
    place: IntArray

    @classmethod
    def of(cls, cells: Cells) -> _Ranks:
        distinct, place = np.unique(cells.rank, return_inverse=True)
        member = np.zeros((len(place), len(distinct)))
        member[np.arange(len(place)), place] = 1.0
        return cls(cells.n @ member, cells.expected @ member, place.astype(np.int64))

    def spread(self, gradient: FloatArray) -> FloatArray:
        """Return for each cell what holds for its rank."""
        return gradient[:, self.place]


def _above(part: FloatArray) -> FloatArray:
    """Return the sum over all bins of higher score."""
    above: FloatArray = part.sum(axis=1, keepdims=True) - np.cumsum(part, axis=1)
    return np.maximum(above, 0.0)
