"""The Brier score and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.calibration.figure import FloatArray, figure_of, ratio, wilson
from detectors.calibration.squared import plain, root_interval
from detectors.calibration.sums import ScoreBins
from detectors.norms import Z95
from detectors.performance.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Murphy:
    """Brier score = reliability - resolution + uncertainty + within."""

    brier: Estimate
    """Mean (score - label)². Exact with the positive rows' score sums, else with a bound."""
    reliability: Estimate
    """Σ (n_b / n) (mean score_b - rate_b)²: 0 is best."""
    resolution: Estimate
    """Σ (n_b / n) (rate_b - rate)²: more is better."""
    uncertainty: Estimate
    """rate (1 - rate), which no model can help."""
    within: Estimate
    """Variance of the scores within bins less twice their covariance with the labels there."""


def murphy(bins: ScoreBins) -> Murphy:
    """Return the Brier score with its decomposition.

    Intervals: of the Brier score normal, with the squared errors' variance taken at the bins' mean scores; of
    reliability and resolution those of ``squared.plain``; of the uncertainty Wilson's for the rate; of the rest normal.

    Examples
    --------
    >>> parts = murphy(ScoreBins.of_sums([[5, 5]], [[2, 4]], [[1.5, 3.95]], [[0.55, 3.2025]], [[0.8, 3.25]], unit=1))
    >>> round(float(parts.brier.value[0]), 6)
    0.16525
    >>> total = parts.reliability.value - parts.resolution.value + parts.uncertainty.value + parts.within.value
    >>> bool(abs(total[0] - parts.brier.value[0]) < 1e-12)
    True

    References
    ----------
    Murphy (1973), A new vector partition of the probability score; Stephenson, Coelho and Jolliffe (2008), Two extra
    components in the Brier score decomposition, Weather and Forecasting 23.
    """
    total = bins.total
    return Murphy(_brier(bins, total), plain(bins), _resolution(bins), _uncertainty(bins), _within(bins, total))


def debiased_resolution(bins: ScoreBins) -> FloatArray:
    """Return the resolution less what the noise of the rates adds to it, ``[J]``; NaN below two rows.

    Over bins of two rows and more; the counterpart of ``squared.debiased``, so that reliability - resolution stays.
    """
    rows = np.where(bins.n > 1, bins.n, 0.0)
    total = rows.sum(axis=1)
    positives = np.where(bins.n > 1, bins.positives, 0.0)
    rate, overall = np.nan_to_num(bins.rate), ratio(positives.sum(axis=1), total)
    chance = rate * (1 - rate) / np.where(rows > 0, rows - 1, 1.0)
    raised = ratio((rows * ((rate - overall[:, np.newaxis]) ** 2 - chance)).sum(axis=1), total)
    return raised + ratio(overall * (1 - overall), total - 1)


def _brier(bins: ScoreBins, total: FloatArray) -> Estimate:
    rate, score = np.nan_to_num(bins.rate), np.nan_to_num(bins.mean_score)
    if bins.positive_score is None:
        product = bins.positives * score
        loose = 2 * ratio((bins.n * np.sqrt(rate * (1 - rate) * bins.spread)).sum(axis=1), total)
    else:
        product, loose = bins.positive_score, np.zeros(len(total))
    value = ratio((bins.score_sq - 2 * product + bins.positives).sum(axis=1), total)
    fourth = ratio((bins.positives * (1 - score) ** 4 + (bins.n - bins.positives) * score**4).sum(axis=1), total)
    spread = np.nan_to_num(ratio(np.maximum(fourth - value**2, 0.0), total - 1))
    half = np.where(total > 1, Z95 * np.sqrt(np.maximum(spread, 0.0)), np.inf)
    return figure_of(value, np.maximum(value - half, 0.0), np.minimum(value + half, 1.0), total, loose)


def _resolution(bins: ScoreBins) -> Estimate:
    overall = ratio(bins.positives.sum(axis=1), bins.total)
    apart = np.where(bins.n > 0, np.nan_to_num(bins.rate) - overall[:, np.newaxis], 0.0)
    value = (bins.share * apart**2).sum(axis=1)
    low, high = root_interval(bins, np.nan_to_num(apart))
    return figure_of(value, low, high, bins.total)


def _uncertainty(bins: ScoreBins) -> Estimate:
    total, positives = bins.total, bins.positives.sum(axis=1)
    rate = ratio(positives, total)
    low, high = wilson(positives, total, Z95)
    most = np.where((low <= 0.5) & (high >= 0.5), 0.25, np.maximum(low * (1 - low), high * (1 - high)))
    return figure_of(rate * (1 - rate), np.minimum(low * (1 - low), high * (1 - high)), most, total)


def _within(bins: ScoreBins, total: FloatArray) -> Estimate:
    rate, score = np.nan_to_num(bins.rate), np.nan_to_num(bins.mean_score)
    variance = ratio((bins.n * bins.spread).sum(axis=1), total)
    if bins.positive_score is None:
        value = variance
        loose = 2 * ratio((bins.n * np.sqrt(rate * (1 - rate) * bins.spread)).sum(axis=1), total)
    else:
        value = variance - 2 * ratio((bins.positive_score - bins.positives * score).sum(axis=1), total)
        loose = np.zeros(len(total))
    half = 2 * Z95 * ratio(np.sqrt((bins.n**2 * bins.spread * bins.noise).sum(axis=1)), total)
    return figure_of(value, value - half, value + half, total, loose)
