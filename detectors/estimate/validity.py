"""The validity light: whether the labels that did come bear an estimate out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.calibration import error
from detectors.calibration.figure import FloatArray, IntArray
from detectors.calibration.reliability import bias
from detectors.calibration.sums import ScoreBins, equal_mass
from detectors.estimate.calibrator import Calibrator
from detectors.estimate.estimated import Light
from detectors.performance.estimate import Estimate

ENOUGH: Final = 200
TOLERANCE: Final = 0.02
_GROUPS: Final = 10


@dataclass(frozen=True, slots=True)
class Validity:
    """Realised calibration of the probabilities that an estimate uses, on the rows whose labels came."""

    bias: Estimate
    """Observed rate less expected."""
    error: Estimate
    """Expected calibration error in ten bins."""
    light: NDArray[np.int8]
    """One ``Light`` a monitor."""


def validity(
    n: IntArray | FloatArray,
    positives: IntArray | FloatArray,
    calibrator: Calibrator,
    *,
    tolerance: float = TOLERANCE,
    enough: int = ENOUGH,
) -> Validity:
    """Return the light of an estimate.

    ``BROKEN`` where the error's or the bias's interval lies beyond the tolerance; ``HOLDS`` where there are ``enough``
    labels, the bias's whole interval lies within it and nothing shows an error beyond it; ``UNPROVEN`` otherwise. The
    bias of an estimated share is at most the error, and that of a mean over all rows is the bias.

    Parameters
    ----------
    n, positives
        Rows of the window whose labels have matured, and how many are positive, ``[J, B]``. Not labels that merely came
        early: where positives are confirmed later than negatives those lean.
    calibrator
        The one that the estimate used.
    tolerance
        Largest gap between observed and expected rate that does no harm.
    enough
        Labels without which nothing holds.

    Examples
    --------
    >>> calibrator = Calibrator.isotonic(np.array([5000, 5000]), np.array([500, 4000]))
    >>> seen = validity(np.array([[9000, 9000], [9000, 9000]]), np.array([[900, 7200], [1800, 7200]]), calibrator)
    >>> [Light(int(light)).name for light in seen.light]
    ['HOLDS', 'BROKEN']
    """
    rows = np.asarray(n, np.float64)
    p = np.broadcast_to(calibrator.probability, rows.shape)
    bins = ScoreBins.of_sums(rows, positives, rows * p, rows * p**2, unit=1)
    shift = bias(bins)
    gap = error.expected(bins.merge(equal_mass(bins.n, _GROUPS)))
    broken = (gap.low > tolerance) | (_nearest(shift) > tolerance)
    inside = np.maximum(np.abs(shift.low), np.abs(shift.high)) <= tolerance
    light = np.where(broken, Light.BROKEN, np.where(inside & (shift.n >= enough), Light.HOLDS, Light.UNPROVEN))
    return Validity(shift, gap, light.astype(np.int8))


def _nearest(figure: Estimate) -> FloatArray:
    """Return the least size in the interval."""
    crossing = (figure.low <= 0) & (figure.high >= 0)
    return np.where(crossing, 0.0, np.minimum(np.abs(figure.low), np.abs(figure.high)))
