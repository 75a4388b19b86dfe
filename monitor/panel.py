"""Monitors side by side, so that all of one shape are compared at once and nothing is prepared twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Final, NamedTuple

import numpy as np

from detectors.registry import STATISTICS, statistic
from detectors.scores import Scores
from detectors.wasserstein import Wasserstein
from monitor.config.model import DetectorConfig
from monitor.events import FloatArray, IntArray
from monitor.monitors import Monitor

_ALIKE: Final = 16
_MOST_ALIKE: Final = 64


class Figures(NamedTuple):
    """What ``Scores`` say of one monitor, as plain numbers."""

    statistic: float
    effect: float
    low: float
    high: float
    p_value: float
    threshold: float
    n: int
    direction: int


_FIGURES: Final = attrgetter(*Figures._fields)


@dataclass(frozen=True, slots=True)
class _Shape:
    """Monitors of one number of bins: their places in the panel, and how their counts are gathered."""

    places: tuple[int, ...]
    is_rate: bool
    reference: IntArray
    cells: IntArray
    targets: IntArray
    positions: FloatArray | None

    @classmethod
    def of(cls, places: Sequence[int], monitors: Sequence[Monitor], bins: int) -> _Shape:
        reference = np.zeros((len(monitors), bins), np.int64)
        for row, monitor in zip(reference, monitors, strict=True):
            row[: len(monitor.reference)] = monitor.reference
        targets = [
            row * bins + (np.arange(len(monitor.cells)) if monitor.groups is None else monitor.groups)
            for row, monitor in enumerate(monitors)
        ]
        known = [monitor.positions for monitor in monitors if monitor.positions is not None]
        return cls(
            tuple(places),
            monitors[0].is_rate,
            reference,
            np.concatenate([monitor.cells for monitor in monitors]),
            np.concatenate(targets),
            np.stack(known) if len(known) == len(monitors) else None,
        )

    def windows(self, tables: IntArray) -> IntArray:
        """Return the monitors' counts of windows, one a row, window by window; exact while no sum reaches 2⁵³."""
        size = self.reference.size
        targets = (np.arange(len(tables))[:, np.newaxis] * size + self.targets).ravel()
        flat = np.bincount(targets, tables[:, self.cells].ravel(), minlength=len(tables) * size)
        return flat.astype(np.int64).reshape(-1, self.reference.shape[1])


class Panel:
    """The monitors of one detector, ready to be compared with any window's counts."""

    def __init__(self, monitors: Sequence[Monitor]) -> None:
        self.monitors = tuple(monitors)
        shapes: defaultdict[tuple[bool, int], list[int]] = defaultdict(list)
        for place, monitor in enumerate(self.monitors):
            shapes[monitor.is_rate, _bins(monitor)].append(place)
        self._shapes = [
            _Shape.of(places, [self.monitors[at] for at in places], bins) for (_, bins), places in shapes.items()
        ]

    def score(self, detector: DetectorConfig, tables: IntArray) -> list[list[Figures]]:
        """Return the figures of each monitor in each of the windows, whose counts are ``[W, C]``."""
        times = len(tables)
        found: list[dict[int, Figures]] = [{} for _ in range(times)]
        for shape in self._shapes:
            kind = statistic("rate" if shape.is_rate else detector.kind, alpha=detector.alpha)
            reference, windows = np.tile(shape.reference, (times, 1)), shape.windows(tables)
            if isinstance(kind, Wasserstein) and shape.positions is not None:
                scores = kind.score(reference, windows, np.tile(shape.positions, (times, 1)))
            else:
                scores = kind.score(reference, windows)
            rows = iter(_rows(scores))
            for figures in found:
                figures.update(zip(shape.places, islice(rows, len(shape.places)), strict=True))
        return [[figures[place] for place in range(len(self.monitors))] for figures in found]


def _bins(monitor: Monitor) -> int:
    """Return how many bins a monitor is compared in.

    Where their order is of no matter, bins without rows are added up to a round number: they change nothing, and
    columns with unlike numbers of categories are compared at once.
    """
    bins = len(monitor.reference)
    if monitor.is_rate or bins > _MOST_ALIKE or STATISTICS[monitor.kind].ordered:
        return bins
    return -(-bins // _ALIKE) * _ALIKE


def _rows(scores: Scores) -> list[Figures]:
    return [Figures(*row) for row in zip(*(figure.tolist() for figure in _FIGURES(scores)), strict=True)]
