"""Importance-weighted estimates: the reference's labelled rows, weighted by stratum to look like the window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from detectors.calibration.figure import FloatArray, IntArray, ratio
from detectors.estimate.calibrator import Calibrator
from detectors.estimate.cbpe import figures
from detectors.estimate.cells import BoolArray, Cells
from detectors.estimate.estimated import Estimated, Estimates

LEAST_EFFECTIVE: Final = 100.0
MOST_UNSUPPORTED: Final = 0.05


@dataclass(frozen=True, slots=True)
class Weighted:
    """Estimates with what they rest on, arrays ``[J]``."""

    estimates: Estimates
    effective: FloatArray
    """Rows of an unweighted reference that would be worth as much, (Σw)² / Σw²."""
    refused: BoolArray
    """Whether the window is too unlike the reference for an estimate; its figures are NaN."""
    strata: Calibrator
    """The rate of each stratum; what labels say of them decides the light, see ``validity``."""


def importance_weighted(
    reference: IntArray,
    positives: IntArray,
    window: IntArray,
    flagged: BoolArray,
    rank: IntArray | None = None,
    stratum: IntArray | None = None,
    *,
    least_effective: float = LEAST_EFFECTIVE,
    most_unsupported: float = MOST_UNSUPPORTED,
) -> Weighted:
    """Return the expected performance by post-stratification.

    Each stratum (a score bin, or a score bin of a slice or cluster) has the outcomes of its labelled reference rows;
    the window says how much each weighs. Right while outcomes *within* a stratum are those of the reference. Rows in
    strata that the reference lacks are left out and reported.

    Parameters
    ----------
    reference, positives
        Labelled rows of the reference in each stratum, and how many of them are positive; ``[G]``.
    window
        Rows of J windows in each cell, ``[J, C]``; cells are the strata, unless ``stratum`` says more.
    flagged
        Decision in each cell, ``[C]``.
    rank
        Score bin of each cell, by default the stratum itself.
    stratum
        Stratum of each cell, ``[C]``: where rows of one stratum were decided differently it has two cells.
    least_effective, most_unsupported
        Below this effective sample size, or above this share of rows without a counterpart, the estimate is refused.

    Examples
    --------
    >>> found = importance_weighted(
    ...     np.array([800, 200]), np.array([80, 160]), np.array([[100, 100]]), np.array([False, True])
    ... )
    >>> round(float(found.estimates.figures["accuracy"].value[0]), 3), round(float(found.effective[0]))
    (0.85, 640)

    References
    ----------
    Kish (1965), Survey sampling (effective sample size); Sugiyama, Krauledat and Müller (2007), Covariate shift
    adaptation by importance weighted cross validation, JMLR 8.
    """
    strata = _strata(reference, positives)
    place = np.arange(len(reference)) if stratum is None else stratum
    known = (reference > 0)[place]
    rows = np.where(known, window, 0)
    cells = replace(Cells.calibrated(rows, strata, flagged, place), rank=place if rank is None else rank)
    unsupported = ratio(np.where(known, 0, window).sum(axis=1).astype(np.float64), window.sum(axis=1))
    whole = np.array([np.bincount(place, one, len(reference)) for one in rows]).reshape(len(rows), len(reference))
    share = ratio(whole, np.broadcast_to(whole.sum(axis=1, keepdims=True), whole.shape))
    effective = ratio(np.ones(len(rows)), (share**2 / np.where(reference > 0, reference, 1)).sum(axis=1))
    refused = ~((effective >= least_effective) & (unsupported <= most_unsupported))
    found = {name: _withheld(figure, refused) for name, figure in figures(cells).items()}
    estimates = Estimates("importance_weighted", found, unsupported, np.zeros(len(rows), np.int8))
    return Weighted(estimates, effective, refused, strata)


def _strata(reference: IntArray, positives: IntArray) -> Calibrator:
    """Return each stratum's own rate, with no order among them."""
    if reference.ndim != 1 or reference.shape != positives.shape or np.any((positives < 0) | (positives > reference)):
        message = "strata [G] have at least 0 positives and at most as many as rows"
        raise ValueError(message)
    known = reference > 0
    rows = np.where(known, reference, 1).astype(np.float64)
    smooth = (positives + 0.5) / (rows + 1)
    return Calibrator(positives / rows, smooth * (1 - smooth) / rows, np.arange(len(rows)), known)


def _withheld(figure: Estimated, refused: BoolArray) -> Estimated:
    gone = np.where(refused, np.nan, 0.0)
    return replace(
        figure,
        value=figure.value + gone,
        low=figure.low + gone,
        high=figure.high + gone,
        chance=figure.chance + gone,
        calibration=figure.calibration + gone,
    )
