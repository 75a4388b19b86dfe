"""NannyML's univariate drift."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.compat.column import Column, FloatArray, IntArray, Verdict, by_distance
from detectors.compat.figures import jensen_shannon

CHUNKS: Final = 10
_SIGMAS: Final = 3.0
_MOST: Final = 500_000_000
"""Rows that are dealt out at once; of more, a part is."""
_SEED: Final = 20_250_701


def nannyml(column: Column) -> Verdict:
    """Return its verdict: the Jensen-Shannon distance to base 2, in drift above mean + 3 sd of the reference's chunks.

    Numbers are in bins of equal width by Doane's rule, with one more for what lies outside. The reference's ten chunks
    follow each other there; here rows are dealt out to ten by chance, always the same way, since counts do not remember
    their order. Where the reference wandered, NannyML's threshold is higher.
    """
    reference, window = column.reference, column.window
    if column.values is not None:
        groups = doane(column.values, reference)
        inside = groups >= 0
        bins = int(groups.max(initial=0)) + 2
        outside = int(window[~inside].sum())
        reference = np.bincount(groups[inside], reference[inside], bins).astype(np.int64)
        window = np.bincount(groups[inside], window[inside], bins).astype(np.int64)
        window[-1] = outside
    value = _distance(reference, window)
    among = _of_chunks(reference)
    return by_distance("jensen_shannon", value, float(among.mean() + _SIGMAS * among.std()), reached=False)


def doane(values: FloatArray, counts: IntArray) -> IntArray:
    """Return the bin of each value by Doane's rule, -1 outside of the reference's range.

    References
    ----------
    Doane (1976), Aesthetic frequency classifications.
    """
    used = np.flatnonzero(counts)
    if not len(used):
        return np.zeros(len(values), np.int64)
    low, high, total = values[used[0]], values[used[-1]], float(counts.sum())
    mean = values @ counts / total
    sigma = float(np.sqrt((values - mean) ** 2 @ counts / total))
    bins = 1
    if total > 2 and sigma > 0:
        skew = float(((values - mean) / sigma) ** 3 @ counts / total)
        error = np.sqrt(6 * (total - 2) / ((total + 1) * (total + 3)))
        bins = int(np.ceil(1 + np.log2(total) + np.log2(1 + abs(skew) / error)))
    edges = np.linspace(low, high, bins + 1)
    groups = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, bins - 1)
    return np.where((values < low) | (values > high), -1, groups).astype(np.int64)


def _distance(reference: IntArray, window: IntArray) -> float:
    p, q = (part / max(int(part.sum()), 1) for part in (reference, window))
    return float(jensen_shannon(p, q, 2.0) ** 0.5)


def _of_chunks(reference: IntArray) -> FloatArray:
    """Return the distances of ten chunks of the reference to the whole."""
    most = int(reference.sum()) // _MOST + 1
    left = reference // most
    rng, total = np.random.default_rng(_SEED), int(left.sum())
    found = []
    for chunk in range(CHUNKS):
        size = (chunk + 1) * total // CHUNKS - chunk * total // CHUNKS
        if not size:
            continue
        drawn = rng.multivariate_hypergeometric(left, size, method="marginals")
        left = left - drawn
        found.append(_distance(reference, drawn))
    return np.array(found)
