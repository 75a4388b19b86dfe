"""Rows without labels, in cells of equal probability, and how sure one can be of what is computed from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.calibration.figure import FloatArray, IntArray
from detectors.calibration.sums import ScoreBins
from detectors.estimate.calibrator import Calibrator
from detectors.estimate.estimated import Estimated
from detectors.norms import Z95

BoolArray = NDArray[np.bool_]

FEW: Final = 5.0
"""With fewer rows expected in a denominator the interval is all that is possible."""


@dataclass(frozen=True)
class Cells:
    """G cells of rows for J monitors; positives in different cells come independently.

    ``chance`` and ``third`` are the second and third cumulant of the number of positives, sums of binomial ones.
    """

    n: FloatArray
    """Rows, ``[J, G]``."""
    expected: FloatArray
    """Expected positives."""
    chance: FloatArray
    third: FloatArray
    flagged: BoolArray
    """Whether the model decided for positive there, ``[G]``."""
    rank: IntArray
    """Place of the cell's score, ``[G]``; cells of equal rank are tied."""
    block: IntArray
    """Cells of one block share the error of their probability, ``[G]``."""
    error: FloatArray
    """Variance of that probability, ``[G]``."""

    @classmethod
    def calibrated(
        cls, n: IntArray | FloatArray, calibrator: Calibrator, flagged: BoolArray, rank: IntArray | None = None
    ) -> Cells:
        """Return cells whose probability a calibrator gives.

        Parameters
        ----------
        n
            Rows of each monitor and cell, ``[J, G]``.
        calibrator
            Over the score bins.
        flagged
            Decision in each cell, ``[G]``.
        rank
            Score bin of each cell; by default cell g is bin g. Give it where rows of one bin were decided differently.
        """
        rows = np.asarray(n, np.float64)
        place = np.arange(rows.shape[-1]) if rank is None else rank
        if rows.ndim != 2 or flagged.shape != rows.shape[1:] or place.shape != rows.shape[1:]:
            raise ValueError(f"rows of shape {rows.shape} in cells of which {flagged.shape} have a decision")
        if np.any(rows < 0):
            message = "a cell holds at least 0 rows"
            raise ValueError(message)
        p = calibrator.probability[place]
        spread = rows * p * (1 - p)
        return cls(
            rows, rows * p, spread, spread * (1 - 2 * p), flagged.astype(np.bool_), place,
            calibrator.block[place], calibrator.variance[place],
        )  # fmt: skip

    @classmethod
    def raw(cls, bins: ScoreBins, flagged: BoolArray) -> Cells:
        """Return cells whose rows have their own score as probability; nothing is known of its error."""
        chance = np.clip(bins.score - bins.score_sq, 0.0, None)
        p = np.nan_to_num(bins.mean_score)
        size = bins.n.shape[1]
        return cls(
            bins.n, bins.score, chance, chance * (1 - 2 * p), flagged.astype(np.bool_),
            np.arange(size), np.arange(size), np.zeros(size),
        )  # fmt: skip

    @cached_property
    def _blocks(self) -> tuple[IntArray, IntArray, FloatArray]:
        """The cells by block, where each block begins among them, and the error that each block shares."""
        order = np.argsort(self.block, kind="stable")
        starts = np.flatnonzero(np.diff(self.block[order], prepend=-1))
        last = np.append(starts, len(order))[1:] - 1
        return order, starts, self.error[order[last]]

    @property
    def total(self) -> FloatArray:
        """Rows, ``[J]``."""
        total: FloatArray = self.n.sum(axis=1)
        return total

    def estimate(
        self,
        value: FloatArray,
        gradient: FloatArray,
        *,
        most: FloatArray | float = 1.0,
        step: FloatArray | float = 0.0,
        denominator: FloatArray | None = None,
    ) -> Estimated:
        """Return a figure with its interval.

        Parameters
        ----------
        value
            The figure at the expected positives, ``[J]``.
        gradient
            Its derivative by the positives of each cell, ``[J, G]``.
        most
            Largest possible value; the smallest is 0.
        step
            What one label changes, for figures that move on a lattice.
        denominator
            Expected rows that the figure is a share of, where labels decide them.

        Notes
        -----
        Labels: the delta method on the Poisson-binomial law of the positives, with its skewness (Cornish and Fisher
        1938) and half a step on either side. Calibration: the same gradient on the error of each block's probability.
        """
        square = gradient * gradient
        chance = (square * self.chance).sum(axis=1)
        order, starts, shared = self._blocks
        together = np.add.reduceat((gradient * self.n)[:, order], starts, axis=1) if len(starts) else gradient
        calibration = (together**2 * shared).sum(axis=1)
        deviation = np.sqrt(chance + calibration)
        some = deviation > 0
        lean = (square * gradient * self.third).sum(axis=1)
        skewness = np.where(some, lean / np.where(some, deviation, 1.0) ** 3, 0.0)
        bend = np.clip(skewness, -1.0, 1.0) * (Z95**2 - 1) / 6
        low = value + deviation * (bend - Z95) - step / 2
        high = value + deviation * (bend + Z95) + step / 2
        if denominator is not None:
            low, high = np.where(denominator < FEW, 0.0, low), np.where(denominator < FEW, most, high)
        gone = np.where(np.isnan(value), np.nan, 0.0)
        return Estimated(
            value,
            np.clip(low, 0.0, most) + gone,
            np.clip(high, 0.0, most) + gone,
            self.total.astype(np.int64),
            np.sqrt(chance) + gone,
            np.sqrt(calibration) + gone,
        )
