"""Evidently's ``DataDriftPreset``."""

from __future__ import annotations

from typing import Final

from detectors.compat.column import Column, Verdict, by_distance, by_p_value
from detectors.compat.figures import chi_square_of_fit, jensen_shannon, ks, spread, wasserstein, z_of_shares

SMALL: Final = 1000
"""Rows of the reference up to which it tests, and beyond which it measures."""
FEW: Final = 5
"""Distinct values up to which a number is a category."""
DRIFT_SHARE: Final = 0.5
"""Share of drifted columns from which the data set has drifted."""
_ALPHA: Final = 0.05
_DISTANCE: Final = 0.1


def evidently(column: Column) -> Verdict:
    """Return its verdict: tests at 0.05 for small references, distances from 0.1 on for others.

    Small: Kolmogorov-Smirnov for numbers, χ² of the window against the reference's shares for categories, z for two of
    them. Large: the Wasserstein distance over the reference's standard deviation for numbers, the Jensen-Shannon
    distance with natural logarithms for categories.
    """
    number = column.numeric and column.distinct > FEW
    if column.sizes[0] <= SMALL:
        if number:
            return by_p_value("ks", *ks(column), _ALPHA)
        if not column.numeric and column.distinct <= 2 and int((column.window > 0).sum()) <= 2:
            return by_p_value("z", *z_of_shares(column), _ALPHA)
        return by_p_value("chisquare", *chi_square_of_fit(column), _ALPHA)
    if number and column.values is not None:
        scale = max(spread(column.values, column.reference), 0.001)
        return by_distance("wasserstein", wasserstein(column) / scale, _DISTANCE)
    return by_distance("jensenshannon", jensen_shannon(*column.shares) ** 0.5, _DISTANCE)
