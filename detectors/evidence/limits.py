"""What the reference leaves open in single directions: the mean, the spread, and each cell by itself.

A ball must be wide enough for all K - 1 directions at once. In one direction the reference knows more: its likelihood
ratio has one degree of freedom there, not K - 1.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import betaincinv, chdtri, fdtri, ndtr, ndtri, xlogy

from detectors.evidence.null import BoolArray, FloatArray

SCORES: Final = 2
"""Directions but the cells: the normal score, and its square less 1."""
_STEPS: Final = 60
_EMPTY: Final = 1e-12
_LEAST_GAP: Final = 1e-16
_MOST_GAP: Final = 1e6


def normal_scores(smooth: FloatArray, ordered: BoolArray) -> FloatArray:
    """Return the normal score of the middle rank of each cell, ``[J, K]``.

    Cells that are not ``ordered`` are ranked by their shares, the commonest first.
    """
    monitors, cells = smooth.shape
    order = np.broadcast_to(np.arange(cells), (monitors, cells))
    order = np.where(ordered[:, np.newaxis], order, np.argsort(-smooth, axis=1, kind="stable"))
    sorted_shares = np.take_along_axis(smooth, order, axis=1)
    z = np.empty_like(smooth)
    np.put_along_axis(z, order, ndtri(np.cumsum(sorted_shares, axis=1) - sorted_shares / 2), axis=1)
    return z


def directions_of(smooth: FloatArray, ordered: BoolArray) -> FloatArray:
    """Return the two scores of each cell, ``[J, 2, K]``: z, and z² - 1."""
    z = normal_scores(smooth, ordered)
    return np.stack([z, np.square(z) - 1], axis=1)


def fitted_shift(smooth: FloatArray, scores: FloatArray) -> FloatArray:
    """Return by how much a law's mean scores exceed its sample's, times the sample's rows, ``[J, 2]``.

    Ranks are those of the sample, so that rows that came by chance to the outer cells have pulled these inwards. To
    second order this is Σ share·f'(z)·(rank - ½) / φ(z), with f the score as a function of z.

    >>> smooth = np.full((1, 4), 0.25)
    >>> fitted_shift(smooth, directions_of(smooth, np.ones(1, bool))).round(3).tolist()
    [[0.0, 2.201]]
    """
    z = scores[:, 0]
    density = np.exp(-np.square(z) / 2) / np.sqrt(2 * np.pi)
    pulled = smooth * (ndtr(z) - 0.5) / density
    return np.stack([pulled.sum(axis=1), (2 * z * pulled).sum(axis=1)], axis=1)


def one_sided_effect(along: FloatArray, freedom: FloatArray, alpha: FloatArray) -> FloatArray:
    """Return by how much fewer rows of one law would leave as much open in one direction at level ``alpha``.

    ``along`` is the variance between days over that of rows. Few days know it badly, so that it takes Student's
    quantile where rows of one law take the normal one.

    >>> one_sided_effect(np.array([1.0, 2.0]), np.array([np.inf, 13.0]), np.array([1e-4, 1e-4])).round(1).tolist()
    [1.0, 3.8]
    """
    known = np.isfinite(freedom)
    wide = 1 / fdtri(np.where(known, freedom, 1.0), 1.0, 2 * alpha)
    effect: FloatArray = np.maximum(along, 1.0) * np.where(known, wide / chdtri(1.0, 2 * alpha), 1.0)
    return np.maximum(effect, 1.0)


def score_radius(rows: FloatArray, alpha: FloatArray, tolerance: FloatArray) -> FloatArray:
    """Return the radius of what is left open on one side of one direction: (√(z² / (2·rows)) + √(tolerance / 2))²."""
    with np.errstate(divide="ignore"):
        open_: FloatArray = np.square(np.sqrt(chdtri(1.0, 2 * alpha) / (2 * rows)) + np.sqrt(tolerance / 2))
    return open_


def highest_mean(shares: FloatArray, score: FloatArray, radius: FloatArray) -> FloatArray:
    """Return the greatest mean score of a law p with KL(shares‖p) ≤ radius, from above; ∞ for an infinite radius.

    The law is in proportion to shares / (η - score), and its mean is η less the harmonic mean of η - score.

    Parameters
    ----------
    shares, score
        ``[..., K]``.
    radius
        ``[...]``.

    Examples
    --------
    >>> coin, tails = np.array([0.5, 0.5]), np.array([0.0, 1.0])
    >>> float(highest_mean(coin, tails, np.array(0.5 * np.log(25 / 16))).round(6))
    0.8

    References
    ----------
    Owen (2001), Empirical Likelihood, section 2.9.
    """
    shares, score = np.broadcast_arrays(shares, score)
    held = np.maximum(shares, _EMPTY)
    held = held / held.sum(axis=-1, keepdims=True)
    top = score.max(axis=-1, keepdims=True)
    span = top - score.min(axis=-1, keepdims=True)
    span = np.where(span > 0, span, 1.0)
    bound = np.where(np.isfinite(radius), radius, 0.0)

    def at(log_gap: FloatArray) -> tuple[FloatArray, FloatArray]:
        away = span * np.exp(log_gap)[..., np.newaxis] + (top - score)
        harmonic = 1 / (held / away).sum(axis=-1)
        far = (held * np.log(away)).sum(axis=-1) - np.log(harmonic)
        return top[..., 0] + span[..., 0] * np.exp(log_gap) - harmonic, far

    low = np.full(bound.shape, np.log(_LEAST_GAP))
    high = np.full(bound.shape, np.log(_MOST_GAP))
    for _ in range(_STEPS):
        middle = (low + high) / 2
        inside = at(middle)[1] <= bound
        low, high = np.where(inside, low, middle), np.where(inside, middle, high)
    mean = np.minimum(at(low)[0], top[..., 0])
    return np.where(np.isfinite(radius), mean, np.inf)


def highest_shares(
    shares: FloatArray, rows: FloatArray, effect: FloatArray, alpha: FloatArray, tolerance: FloatArray
) -> FloatArray:
    """Return the greatest share of each cell that the reference leaves open and the tolerance adds, ``[..., K]``.

    The reference's upper limit is Clopper's and Pearson's, one-sided. The tolerance is added as in the ball, with the
    divergence between two cells: this one and all others.

    Parameters
    ----------
    shares
        ``[..., K]``.
    rows, alpha, tolerance
        ``[...]``; ``alpha`` is that of one cell.
    effect
        Design effect in the direction of each cell, ``[..., K]``.
    """
    known = rows[..., np.newaxis] / effect
    hits = shares * known
    misses = np.maximum(known - hits, 0.0)
    level = np.broadcast_to(alpha[..., np.newaxis], hits.shape)
    limit = np.ones(hits.shape)
    some = (misses > 0) & (known > 0)
    limit[some] = betaincinv(hits[some] + 1, misses[some], 1 - level[some])
    wide = np.square(np.sqrt(_of_two(shares, limit)) + np.sqrt(tolerance / 2)[..., np.newaxis])
    low, high = limit, np.ones(hits.shape)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        inside = _of_two(shares, middle) <= wide
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return high


def _of_two(share: FloatArray, other: FloatArray) -> FloatArray:
    """Return KL((share, 1 - share)‖(other, 1 - other))."""
    with np.errstate(divide="ignore", invalid="ignore"):
        far = xlogy(share, share / other) + xlogy(1 - share, (1 - share) / (1 - other))
    return np.where(share >= 1, 0.0, np.maximum(far, 0.0))
