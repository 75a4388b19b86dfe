"""Change points that people marked in the series that River brings along: F1 of ours beside River's detectors.

These are short series of prices, paces and passengers, single values that follow each other. They are no windows of
rows, so the promise does not cover them; nothing is tuned on the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from river import drift
from river.drift import datasets

from benchmarks.detection.laws import FloatArray
from benchmarks.detection.matched import OURS, OURS_ALL
from benchmarks.detection.ours import ALPHA, Tolerance
from detectors.evidence.engine import Engine
from detectors.evidence.limits import SCORES
from detectors.evidence.tolerance import day_alpha
from detectors.fleet.monitor import Monitor, null_of
from monitor.events import DAY, IntArray
from monitor.evidence.stream import Past, Stream
from monitor.evidence.terms import Asked, terms_of

MARGIN: Final = 5
"""Rows by which a change point may be missed."""
REFERENCE: Final = 24
WINDOW: Final = 6
CELLS: Final = 4
PATIENCE: Final = 50.0


def series() -> dict[str, tuple[FloatArray, list[list[int]]]]:
    """Return each series, standardised, and every annotator's change points.

    Two are marked in thinned series: Apple in every third row, Brent from 2000 on in every tenth.
    """
    river: Any = datasets  # its constructors have no types
    bundled = [
        (river.AirlinePassengers(), "Total Passengers", 1, 0),
        (river.Apple(), "Close", 3, 0),
        (river.Bitcoin(), "price", 1, 0),
        (river.BrentSpotPrice(), "DPB", 10, 2000),
        (river.Occupancy(), "V1", 1, 0),
        (river.RunLog(), "Pace", 1, 0),
        (river.UKCoalEmploy(), "Employment", 1, 0),
    ]
    found = {}
    for data, column, every, since in bundled:
        rows = [(x, y[column] if isinstance(y, dict) else y) for x, y in data]
        values = np.array([y for x, y in rows if not since or x["day"].year >= since][::every], np.float64)
        spread = float(values.std()) or 1.0
        marks = [sorted(one) for one in data.annotations.values()]
        found[type(data).__name__] = (np.asarray((values - values.mean()) / spread), marks)
    return found


def ours(values: FloatArray, tolerance: Tolerance) -> list[int]:
    """Return change points: the onset of each alarm, after which the next rows are the reference.

    ``auto`` takes the service's own terms, each window of the reference being a day. Where these differ too much for
    any tolerance the service shows and does not judge; then the reference grows by a window, until it can be judged.
    """
    found: list[int] = []
    begin, rows = 0, REFERENCE
    while begin + rows + WINDOW <= len(values):
        reference = values[begin : begin + rows]
        edges = np.unique(np.quantile(reference, np.arange(1, CELLS) / CELLS))
        counted = _windows(np.searchsorted(edges, reference), len(edges) + 1)
        monitor = _monitor(counted, tolerance)
        if monitor is None:
            rows += WINDOW
            continue
        engine = Engine.of(null_of([monitor]))
        state, onset = engine.initial(), -1
        for window, drawn in enumerate(_windows(np.searchsorted(edges, values[begin + rows :]), len(edges) + 1)):
            state = engine.step(state, drawn[np.newaxis].astype(np.float64), np.zeros(1), window)
            if state.total[0] >= np.log(PATIENCE):
                onset = begin + rows + WINDOW * int(state.onset[0, np.argmax(state.log[0])])
                break
        if onset < 0:
            break
        found.append(onset)
        begin, rows = onset, REFERENCE
    return found


def _windows(coded: IntArray, cells: int) -> IntArray:
    """Return the counts ``[T, K]`` of whole windows."""
    whole = coded[: len(coded) // WINDOW * WINDOW].reshape(-1, WINDOW)
    counts: IntArray = (whole[..., np.newaxis] == np.arange(cells)).sum(axis=1)
    return counts


def _monitor(days: IntArray, tolerance: Tolerance) -> Monitor | None:
    """Return the monitor of a reference by window; ``None`` where it cannot be judged."""
    none = np.zeros(0, np.int64)
    stream = Stream("x", "", "", "", "features", False, days.sum(axis=0), none, none, Past(days), "")
    if tolerance == "zero":
        reference = stream.reference.astype(np.float64)
        return Monitor("x", "shape", reference, ALPHA, 0.0, along=np.ones(SCORES + len(reference)))
    terms = terms_of(stream, Asked(DAY, "none", "auto", 0), ALPHA, float(day_alpha(np.ones(1), PATIENCE, 1.0)[0]))
    return terms.monitor(stream, ALPHA) if terms.is_stable else None


def rivers(make: Callable[[], Any], back: Callable[[Any], int]) -> Callable[[FloatArray], list[int]]:
    """Return the alarms of a detector of River's, each put back to where the detector says that the change began."""

    def points(values: FloatArray) -> list[int]:
        detector, found = make(), []
        for place, value in enumerate(values.tolist()):
            detector.update(value)
            if detector.drift_detected:
                found.append(max(place - back(detector), 0))
        return found

    return points


def f1(points: Iterable[int], marks: Sequence[Sequence[int]], margin: int = MARGIN) -> float:
    """Return the F1 score against several annotators; the start of a series counts as a change point of all.

    Precision is against whatever any of them marked, recall is the mean over them.

    >>> round(f1([100], [[100], [100, 200]]), 3)
    0.909

    References
    ----------
    Van den Burg and Williams, arXiv:2003.06222, section 3.2.
    """
    told = {0, *points}
    everybody = {0}.union(*marks)
    precision = len(_matched(everybody, told, margin)) / len(told)
    recalls = [len(_matched({0, *one}, told, margin)) / len({0, *one}) for one in marks]
    recall = float(np.mean(recalls))
    return 2 * precision * recall / (precision + recall)


def _matched(truth: Iterable[int], told: Iterable[int], margin: int) -> list[int]:
    """Return the true points that are told, each by a point of its own."""
    left, found = set(told), []
    for point in sorted(truth):
        near = [other for other in left if abs(other - point) <= margin]
        if near:
            left.remove(min(near, key=lambda other: (abs(other - point), other)))
            found.append(point)
    return found


METHODS: Final[Mapping[str, Callable[[FloatArray], list[int]]]] = {
    OURS: partial(ours, tolerance="auto"),
    OURS_ALL: partial(ours, tolerance="zero"),
    "River ADWIN": rivers(drift.ADWIN, lambda detector: int(detector.width)),
    "River Page-Hinkley": rivers(drift.PageHinkley, lambda _: 0),
    "River KSWIN": rivers(lambda: drift.KSWIN(seed=1), lambda detector: int(detector.stat_size)),
    "no change point": lambda _: [],
}


def f1_of_peers() -> dict[str, dict[str, float]]:
    """Return the F1 score of each method on each series."""
    known = series()
    return {
        method: {name: round(f1(points(values), marks), 3) for name, (values, marks) in known.items()}
        for method, points in METHODS.items()
    }
