"""Group fairness of decisions: demographic parity and equalised odds between the groups of a protected column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.calibration.figure import FloatArray, IntArray, figure_of, ratio, simultaneous, wilson
from detectors.norms import Z95
from detectors.performance.estimate import Estimate

BoolArray = NDArray[np.bool_]

ENOUGH: Final = 30
"""Rows of a rate's kind without which a group is left out of the comparison."""


@dataclass(frozen=True, slots=True)
class GroupRates:
    """One rate of each group, arrays ``[J, G]``; NaN in a group without rows of the kind."""

    rate: FloatArray
    low: FloatArray
    high: FloatArray
    """Wilson's 95 % interval, each group by itself."""
    n: IntArray
    """Rows that could have had it."""


@dataclass(frozen=True, slots=True)
class Disparity:
    """How far apart the groups are, arrays ``[J]``; NaN where fewer than two groups have enough rows."""

    difference: Estimate
    """Largest rate less smallest: 0 is equal."""
    ratio: Estimate
    """Smallest rate over largest: 1 is equal; NaN where every rate is 0."""
    worst: IntArray
    """The groups of smallest and largest rate, ``[J, 2]``; -1 where there is no comparison."""
    left_out: IntArray
    """Groups with too few rows."""


def selection_rates(cells: IntArray) -> GroupRates:
    """Return the share of each group that is flagged.

    ``cells`` are ``[J, G, 4]``: true negatives, false positives, false negatives, true positives of each group.
    """
    return _rates(cells[:, :, 1] + cells[:, :, 3], cells.sum(axis=2))


def true_positive_rates(cells: IntArray) -> GroupRates:
    """Return the share of each group's positives that is flagged."""
    return _rates(cells[:, :, 3], cells[:, :, 2] + cells[:, :, 3])


def false_positive_rates(cells: IntArray) -> GroupRates:
    """Return the share of each group's negatives that is flagged."""
    return _rates(cells[:, :, 1], cells[:, :, 0] + cells[:, :, 1])


def demographic_parity(flagged: IntArray, n: IntArray, enough: int = ENOUGH) -> Disparity:
    """Return how far apart the groups' shares of flagged rows are; needs no labels.

    Parameters
    ----------
    flagged, n
        Flagged and all rows of each group, ``[J, G]``.
    enough
        Groups with fewer rows are left out.

    Notes
    -----
    The largest of several noisy differences is too large by chance, the more so the more groups there are. The interval
    is of the true one: Newcombe's hybrid score intervals of all pairs of groups together (Šidák). That of the ratio
    comes from the normal law of each pair's log ratio with half a row added to each count, all pairs together. Both
    hold in 95 % or more.

    Examples
    --------
    >>> found = demographic_parity(np.array([[300, 240]]), np.array([[1000, 1000]]))
    >>> [round(float(x[0]), 3) for x in (found.difference.value, found.difference.low, found.difference.high)]
    [0.06, 0.021, 0.099]
    >>> round(float(found.ratio.value[0]), 3), found.worst.tolist()
    (0.8, [[1, 0]])

    References
    ----------
    Newcombe (1998), Statistics in Medicine 17, method 10; Walter (1975), The distribution of Levin's measure of
    attributable risk, Biometrika 62 (the half row); Dwork et al. (2012), Fairness through awareness.
    """
    return disparity(flagged, n, enough)


def equalised_odds(cells: IntArray, enough: int = ENOUGH) -> Disparity:
    """Return the worse of the disparities in true positive and false positive rate.

    Parameters
    ----------
    cells
        ``[J, G, 4]``: true negatives, false positives, false negatives, true positives of each group.
    enough
        Groups with fewer positives have no part in the first, those with fewer negatives none in the second.

    Notes
    -----
    The difference is the larger, the ratio the smaller of the two, each by itself. The interval of the larger
    difference covers it in 95 % or more: both rates' pairs hold together (Šidák over twice as many). ``worst`` and
    ``left_out`` are those of the larger difference. NaN unless both rates compare.

    References
    ----------
    Hardt, Price and Srebro (2016), Equality of opportunity in supervised learning, NeurIPS.
    """
    sides = [
        disparity(cells[:, :, hit], part, enough, families=2)
        for hit, part in ((3, cells[:, :, 2] + cells[:, :, 3]), (1, cells[:, :, 0] + cells[:, :, 1]))
    ]
    one, other = sides
    worse = np.nan_to_num(other.difference.value) > np.nan_to_num(one.difference.value)
    larger = _extreme(np.maximum, one.difference, other.difference)
    smaller = _extreme(np.minimum, one.ratio, other.ratio)
    worst = np.where(worse[:, np.newaxis], other.worst, one.worst)
    return Disparity(larger, smaller, worst, np.where(worse, other.left_out, one.left_out))


