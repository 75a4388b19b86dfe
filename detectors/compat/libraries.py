"""Libraries that test or measure a batch at a time: Deepchecks, alibi-detect, whylogs."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from detectors.compat.column import Column, Verdict, by_distance, by_p_value
from detectors.compat.figures import chi_square_of_tables, cramers_v, ks

_ALPHA: Final = 0.05
_POSSIBLE: Final = 0.15
_FEATURE: Final = 0.2
_OF_MODEL: Final = 0.15


def deepchecks(column: Column) -> Verdict:
    """Return its verdict: Kolmogorov-Smirnov's distance or Cramér's V from 0.2 on, from 0.15 on of predictions."""
    limit = _OF_MODEL if column.of_model else _FEATURE
    if column.numeric:
        return by_distance("KS", ks(column)[0], limit)
    return by_distance("cramers_v", cramers_v(column), limit)


def alibi(column: Column) -> Verdict:
    """Return its verdict (``TabularDrift``): Kolmogorov-Smirnov or χ² at 0.05 over the columns, by Bonferroni."""
    if column.numeric:
        return by_p_value("ks", *ks(column), _ALPHA / column.columns)
    return by_p_value("chi2", *chi_square_of_tables(column), _ALPHA / column.columns)


def whylogs(column: Column) -> Verdict:
    """Return its verdict: Kolmogorov-Smirnov or χ², in drift below 0.05, possibly below 0.15."""
    found = ks(column) if column.numeric else chi_square_of_tables(column)
    verdict = by_p_value("ks" if column.numeric else "chi2", *found, _ALPHA)
    return replace(verdict, warned=not verdict.drifted and verdict.p_value < _POSSIBLE)
