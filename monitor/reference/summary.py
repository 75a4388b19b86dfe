"""Mean, spread and quantiles of a number, for people to read; nothing is judged by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.bins import HUGE, NumericBins
from monitor.events import FloatArray, IntArray

QUANTILES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of one number; empty when it had no value.

    ``quantiles`` belong to 1, 5, 25, 50, 75, 95 and 99 %.
    """

    mean: float | None
    sd: float | None
    quantiles: tuple[float, ...]

    @classmethod
    def of_values(cls, values: FloatArray) -> Summary:
        """Return the figures of a sample; cells that are missing or beyond 1e300 are left out.

        >>> Summary.of_values(np.array([1.0, 3.0, np.nan])).mean
        2.0
        """
        kept = np.sort(values[np.abs(values) <= HUGE])
        if not len(kept):
            return cls(None, None, ())
        scale = max(float(np.abs(kept[[0, -1]]).max()), 1.0)
        small = kept / scale
        quantiles = np.quantile(kept, QUANTILES, method="inverted_cdf")
        return cls(float(small.mean()) * scale, float(small.std()) * scale, tuple(quantiles.tolist()))

    @classmethod
    def of_counts(cls, bins: NumericBins, counts: IntArray) -> Summary:
        """Return figures from counts, as if values were spread evenly within their bin."""
        shape = counts[: bins.size]
        rows = int(shape.sum())
        if not rows:
            return cls(None, None, ())
        borders = borders_of(bins)
        scale = max(float(np.abs(borders[[0, -1]]).max()), 1.0)
        small = borders / scale
        middle, width = (small[1:] + small[:-1]) / 2, np.diff(small)
        share = shape / rows
        mean = float(share @ middle)
        variance = float(share @ ((middle - mean) ** 2 + width**2 / 12))
        return cls(mean * scale, variance**0.5 * scale, tuple(quantiles_of(borders, shape, np.array(QUANTILES))))


def borders_of(bins: NumericBins) -> FloatArray:
    """Return the ends of all bins, the range's own ends outermost; open ends are closed at the outermost edge.

    >>> borders_of(NumericBins.of_edges([1.0, 2.0], low=0.0, high=3.0)).tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    inner = bins.edges
    fallback = (inner[0], inner[-1]) if len(inner) else (0.0, 0.0)
    low = bins.low if abs(bins.low) <= HUGE else fallback[0]
    high = bins.high if abs(bins.high) <= HUGE else fallback[1]
    borders: FloatArray = np.concatenate([[low], np.clip(inner, low, high), [high]])
    return borders


def quantiles_of(borders: FloatArray, shape: IntArray, shares: FloatArray) -> list[float]:
    """Return quantiles of counted values, by interpolation within a bin."""
    reached = np.concatenate([[0], np.cumsum(shape)]) / max(int(shape.sum()), 1)
    places = np.clip(np.searchsorted(reached, shares, side="left"), 1, len(shape))
    before, after = reached[places - 1], reached[places]
    part = (shares - before) / np.where(after > before, after - before, 1.0)
    found: list[float] = (borders[places - 1] + part * (borders[places] - borders[places - 1])).tolist()
    return found
