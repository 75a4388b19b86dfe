"""k-means: k-means++ seeds, then Lloyd's iterations, the same for the same rows."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ROUNDS: Final = 50
_SEED: Final = 20_211
_AT_ONCE: Final = 4_000_000


def fit_centroids(rows: FloatArray, clusters: int) -> FloatArray:
    """Return centroids of finite rows, ``[k, d]``, the most populous first; fewer than asked if rows repeat.

    Seeds are drawn with probability proportional to the squared distance to the nearest one so far. A cluster that
    loses all its rows takes the row that is farthest from its centroid.

    Raises
    ------
    ValueError
        Without rows, or when fewer than one cluster is asked for.

    Examples
    --------
    >>> fit_centroids(np.array([[0.0], [0.2], [9.0], [0.1]]), 2).round(3).tolist()
    [[0.1], [9.0]]

    References
    ----------
    Arthur and Vassilvitskii (2007), k-means++: the advantages of careful seeding.
    """
    if not len(rows) or clusters < 1:
        raise ValueError(f"{len(rows)} rows cannot make {clusters} clusters")
    centroids = _seeds(rows, clusters)
    labels, distances = nearest(rows, centroids)
    for _ in range(_ROUNDS):
        centroids = _means(rows, labels, distances, len(centroids))
        before, (labels, distances) = labels, nearest(rows, centroids)
        if np.array_equal(before, labels):
            break
    order = np.argsort(-np.bincount(labels, minlength=len(centroids)), kind="stable")
    return centroids[order]


def nearest(rows: FloatArray, centroids: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the nearest centroid of each row (of equally near ones, the first) and the squared distance to it.

    For whole numbers, as a ``Grid`` gives them, both are exact.
    """
    labels, distances = np.empty(len(rows), np.int64), np.empty(len(rows))
    lengths = (centroids**2).sum(axis=1)
    step = max(1, _AT_ONCE // len(centroids))
    for first in range(0, len(rows), step):
        part = rows[first : first + step]
        squares = (part**2).sum(axis=1)[:, np.newaxis] - 2.0 * (part @ centroids.T) + lengths
        found = squares.argmin(axis=1)
        labels[first : first + step] = found
        distances[first : first + step] = np.maximum(squares[np.arange(len(part)), found], 0.0)
    return labels, distances


def _seeds(rows: FloatArray, clusters: int) -> FloatArray:
    rng = np.random.default_rng(_SEED)
    chosen = [int(rng.integers(len(rows)))]
    distances = _squares(rows, chosen[-1])
    while len(chosen) < clusters and distances.max() > 0:
        reached = np.cumsum(distances)
        place = int(np.searchsorted(reached, rng.random() * reached[-1], side="right"))
        chosen.append(min(place, int(np.flatnonzero(distances)[-1])))
        distances = np.minimum(distances, _squares(rows, chosen[-1]))
    return rows[chosen]


def _squares(rows: FloatArray, place: int) -> FloatArray:
    squares: FloatArray = ((rows - rows[place]) ** 2).sum(axis=1)
    return squares


def _means(rows: FloatArray, labels: IntArray, distances: FloatArray, clusters: int) -> FloatArray:
    counts = np.bincount(labels, minlength=clusters)
    chosen = np.zeros((clusters, len(rows)))
    chosen[labels, np.arange(len(rows))] = 1.0
    means: FloatArray = (chosen @ rows) / np.maximum(counts, 1)[:, np.newaxis]
    empty = np.flatnonzero(counts == 0)
    means[empty] = rows[np.argsort(-distances, kind="stable")[: len(empty)]]
    return means
