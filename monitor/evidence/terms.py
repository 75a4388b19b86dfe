"""On what terms a stream is judged: against which reference, and what is of no interest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

import numpy as np

from detectors.evidence.ball import statistical_radius
from detectors.evidence.dispersion import Dispersion, along
from detectors.evidence.interval import FLOOR, RATIO
from detectors.evidence.limits import SCORES
from detectors.evidence.tolerance import FEWEST_DAYS, auto_ratio, auto_tolerance
from detectors.evidence.wander import Wander
from detectors.fleet.monitor import Monitor
from monitor.events import DAY, FloatArray, IntArray
from monitor.evidence.season import Cycle, Season, by_slot, cycle_of, windows_of
from monitor.evidence.stream import Past, Stream

UNKNOWN_DAYS: Final = 0.01
"""Tolerance ``auto`` where the reference does not know how much its windows differ: anyone's guess."""
_STEPS: Final = 60
_FEWEST_HITS: Final = 5.0
_THIRDS: Final = 3
_PASTS: Final = 64
"""Looked at lately; slices share the hours of all rows."""
_CLEARLY: Final = 0.8
"""Slots must see so much more; of two tolerances that differ by chance, the smaller is not the better one."""
_FLOOR_OF_INDEX: Final = 0.1
"""A rate may move by this part of the index that is of no interest, however rare it is."""

