"""Columns by time: the drift ratio and status of every column in every window, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.findings import STATUSES
from monitor.sheets import FIGURES, Block, Sheet

_STATISTIC: Final = FIGURES.index("statistic")
_THRESHOLD: Final = FIGURES.index("threshold")
NOTHING: Final = -1
"""Status of a column in a window that says nothing of it."""
DRIFT: Final = STATUSES.index("drift")


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Arrays of shape ``[columns, windows]``; of a column's detectors the greatest ratio and the worst status."""

    names: list[str]
    starts: list[int]
    ends: list[int]
    rows: list[int]
    """Rows in each window."""
    ratios: NDArray[np.float64]
    """NaN where no detector could judge."""
    statuses: NDArray[np.int8]
    """Place in ``STATUSES``, −1 where there is no finding."""
    detectors: list[str]
    """Every detector there is."""

    @property
    def drifting_since(self) -> list[int | None]:
        """Column → start of the unbroken run of windows in drift that reaches the latest one."""
        found: list[int | None] = []
        for row in self.statuses:
            calm = np.flatnonzero(row != DRIFT)
            first = int(calm[-1]) + 1 if len(calm) else 0
            found.append(self.starts[first] if first < len(row) else None)
        return found

    def pooled(self, most: int) -> Grid:
        """Return at most ``most`` windows: neighbours together, of which the worst is shown."""
        windows = len(self.starts)
        size = -(-windows // most) if windows else 1
        if size <= 1:
            return self
        firsts = np.arange(0, windows, size)
        lasts = np.minimum(firsts + size, windows) - 1
        filled = np.where(np.isnan(self.ratios), -np.inf, self.ratios)
        ratios = np.maximum.reduceat(filled, firsts, axis=1)
        return Grid(
            self.names,
            [self.starts[place] for place in firsts.tolist()],
            [self.ends[place] for place in lasts.tolist()],
            np.add.reduceat(np.array(self.rows, np.int64), firsts).tolist(),
            np.where(np.isneginf(ratios), np.nan, ratios),
            np.maximum.reduceat(self.statuses, firsts, axis=1),
            self.detectors,
        )


def grid_of(sheets: Sequence[Sheet], detector: str | None = None) -> Grid:
    """Return the grid of some windows, of one detector or of all."""
    places: dict[str, int] = {}
    detectors = sorted({kind for sheet in sheets for kind in sheet.blocks})
    known: dict[str, tuple[list[str], NDArray[np.int64]]] = {}
    cells: list[tuple[int, NDArray[np.int64], Block]] = []
    for at, sheet in enumerate(sheets):
        for kind, block in sheet.blocks.items():
            if detector in {None, kind}:
                names, rows = known.get(kind, ([], np.zeros(0, np.int64)))
                if names != block.names:
                    rows = np.array([places.setdefault(name, len(places)) for name in block.names], np.int64)
                    known[kind] = (block.names, rows)
                cells.append((at, rows, block))
    ratios = np.full((len(places), len(sheets)), np.nan)
    statuses = np.full((len(places), len(sheets)), NOTHING, np.int8)
    for at, rows, block in cells:
        ratios[rows, at] = np.fmax(ratios[rows, at], ratios_of(block))
        statuses[rows, at] = np.maximum(statuses[rows, at], _codes(block))
    return Grid(
        list(places), [sheet.start for sheet in sheets], [sheet.end for sheet in sheets],
        [sheet.n for sheet in sheets], ratios, statuses, detectors,
    )  # fmt: skip


def ratios_of(block: Block) -> NDArray[np.float64]:
    """Return the drift ratio of every finding, NaN where it does not exist."""
    statistic, threshold = block.figures[:, _STATISTIC], block.figures[:, _THRESHOLD]
    known = np.isfinite(statistic) & np.isfinite(threshold) & (threshold > 0)
    out = np.full(len(statistic), np.nan)
    np.divide(statistic, threshold, out=out, where=known)
    return out


def _codes(block: Block) -> NDArray[np.int8]:
    known = np.array([STATUSES.index(status) if status in STATUSES else 0 for status in block.statuses], np.int8)
    return known[np.array(block.codes, np.int64)]
