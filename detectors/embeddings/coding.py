"""Whole numbers of fitted arrays as text."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def packed(array: FloatArray, kind: str) -> str:
    """Return an array as numbers of a kind in base 64.

    >>> unpacked(packed(np.array([[1.0, -2.0]]), "<i2"), "<i2", 2).tolist()
    [[1.0, -2.0]]
    """
    return base64.b64encode(array.astype(kind).tobytes()).decode("ascii")


def unpacked(text: str, kind: str, size: int) -> FloatArray:
    """Return rows of a size from what ``packed`` wrote, or raise ``ValueError``."""
    flat = np.frombuffer(base64.b64decode(text, validate=True), kind).astype(np.float64)
    return flat.reshape(-1, size)
