"""Monitors side by side, so that all of one shape are compared at once and nothing is prepared twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.registry import statistic
from detectors.scores import Scores
from detectors.wasserstein import Wasserstein
from monitor.config.model import DetectorConfig
from monitor.events import FloatArray, IntArray
from monitor.monitors import Monitor


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
    def of(cls, places: Sequence[int], monitors: Sequence[Monitor]) -> _Shape:
        reference = np.stack([monitor.reference for monitor in monitors])
        bins = reference.shape[1]
        targets = [
            row * bins + (np.arange(bins) if monitor.groups is None else monitor.groups)
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

    def window(self, counts: IntArray) -> IntArray:
        """Return the monitors' counts of a window, one a row; exact while no sum reaches 2⁵³."""
        flat = np.bincount(self.targets, counts[self.cells], minlength=self.reference.size)
        return flat.astype(np.int64).reshape(self.reference.shape)


class Panel:
    """The monitors of one detector, ready to be compared with any window's counts."""

    def __init__(self, monitors: Sequence[Monitor]) -> None:
        self.monitors = tuple(monitors)
        shapes: defaultdict[tuple[bool, int], list[int]] = defaultdict(list)
        for place, monitor in enumerate(self.monitors):
            shapes[monitor.is_rate, len(monitor.reference)].append(place)
        self._shapes = [_Shape.of(places, [self.monitors[at] for at in places]) for places in shapes.values()]

    def score(self, detector: DetectorConfig, counts: IntArray) -> list[tuple[Scores, int]]:
        """Return, for each monitor, scores and its place in them."""
        found: dict[int, tuple[Scores, int]] = {}
        for shape in self._shapes:
            kind = statistic("rate" if shape.is_rate else detector.kind, alpha=detector.alpha)
            window = shape.window(counts)
            if isinstance(kind, Wasserstein) and shape.positions is not None:
                scores = kind.score(shape.reference, window, shape.positions)
            else:
                scores = kind.score(shape.reference, window)
            found.update((place, (scores, row)) for row, place in enumerate(shape.places))
        return [found[place] for place in range(len(self.monitors))]
