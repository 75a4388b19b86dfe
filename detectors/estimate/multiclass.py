"""Confidence-based performance estimation for several classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from detectors.calibration.figure import FloatArray, IntArray, ratio
from detectors.calibration.sums import ScoreBins
from detectors.estimate.calibrator import Calibrator
from detectors.estimate.cbpe import METRICS
from detectors.estimate.cells import Cells
from detectors.estimate.estimated import Estimated, Estimates


@dataclass(frozen=True, slots=True)
class ClassEstimates:
    """Estimates over all classes, for each class, and the confusion they come from."""

    macro: Estimates
    """``accuracy`` of the predicted class, and the mean over classes of every other figure of one class."""
    per_class: tuple[Estimates, ...]
    """Each class against the rest."""
    confusion: FloatArray
    """Expected rows by true and predicted class, ``[J, C, C]``."""


def class_calibrators(labelled: ScoreBins, classes: int) -> list[Calibrator]:
    """Return one isotonic calibrator a class from one reference table's labelled sums ``[C, B]``."""
    if len(labelled.n) != classes:
        raise ValueError(f"{len(labelled.n)} rows of sums are not those of one reference with {classes} classes")
    return [Calibrator.isotonic(labelled.n[place], labelled.positives[place]) for place in range(classes)]


def cbpe_classes(n: IntArray, calibrators: Sequence[Calibrator], *, normalise: bool = True) -> ClassEstimates:
    """Return the expected performance of J windows from counts of their scores alone.

    Parameters
    ----------
    n
        Rows by predicted class, class and bin of that class's score, ``[J, C, C, B]``, as ``ClassTable.predicted``.
    calibrators
        One a class.
    normalise
        Scale the probabilities so that those of all classes add up to the rows of each predicted class: calibrators
        fitted apart do not agree on it. It is done for a predicted class as a whole, as counts do not know single rows.

    Notes
    -----
    The interval of the accuracy is the Poisson-binomial one. That of a macro figure is the mean of the classes'
    intervals, which holds however these depend on each other. A class without the figure (never predicted, or not
    expected) is left out of the mean.
    """
    rows = np.asarray(n, np.float64)
    if rows.ndim != 4 or rows.shape[1] != rows.shape[2] or rows.shape[1] != len(calibrators):
        raise ValueError(f"rows of shape {rows.shape} for {len(calibrators)} classes")
    p = np.stack([calibrator.probability for calibrator in calibrators])
    expected = rows * p
    if normalise:
        expected *= _factors(rows, expected)
    chance = np.where(rows > 0, expected * (1 - np.clip(ratio(expected, rows), 0.0, 1.0)), 0.0)
    each = [_against_the_rest(rows, expected, chance, place, calibrators[place]) for place in range(len(calibrators))]
    unsupported = _unsupported(rows, calibrators)
    light = np.zeros(len(rows), np.int8)
    figures = [{name: metric(cells) for name, metric in METRICS.items() if name != "accuracy"} for cells in each]
    macro = {name: _mean([found[name] for found in figures]) for name in figures[0]}
    macro["accuracy"] = _accuracy(rows, expected, chance, calibrators)
    per_class = tuple(Estimates("cbpe", found, unsupported, light) for found in figures)
    confusion = expected.sum(axis=3).transpose(0, 2, 1)
    return ClassEstimates(Estimates("cbpe", macro, unsupported, light), per_class, confusion)


def _factors(rows: FloatArray, expected: FloatArray) -> FloatArray:
    """Return for each predicted class what its probabilities are multiplied by, ``[J, C, 1, 1]``."""
    classes = rows.shape[1]
    predicted = rows.sum(axis=(2, 3), keepdims=True) / classes
    claimed = expected.sum(axis=(2, 3), keepdims=True)
    return np.nan_to_num(ratio(predicted, claimed))


def _against_the_rest(
    rows: FloatArray, expected: FloatArray, chance: FloatArray, place: int, calibrator: Calibrator
) -> Cells:
    """Return the cells of one class: predicted so, then predicted otherwise, each by score bin."""

    def both(part: FloatArray) -> FloatArray:
        mine = part[:, place, place]
        return np.concatenate([mine, part[:, :, place].sum(axis=1) - mine], axis=1).clip(0.0)

    bins = rows.shape[3]
    n, t, v = both(rows), both(expected), both(chance)
    return Cells(
        n, t, v, v * (1 - 2 * np.nan_to_num(ratio(t, n))), np.repeat([True, False], bins),
        np.tile(np.arange(bins), 2), np.tile(calibrator.block, 2), np.tile(calibrator.variance, 2),
    )  # fmt: skip


def _accuracy(
    rows: FloatArray, expected: FloatArray, chance: FloatArray, calibrators: Sequence[Calibrator]
) -> Estimated:
    """Return the expected share of rows whose predicted class is the true one."""
    classes = np.arange(rows.shape[1])

    def own(part: FloatArray) -> FloatArray:
        diagonal: FloatArray = part[:, classes, classes].reshape(len(part), -1)
        return diagonal

    n, t, v = own(rows), own(expected), own(chance)
    sizes = np.cumsum([0, *(int(calibrator.block.max()) + 1 for calibrator in calibrators)])
    cells = Cells(
        n, t, v, v * (1 - 2 * np.nan_to_num(ratio(t, n))), np.ones(n.shape[1], np.bool_), np.arange(n.shape[1]),
        np.concatenate([calibrator.block + start for calibrator, start in zip(calibrators, sizes, strict=False)]),
        np.concatenate([calibrator.variance for calibrator in calibrators]),
    )  # fmt: skip
    return METRICS["precision"](cells)


def _unsupported(rows: FloatArray, calibrators: Sequence[Calibrator]) -> FloatArray:
    """Return the largest share, over classes, of rows in bins that the reference lacks."""
    by_class = rows.sum(axis=1)
    lacking = np.stack([~calibrator.supported for calibrator in calibrators])
    total = by_class.sum(axis=2)
    largest: FloatArray = ratio(np.where(lacking, by_class, 0.0).sum(axis=2), total).max(axis=1)
    return largest


def _mean(figures: Sequence[Estimated]) -> Estimated:
    some = ~np.isnan([figure.value for figure in figures])
    number = some.sum(axis=0).astype(np.float64)

    def mean(parts: Sequence[FloatArray]) -> FloatArray:
        return ratio(np.where(some, np.stack(parts), 0.0).sum(axis=0), number)

    return replace(
        figures[0],
        value=mean([figure.value for figure in figures]),
        low=mean([figure.low for figure in figures]),
        high=mean([figure.high for figure in figures]),
        chance=mean([figure.chance for figure in figures]),
        calibration=mean([figure.calibration for figure in figures]),
    )
