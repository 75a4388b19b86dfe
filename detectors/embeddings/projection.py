"""From a vector to a few ordinary columns: its cluster, how far it lies from it, and where along the main axes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.embeddings.coding import packed, unpacked
from detectors.embeddings.fourier import FourierFeatures
from detectors.embeddings.grid import MOST_SIZE, UNIT, Grid, usable
from detectors.embeddings.kmeans import fit_centroids, nearest

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

CLUSTERS: Final = 32
AXES: Final = 8
_ROWS_A_CLUSTER: Final = 20


@dataclass(frozen=True, eq=False)
class Projected:
    """What becomes of n vectors; NaN, and cluster -1, where a vector is not finite."""

    cluster: IntArray
    """Number of the nearest centroid, ``[n]``; 0 is the most populous one."""
    residual: FloatArray
    """Distance to that centroid, ``[n]``."""
    error: FloatArray
    """PCA reconstruction error: distance to the space that the axes span, ``[n]``."""
    scores: FloatArray
    """Coordinates along the axes, ``[n, axes]``."""
    fourier: FloatArray | None = None
    """Rows of ``FourierFeatures.code``, ``[n, 1 + 2D]``, all 0 where a vector is not finite."""


@dataclass(frozen=True, eq=False)
class Projection:
    """k-means centroids and principal axes, fitted once and frozen.

    The rows it is fitted on lie nearer to its centroids and axes than new rows of the same law do. So count a
    reference on *other* rows. All arithmetic on rows is exact, so what a row gives does not depend on its neighbours.

    Parameters
    ----------
    grid
        Where vectors stand.
    axes
        Unit vectors in steps of 2**-20, ``[q, d]``, of falling variance.
    centroids
        In steps of the grid, ``[k, d]``.
    fourier
        What compares the vectors whole; ``None`` in references of old.
    """

    grid: Grid
    axes: FloatArray
    centroids: FloatArray
    fourier: FourierFeatures | None = None

    @classmethod
    def fit(cls, rows: FloatArray, *, clusters: int = CLUSTERS, axes: int = AXES) -> Projection:
        """Return the projection of some vectors, ``[n, d]``; those that are not finite are left out.

        There is at most one cluster for 20 vectors, and an axis only where they vary.

        Raises
        ------
        ValueError
            When no vector is finite, or they are too long or too large; see ``Grid.of``.

        References
        ----------
        Jolliffe (2002), Principal component analysis, ch. 2 and 10.
        """
        rows = np.asarray(rows, np.float64)
        kept = rows[usable(rows)] if rows.ndim == 2 else rows
        grid = Grid.of(kept)
        placed = grid.place(kept)
        most = max(1, min(clusters, len(placed) // _ROWS_A_CLUSTER))
        centroids = np.rint(fit_centroids(placed, most))
        return cls(grid, _main_axes(placed, axes), centroids, FourierFeatures.fit(placed))

    @property
    def size(self) -> int:
        """Numbers in a vector."""
        return len(self.grid.centre)

    @cached_property
    def identity(self) -> str:
        """Hash of all that decides which columns become of a vector."""
        parts = (self.grid.centre, np.array([self.grid.step]), self.axes, self.centroids)
        digest = hashlib.blake2b(digest_size=8)
        for part in parts:
            digest.update(str(part.shape).encode() + np.ascontiguousarray(part).tobytes())
        return f"projection:{digest.hexdigest()}"

    @cached_property
    def placing(self) -> str:
        """Hash of all that decides where a vector stands."""
        digest = hashlib.blake2b(digest_size=8)
        digest.update(self.grid.centre.tobytes() + np.array([self.grid.step]).tobytes())
        return f"grid:{digest.hexdigest()}"

    def project(self, rows: FloatArray) -> Projected:
        """Return what becomes of vectors, ``[n, d]``.

        Raises
        ------
        ValueError
            When they have another length.
        """
        rows = np.asarray(rows, np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.size:
            raise ValueError(f"vectors of {self.size} numbers are projected, not {rows.shape}")
        kept = usable(rows)
        placed = self.grid.place(rows[kept])
        cluster, squares = nearest(placed, self.centroids)
        scores = (placed @ self.axes.T) / UNIT
        left = (placed**2).sum(axis=1)
        for score in scores.T:  # one axis after the other: a sum whose order is fixed
            left = left - score * score
        step = self.grid.step
        out = Projected(
            np.full(len(rows), -1, np.int64),
            np.full(len(rows), np.nan),
            np.full(len(rows), np.nan),
            np.full((len(rows), len(self.axes)), np.nan),
        )
        out.cluster[kept] = cluster
        out.residual[kept] = np.sqrt(squares) * step
        out.error[kept] = np.sqrt(np.maximum(left, 0.0)) * step
        out.scores[kept] = scores * step
        return out if self.fourier is None else replace(out, fourier=_spread(self.fourier.code(placed), kept))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that ``from_dict`` takes."""
        return {
            "size": self.size,
            "step": self.grid.step,
            "centre": packed(self.grid.centre, "<f8"),
            "axes": packed(self.axes, "<i4"),
            "centroids": packed(self.centroids, "<i4"),
            **({} if self.fourier is None else {"fourier": self.fourier.to_dict()}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Projection:
        """Return the projection of some fields.

        Raises
        ------
        ValueError, KeyError, TypeError
            When they make no sense.
        """
        size, step = int(data["size"]), float(data["step"])
        if not (1 <= size <= MOST_SIZE and 0 < step < np.inf):
            raise ValueError(f"a projection of size {size} and step {step}")
        centre = unpacked(data["centre"], "<f8", size)
        axes, centroids = (unpacked(data[name], "<i4", size) for name in ("axes", "centroids"))
        if len(centre) != 1 or not np.isfinite(centre).all() or not len(centroids):
            message = "a projection needs one finite centre and a centroid"
            raise ValueError(message)
        if np.abs(axes).max(initial=0) > UNIT or np.abs(centroids).max() > UNIT:
            message = "a projection reaches beyond its grid"
            raise ValueError(message)
        fourier = FourierFeatures.from_dict(data["fourier"], size) if "fourier" in data else None
        return cls(Grid(centre[0], step), axes, centroids, fourier)


def _main_axes(placed: FloatArray, most: int) -> FloatArray:
    """Return the axes of greatest variance; the largest component of each is positive."""
    centred = placed - placed.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    chosen = np.argsort(-values, kind="stable")[:most]
    chosen = chosen[values[chosen] > max(float(values.max()), 0.0) * 1e-10]
    axes = vectors[:, chosen].T
    peaks = np.abs(axes).argmax(axis=1)
    signs = np.sign(axes[np.arange(len(axes)), peaks])
    turned: FloatArray = np.rint(axes * signs[:, np.newaxis] * UNIT) + 0.0
    return turned


def _spread(rows: FloatArray, kept: NDArray[np.bool_]) -> FloatArray:
    """Return rows where they belong, and zeros, which add nothing, where none is."""
    if kept.all():
        return rows
    out = np.zeros((len(kept), rows.shape[1]))
    out[kept] = rows
    return out
