"""Calibration errors: expected, maximal, adaptive, class-wise, and the noise floor of a calibrated model."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import gammaincinv, gammaln, xlog1py, xlogy

from detectors.calibration.figure import FloatArray, IntArray, figure_of, ratio, simultaneous, wilson
from detectors.calibration.sums import ScoreBins, equal_mass
from detectors.norms import Z95, NoiseNorm
from detectors.performance.estimate import Estimate

ENOUGH: Final = 100
"""Rows without which a bin has no say in the maximal error."""


def expected(bins: ScoreBins) -> Estimate:
    """Return the expected calibration error, ECE = Σ (n_b / n) |rate_b - mean score_b|.

    The interval is for the error that the bins would show with endless labels for these scores. From below, the
    observed error less a 97.5 % quantile of the noise alone; from above, the error's own linear function of the gaps.
    It holds in 95 % or more. The value itself lies above the truth by chance: see ``noise_floor``.

    Examples
    --------
    >>> bins = ScoreBins.of_sums([[500, 500]], [[100, 350]], [[50, 350]], [[6, 250]], unit=1)
    >>> figure = expected(bins)
    >>> [round(float(x[0]), 4) for x in (figure.value, figure.low, figure.high)]
    [0.05, 0.0163, 0.0767]

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning, AAAI.
    """
    share = bins.share
    value = (share * np.abs(bins.gap)).sum(axis=1)
    sigma = np.nan_to_num(share) * np.sqrt(bins.noise)
    noise = NoiseNorm.of_shares(sigma, lambda part: np.zeros((len(sigma[part]), *2 * sigma.shape[1:])))
    low = np.maximum(value - noise.quantile(0.025), 0.0)
    high = np.minimum(value + Z95 * np.sqrt((sigma**2).sum(axis=1)), 1.0)
    return figure_of(value, low, high, bins.total)


def noise_floor(bins: ScoreBins) -> Estimate:
    """Return what ECE a calibrated model would show with these scores and counts, by chance alone.

    In a bin the mean of |positives - Σp| is de Moivre's mean deviation of a binomial law, scaled from its variance to
    Σ p(1 - p). Where rows are many this is √(2 Σp(1 - p) / π). ``low`` and ``high`` hold 95 % of such ECEs (gamma law
    of the same mean and variance): an ECE inside says nothing against the model.

    References
    ----------
    Diaconis and Zabell (1991), Closed form summation for classical distributions, Statistical Science 6.
    """
    n = np.where(bins.n > 0, bins.n, 1.0)
    score = np.clip(bins.score / n, 0.0, 1.0)
    binomial = n * score * (1 - score)
    variance = np.clip(bins.score - bins.score_sq, 0.0, binomial)
    some = binomial > 0
    scale = np.sqrt(variance / np.where(some, binomial, 1.0))
    deviation = np.where(some, _mean_deviation(n, np.where(some, score, 0.5)) * scale, 0.0)
    total = bins.total
    value = ratio(deviation.sum(axis=1), total)
    chance = ratio((variance - deviation**2).clip(0.0).sum(axis=1), total**2)
    shape = np.where(chance > 0, value**2 / np.where(chance > 0, chance, 1.0), 1.0)
    low, high = (np.where(chance > 0, gammaincinv(shape, q) * value / shape, value) for q in (0.025, 0.975))
    return figure_of(value, low, high, total)


def maximal(bins: ScoreBins, enough: int = ENOUGH) -> Estimate:
    """Return the largest gap |rate_b - mean score_b| over bins of ``enough`` rows; NaN where there is none.

    The interval is that of the largest true gap over the same bins: Wilson's intervals of all of them together (Šidák).
    ``n`` counts the rows in them.
    """
    fit = bins.n >= enough
    z = simultaneous(fit.sum(axis=1).astype(np.float64))[:, np.newaxis]
    low, high = (np.nan_to_num(side) for side in wilson(bins.positives, bins.n, z))
    score = np.nan_to_num(bins.mean_score)
    value = np.where(fit, np.abs(bins.gap), -np.inf).max(axis=1, initial=-np.inf)
    least = np.where(fit, np.maximum(low - score, score - high), 0.0).max(axis=1, initial=0.0)
    most = np.where(fit, np.maximum(high - score, score - low), 0.0).max(axis=1, initial=0.0)
    some = fit.any(axis=1)
    return figure_of(np.where(some, value, np.nan), least, most, np.where(fit, bins.n, 0.0).sum(axis=1))


def worst_bin(bins: ScoreBins, enough: int = ENOUGH) -> IntArray:
    """Return the bin of the maximal error, ``[J]``; -1 where no bin has enough rows."""
    gap = np.where(bins.n >= enough, np.abs(bins.gap), -1.0)
    worst = gap.argmax(axis=1)
    return np.where(gap[np.arange(len(gap)), worst] < 0, -1, worst)


def adaptive(bins: ScoreBins, count: int = 15) -> Estimate:
    """Return the ECE in ``count`` bins of equal mass in the window itself, merged from finer ones.

    The interval is as for ``expected``; that the bins follow the scores does not hurt it, which holds given the scores.
    """
    return expected(bins.merge(equal_mass(bins.n, count)))


def class_wise(bins: ScoreBins, classes: int) -> Estimate:
    """Return the mean over classes of the ECE of each class against the rest.

    Parameters
    ----------
    bins
        ``[J · classes, B]``, the classes of one monitor one after the other. Classes without a row are left out.
    classes
        How many.

    Notes
    -----
    The interval is the mean of the classes' own, which holds however they depend on each other. With ``bins`` of the
    greatest score and whether its class was right, ``expected`` is the top-label error.

    References
    ----------
    Nixon et al. (2019), Measuring calibration in deep learning; Kull et al. (2019), Beyond temperature scaling.
    """
    if classes < 1 or len(bins.n) % classes:
        raise ValueError(f"{len(bins.n)} tables are not those of {classes} classes each")
    each = expected(bins)
    some = ~np.isnan(each.value.reshape(-1, classes))
    number = some.sum(axis=1).astype(np.float64)

    def mean(part: FloatArray) -> FloatArray:
        return ratio(np.where(some, part.reshape(-1, classes), 0.0).sum(axis=1), number)

    rows = each.n.reshape(-1, classes).max(axis=1)
    return figure_of(mean(each.value), mean(each.low), mean(each.high), rows.astype(np.float64))


def _mean_deviation(n: FloatArray, p: FloatArray) -> FloatArray:
    """Return E|X - np| of a binomial X: 2 (m + 1) C(n, m + 1) pᵐ⁺¹ (1 - p)ⁿ⁻ᵐ with m = ⌊np⌋."""
    above = np.minimum(np.floor(n * p), n - 1) + 1
    choose = gammaln(n + 1) - gammaln(above + 1) - gammaln(n - above + 1)
    logarithm = np.log(2 * above) + choose + xlogy(above, p) + xlog1py(n - above + 1, -p)
    deviation: FloatArray = np.exp(logarithm)
    return deviation
