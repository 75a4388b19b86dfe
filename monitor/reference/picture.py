"""Small histograms of a reference's columns, in characters."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.bins import NumericBins
from monitor.events import FloatArray, IntArray
from monitor.reference.summary import borders_of, quantiles_of

BARS: Final = " ▁▂▃▄▅▆▇█"
WIDTH: Final = 24
_TAILS: Final = np.array([0.005, 0.995])


def histogram(bins: NumericBins, counts: IntArray, width: int = WIDTH) -> str:
    """Return bars of equal width over the middle 99 % of a number, so that the shape shows; empty without values.

    Many bins hold about equally many rows each, so they are spread over the scale first; a value with a bin of its own
    is a spike. Few bins are shown as they are.

    >>> bins = NumericBins.of_edges(np.array([1.0, 2.0, 3.0]), low=0.0, high=4.0)
    >>> histogram(bins, np.array([10, 40, 40, 10, 0, 0, 0, 0]))
    '▂██▂'
    """
    shape = counts[: bins.size]
    total = int(shape.sum())
    if not total:
        return ""
    if bins.size <= width:
        return bars(shape / total)
    borders = borders_of(bins)
    left, right = quantiles_of(borders, shape, _TAILS)
    if not right > left:
        return BARS[-1]
    return bars(masses(borders, shape, np.linspace(left, right, width + 1)))


def masses(borders: FloatArray, shape: IntArray, columns: FloatArray) -> FloatArray:
    """Return the share of rows between neighbouring ``columns``, rows being spread evenly within their bin."""
    reached = np.concatenate([[0], np.cumsum(shape)]) / max(int(shape.sum()), 1)
    found: FloatArray = np.diff(np.interp(columns, borders, reached))
    return found


def bars(heights: FloatArray) -> str:
    """Return one bar a height; a height above 0 is always seen.

    >>> bars(np.array([0.0, 0.01, 0.5, 1.0]))
    ' ▁▄█'
    """
    most = float(heights.max(initial=0.0))
    if not most > 0:
        return BARS[0] * len(heights)
    steps = np.ceil(heights / most * (len(BARS) - 1) - 1e-9).astype(int)
    return "".join(BARS[step] for step in np.clip(steps, 0, len(BARS) - 1).tolist())


def printable(text: str) -> str:
    r"""Return a text in which nothing can move the cursor or colour the terminal.

    >>> printable("a\x1b[31m")
    'a\\x1b[31m'
    """
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
