"""Mean losses of the raw rows: Brier score, log loss, and Spiegelhalter's test; exact, from sums over all bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import log_ndtr

from detectors.calibration.figure import FloatArray, IntArray, figure_of, ratio
from detectors.norms import Z95
from detectors.performance.estimate import Estimate

CLIP: Final = 1e-15
"""Scores this near 0 and 1 are taken for it in the logarithm, and counted."""


@dataclass(frozen=True, slots=True)
class Losses:
    """Sums over the rows of J monitors, arrays ``[J]``."""

    n: FloatArray
    brier: FloatArray
    """Σ (y - p)²."""
    brier_sq: FloatArray
    """Σ (y - p)⁴."""
    log: FloatArray
    """Σ -ln(p of what came)."""
    log_sq: FloatArray
    clipped: IntArray
    """Rows whose score was clipped for the logarithm."""
    lean: FloatArray
    """Σ (y - p)(1 - 2p)."""
    lean_variance: FloatArray
    """Σ (1 - 2p)² p (1 - p)."""


@dataclass(frozen=True, slots=True)
class Spiegelhalter:
    """The test statistic, normal with variance 1 for a calibrated model, and its two-sided p-value."""

    z: Estimate
    p_value: FloatArray


def brier_score(losses: Losses) -> Estimate:
    """Return the mean squared error of the scores; the interval is the normal one of a mean."""
    return _mean(losses.n, losses.brier, losses.brier_sq, 1.0)


def log_loss(losses: Losses) -> Estimate:
    """Return the mean logarithmic loss, scores clipped to [1e-15, 1 - 1e-15]; the interval is the normal one.

    One row that is wrong at a clipped score adds 34.5 / n: look at ``losses.clipped`` beside it.
    """
    return _mean(losses.n, losses.log, losses.log_sq, np.inf)


def spiegelhalter(losses: Losses) -> Spiegelhalter:
    """Return Σ(y - p)(1 - 2p) / √Σ(1 - 2p)² p(1 - p).

    Positive where the Brier score is worse than the model claims, as when it is too sure of itself. Blind to errors
    that cancel, and to scores of ½. NaN where every score is 0, ½ or 1. The interval is z ± 1.96.

    References
    ----------
    Spiegelhalter (1986), Probabilistic prediction in patient management and clinical trials, Statistics in Medicine 5.
    """
    z = ratio(losses.lean, np.sqrt(np.maximum(losses.lean_variance, 0.0)))
    p_value = 2 * np.exp(log_ndtr(-np.abs(z)))
    return Spiegelhalter(figure_of(z, z - Z95, z + Z95, losses.n), p_value)


def _mean(n: FloatArray, total: FloatArray, squares: FloatArray, most: float) -> Estimate:
    value = ratio(total, n)
    variance = np.maximum(ratio(squares, n) - value**2, 0.0) * ratio(n, n - 1)
    half = np.where(n > 1, Z95 * np.sqrt(np.nan_to_num(variance) / np.where(n > 0, n, 1.0)), np.inf)
    return figure_of(value, np.maximum(value - half, 0.0), np.minimum(value + half, most), n)
