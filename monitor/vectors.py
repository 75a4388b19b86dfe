"""Vectors on their way in: each becomes ordinary columns, and a row of features, before anything is kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.embeddings.projection import Projection
from monitor.events import Column, FloatArray, IntArray

_NOTHING: Final = np.empty(0, np.int64)


def is_vector(cells: Column) -> bool:
    """Whether a column holds vectors, ``[rows, size]``."""
    return not isinstance(cells, list) and cells.ndim == 2


def columns_of(name: str, projection: Projection) -> tuple[str, ...]:
    """Return the names of the columns that a vector becomes.

    >>> columns_of("text", Projection.fit(np.array([[0.0, 1.0], [1.0, 0.0]])))
    ('text.cluster', 'text.residual', 'text.error', 'text.pc1')
    """
    axes = [f"{name}.pc{place + 1}" for place in range(len(projection.axes))]
    return (f"{name}.cluster", f"{name}.residual", f"{name}.error", *axes)


def sum_column(name: str) -> str:
    """Return the name under which the Fourier features of a vector travel, one row of them a row."""
    return f"{name}.fourier"


REPEATED: Final = frozenset({"missing", "bad"})
"""What is so in all columns of a vector at once, and so is judged in the first of them only."""


def projected(
    columns: Mapping[str, Column], bad: Mapping[str, IntArray], projections: Mapping[str, Projection]
) -> tuple[dict[str, Column], dict[str, IntArray]]:
    """Return columns and bad cells with every vector replaced by what becomes of it.

    A vector that is missing or bad is so in each of its columns, and one of another length than the projection's is
    bad. Vectors without a projection are left out.
    """
    found: dict[str, Column] = {}
    marks = dict(bad)
    for name, cells in columns.items():
        if isinstance(cells, list) or cells.ndim != 2:
            found[name] = cells
            continue
        rows = marks.pop(name, None)
        projection = projections.get(name)
        if projection is None:
            continue
        usable = cells
        if projection.size != cells.shape[1]:
            rows = np.union1d(np.flatnonzero(present(cells)), _NOTHING if rows is None else rows)
            usable = np.full((len(cells), projection.size), np.nan)
        made = dict(_made(name, projection, usable))
        found |= made
        if rows is not None and len(rows):
            marks |= dict.fromkeys(columns_of(name, projection), rows)
    return found, marks


def present(cells: FloatArray) -> NDArray[np.bool_]:
    """Return which vectors, ``[rows, size]``, are neither missing nor bad."""
    there: NDArray[np.bool_] = ~np.isnan(cells[:, 0])
    return there


def _made(name: str, projection: Projection, cells: FloatArray) -> Iterator[tuple[str, Column]]:
    made = projection.project(cells)
    names = [str(place) for place in range(len(projection.centroids))]
    texts = [None if place < 0 else names[place] for place in made.cluster.tolist()]
    values: tuple[Column, ...] = (texts, made.residual, made.error, *np.ascontiguousarray(made.scores.T))
    yield from zip(columns_of(name, projection), values, strict=True)
    if made.fourier is not None:
        yield sum_column(name), made.fourier
