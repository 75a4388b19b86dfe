"""Calibration slope and intercept: the logistic regression of the labels on the scores' logits, from sums in bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit, polygamma, psi

from detectors.calibration.figure import FloatArray, figure_of, ratio
from detectors.calibration.sums import ScoreBins
from detectors.norms import Z95
from detectors.performance.estimate import Estimate

LOGIT_CLIP: Final = 1e-15
_STEEPEST: Final = 1 / (6 * np.sqrt(3))
"""Largest second derivative of the logistic function."""
_STEPS: Final = 60
_HALVINGS: Final = 30
_ENOUGH: Final = 1e-9
_LEAST_INFORMATION: Final = 1e-4
"""Rows that separate drive it to 0 on the way to infinity."""
_TIGHTEST: Final = 1e12


@dataclass(frozen=True, slots=True)
class LogitBins:
    """Logits x = ln(p / (1 - p)) of the rows in each bin, arrays ``[J, B]``."""

    n: FloatArray
    positives: FloatArray
    mean: FloatArray
    """Mean x; anything in an empty bin."""
    variance: FloatArray
    """Variance of x within the bin."""
    covariance: FloatArray
    """Of x with the label within the bin."""
    doubt: FloatArray
    """How far the covariance may be off; 0 where it was counted."""

    @classmethod
    def of_sums(
        cls, n: FloatArray, positives: FloatArray, logit: FloatArray, logit_sq: FloatArray, positive_logit: FloatArray
    ) -> LogitBins:
        """Return bins from Σx, Σx² and Σxy."""
        rows = np.where(n > 0, n, 1.0)
        mean = logit / rows
        covariance = positive_logit / rows - mean * positives / rows
        variance = np.maximum(logit_sq / rows - mean**2, 0.0)
        return cls(n, positives, mean, variance, covariance, np.zeros_like(mean))

    @classmethod
    def of_scores(cls, bins: ScoreBins) -> LogitBins:
        """Return what the logits are like if the scores in each bin follow the beta law of their mean and variance.

        Then x has mean ψ(a) - ψ(b) and variance ψ'(a) + ψ'(b). Good in narrow bins; the law is a guess, and the bound
        of the slope holds as far as it does. The covariance of x with the label is that of the score with it, in doubt
        by what x is not linear in the score; without the positive rows' sums it is that of a calibrated model, in doubt
        by as much as it could be.
        """
        p = np.clip(np.nan_to_num(bins.mean_score), LOGIT_CLIP, 1 - LOGIT_CLIP)
        spread = np.clip(bins.spread, 0.0, p * (1 - p))
        total = np.minimum(p * (1 - p) / np.maximum(spread, 1e-300) - 1, _TIGHTEST)
        total = np.maximum(total, 1e-3)
        a, b = p * total, (1 - p) * total
        variance = np.minimum(polygamma(1, a) + polygamma(1, b), np.log(LOGIT_CLIP) ** 2)
        rate = np.nan_to_num(bins.rate)
        if bins.positive_score is None:
            with_label, doubt = spread, np.sqrt(rate * (1 - rate) * variance)
        else:
            with_label = ratio(bins.positive_score - p * bins.positives, np.where(bins.n > 0, bins.n, 1.0))
            bent = np.maximum(variance - 1 / (total**2 * np.maximum(spread, 1e-300)), 0.0)
            doubt = np.sqrt(rate * (1 - rate) * np.where(spread > 0, bent, 0.0))
        covariance = with_label * (1 + 1 / total) / (p * (1 - p))
        return cls(bins.n, bins.positives, psi(a) - psi(b), variance, covariance, doubt)


@dataclass(frozen=True, slots=True)
class Recalibration:
    """logit P(y = 1) = intercept + slope · logit(score): 0 and 1 for a calibrated model."""

    intercept: Estimate
    slope: Estimate
    """Below 1 the scores are too extreme, as of an overfitted model; above 1 too timid."""


def recalibration(bins: LogitBins) -> Recalibration:
    """Return the fitted intercept and slope.

    Each bin's rows are taken to sit at two points, one standard deviation of x left and right of its mean, half the
    rows at each; labels enter by their exact sums. With every row in a bin of its own this is the maximum-likelihood
    fit. The interval is Wald's; NaN where there is no fit, as with labels of one kind or a perfect separation.

    ``bound`` says how far the fit may lie from that of the raw rows, to first order: with M = 1 / (6√3) the largest
    curvature of the logistic function and v the variance of x in a bin, the two equations are off by no more than
    Σ n M b² v and Σ n (|mean x| M b² v + |b| v / 4), and the information matrix turns that into parameters. It falls
    with the square of the bins' width.

    References
    ----------
    Cox (1958), Two further applications of a model for binary regression, Biometrika 45; Van Calster et al. (2019),
    Calibration: the Achilles heel of predictive analytics, BMC Medicine 17.
    """
    some = bins.n > 0
    deviation = np.sqrt(bins.variance)
    points = np.where(some, np.stack([bins.mean - deviation, bins.mean + deviation]), 0.0)
    total, positives = bins.n.sum(axis=1), bins.positives.sum(axis=1)
    with_label = np.where(some, bins.n * bins.covariance + bins.mean * bins.positives, 0.0).sum(axis=1)
    fit, information = _maximise(points, bins.n / 2, np.stack([positives, with_label], axis=1))
    gone = np.isnan(fit[:, 0])
    inverse = np.linalg.inv(np.where(gone[:, np.newaxis, np.newaxis], np.eye(2), information))
    off = _off(bins, fit[:, 1])
    bound = (np.abs(inverse) @ off[:, :, np.newaxis])[:, :, 0]
    half = Z95 * np.sqrt(np.diagonal(inverse, axis1=1, axis2=2))
    figures = (
        figure_of(fit[:, k], fit[:, k] - half[:, k], fit[:, k] + half[:, k], total, bound[:, k]) for k in range(2)
    )
    return Recalibration(*figures)


def _off(bins: LogitBins, slope: FloatArray) -> FloatArray:
    """Return how far each of the two equations may be off, ``[J, 2]``."""
    steep = np.abs(slope)[:, np.newaxis]
    bend = bins.n * _STEEPEST * steep**2 * bins.variance
    tilt = np.abs(bins.mean) * bend + bins.n * (steep * bins.variance / 4 + bins.doubt)
    return np.stack([bend.sum(axis=1), np.where(bins.n > 0, tilt, 0.0).sum(axis=1)], axis=1)


def _maximise(points: FloatArray, weights: FloatArray, goal: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Maximise goal·(a, b) - Σ weight ln(1 + exp(a + b x)) by Newton's method with halved steps.

    Returns the maximisers ``[J, 2]``, NaN where there is none, and the information ``[J, 2, 2]`` there.
    """
    fit = np.zeros((len(goal), 2))
    usable = (weights.sum(axis=1) > 0) & (goal[:, 0] > 0) & (goal[:, 0] < 2 * weights.sum(axis=1))
    for _ in range(_STEPS):
        gradient, information = _slopes(points, weights, goal, fit)
        determinant = np.linalg.det(information)
        solvable = usable & (determinant > 1e-12 * np.einsum("jkk->j", information) ** 2)
        safe = np.where(solvable[:, np.newaxis, np.newaxis], information, np.eye(2))
        step = np.linalg.solve(safe, np.where(solvable[:, np.newaxis], gradient, 0.0)[:, :, np.newaxis])[:, :, 0]
        fit += _shortened(points, weights, goal, fit, step)
        if np.all(np.abs(step) < _ENOUGH):
            break
    gradient, information = _slopes(points, weights, goal, fit)
    rows = 2 * weights.sum(axis=1)
    flat = np.abs(gradient) <= 1e-7 * np.maximum(rows, 1.0)[:, np.newaxis]
    there = usable & solvable & flat.all(axis=1) & (information[:, 0, 0] > _LEAST_INFORMATION)
    return np.where(there[:, np.newaxis], fit, np.nan), information


