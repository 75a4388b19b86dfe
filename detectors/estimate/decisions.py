"""Expected confusion cells and what follows from them."""

from __future__ import annotations

import numpy as np

from detectors.calibration.figure import FloatArray, ratio
from detectors.estimate.cells import Cells
from detectors.estimate.estimated import Estimated


def confusion(cells: Cells) -> dict[str, Estimated]:
    """Return the expected counts ``true_positives``, ``false_positives``, ``false_negatives``, ``true_negatives``.

    Given the probabilities the counts are Poisson-binomial. In a monitor without rows they are NaN.
    """
    flagged = np.broadcast_to(cells.flagged, cells.n.shape)
    empty = np.where(cells.total > 0, 0.0, np.nan)
    counts = {}
    for flag, hit, miss in ((True, "true_positives", "false_positives"), (False, "false_negatives", "true_negatives")):
        member = (flagged == flag).astype(np.float64)
        rows, positives = (member * cells.n).sum(axis=1), (member * cells.expected).sum(axis=1)
        counts[hit] = cells.estimate(positives + empty, member, most=rows, step=1.0)
        counts[miss] = cells.estimate(rows - positives + empty, -member, most=rows, step=1.0)
    return counts


def accuracy(cells: Cells) -> Estimated:
    """Return the expected share of right decisions."""
    sign = np.where(cells.flagged, 1.0, -1.0) * np.ones_like(cells.n)
    total = cells.total
    right = np.where(cells.flagged, cells.expected, cells.n - cells.expected).sum(axis=1)
    step = np.nan_to_num(ratio(np.ones_like(total), total))
    return cells.estimate(ratio(right, total), sign * step[:, np.newaxis], step=step)


def precision(cells: Cells) -> Estimated:
    """Return the expected share of positives among the flagged rows; NaN where none is flagged."""
    flagged = np.where(cells.flagged, cells.n, 0.0).sum(axis=1)
    step = np.nan_to_num(ratio(np.ones_like(flagged), flagged))
    gradient = np.where(cells.flagged, step[:, np.newaxis], 0.0)
    hits = np.where(cells.flagged, cells.expected, 0.0).sum(axis=1)
    return cells.estimate(ratio(hits, flagged), gradient, step=step)


def recall(cells: Cells) -> Estimated:
    """Return the expected share of the positives that are flagged; NaN where no positive is expected."""
    hits, missed = _positives(cells)
    return _share(cells, hits, missed, np.where(cells.flagged, 1.0, 0.0), np.where(cells.flagged, 0.0, 1.0))


def specificity(cells: Cells) -> Estimated:
    """Return the expected share of the negatives that are not flagged; NaN where no negative is expected."""
    negatives = cells.n - cells.expected
    right = np.where(cells.flagged, 0.0, negatives).sum(axis=1)
    wrong = np.where(cells.flagged, negatives, 0.0).sum(axis=1)
    return _share(cells, right, wrong, np.where(cells.flagged, 0.0, -1.0), np.where(cells.flagged, -1.0, 0.0))


def f1(cells: Cells) -> Estimated:
    """Return the expected 2 TP / (flagged + positives); NaN where both are 0."""
    hits, missed = _positives(cells)
    whole = np.where(cells.flagged, cells.n, 0.0).sum(axis=1) + hits + missed
    value = ratio(2 * hits, whole)
    by_hit, by_miss = ratio(2 * (whole - hits), whole**2), ratio(-2 * hits, whole**2)
    gradient = np.where(cells.flagged, by_hit[:, np.newaxis], by_miss[:, np.newaxis])
    return cells.estimate(value, np.nan_to_num(gradient), denominator=whole)


def _positives(cells: Cells) -> tuple[FloatArray, FloatArray]:
    hits = np.where(cells.flagged, cells.expected, 0.0).sum(axis=1)
    return hits, cells.expected.sum(axis=1) - hits


def _share(cells: Cells, part: FloatArray, rest: FloatArray, part_step: FloatArray, rest_step: FloatArray) -> Estimated:
    """Return part / (part + rest), where a positive in cell g changes them by these steps."""
    whole = part + rest
    by_part, by_rest = ratio(rest, whole**2), ratio(-part, whole**2)
    gradient = by_part[:, np.newaxis] * part_step + by_rest[:, np.newaxis] * rest_step
    return cells.estimate(ratio(part, whole), np.nan_to_num(gradient), denominator=whole)
