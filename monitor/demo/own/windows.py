"""Which windows suit a stream: long enough to hold rows enough, short enough that there are several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.events import DAY, HOUR, MINUTE, IntArray

GRID: Final = (
    MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR,
    12 * HOUR, DAY, 2 * DAY, 4 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 91 * DAY, 182 * DAY, 364 * DAY,
)  # fmt: skip
"""Lengths that windows can have."""
FEWEST_WINDOWS: Final = 4
"""Rather shorter windows than fewer of them."""
FEWEST_ROWS: Final = 30
"""With fewer rows a window says nothing."""
_SHARE: Final = 30
"""A window holds a thirtieth of the rows, within bounds."""
_ROWS: Final = (60, 2_000)
_CYCLES: Final = 6 * DAY
"""From here on windows are whole days: shorter ones would take the course of a day for drift."""
_LONGER: Final = 4
_LONG_WINDOWS: Final = 3


@dataclass(frozen=True)
class Windows:
    """The windows of a run, in microseconds."""

    size: int
    long: int | None
    """A second, longer window that moves by ``size``."""
    rows: int
    """What a window of ``size`` typically holds."""
    min_samples: int

    @property
    def reliable(self) -> bool:
        """Whether windows typically hold rows enough to be judged."""
        return self.rows >= self.min_samples


def wanted_rows(rows: int) -> int:
    """Return how many rows a window should hold, of a stream with so many.

    >>> wanted_rows(500), wanted_rows(20_000), wanted_rows(500_000)
    (60, 666, 2000)
    """
    return int(np.clip(rows // _SHARE, *_ROWS))


def choose_windows(times: IntArray) -> Windows:
    """Choose windows for the rows that are watched.

    The shorter window is the first of ``GRID`` that typically holds a thirtieth of the rows (60 at least, 2,000 at
    most), but one of which there are four; over six days and more it is a day at least, as each hour of a day differs
    from the next by nature. The longer one is at least four times as long and fits three times into the stream.

    Parameters
    ----------
    times
        Their event times, sorted, at least one.

    Examples
    --------
    >>> found = choose_windows(np.arange(0, 30 * DAY, 10 * MINUTE))
    >>> found.size // DAY, found.long // DAY, found.rows, found.min_samples
    (1, 4, 144, 54)
    """
    span = int(times[-1] - times[0])
    wanted = wanted_rows(len(times))
    held = [_held(times, size) for size in GRID]
    place = next((place for place, rows in enumerate(held) if np.median(rows) >= wanted), len(GRID) - 1)
    while place > 0 and len(held[place]) < FEWEST_WINDOWS and np.median(held[place - 1]) >= FEWEST_ROWS:
        place -= 1
    size = max(GRID[place], DAY) if span >= _CYCLES else GRID[place]
    rows = int(np.median(_held(times, size)))
    lengths = sorted({*GRID, _LONGER * size} if size >= DAY else GRID)
    longer = (
        other for other in lengths if other >= _LONGER * size and other % size == 0 and other * _LONG_WINDOWS <= span
    )
    return Windows(size, next(longer, None), rows, max(FEWEST_ROWS, min(wanted, rows * 3 // 4) // 2))


def _held(times: IntArray, size: int) -> IntArray:
    """Return how many rows each window holds that holds any."""
    return np.unique(times // size, return_counts=True)[1]
