"""When each row happened, and where the reference ends and the stream begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.config.types import format_duration
from monitor.demo.own.windows import Windows, choose_windows, wanted_rows
from monitor.events import DAY, HOUR, MINUTE, IntArray

START: Final = 1_780_272_000_000_000
"""Monday, 2026-06-01T00:00:00Z: where rows without times begin."""
FEWEST: Final = 100
"""Rows that the reference needs, and the stream."""
_OUTER: Final = (0.005, 0.995)
_SHORTEST: Final = 3 * MINUTE


class TooFewRowsError(Exception):
    """There are not rows enough; the text says how many there are and how many are needed."""


@dataclass(frozen=True)
class Timeline:
    """Rows in the order of time, from ``rows[0]`` to ``rows[split - 1]`` the reference, the others the stream."""

    rows: IntArray
    """Row numbers of the file."""
    times: IntArray
    """Event times in the same order."""
    split: int
    even: bool
    """Whether the times were made up, evenly."""
    windows: Windows
    far: int = 0
    """Rows that were left out because their time lies far from all others."""
    unordered: int = 0
    """Rows that stood behind a later one in the file."""
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def begin(self) -> int:
        """When the stream begins."""
        return int(self.times[self.split])

    @property
    def live(self) -> IntArray:
        """Event times of the stream."""
        return self.times[self.split :]

    def when(self, micros: int) -> str:
        """Return a time for people; of rows without times, the row."""
        if self.even:
            return f"row {int(np.searchsorted(self.times, micros)) + 1:,}"
        moment = datetime.fromtimestamp(micros / 1e6, UTC)
        whole = self.windows.size % DAY == 0 and micros % DAY == 0
        return moment.strftime("%Y-%m-%d" if whole else "%Y-%m-%d %H:%M")

    def lasts(self, micros: int) -> str:
        """Return a duration for people; of rows without times, how many rows."""
        if self.even:
            return f"{max(0, micros) * len(self.times) // max(1, self._span):,} rows"
        unit = HOUR if micros >= 2 * DAY else MINUTE
        return format_duration(max(0, micros) // unit * unit)

    @property
    def _span(self) -> int:
        return int(self.times[-1] - self.times[0])


def arrange(times: IntArray | None, rows: int, *, share: float, until: int | None) -> Timeline:
    """Put rows in the order of time and part them.

    Parameters
    ----------
    times
        Event times, below 0 where there is none; ``None`` for rows without times, which get some, evenly.
    rows
        How many rows there are.
    share
        What share of the rows, the earliest, is the reference.
    until
        Or when it ends.

    Raises
    ------
    TooFewRowsError
        When the reference or the stream would have fewer than 100 rows.
    """
    if times is None:
        _check(rows, rows, share)
        return _even(np.arange(rows), share, ())
    chosen = np.flatnonzero(times >= 0)
    _check(len(chosen), rows, share)
    near = chosen[_near(times[chosen])]
    far, chosen = len(chosen) - len(near), near
    _check(len(chosen), rows, share)
    order = np.argsort(times[chosen], kind="stable")
    ordered, sorted_times = chosen[order], times[chosen][order]
    if sorted_times[-1] - sorted_times[0] < _SHORTEST:
        span = format_duration(int(sorted_times[-1] - sorted_times[0]))
        note = f"all times lie within {span}, and a window lasts a minute at least: their order is kept, not the times"
        return _even(ordered, share, (note,))
    split = _split(sorted_times, share, until)
    behind = times[chosen] < np.maximum.accumulate(times[chosen])
    return Timeline(
        ordered, sorted_times, split, even=False, windows=choose_windows(sorted_times[split:]), far=far,
        unordered=int(behind.sum()),
    )  # fmt: skip


def _even(rows: IntArray, share: float, notes: tuple[str, ...]) -> Timeline:
    split = _bounded(len(rows), round(share * len(rows)))
    step = HOUR // wanted_rows(len(rows) - split)
    times = START + np.arange(len(rows)) * step
    windows = choose_windows(times[split:])
    # Times that were made up have no days and nights: an hour is as good as any.
    windows = Windows(HOUR, 6 * HOUR if windows.long else None, HOUR // step, max(30, HOUR // step // 2))
    return Timeline(rows, times, split, even=True, windows=windows, notes=notes)


def _near(times: IntArray) -> NDArray[np.bool_]:
    """Return which times lie no further from the middle 99 % than these are long, or than a day."""
    low, high = np.quantile(times, _OUTER, method="inverted_cdf")
    margin = max(int(high - low), DAY)
    near: NDArray[np.bool_] = (times >= low - margin) & (times <= high + margin)
    return near


def _split(times: IntArray, share: float, until: int | None) -> int:
    """Return the first row of the stream; rows of one time are not parted."""
    if until is not None:
        split = int(np.searchsorted(times, until))
        if split < FEWEST or len(times) - split < FEWEST:
            raise TooFewRowsError(
                f"before that time there are {split:,} rows and from it on {len(times) - split:,}; "
                f"each part needs at least {FEWEST}"
            )
        return split
    border = times[_bounded(len(times), round(share * len(times)))]
    before, after = int(np.searchsorted(times, border)), int(np.searchsorted(times, border, side="right"))
    split = before if before >= FEWEST else after
    if split < FEWEST or len(times) - split < FEWEST:
        raise TooFewRowsError("nearly all rows have the same time; say --time none to go by the order of the rows")
    return split


def _bounded(rows: int, split: int) -> int:
    return min(max(split, FEWEST), rows - FEWEST)


def _check(usable: int, rows: int, share: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"the reference is a share between 0 and 1 of the rows, not {share}")
    if usable < 2 * FEWEST:
        of = "" if usable == rows else f" with a time, of {rows:,}"
        raise TooFewRowsError(
            f"{usable:,} rows{of}; at least {2 * FEWEST} are needed, {FEWEST} to compare with and {FEWEST} to watch"
        )
