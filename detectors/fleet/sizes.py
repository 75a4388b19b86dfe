"""How far a group's monitors are from their references, and whether that is tolerable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.evidence.ball import Ball
from detectors.evidence.bounded import Bounded
from detectors.evidence.effect import Effect, expected_of, rate_effect, shape_effect
from detectors.evidence.interval import Interval
from detectors.evidence.null import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Sizes:
    """Reference counts ``[S, J, K]`` and what is tolerated around them."""

    reference: FloatArray
    null: Ball | Interval

    def expected(self, rows_by_slot: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the shares expected of windows of some monitors, and how many rows they rest on."""
        return expected_of(self.reference[:, rows], rows_by_slot)

    def effect(self, counts: FloatArray, rows_by_slot: FloatArray, rows: IntArray) -> Effect:
        """Return how far counts ``[R, K]`` of some monitors are from their references."""
        if isinstance(self.null, Interval):
            return rate_effect(counts)
        return shape_effect(counts, *self.expected(rows_by_slot, rows))

    def distance(self, counts: FloatArray, rows_by_slot: FloatArray, rows: IntArray) -> FloatArray:
        """Return one figure for how far counts are from the references, to be compared within a monitor."""
        shares, known = self.expected(rows_by_slot, rows)
        if isinstance(self.null, Ball):
            return shape_effect(counts, shares, known).value
        now = (counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 1)
        was = (shares * known[:, np.newaxis] + 0.5) / (known[:, np.newaxis] + 1)
        odds: FloatArray = np.abs(np.log(now[:, 1] / now[:, 0]) - np.log(was[:, 1] / was[:, 0]))
        return odds

    def judged(
        self, effect: Effect, counts: FloatArray, rows_by_slot: FloatArray, rows: IntArray
    ) -> tuple[BoolArray, BoolArray]:
        """Return where an effect's interval lies inside what cannot be told from the reference, and where outside.

        Inside is up to twice the radius for a shape, the tolerated interval for a rate; over several slots, their mean
        by rows. A shape whose mean, spread or cell lies beyond what is tolerated of it is not inside, however small its
        effect: it would only alarm again.
        """
        parts = rows_by_slot / np.maximum(rows_by_slot.sum(axis=1), 1e-300)[:, np.newaxis]

        def mean(bound: FloatArray) -> FloatArray:
            averaged: FloatArray = (parts * bound[:, rows].T).sum(axis=1)
            return averaged

        with np.errstate(invalid="ignore"):
            if isinstance(self.null, Ball):
                blind = 2 * mean(self.null.radius)
                inside = effect.high <= blind
                if isinstance(self.null, Bounded):
                    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)
                    inside &= self.null.mean_inside(shares, parts, rows)
                return inside, effect.low > blind
            low, high = mean(self.null.low), mean(self.null.high)
            inside = (effect.low >= low) & (effect.high <= high)
            return inside, (effect.low > high) | (effect.high < low)
