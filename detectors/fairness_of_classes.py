"""Group fairness of a classifier of several classes: each class against the rest, and the worst of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.calibration.figure import FloatArray, IntArray, figure_of
from detectors.fairness import ENOUGH, Disparity, disparity
from detectors.performance.estimate import Estimate


@dataclass(frozen=True, slots=True)
class OfClasses:
    """The worst disparity over the classes, arrays ``[J]``."""

    disparity: Disparity
    """Difference and ratio are the worst each by itself; ``worst`` and ``left_out`` are of the larger difference."""
    place: IntArray
    """The class of the larger difference; -1 where no class compares."""


def parity_of_classes(said: IntArray, n: IntArray, enough: int = ENOUGH) -> OfClasses:
    """Return how far apart the groups' shares of rows with each prediction are; needs no labels.

    Parameters
    ----------
    said
        Rows of each group by predicted class, ``[J, G, K]``.
    n
        All rows of each group, ``[J, G]``.
    enough
        Groups with fewer rows are left out.

    Notes
    -----
    The interval is of the true worst: the pairs of groups of all classes hold together (Šidák over K times as many).

    Examples
    --------
    >>> found = parity_of_classes(np.array([[[50, 20, 30], [45, 5, 50]]]), np.array([[100, 100]]))
    >>> round(float(found.disparity.difference.value[0]), 3), found.place.tolist()
    (0.2, [2])
    """
    classes = said.shape[2]
    each = [disparity(said[:, :, place], n, enough, classes) for place in range(classes)]
    return _worst(each, np.arange(classes))


def odds_of_classes(confusion: IntArray, enough: int = ENOUGH) -> OfClasses:
    """Return the worst disparity in true and false positive rate of any class against the rest.

    Parameters
    ----------
    confusion
        Labels by predictions of each group, ``[J, G, K, K]`` or with more columns for predictions of no class.
    enough
        Groups with fewer rows of a class have no part in its first, those with fewer of others none in its second.

    Notes
    -----
    Classes that do not compare are left out. The pairs of groups of both rates of all classes hold together (Šidák over
    2K times as many), so the interval covers the worst of those that compare in 95 % or more. Hardt, Price and Srebro
    (2016) define equalised odds for any label; one against the rest asks for each prediction by itself.
    """
    classes = confusion.shape[2]
    whole = confusion.sum(axis=(2, 3))
    each = []
    for place in range(classes):
        hits, true = confusion[:, :, place, place], confusion[:, :, place].sum(axis=2)
        alarms = confusion[:, :, :, place].sum(axis=2) - hits
        each.append(disparity(hits, true, enough, 2 * classes))
        each.append(disparity(alarms, whole - true, enough, 2 * classes))
    return _worst(each, np.repeat(np.arange(classes), 2))


def _worst(each: Sequence[Disparity], classes: IntArray) -> OfClasses:
    gaps = np.stack([one.difference.value for one in each])
    chosen = np.where(np.isnan(gaps), -1.0, gaps).argmax(axis=0)
    rows = np.arange(gaps.shape[1])
    compares = ~np.isnan(gaps).all(axis=0)
    difference = _extreme([one.difference for one in each], largest=True)
    ratio = _extreme([one.ratio for one in each], largest=False)
    worst = np.stack([one.worst for one in each])[chosen, rows]
    left_out = np.stack([one.left_out for one in each])[chosen, rows]
    return OfClasses(Disparity(difference, ratio, worst, left_out), np.where(compares, classes[chosen], -1))


def _extreme(figures: Sequence[Estimate], *, largest: bool) -> Estimate:
    def part(name: str) -> FloatArray:
        values = np.stack([getattr(figure, name) for figure in figures])
        sign, none = (1.0, -np.inf) if largest else (-1.0, -np.inf)
        found = np.where(np.isnan(values), none, sign * values).max(axis=0)
        return np.where(np.isinf(found), np.nan, sign * found)

    rows = np.stack([figure.n for figure in figures]).max(axis=0).astype(np.float64)
    return figure_of(part("value"), part("low"), part("high"), rows)
