"""Coders of the columns that every model has beside its features: flags and latency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from detectors.bins import NumericBins
from monitor.events import IntArray

NO: Final = 0
YES: Final = 1
MISSING: Final = 2


@dataclass(frozen=True, slots=True)
class Flags:
    """A yes-or-no column: cells are no, yes, missing. ``meaning`` tells apart what the flag stands for."""

    meaning: str
    numeric: bool = True

    @property
    def cells(self) -> int:
        """Three."""
        return 3

    @property
    def identity(self) -> str:
        """The meaning; another decision threshold is another column."""
        return f"flags:{self.meaning}"

    def code(self, values: Any, bad: IntArray | None = None) -> IntArray:
        """Return 0 for no, 1 for yes, 2 for a missing or bad cell.

        >>> Flags("error").code(np.array([0.0, 1.0, np.nan])).tolist()
        [0, 1, 2]
        """
        cells = np.asarray(values, np.float64)
        codes = np.where(np.isnan(cells), MISSING, (cells != 0).astype(np.int64))
        if bad is not None:
            codes[bad] = MISSING
        return codes


def latency_bins() -> NumericBins:
    """Return bins of request latencies in milliseconds: twenty a decade from 0.1 ms to 1,000 s."""
    edges = 10.0 ** (np.arange(-20, 121) / 20)
    return NumericBins.of_edges(edges, low=0.0, high=1e9)
