"""The null of shapes: all laws in a ball around the reference, and the projection onto it in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from scipy.special import chdtri

from detectors.evidence.null import BoolArray, FloatArray, Rows

LIVE: Final = 0.99
"""A bet whose nearest law is nearly the law itself stays near 1 whatever comes; it would only wait for its turn."""
_STEPS: Final = 60
_PRECISION: Final = 1e-11


@dataclass(frozen=True, slots=True, eq=False)
class Ball:
    """All p with KL(reference‖p) ≤ radius.

    ``shares`` and ``smooth`` are ``[S, J, K]``, ``radius`` is ``[S, J]``, in nats; an infinite radius tolerates all.
    """

    shares: FloatArray
    smooth: FloatArray
    radius: FloatArray

    @classmethod
    def of(cls, reference: FloatArray, alpha: FloatArray, tolerance: FloatArray, dispersion: FloatArray) -> Ball:
        """Return the ball around reference counts.

        Parameters
        ----------
        reference
            Rows by slot, monitor and cell, ``[S, J, K]``; may be soft counts.
        alpha
            Probability, ``[J]``, that the law of the reference lies outside in some slot.
        tolerance
            Population stability index, ``[J]``, that is of no interest.
        dispersion
            Design effect, ``[J]``: how much more days differ than rows of one law would (1 if they do not).
        """
        rows = reference.sum(axis=-1)
        cells = reference.shape[-1]
        statistical = statistical_radius(rows / dispersion, cells, alpha / len(reference))
        return cls(
            shares=reference / np.where(rows > 0, rows, 1.0)[..., np.newaxis],
            smooth=smoothed(reference),
            radius=np.square(np.sqrt(statistical) + np.sqrt(tolerance / 2)),
        )

    def project(self, laws: FloatArray, slot: int) -> tuple[FloatArray, BoolArray]:
        """Return (1 - w)·reference + w·law on the surface of the ball, or the law itself if it lies inside."""
        centre = self.shares[slot][:, np.newaxis, :]
        weight = projection_weight(laws, centre, self.radius[slot][:, np.newaxis])
        mixed = weight[..., np.newaxis] * laws
        mixed += (1 - weight)[..., np.newaxis] * centre
        return mixed, weight < LIVE

    def take(self, rows: Rows) -> Self:
        """Return the null of some of the monitors."""
        return type(self)(self.shares[:, rows], self.smooth[:, rows], self.radius[:, rows])


def smoothed(reference: FloatArray) -> FloatArray:
    """Return shares with half a row added to each cell."""
    added: FloatArray = (reference + 0.5) / (reference.sum(axis=-1, keepdims=True) + reference.shape[-1] / 2)
    return added


def statistical_radius(rows: FloatArray, cells: int, alpha: FloatArray) -> FloatArray:
    """Return the radius of the multinomial likelihood-ratio region, χ²(alpha, cells - 1) / (2·rows); ∞ without rows.

    >>> float(statistical_radius(np.array([1000.0]), 4, np.array([0.001]))[0])
    0.008133118098...
    """
    quantile = chdtri(cells - 1.0, alpha)
    with np.errstate(divide="ignore"):
        radius: FloatArray = quantile / (2 * np.asarray(rows, np.float64))
    return radius


def projection_weight(laws: FloatArray, centre: FloatArray, radius: FloatArray) -> FloatArray:
    """Return w, the root of f(w) = KL(centre‖(1 - w)·centre + w·law) = radius, or 1 when the law lies in the ball.

    f is convex and increases from 0, so a tangent meets the radius at or beyond the root: every Newton step ends in a
    slightly larger ball, and a bet against a larger ball is valid, too. A step that leaves (0, 1) is replaced by half
    the way to 1. Each root stops by itself, so that none depends on its neighbours.

    Parameters
    ----------
    laws
        ``[..., K]``, rows sum to 1.
    centre
        Broadcasts with ``laws``.
    radius
        Broadcasts with ``laws`` without its last axis.

    Examples
    --------
    >>> law, centre = np.array([0.15, 0.2, 0.35, 0.3]), np.array([0.1, 0.2, 0.3, 0.4])
    >>> round(float(projection_weight(law, centre, np.array(0.008133118098))), 8)
    0.53596092
    """
    centre, laws = np.broadcast_arrays(centre, laws)
    radius = np.broadcast_to(radius, laws.shape[:-1])
    held = centre > 0
    excess = np.divide(laws - centre, centre, out=np.zeros_like(laws), where=held)
    with np.errstate(divide="ignore"):
        inside = -(centre * np.log1p(excess)).sum(axis=-1) <= radius
    weight = np.ones(inside.shape)
    rows = ~inside
    if rows.any():
        weight[rows] = _root(centre[rows], excess[rows], radius[rows])
    return weight


def _root(centre: FloatArray, excess: FloatArray, radius: FloatArray) -> FloatArray:
    """Return an upper bound of each root, within a relative 1e-10; ``centre`` and ``excess`` are ``[R, K]``."""
    terms = centre * excess
    slope = -terms.sum(axis=-1)
    curve = (terms * excess).sum(axis=-1)
    weight = np.minimum((np.sqrt(slope**2 + 2 * curve * radius) - slope) / curve, 0.9)
    lowest = np.zeros_like(weight)
    bound: FloatArray = np.ones_like(weight)
    open_rows = np.arange(len(weight))
    for _ in range(_STEPS):
        now = weight[open_rows]
        inner = 1 + now[:, np.newaxis] * excess[open_rows]
        gap = radius[open_rows] + (centre[open_rows] * np.log(inner)).sum(axis=-1)
        tangent = now - gap / (terms[open_rows] / inner).sum(axis=-1)
        lowest[open_rows] = np.where(gap > 0, now, lowest[open_rows])
        within = tangent < 1
        bound[open_rows] = np.minimum(bound[open_rows], np.where(within, tangent, 1.0))
        following = np.where(within, bound[open_rows], (lowest[open_rows] + 1) / 2)
        weight[open_rows] = following
        moving = ~(np.abs(following - now) <= _PRECISION * now)
        open_rows = open_rows[moving]
        if not len(open_rows):
            break
    return bound
