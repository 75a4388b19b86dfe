"""Labelled rows for the tests of performance tables: ordinary ones, and as ugly as they come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def scored(kind: str, rows: int, seed: int = 0) -> tuple[FloatArray, IntArray]:
    """Return scores and labels of one kind; the labels of most follow the scores."""
    rng = np.random.default_rng(seed)
    shapes = {"mild": (2.0, 2.0), "rare": (0.5, 9.5), "strong": (0.2, 0.2), "few values": (1.0, 2.0)}
    score = rng.beta(*shapes.get(kind, (1.0, 1.0)), rows)
    if kind == "few values":
        score = np.round(score, 1)
    if kind == "constant":
        score = np.full(rows, 0.3)
    if kind == "ends":
        score = rng.choice([0.0, 1.0, 0.5, 1e-300, 1 - 2.0**-53], rows)
    if kind == "top heavy":
        score = 1 - 1e-9 * score
    truth = 1 - score if kind == "upside down" else score
    label = (rng.random(rows) < truth).astype(np.int64)
    label[:2] = 0, 1
    return score, label


KINDS = ("mild", "rare", "strong", "few values", "constant", "ends", "top heavy", "upside down")
