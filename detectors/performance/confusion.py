"""Figures of a confusion matrix ``[J, K, K]``, labels by predictions: agreement, and those of a decision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.performance.estimate import Estimate, estimate
from detectors.performance.intervals import delta_variance, of_range, proportion, ratio

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def decision_figures(confusion: IntArray, alpha: float) -> dict[str, Estimate]:
    """Return the figures of a binary decision from ``[J, 2, 2]``, labels by flags.

    Shares have Wilson's interval, F1 that of ``f1``, MCC that of ``matthews``.
    """
    (tn, fp), (fn, tp) = np.moveaxis(confusion, 0, -1)
    return {
        "accuracy": proportion(tn + tp, tn + fp + fn + tp, alpha),
        "precision": proportion(tp, tp + fp, alpha),
        "recall": proportion(tp, tp + fn, alpha),
        "f1": f1(tp, fp + fn, alpha),
        "specificity": proportion(tn, tn + fp, alpha),
        "false_positive_rate": proportion(fp, tn + fp, alpha),
        "false_negative_rate": proportion(fn, tp + fn, alpha),
        "flagged_share": proportion(fp + tp, tn + fp + fn + tp, alpha),
        "mcc": matthews(confusion, alpha),
    }


def f1(hits: IntArray, errors: IntArray, alpha: float) -> Estimate:
    """Return F1 = 2·hits / (2·hits + errors); NaN without either.

    Hits are a share h of the rows that are flagged or positive, and F1 = 2h / (1 + h); the interval is Wilson's of h,
    carried over.
    """
    share = proportion(hits, hits + errors, alpha)
    value, low, high = (2 * part / (1 + part) for part in (share.value, share.low, share.high))
    return estimate(value, (low, high), share.n, alpha)


def matthews(confusion: IntArray, alpha: float) -> Estimate:
    """Return Matthews' correlation coefficient of any number of classes; NaN where labels or predictions do not vary.

    Its interval is Wilson's of (MCC + 1)/2 at the effective number of rows; its variance is the delta method's.

    References
    ----------
    Gorodkin (2004), Comparing two K-category assignments by a K-category correlation coefficient.
    """
    value, _ = _matthews(confusion.astype(np.float64))
    smooth = smoothed(confusion)
    variance = delta_variance(smooth, _matthews(smooth)[1])
    rows = confusion.sum(axis=(1, 2))
    return estimate(value, of_range(-1, 1, value, variance, _least_margin(confusion), alpha), rows, alpha)


def kappa(confusion: IntArray, alpha: float) -> Estimate:
    """Return Cohen's kappa; NaN where labels and predictions are one class alone.

    Its interval is Wilson's of (κ + 1)/2 at the effective number of rows; its variance is the delta method's.

    References
    ----------
    Fleiss, Cohen and Everitt (1969), Large sample standard errors of kappa and weighted kappa.
    """
    value, _ = _kappa(confusion.astype(np.float64))
    smooth = smoothed(confusion)
    variance = delta_variance(smooth, _kappa(smooth)[1])
    rows = confusion.sum(axis=(1, 2))
    return estimate(value, of_range(-1, 1, value, variance, _least_margin(confusion), alpha), rows, alpha)


def smoothed(confusion: IntArray | FloatArray) -> FloatArray:
    """Return counts with one row more for each class in use, so that a variance is never 0 for want of errors."""
    used = (confusion.sum(axis=1) > 0) | (confusion.sum(axis=2) > 0)
    pairs = used[:, :, np.newaxis] & used[:, np.newaxis, :]
    classes = np.maximum(used.sum(axis=1), 1)[:, np.newaxis, np.newaxis]
    added: FloatArray = confusion + pairs / classes
    return added


def _matthews(counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the coefficient and its slope in each count."""
    total, hits, true, said = _margins(counts)
    covariance = total * hits - (true * said).sum(axis=1)
    of_true, of_said = total**2 - (true**2).sum(axis=1), total**2 - (said**2).sum(axis=1)
    value = ratio(covariance, np.sqrt(of_true * of_said))
    whole = total[:, np.newaxis, np.newaxis]
    same = np.eye(counts.shape[1])
    slopes = hits[:, np.newaxis, np.newaxis] + whole * same - (said[:, :, np.newaxis] + true[:, np.newaxis, :])
    slopes = ratio(slopes, np.sqrt(of_true * of_said)[:, np.newaxis, np.newaxis])
    spread = ratio(whole - true[:, :, np.newaxis], of_true[:, np.newaxis, np.newaxis])
    spread = spread + ratio(whole - said[:, np.newaxis, :], of_said[:, np.newaxis, np.newaxis])
    return value, slopes - value[:, np.newaxis, np.newaxis] * spread


def _kappa(counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return kappa and its slope in each count."""
    total, hits, true, said = _margins(counts)
    seen, chance = ratio(hits, total), ratio((true * said).sum(axis=1), total**2)
    value = ratio(seen - chance, 1 - chance)
    whole, left = total[:, np.newaxis, np.newaxis], (1 - chance)[:, np.newaxis, np.newaxis]
    of_seen = ratio(np.eye(counts.shape[1]) - seen[:, np.newaxis, np.newaxis], whole)
    margins = said[:, :, np.newaxis] + true[:, np.newaxis, :]
    of_chance = ratio(margins, whole**2) - 2 * ratio(chance[:, np.newaxis, np.newaxis], whole)
    disagreement = (1 - seen)[:, np.newaxis, np.newaxis]
    return value, ratio(of_seen, left) - ratio(disagreement * of_chance, left**2)


def _margins(counts: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return rows, hits, rows of each label and rows of each prediction."""
    return counts.sum(axis=(1, 2)), np.trace(counts, axis1=1, axis2=2), counts.sum(axis=2), counts.sum(axis=1)


def _least_margin(confusion: IntArray) -> IntArray:
    """Return the rows of the rarest class in use, on which the variance rests."""
    margins = np.concatenate([confusion.sum(axis=1), confusion.sum(axis=2)], axis=1)
    most = np.iinfo(np.int64).max
    least: IntArray = np.where(margins > 0, margins, most).min(axis=1)
    return np.where(least == most, 0, least)
