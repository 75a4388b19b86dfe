"""How well scores order positives above negatives, from counts of both in score bins ``[J, B]``.

The figures are those of the scores' bins: rows of one bin are ties. What order within the bins can make of them is the
bound; it is reached, so no smaller one holds for all rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from detectors.performance.estimate import Estimate, estimate
from detectors.performance.intervals import (
    Interval,
    bounded,
    delta_variance,
    ratio,
    score_interval,
    wilson,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Curve:
    """Positives and negatives in bins of rising score, with what lies above each bin."""

    negatives: FloatArray
    positives: FloatArray
    all_negatives: FloatArray
    """``[J]``; NaN where there are no rows of one of the two."""
    all_positives: FloatArray
    negatives_above: FloatArray
    positives_above: FloatArray
    rows: IntArray

    @classmethod
    def of(cls, negatives: IntArray, positives: IntArray) -> Curve:
        """Return the curve of counts ``[J, B]``."""
        true, false = positives.sum(axis=1), negatives.sum(axis=1)
        both = np.where((true > 0) & (false > 0), 1.0, np.nan)
        negatives_above, positives_above = (
            (counts.sum(axis=1, keepdims=True) - np.cumsum(counts, axis=1)).astype(np.float64)
            for counts in (negatives, positives)
        )
        return cls(
            negatives.astype(np.float64),
            positives.astype(np.float64),
            false * both,
            true * both,
            negatives_above,
            positives_above,
            true + false,
        )

    def roc_auc(self, alpha: float) -> Estimate:
        """Return the area under the ROC curve.

        The variance is DeLong's, from the counts; Hanley and McNeil's where that is 0 or one class has a single row.
        The interval is Wilson's at the effective number of rows.

        References
        ----------
        DeLong, DeLong and Clarke-Pearson (1988); Hanley and McNeil (1982).
        """
        false, true = self.all_negatives[:, np.newaxis], self.all_positives[:, np.newaxis]
        below = (false - self.negatives_above - self.negatives / 2) / false
        above = (self.positives_above + self.positives / 2) / true
        value = (self.positives * below).sum(axis=1) / self.all_positives
        centre = value[:, np.newaxis]
        variance = _of_placements(self.positives, below - centre, self.all_positives)
        variance = variance + _of_placements(self.negatives, above - centre, self.all_negatives)
        smaller = np.minimum(self.all_negatives, self.all_positives)
        variance = np.where((variance > 0) & (smaller > 1), variance, self._hanley_mcneil(value))
        ties = (self.positives * self.negatives).sum(axis=1)
        bound = ties / (2 * self.all_positives * self.all_negatives)
        return estimate(value, bounded(value, variance, smaller, alpha), self.rows, alpha, bound)

    def average_precision(self, alpha: float) -> Estimate:
        """Return the average precision, Σ (recall gained)·precision over falling thresholds.

        The variance is the delta method's over all bins; the interval is Wilson's at the effective number of rows.
        Within a bin the figure is best with all positives tied above the negatives, worst with each alone below them.
        """
        true, false = self.positives_above + self.positives, self.negatives_above + self.negatives
        here = true + false
        precision = ratio(true, here)
        gained = np.where(self.positives > 0, self.positives * precision, 0.0)
        value = gained.sum(axis=1) / self.all_positives
        best = self.positives * ratio(true, true + self.negatives_above)
        start = self.positives_above + false
        worst = self.positives - false * (digamma(start + self.positives + 1) - digamma(start + 1))
        high = np.where(self.positives > 0, best, 0.0).sum(axis=1) / self.all_positives
        low = np.where(self.positives > 0, worst, 0.0).sum(axis=1) / self.all_positives
        interval = bounded(value, self._precision_variance(value, precision), self.all_positives, alpha)
        return estimate(value, interval, self.rows, alpha, np.maximum(high - value, value - low))

    def ks(self, alpha: float) -> Estimate:
        """Return the largest distance between the distributions of the positives' and the negatives' scores.

        The interval is Newcombe's, of the difference of two shares, at the threshold of the largest distance, with a
        lower end that allows for the choice of the threshold.
        """
        false, true = self.all_negatives[:, np.newaxis], self.all_positives[:, np.newaxis]
        over_true, over_false = self.positives_above / true, self.negatives_above / false
        apart = over_true - over_false
        place = np.argmax(np.abs(apart), axis=1)[:, np.newaxis]
        value = np.abs(np.take_along_axis(apart, place, axis=1))[:, 0]
        best = np.abs(apart + self.positives / true)
        worst = np.abs(apart - self.negatives / false)
        extreme = np.maximum(np.maximum(best, worst).max(axis=1), value) + 0.0 * value
        interval = self._newcombe(over_true, over_false, place, alpha)
        return estimate(value, interval, self.rows, alpha, extreme - value)

    def capture(self, share: float, alpha: float) -> Estimate:
        """Return the share of all positives among the rows of the highest scores, ``share`` of all rows.

        Rows of the bin in which the cut falls count in proportion. The cut moves with the rows: with ρ the share of
        positives around it, π that of all rows, k of rows above it and C the figure, the influence of a row is
        y/π·(above - C) - ρ/π·(above - k). The interval is Wilson's at the effective number of rows.
        """
        wanted = share * self.rows.astype(np.float64)
        above = self.positives_above + self.negatives_above
        here = self.positives + self.negatives
        taken = np.clip(wanted[:, np.newaxis] - above, 0.0, here)
        high = np.minimum(self.positives, taken).sum(axis=1)
        low = np.maximum(taken - self.negatives, 0.0).sum(axis=1)
        value = self._positives_in(wanted)
        positives = self.positives.sum(axis=1).astype(np.int64)
        caught = ratio(value, positives)
        bound = ratio(np.maximum(high - value, value - low), positives)
        reach = np.minimum(np.minimum(wanted, self.rows - wanted), np.maximum(10.0, self.rows**0.8 / 4))
        around = (self._positives_in(wanted + reach) - self._positives_in(wanted - reach) + 1) / (2 * reach + 2)
        base = ratio(positives, self.rows)
        base = np.where(base > 0, base, np.nan)
        spread = caught * (1 - caught) * (1 - 2 * around) / base + (around / base) ** 2 * share * (1 - share)
        smaller = np.minimum(np.minimum(wanted, self.rows - wanted), positives)
        # all rows hold all positives: nothing is left to chance
        interval = (caught, caught) if share >= 1 else bounded(caught, ratio(spread, self.rows), smaller, alpha)
        return estimate(caught, interval, positives, alpha, bound)

    def _positives_in(self, top: FloatArray) -> FloatArray:
        """Return the positives among the ``top`` rows of the highest scores, rows of one bin in proportion."""
        above = self.positives_above + self.negatives_above
        here = self.positives + self.negatives
        taken = np.clip(top[:, np.newaxis] - above, 0.0, here)
        inside: FloatArray = (self.positives * (taken / np.maximum(here, 1.0))).sum(axis=1)
        return inside

    def _newcombe(self, true: FloatArray, false: FloatArray, place: IntArray, alpha: float) -> Interval:
        """Return the interval of the absolute difference of two shares at the threshold where it is largest.

        The largest of many is too large by chance, so for the lower end the quantile of Smirnov's one-sided law, of
        the largest of all differences, stands for the normal one.
        """
        p, q = (np.take_along_axis(over, place, axis=1)[:, 0] for over in (true, false))
        turned = p < q
        upper, lower = np.where(turned, q, p), np.where(turned, p, q)
        over = np.where(turned, self.all_negatives, self.all_positives)
        under = np.where(turned, self.all_positives, self.all_negatives)
        chosen = 2 * float(np.sqrt(-np.log(alpha / 2) / 2))
        least, most = score_interval(upper, over, chosen)[0], score_interval(lower, under, chosen)[1]
        high = upper - lower + np.hypot(wilson(upper, over, alpha)[1] - upper, lower - wilson(lower, under, alpha)[0])
        return np.maximum(upper - lower - np.hypot(upper - least, most - lower), 0.0), np.minimum(high, 1.0)

    def _hanley_mcneil(self, value: FloatArray) -> FloatArray:
        true, false = self.all_positives, self.all_negatives
        square = value**2
        of_true = (true - 1) * (value / (2 - value) - square)
        of_false = (false - 1) * (2 * square / (1 + value) - square)
        return (value * (1 - value) + of_true + of_false) / (true * false)

    def _precision_variance(self, value: FloatArray, precision: FloatArray) -> FloatArray:
        """Return the delta method's variance; the slopes of a bin sum over all thresholds at or below it."""
        true, false = self.positives_above + self.positives, self.negatives_above + self.negatives
        square = np.maximum(true + false, 1.0) ** 2
        total = self.all_positives[:, np.newaxis]
        of_true = np.cumsum(self.positives * false / square, axis=1) + np.nan_to_num(precision) - value[:, np.newaxis]
        of_false = -np.cumsum(self.positives * true / square, axis=1)
        counts = np.concatenate([self.positives, self.negatives], axis=1)
        return delta_variance(counts, np.concatenate([of_true, of_false], axis=1) / total)


def gini(area: Estimate) -> Estimate:
    """Return 2·AUC - 1 with interval and bound carried over."""
    value, low, high = (2 * part - 1 for part in (area.value, area.low, area.high))
    return estimate(value, (low, high), area.n, area.alpha, 2 * area.bound)


def lift(captured: Estimate, share: float) -> Estimate:
    """Return how many times more positives the top ``share`` holds than as many rows drawn by chance."""
    value, low, high = (part / share for part in (captured.value, captured.low, captured.high))
    return estimate(value, (low, high), captured.n, captured.alpha, captured.bound / share)


def _of_placements(counts: FloatArray, apart: FloatArray, rows: FloatArray) -> FloatArray:
    """Return the variance of the mean placement of one class."""
    spread: FloatArray = (counts * apart**2).sum(axis=1)
    return spread / np.maximum(rows - 1, 1.0) / rows
