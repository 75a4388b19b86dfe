"""From score bins to probabilities: isotonic regression on the reference's labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from detectors.calibration.figure import FloatArray, IntArray

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Calibrator:
    """A probability for each of B score bins, arrays ``[B]``."""

    probability: FloatArray
    variance: FloatArray
    """Of the probability, from the finite reference."""
    block: IntArray
    """Bins of one block share their probability and its error."""
    supported: BoolArray
    """Whether the reference has rows in the bin."""

    @classmethod
    def isotonic(cls, n: IntArray | FloatArray, positives: IntArray | FloatArray) -> Calibrator:
        """Return the non-decreasing probabilities nearest to the reference's rates (pool adjacent violators).

        Parameters
        ----------
        n, positives
            Labelled rows of the reference in each bin, and how many of them are positive; ``[B]``, bins by score.

        Raises
        ------
        ValueError
            When the reference has no labelled row, or counts that make no sense.

        Notes
        -----
        A bin without reference rows lies on the line between its neighbours and takes the variance of the less certain
        of them. The variance of a block is that of a rate with half a row added on either side.

        Examples
        --------
        >>> Calibrator.isotonic(np.array([10, 10, 10, 0]), np.array([2, 1, 6, 0])).probability
        array([0.15, 0.15, 0.6 , 0.6 ])

        References
        ----------
        Ayer et al. (1955), An empirical distribution function for sampling with incomplete information; Zadrozny and
        Elkan (2002), Transforming classifier scores into accurate multiclass probability estimates, KDD.
        """
        rows, hits = np.asarray(n, np.float64), np.asarray(positives, np.float64)
        if rows.ndim != 1 or rows.shape != hits.shape or np.any((hits < 0) | (hits > rows)):
            message = "a reference has bins [B] with at least 0 positives and at most as many as rows"
            raise ValueError(message)
        some = np.flatnonzero(rows > 0)
        if not len(some):
            message = "a calibrator needs labelled rows"
            raise ValueError(message)
        fit = isotonic_regression(hits[some] / rows[some], weights=rows[some])
        mass = np.add.reduceat(rows[some], fit.blocks[:-1])
        smooth = (np.add.reduceat(hits[some], fit.blocks[:-1]) + 0.5) / (mass + 1)
        of_some = np.repeat(np.arange(len(mass)), np.diff(fit.blocks))
        places = np.arange(len(rows))
        left = np.clip(np.searchsorted(some, places, side="right") - 1, 0, None)
        right = np.clip(np.searchsorted(some, places, side="left"), None, len(some) - 1)
        variance = smooth * (1 - smooth) / mass
        return cls(
            np.interp(places, some, np.clip(fit.x, 0.0, 1.0)),
            np.maximum(variance[of_some[left]], variance[of_some[right]]),
            of_some[left].astype(np.int64),
            rows > 0,
        )


def helps(n: IntArray, positives: IntArray, mean_score: FloatArray, calibrator: Calibrator) -> bool:
    """Return whether a calibrator is nearer to labels it was not fitted on than the scores themselves are.

    Compared by the squared error of the rates in bins ``[B]``. Fit on one half of the reference and judge on the other:
    recalibrating scores that need none adds noise.

    >>> half = np.array([100, 100]), np.array([10, 60])
    >>> helps(*half, np.array([0.3, 0.9]), Calibrator.isotonic(np.array([100, 100]), np.array([12, 58])))
    True
    """
    some = n > 0
    rate = positives[some] / n[some]
    ours = (n[some] * (calibrator.probability[some] - rate) ** 2).sum()
    theirs = (n[some] * (mean_score[some] - rate) ** 2).sum()
    return bool(ours < theirs)
