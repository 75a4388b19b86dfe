"""Precision, recall and F1 over several classes: for each, and averaged."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detectors.performance.confusion import f1, smoothed
from detectors.performance.estimate import Estimate, estimate
from detectors.performance.intervals import Interval, bounded, delta_variance, proportion, ratio

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Figure: TypeAlias = Literal["precision", "recall", "f1"]
FIGURES: Final[tuple[Figure, ...]] = ("precision", "recall", "f1")
_PARTS: Final[dict[Figure, tuple[float, float]]] = {"precision": (0.0, 1.0), "recall": (1.0, 0.0), "f1": (0.5, 0.5)}
"""What the hits are divided by: how much of the rows with the label, how much of the rows with the prediction."""


def of_class(confusion: IntArray, place: int, figure: Figure, alpha: float) -> Estimate:
    """Return a figure of one class against all others, with Wilson's interval (F1: that of ``f1``)."""
    hits, true, said = confusion[:, place, place], confusion[:, place].sum(axis=1), confusion[:, :, place].sum(axis=1)
    if figure == "f1":
        return f1(hits, true + said - 2 * hits, alpha)
    return proportion(hits, true if figure == "recall" else said, alpha)


def averaged(confusion: IntArray, classes: int, figure: Figure, *, weighted: bool, alpha: float) -> Estimate:
    """Return a figure averaged over the first ``classes`` of a confusion matrix ``[J, K, K]``.

    Macro averages weight every class alike, weighted ones by its labels. Classes for which the figure does not exist
    (recall of a class without rows, precision of one that is never predicted) are left out. The variance is the delta
    method's; the interval is Wilson's at the effective number of rows.
    """
    each = _each(confusion.astype(np.float64), figure)[0]
    defined = ~np.isnan(each) & (np.arange(confusion.shape[1]) < classes)
    weights = _weights(confusion.astype(np.float64), defined, weighted=weighted)
    value = np.where(defined.any(axis=1), np.where(defined, each * weights, 0.0).sum(axis=1), np.nan)
    counts = smoothed(confusion)
    slopes = _slopes(counts, figure, defined, weighted=weighted)
    variance = delta_variance(counts, slopes)
    rows = confusion.sum(axis=(1, 2))
    return estimate(value, bounded(value, variance, rows, alpha), rows, alpha)


def averaged_by_weight(
    weights: FloatArray, squares: FloatArray, classes: int, figure: Figure, *, weighted: bool, alpha: float
) -> tuple[FloatArray, Interval]:
    """Return ``averaged`` of rows that each count by a weight of their own, and its interval.

    Parameters
    ----------
    weights, squares
        Sums of the weights, and of their squares, of labels by predictions ``[J, K, K]``.
    """
    each = _each(weights, figure)[0]
    defined = ~np.isnan(each) & (np.arange(weights.shape[1]) < classes)
    shares = _weights(weights, defined, weighted=weighted)
    value = np.where(defined.any(axis=1), np.where(defined, each * shares, 0.0).sum(axis=1), np.nan)
    total, all_squares = weights.sum(axis=(1, 2)), squares.sum(axis=(1, 2))
    # what ``smoothed`` adds to the used classes, in rows of the usual weight
    added, usual = smoothed(weights) - weights, np.nan_to_num(ratio(all_squares, total))[:, np.newaxis, np.newaxis]
    slopes = _slopes(weights + added * usual, figure, defined, weighted=weighted)
    variance = ((squares + added * usual**2) * slopes**2).sum(axis=(1, 2))
    return value, bounded(value, variance, ratio(total**2, all_squares), alpha)


def _each(counts: FloatArray, figure: Figure) -> tuple[FloatArray, FloatArray]:
    """Return the figure of every class and what its hits are divided by."""
    of_true, of_said = _PARTS[figure]
    whole = of_true * counts.sum(axis=2) + of_said * counts.sum(axis=1)
    return ratio(np.diagonal(counts, axis1=1, axis2=2), whole), whole


def _weights(counts: FloatArray, defined: BoolArray, *, weighted: bool) -> FloatArray:
    mass = np.where(defined, counts.sum(axis=2) if weighted else 1.0, 0.0)
    total = mass.sum(axis=1, keepdims=True)
    weights: FloatArray = mass / np.where(total > 0, total, np.nan)
    return weights


def _slopes(counts: FloatArray, figure: Figure, defined: BoolArray, *, weighted: bool) -> FloatArray:
    """Return how the average changes with each count; the weights of a weighted average change, too."""
    of_true, of_said = _PARTS[figure]
    each, whole = _each(counts, figure)
    each, weights = np.nan_to_num(each), np.nan_to_num(_weights(counts, defined, weighted=weighted))
    gain = np.where(defined, weights / np.where(whole > 0, whole, 1.0), 0.0)
    loss = gain * each
    same = np.eye(counts.shape[1])
    slopes = gain[:, :, np.newaxis] * same - of_true * loss[:, :, np.newaxis] - of_said * loss[:, np.newaxis, :]
    if weighted:
        mass = np.where(defined, counts.sum(axis=2), 0.0).sum(axis=1, keepdims=True)
        apart = np.where(defined, each - (weights * each).sum(axis=1, keepdims=True), 0.0)
        slopes = slopes + ratio(apart, mass)[:, :, np.newaxis]
    result: FloatArray = slopes
    return result