Tolerance = float | Literal["auto"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a severity asks of its monitors."""

    length: int
    """Of an evidence window, microseconds."""
    season: Season
    ignore_below: Tolerance
    offset: int
    """Hours by which local time is ahead of the reference's."""


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """The parameters of one monitor but its share of alpha; ``None`` for ``tolerance`` says that it is unstable."""

    reference: FloatArray
    """By slot and cell, ``[S, K]``."""
    seasonal: bool
    """Whether there is a slot for each kind of window in a day."""
    tolerance: float | None
    ratio: float
    floor: float
    dispersion: float
    directions: float
    days: int
    along: tuple[float, ...] = ()
    """Variance between days over that of rows, in single directions (shapes)."""

    @property
    def is_stable(self) -> bool:
        """Whether its own reference keeps within what can be tolerated; else it is shown, not judged."""
        return self.tolerance is not None

    def monitor(self, stream: Stream, alpha: float) -> Monitor:
        """Return the monitor of a stream on these terms."""
        return Monitor(
            name=stream.key,
            kind="rate" if stream.is_rate else "shape",
            reference=self.reference,
            alpha=alpha,
            tolerance=self.tolerance or 0.0,
            ratio=self.ratio,
            floor=self.floor,
            ordered=stream.ordered,
            dispersion=self.dispersion,
            directions=self.directions,
            days=self.days,
            along=np.array(self.along) if self.along else None,
        )


def terms_of(stream: Stream, asked: Asked, alpha: float, day_alpha: float) -> Terms:
    """Return the terms of a stream: those with slots for the hours of the day, or without, whichever see more.

    Parameters
    ----------
    alpha
        Probability that the reference's law is not tolerated.
    day_alpha
        Probability that a day strays further than is tolerated.
    """
    whole = _judged(stream, asked, day_alpha, None)
    cycle = by_slot(stream, asked)
    if cycle is None:
        return whole
    seasonal = _judged(stream, asked, day_alpha, cycle)
    if asked.season != "auto" or blindness(seasonal, stream, alpha) < _CLEARLY * blindness(whole, stream, alpha):
        return seasonal
    return whole


def blindness(terms: Terms, stream: Stream, alpha: float) -> float:
    """Return one figure for what cannot be seen on these terms; infinite if nothing can."""
    if terms.tolerance is None:
        return float("inf")
    rows = terms.reference.sum(axis=1) / terms.dispersion
    cells = len(stream.reference)
    chance = statistical_radius(rows, cells, np.full(len(rows), alpha / len(rows)))
    wide = np.log(terms.ratio) ** 2 / 8 if stream.is_rate else terms.tolerance
    return float(np.square(np.sqrt(2 * chance) + np.sqrt(wide)).max())


def rate_ratio(rate: float, index: float) -> float:
    """Return by which factor the odds of a rate grow when its population stability index reaches ``index``.

    >>> round(rate_ratio(0.2, 0.1), 2)
    2.05
    """
    if not 0 < rate < 1:
        return RATIO
    odds = rate / (1 - rate)
    low, high = 0.0, 50.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        moved = odds * np.exp(middle) / (1 + odds * np.exp(middle))
        low, high = (middle, high) if (moved - rate) * middle < index else (low, middle)
    return float(max(np.exp(low), RATIO))


def _judged(stream: Stream, asked: Asked, day_alpha: float, cycle: FloatArray | None) -> Terms:
    past = stream.past
    windows, least = windows_of(past, asked.length), 0.0
    days = (past if stream.own is None else stream.own).whole_days
    if windows is None or days < 2:
        windows, least = past.days[:, np.newaxis], UNKNOWN_DAYS
    known = None if cycle is None else cycle_of(past, asked)
    if known is not None:
        wanders, days = [_of_cycle(past, asked)], days - known.spent
    else:
        wanders = _of_windows(stream, windows)
    own = _own_days(stream, asked, known)
    if own is not None:
        wanders += _of_days(stream, own)
    basis = own or known or _alike(windows.sum(axis=1, keepdims=True))
    table = _by_day(basis.windows, basis.slots)
    spread = Dispersion.of(table)
    figure = _widest(stream, wanders, day_alpha) if days >= 2 else 0.0
    unstable = bool(np.isnan(figure))
    tolerance = least if stream.is_rate else max(figure, least)
    ratio = max(figure, RATIO) if stream.is_rate else RATIO
    tolerance, ratio, floor = _asked_for(stream, asked.ignore_below, tolerance, ratio)
    return Terms(
        reference=stream.reference[np.newaxis].astype(np.float64) if cycle is None else cycle,
        seasonal=cycle is not None,
        tolerance=None if unstable else tolerance,
        ratio=RATIO if unstable else ratio,
        floor=floor,
        dispersion=float(spread.factor[0]),
        directions=float(spread.directions[0]),
        days=days if days >= 2 else 0,
        along=() if stream.is_rate else _along(table, stream, days),
    )


def _widest(stream: Stream, wanders: Sequence[Wander], day_alpha: float) -> float:
    """Return the tolerance of a shape, or the ratio of a rate, that the reference needs; NaN if too wide."""
    level, rate = np.array([day_alpha]), stream.reference[-1:] / max(int(stream.reference.sum()), 1)
    figures = [auto_ratio(one, rate, level) if stream.is_rate else auto_tolerance(one, level) for one in wanders]
    return float(np.max(figures))


def _of_windows(stream: Stream, windows: IntArray) -> list[Wander]:
    """Return how windows ``[D, W, K]`` wander whose hours are not told apart, in every way that they are looked at.

    Windows show what changes within a day. Whole days have less chance in them, and thirds of the rows still less: they
    show days that differ by what windows of few rows could hide.
    """
    past, number = stream.past, windows.shape[1]
    if stream.is_rate:
        rate = float(stream.reference[-1] / max(int(stream.reference.sum()), 1))
        wanders = [_shared(past, number, with_hits(windows, rate).shape[1])]
    else:
        wanders = [_shared(past, number, number)]
        if stream.ordered and len(stream.reference) > _THIRDS:
            wanders.append(_wander(windows.sum(axis=1, keepdims=True) @ thirds(stream.reference)))
    if number > 1:
        wanders.append(_shared(past, number, 1))
    return wanders


def _own_days(stream: Stream, asked: Asked, known: Cycle | None) -> Cycle | None:
    """Return the days of a stream whose hours are those of more rows; days of the week apart where the hours are."""
    if stream.own is None or not len(stream.own.days):
        return None
    weekly = cycle_of(stream.own, replace(asked, length=DAY)) if known is not None and known.weekly else None
    return weekly or _alike(stream.own.days[:, np.newaxis])


def _alike(windows: IntArray) -> Cycle:
    """Return windows, one a day, of which all are compared with all."""
    return Cycle(windows, np.zeros(1, np.int64), 1, weekly=False)


def _of_days(stream: Stream, own: Cycle) -> list[Wander]:
    wanders = [_wander(own.windows, own.slots, own.spent)]
    if not own.weekly and not stream.is_rate and stream.ordered and len(stream.reference) > _THIRDS:
        wanders.append(_wander(own.windows @ thirds(stream.reference)))
    return wanders


@lru_cache(maxsize=_PASTS)
def _shared(past: Past, number: int, wanted: int) -> Wander:
    """Return how ``wanted`` windows a day wander, put together from ``number`` of a past that many streams have."""
    windows = past.days[:, np.newaxis] if past.hours is None or number == 1 else past.hours
    days, known, cells = windows.shape
    return _wander(windows.reshape(days, wanted, known // wanted, cells).sum(axis=2))


@lru_cache(maxsize=_PASTS)
def _of_cycle(past: Past, asked: Asked) -> Wander:
    cycle = cycle_of(past, asked)
    if cycle is None:
        raise ValueError("this past has no cycle")
    return _wander(cycle.windows, cycle.slots, cycle.spent)


def _wander(windows: IntArray, slots: IntArray | None = None, spent: int = 0) -> Wander:
    """Return how windows ``[D, W, K]`` wander; ``spent`` days are used up because slots have laws of their own."""
    places = np.zeros(windows.shape[1], np.int64) if slots is None else slots
    found = Wander.of(windows[:, :, np.newaxis].astype(np.float64), places)
    return replace(found, freedom=found.freedom - spent)


def thirds(reference: IntArray) -> IntArray:
    """Return which third of the reference's rows each cell belongs to, ``[K, 3]`` of zeros and ones.

    >>> thirds(np.array([5, 5, 10, 10])).argmax(axis=1).tolist()
    [0, 0, 1, 2]
    """
    rows = np.maximum(reference, 0).astype(np.float64)
    middle = (np.cumsum(rows) - rows / 2) / max(float(rows.sum()), 1.0)
    member: IntArray = (
        np.minimum((_THIRDS * middle).astype(np.int64), _THIRDS - 1)[:, np.newaxis] == np.arange(_THIRDS)
    ).astype(np.int64)
    return member


def with_hits(windows: IntArray, rate: float) -> IntArray:
    """Return windows ``[D, W, K]`` put together until one expects five hits, or is the whole day.

    Windows with hardly a hit scatter so much by chance that they say nothing of their own laws.
    """
    days, number, cells = windows.shape
    for span in range(1, number + 1):
        if number % span == 0:
            joined: IntArray = windows.reshape(days, number // span, span, cells).sum(axis=2)
            rows = joined.sum(axis=2)
            if not rows.any() or np.median(rows[rows > 0]) * min(rate, 1 - rate) >= _FEWEST_HITS:
                break
    return joined


def _by_day(windows: IntArray, slots: IntArray) -> FloatArray:
    """Return windows ``[D, W, K]`` by day and slot, ``[D, S, 1, K]``."""
    days, _, cells = windows.shape
    table = np.zeros((int(slots.max()) + 1, days, cells))
    np.add.at(table, slots, windows.transpose(1, 0, 2))
    return table.transpose(1, 0, 2)[:, :, np.newaxis]


def _along(table: FloatArray, stream: Stream, days: int) -> tuple[float, ...]:
    """Return what days say of single directions; ones where too few are known."""
    if days < 2:
        return (1.0,) * (SCORES + len(stream.reference))
    return tuple(along(table, np.array([stream.ordered]))[0].tolist())


def _asked_for(stream: Stream, asked: Tolerance, tolerance: float, ratio: float) -> tuple[float, float, float]:
    """Return tolerance, ratio and floor: what the operator set, but never less than the reference's days need."""
    if asked == "auto":
        return tolerance, ratio, FLOOR
    rate = float(stream.reference[-1] / max(int(stream.reference.sum()), 1))
    wider = rate_ratio(rate, asked) if asked else 1.0
    return max(tolerance, asked), max(ratio, wider), max(FLOOR, _FLOOR_OF_INDEX * asked)


def enough_days(terms: Terms) -> bool:
    """Return whether the reference has seven whole days or more; with fewer it should page nobody."""
    return terms.days >= FEWEST_DAYS
