"""Where to cut scores so that few positives share a bin with many negatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TAILS: Final = 2.0 ** -np.arange(1, 13)


def score_edges(scores: FloatArray, bins: int, thresholds: Sequence[float] = ()) -> FloatArray:
    """Return edges in (0, 1] from a sample of scores, the thresholds among them.

    Half of the bins hold about equally many expected positives, half equally many expected negatives, as the scores
    foresee them; both tails of the rows are cut finer. So where positives are rare, they do not share a few bins.
    Scores with no more than ``bins`` distinct values get a bin for each; with fewer than two, bins are of equal width.

    >>> score_edges(np.array([0.2, 0.2, 0.9]), 200, [0.5]).tolist()
    [0.2, 0.5, 0.9]
    """
    kept = np.sort(scores[(scores >= 0) & (scores <= 1)])
    found = np.unique(kept)
    if len(found) > bins:
        tails = (np.concatenate([_TAILS, bins - _TAILS]) / bins * len(kept)).astype(np.int64)
        found = kept[np.concatenate([_equal_mass(kept, bins // 2), _equal_mass(1 - kept, bins // 2), tails])]
    elif len(found) < 2:
        found = np.append(found, np.arange(1, bins) / bins)
    edges = np.unique(np.append(found, thresholds))
    return edges[(edges > 0) & (edges <= 1)]


def _equal_mass(mass: FloatArray, number: int) -> IntArray:
    """Return where to cut so that the parts have about equal mass."""
    running = np.cumsum(mass)
    places = np.searchsorted(running, running[-1] * np.arange(1, number) / number)
    inside: IntArray = np.minimum(places, len(mass) - 1)
    return inside
