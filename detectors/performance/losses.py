"""Sums of losses of probabilities: the logarithmic loss and the Brier score, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.fixed import Fixed
from detectors.performance.estimate import Estimate, estimate
from detectors.performance.intervals import log_normal, mean_of
from detectors.performance.layout import Rows
from detectors.performance.logarithm import natural_log

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEAST_PROBABILITY: Final = 2.0**-52
"""Probabilities are kept so far from 0 and 1 in the logarithmic loss, as scikit-learn does."""
_BRIER: Final = Fixed(bits=62, limbs=2)
_LOG: Final = Fixed(bits=56, limbs=2)
_LOG_SQUARE: Final = Fixed(bits=51, limbs=2)

LOG_LOSS_BLOCKS: Final[dict[str, tuple[int, ...]]] = {
    "log_loss": (_LOG.limbs,),
    "log_loss_square": (_LOG_SQUARE.limbs,),
}
BRIER_BLOCKS: Final[dict[str, tuple[int, ...]]] = {"brier": (_BRIER.limbs,), "brier_square": (_BRIER.limbs,)}


def log_losses(probability: FloatArray) -> FloatArray:
    """Return -ln p of the probabilities that the true classes were given, kept within [2⁻⁵², 1 - 2⁻⁵²]."""
    return -natural_log(np.clip(probability, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY))


def add_log_loss(rows: Rows, probability: FloatArray) -> None:
    """Add -ln p of the probabilities that the true classes were given, kept within [2⁻⁵², 1 - 2⁻⁵²]."""
    loss = log_losses(probability)
    rows.add("log_loss", _LOG.split(loss))
    rows.add("log_loss_square", _LOG_SQUARE.split(loss * loss))


def add_brier(rows: Rows, probability: FloatArray) -> None:
    """Add (1 - p)² of the probabilities that the true classes were given."""
    error = 1 - probability
    error *= error
    rows.add("brier", _BRIER.split(error))
    rows.add("brier_square", _BRIER.split(error * error))


def log_loss(cells: Mapping[str, IntArray], rows: IntArray, alpha: float) -> Estimate:
    """Return the mean logarithmic loss with Student's interval of its logarithm."""
    return _mean(cells, "log_loss", rows, (_LOG, _LOG_SQUARE), alpha)


def brier(cells: Mapping[str, IntArray], rows: IntArray, alpha: float) -> Estimate:
    """Return the mean of (score - label)² with Student's interval of its logarithm."""
    return _mean(cells, "brier", rows, (_BRIER, _BRIER), alpha)


def _mean(
    cells: Mapping[str, IntArray], name: str, rows: IntArray, units: tuple[Fixed, Fixed], alpha: float
) -> Estimate:
    fixed, square = units
    sums, squares = fixed.exact(cells[name]), square.exact(cells[f"{name}_square"])
    value, variance = mean_of(sums, squares, rows, fixed, square)
    return estimate(value, log_normal(value, variance, rows, alpha), rows, alpha)
