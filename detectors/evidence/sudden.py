"""The bettor that sees any change within one window: universal inference with a Dirichlet mixture."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import gammaln, xlogy

from detectors.evidence.null import FloatArray, Null

CONCENTRATIONS: Final = (30.0, 300.0, 3000.0)
"""How far laws scatter around the reference: widely, a little, hardly."""
LOG_FEE: Final = float(np.log(0.9))
"""A window that says nothing, such as one of a constant column, would give a factor of 1, and start after start would
add up to an alarm in the end. The fee keeps quiet windows below ten starts."""


def log_factors(counts: FloatArray, null: Null, slot: int) -> FloatArray:
    """Return ln(.9 · likelihood of a mixture of laws / best likelihood of a tolerated law) of counts ``[J, K]``.

    The mean of the ratio is 1 at most if all rows of the window have one tolerated law: the divisor is at least that
    law's likelihood. For soft counts each law's likelihood ratio keeps this mean, so the mixture does, too.

    References
    ----------
    Wasserman, Ramdas and Balakrishnan, arXiv:1912.11436.
    """
    rows = counts.sum(axis=1)
    shares = counts / np.where(rows > 0, rows, 1.0)[:, np.newaxis]
    shares[rows <= 0] = null.shares[slot][rows <= 0]
    nearest, _ = null.project(shares[:, np.newaxis, :], slot)
    best = xlogy(counts, np.maximum(nearest[:, 0, :], 1e-300)).sum(axis=1)
    factors: FloatArray = mixture(counts, rows, null.smooth[slot]) - best + LOG_FEE
    return factors


def mixture(counts: FloatArray, rows: FloatArray, smooth: FloatArray) -> FloatArray:
    """Return the log likelihood ``[J]`` of counts under the even mixture of three Dirichlet laws around ``smooth``."""
    parts = np.empty((len(counts), len(CONCENTRATIONS)))
    for place, concentration in enumerate(CONCENTRATIONS):
        weights = concentration * smooth
        gained = gammaln(weights + counts)
        gained -= gammaln(weights)
        parts[:, place] = gained.sum(axis=1) + (gammaln(concentration) - gammaln(concentration + rows))
    mixed: FloatArray = np.logaddexp.reduce(parts, axis=1) - np.log(len(CONCENTRATIONS))
    return mixed
