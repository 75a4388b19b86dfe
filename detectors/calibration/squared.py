"""The squared calibration error, and estimates of it that chance does not lift."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtri

from detectors.calibration.figure import FloatArray, figure_of, ratio
from detectors.calibration.sums import ScoreBins
from detectors.norms import Z95
from detectors.performance.estimate import Estimate


def plain(bins: ScoreBins) -> Estimate:
    """Return Σ (n_b / n) (rate_b - mean score_b)², the reliability term of the Brier score.

    The interval is for the same sum with endless labels: the root of it differs from the observed root by no more than
    the noise's own norm from below (a weighted sum of χ², Satterthwaite's law), and by the normal noise in one
    direction from above. It holds in 95 % or more.
    """
    value = (bins.share * bins.gap**2).sum(axis=1)
    low, high = root_interval(bins, bins.gap)
    return figure_of(value, low, high, bins.total)


def debiased(bins: ScoreBins) -> Estimate:
    """Return Σ (n_b / n) [(rate_b - mean score_b)² - rate_b (1 - rate_b) / (n_b - 1)].

    What the noise of the rates adds is taken off, so a calibrated model is at 0 on average and often below. Exact for
    bins whose rows share one score; for wider bins it is too low by the variance of the scores over n_b, which
    ``paired`` is not. Bins with a single row are left out. The interval is that of ``plain``.

    Examples
    --------
    >>> figure = debiased(ScoreBins.of_sums([[4, 6]], [[1, 5]], [[1.0, 4.45]], [[0.3, 3.4525]], unit=1))
    >>> round(float(figure.value[0]), 6)
    -0.036625

    References
    ----------
    Bröcker (2012), Estimating reliability and resolution of probability forecasts, Climate Dynamics 39; Ferro and
    Fricker (2012), QJRMS 138; Kumar, Liang and Ma (2019), Verified uncertainty calibration, NeurIPS.
    """
    fit = bins.n > 1
    rate = np.nan_to_num(bins.rate)
    chance = rate * (1 - rate) / np.where(fit, bins.n - 1, 1.0)
    return _over(bins, bins.gap**2 - chance)


def paired(bins: ScoreBins) -> Estimate:
    """Return the same from pairs of rows: Σ (n_b / n) Σ_{i≠k} d_i d_k / (n_b (n_b - 1)), d = label - score.

    Without bias whatever the scores within a bin, for rows drawn independently. Needs the sum of the positive rows'
    scores. Bins with a single row are left out; the interval is that of ``plain``.

    Raises
    ------
    ValueError
        When the bins lack that sum.
    """
    if bins.positive_score is None:
        message = "pairs need the sum of the positive rows' scores"
        raise ValueError(message)
    square = bins.positives - 2 * bins.positive_score + bins.score_sq
    pairs = np.where(bins.n > 1, bins.n * (bins.n - 1), 1.0)
    return _over(bins, ((bins.positives - bins.score) ** 2 - square) / pairs)


def _over(bins: ScoreBins, terms: FloatArray) -> Estimate:
    rows = np.where(bins.n > 1, bins.n, 0.0)
    total = rows.sum(axis=1)
    low, high = root_interval(bins, bins.gap)
    return figure_of(ratio((rows * terms).sum(axis=1), total), low, high, total)


def root_interval(bins: ScoreBins, apart: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the interval of Σ (n_b / n) δ_b² where rates differ by ``apart`` [J, B] from something without noise."""
    share = np.nan_to_num(bins.share)
    root = np.sqrt((share * apart**2).sum(axis=1))
    weights = share * bins.noise
    mean, square = weights.sum(axis=1), (weights**2).sum(axis=1)
    some = mean > 0
    size = np.where(some, square / np.where(some, mean, 1.0), 0.0)
    noise = size * chdtri(np.where(some, mean / np.where(some, size, 1.0), 1.0), 0.025)
    low = np.maximum(root - np.sqrt(noise), 0.0)
    return low**2, np.minimum(root + Z95 * np.sqrt(weights.max(axis=1, initial=0.0)), 1.0) ** 2