def disparity(part: IntArray, whole: IntArray, enough: int = ENOUGH, families: int = 1) -> Disparity:
    """Return how far apart one rate of the groups is: rows with it of those that could have it, ``[J, G]`` each.

    ``families`` is how many such rates are to hold together.
    """
    count, n = _checked(part, whole), whole.astype(np.float64)
    fit = (n >= enough) & (n > 0)
    groups = fit.sum(axis=1)
    rate = np.where(fit, count / np.where(fit, n, 1.0), np.nan)
    comparable = groups > 1
    top = np.where(fit, rate, -1.0).argmax(axis=1)
    bottom = np.where(fit, rate, 2.0).argmin(axis=1)
    rows = np.arange(len(rate))
    largest, smallest = (np.where(comparable, rate[rows, place], np.nan) for place in (top, bottom))
    z = simultaneous(families * groups * (groups - 1) / 2)
    total = np.where(fit, n, 0.0).sum(axis=1)
    low, high = _difference(count, n, fit, z)
    difference = figure_of(largest - smallest, low, high, total)
    low, high = _quotient(count, n, fit, z)
    worst = np.where(comparable[:, np.newaxis], np.stack([bottom, top], axis=1), -1)
    return Disparity(
        difference, figure_of(ratio(smallest, largest), low, high, total), worst, (~fit).sum(axis=1).astype(np.int64)
    )


def _checked(part: IntArray, whole: IntArray) -> FloatArray:
    if part.ndim != 2 or part.shape != whole.shape or np.any((part < 0) | (part > whole)):
        message = "groups [J, G] have at least 0 rows of a kind and at most as many as rows"
        raise ValueError(message)
    return part.astype(np.float64)


def _rates(part: IntArray, whole: IntArray) -> GroupRates:
    count, n = _checked(part, whole), whole.astype(np.float64)
    low, high = wilson(count, n, Z95)
    return GroupRates(ratio(count, n), low, high, whole)


def _difference(count: FloatArray, n: FloatArray, fit: BoolArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return bounds of the largest difference: over ordered pairs i, j the largest bound of rate i less rate j."""
    rate = np.where(fit, count / np.where(fit, n, 1.0), 0.0)
    low, high = (np.nan_to_num(side) for side in wilson(count, n, z[:, np.newaxis]))
    down, up = (rate - low) ** 2, (high - rate) ** 2
    gap = rate[:, :, np.newaxis] - rate[:, np.newaxis, :]
    least = gap - np.sqrt(down[:, :, np.newaxis] + up[:, np.newaxis, :])
    most = gap + np.sqrt(up[:, :, np.newaxis] + down[:, np.newaxis, :])
    pairs = _pairs(fit)
    bounds = (np.where(pairs, bound, 0.0).max(axis=(1, 2), initial=0.0) for bound in (least, most))
    lower, upper = bounds
    return lower, np.minimum(upper, 1.0)


def _quotient(count: FloatArray, n: FloatArray, fit: BoolArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return bounds of the smallest ratio: over ordered pairs i, j the smallest bound of rate i over rate j."""
    rate = (count + 0.5) / (n + 0.5)
    noise = 1 / (count + 0.5) - 1 / (n + 0.5)
    gap = np.log(rate[:, :, np.newaxis]) - np.log(rate[:, np.newaxis, :])
    half = z[:, np.newaxis, np.newaxis] * np.sqrt(noise[:, :, np.newaxis] + noise[:, np.newaxis, :])
    pairs = _pairs(fit)
    bounds = (np.exp(np.where(pairs, bound, 0.0).min(axis=(1, 2), initial=0.0)) for bound in (gap - half, gap + half))
    lower, upper = bounds
    return lower, upper


def _pairs(fit: BoolArray) -> BoolArray:
    both = fit[:, :, np.newaxis] & fit[:, np.newaxis, :]
    pairs: BoolArray = both & ~np.eye(fit.shape[1], dtype=np.bool_)
    return pairs


def _extreme(choose: np.ufunc, one: Estimate, other: Estimate) -> Estimate:
    parts = (choose(getattr(one, name), getattr(other, name)) for name in ("value", "low", "high"))
    value, low, high = parts
    return figure_of(value, low, high, np.maximum(one.n, other.n).astype(np.float64))