def _shortened(
    points: FloatArray, weights: FloatArray, goal: FloatArray, fit: FloatArray, step: FloatArray
) -> FloatArray:
    """Return the step, halved until the likelihood no longer falls; 0 where it always does."""
    before = _likelihood(points, weights, goal, fit)
    for _ in range(_HALVINGS):
        worse = _likelihood(points, weights, goal, fit + step) < before - 1e-12 * np.abs(before)
        if not worse.any():
            break
        step = np.where(worse[:, np.newaxis], step / 2, step)
    return step


def _likelihood(points: FloatArray, weights: FloatArray, goal: FloatArray, fit: FloatArray) -> FloatArray:
    linear = fit[:, 0, np.newaxis] + fit[:, 1, np.newaxis] * points
    likelihood: FloatArray = (goal * fit).sum(axis=1) - (weights * np.logaddexp(0.0, linear)).sum(axis=(0, 2))
    return likelihood


def _slopes(
    points: FloatArray, weights: FloatArray, goal: FloatArray, fit: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return gradient ``[J, 2]`` and information ``[J, 2, 2]`` of the likelihood."""
    chance = expit(fit[:, 0, np.newaxis] + fit[:, 1, np.newaxis] * points)
    mass, certain = weights * chance, weights * chance * (1 - chance)
    gradient = goal - np.stack([mass.sum(axis=(0, 2)), (mass * points).sum(axis=(0, 2))], axis=1)
    powers = [(certain * points**k).sum(axis=(0, 2)) for k in range(3)]
    information = np.stack([np.stack(powers[:2], axis=1), np.stack(powers[1:], axis=1)], axis=1)
    return gradient, information
