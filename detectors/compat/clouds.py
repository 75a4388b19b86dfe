"""The monitors of the clouds: SageMaker Model Monitor and Vertex AI."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.compat.column import Column, Verdict, by_distance
from detectors.compat.figures import jensen_shannon, ks, largest_gap

_SAGEMAKER: Final = 0.1
_VERTEX: Final = 0.3
_ROBUST: Final = 1.8


def sagemaker(column: Column) -> Verdict:
    """Return its verdict with the defaults of ``constraints.json``: a distance above 0.1.

    Numbers by ``Robust``: the greatest distance of the distribution functions, less 1.8 √((n + m) / (n m)) as Deequ has
    it; categories by ``LInfinity``: the largest difference of shares.
    """
    if not column.numeric:
        return by_distance("LInfinity", largest_gap(column), _SAGEMAKER, reached=False)
    before, now = column.sizes
    value = max(0.0, ks(column)[0] - _ROBUST * float(np.sqrt((before + now) / (before * now))))
    return by_distance("Robust", value, _SAGEMAKER, reached=False)


def vertex(column: Column) -> Verdict:
    """Return its verdict: above 0.3, the Jensen-Shannon divergence in bits for numbers, L-infinity for categories.

    Numbers are in ten bins of equal width over both samples, as TensorFlow Data Validation draws them.
    """
    if column.values is None:
        return by_distance("l_infinity", largest_gap(column), _VERTEX, reached=False)
    used = np.flatnonzero(column.reference + column.window)
    edges = np.linspace(column.values[used[0]], column.values[used[-1]], 11)
    groups = np.clip(np.searchsorted(edges, column.values, side="right") - 1, 0, 9)
    p, q = (np.bincount(groups, part, 10).astype(np.float64) for part in column.shares)
    return by_distance("jensen_shannon_divergence", jensen_shannon(p, q, 2.0), _VERTEX, reached=False)
