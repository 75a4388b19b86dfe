"""Loan applicants: River's Agrawal generator as columns, each day with its own hours."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng
from river.datasets import synth

from monitor.events import DAY, HOUR, FloatArray, IntArray

NUMERIC: Final = ("salary", "commission", "age", "hvalue", "hyears", "loan")
CATEGORICAL: Final = ("elevel", "car", "zipcode")
_BUSY_HOUR: Final = 14
_VOLUME_SWING: Final = 0.6
"""The busiest hour has 1.6 of the mean volume, the quietest 0.4."""
_AGE_SWING: Final = 0.25
"""Square root of the correlation between age and the time of day."""
_MISSING_HVALUE: Final = 0.005
_DAY_ZERO: Final = 1_000
"""Seeds take no negative numbers; days before the stream begins have some."""


@dataclass(frozen=True, slots=True)
class Applicants:
    """Applicants of one day in the order of their applications.

    ``columns`` are those of Agrawal, all as ``float64``; the categorical ones hold whole numbers.
    """

    times: IntArray
    columns: dict[str, FloatArray]

    def __len__(self) -> int:
        return len(self.times)


def applicants(seed: int, day: int, rows: int, start: int) -> Applicants:
    """Return the applicants of one day, always the same for the same arguments.

    Every day has the same distribution. Within it, volume swings by 60 % about its mean and the middle of the day is a
    little older than the night; hvalue is missing in 0.5 % of the rows.

    Parameters
    ----------
    seed, day
        What the draws follow from; the day may be negative.
    rows
        How many applicants.
    start
        When the day begins, in microseconds.

    References
    ----------
    Agrawal, Imielinski, Swami (1993), Database mining: a performance perspective.

    Examples
    --------
    >>> one = applicants(7, 0, 100, 0)
    >>> len(one), bool((one.columns["age"] >= 20).all())
    (100, True)
    """
    rng = rng_of(seed, day, 0)
    columns = agrawal(int(rng.integers(1 << 31)), rows)
    times = _times(rng, rows)
    order = _matched(rng, times, columns["age"])
    columns = {name: column[order] for name, column in columns.items()}
    columns["hvalue"] = np.where(rng.random(rows) < _MISSING_HVALUE, np.nan, columns["hvalue"])
    return Applicants(start + times, columns)


def agrawal(seed: int, rows: int) -> dict[str, FloatArray]:
    """Return rows of ``synth.Agrawal(seed=seed)`` as columns.

    The generator evaluates the text of each feature's name for every row, which is most of its time. Asked for a single
    feature, the tuple of all, it does so once.
    """
    source = synth.Agrawal(seed=seed)
    names = list(source.feature_names)
    source.feature_names = [f"({', '.join(names)})"]
    table = np.array([next(iter(x.values())) for x, _ in islice(source, rows)], np.float64)
    return dict(zip(names, table.reshape(rows, len(names)).T, strict=True))


def rng_of(seed: int, day: int, use: int) -> Generator:
    """Return the generator of one day for one use; uses and days do not disturb each other."""
    return default_rng(SeedSequence([seed, _DAY_ZERO + day, use]))


def _times(rng: Generator, rows: int) -> IntArray:
    """Return sorted times within a day, whole milliseconds, more of them about the busy hour."""
    grid = np.linspace(0.0, 1.0, 24 * 12 + 1)
    phase = 2 * np.pi * (grid - _BUSY_HOUR / 24)
    reached = grid + _VOLUME_SWING / (2 * np.pi) * (np.sin(phase) - np.sin(phase[0]))
    share = np.interp(np.sort(rng.random(rows)), reached, grid)
    return np.minimum((share * (DAY // 1000)).astype(np.int64), DAY // 1000 - 1) * 1000


def _matched(rng: Generator, times: IntArray, age: FloatArray) -> IntArray:
    """Return an order of the rows in which age follows the time of day a little, and no row is used twice."""
    noise = np.sqrt(1 - _AGE_SWING**2)
    swing = np.sqrt(2) * np.cos(2 * np.pi * (times / HOUR - _BUSY_HOUR) / 24)
    spread = max(float(np.std(age)), 1.0) if len(age) else 1.0
    wanted = _AGE_SWING * swing + noise * rng.standard_normal(len(times))
    offered = _AGE_SWING * (age - age.mean() if len(age) else age) / spread + noise * rng.standard_normal(len(age))
    order = np.empty(len(times), np.int64)
    order[np.argsort(wanted)] = np.argsort(offered)
    return order
