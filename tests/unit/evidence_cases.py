"""Engines and laws that the tests of evidence share."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.special import gammaln, xlogy
from scipy.stats import norm

from detectors.evidence.ball import Ball
from detectors.evidence.bounded import Along, Bounded
from detectors.evidence.engine import Engine
from detectors.evidence.interval import FLOOR, RATIO, Interval
from detectors.evidence.null import BoolArray, FloatArray

EDGES = norm.ppf([0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
REFERENCES = [
    np.array([[30.0, 50.0, 20.0]]),
    np.array([[300.0, 650.0, 50.0]]),
    np.array([[4000.0, 3.0, 1000.0]]),
    np.array([[2000.0, 0.0, 1000.0]]),
    np.array([[0.0, 0.0, 5000.0]]),
]


def gaussian(mean: float = 0.0, spread: float = 1.0) -> FloatArray:
    """Return the shares of a Gaussian in the 14 bins of the standard one."""
    shares: FloatArray = np.diff(norm.cdf((EDGES - mean) / spread), prepend=0.0, append=1.0)
    return shares


def balls(reference: FloatArray, alpha: float = 1e-3, tolerance: float = 0.01, dispersion: float = 1.0) -> Ball:
    """Return the balls of reference counts ``[J, K]`` or ``[S, J, K]`` that share their parameters."""
    slots = np.asarray(reference, np.float64).reshape(-1, *reference.shape[-2:])
    ones = np.ones(slots.shape[1])
    return Ball.of(slots, alpha * ones, tolerance * ones, dispersion * ones)


def bounded(reference: FloatArray, alpha: float = 1e-3, tolerance: float = 0.01) -> Bounded:
    """Return the cut balls of reference counts ``[J, K]`` or ``[S, J, K]`` whose rows have one law."""
    slots = np.asarray(reference, np.float64).reshape(-1, *reference.shape[-2:])
    _, monitors, cells = slots.shape
    ones = np.ones(monitors)
    along = Along(np.ones((monitors, 2 + cells)), np.inf * ones)
    return Bounded.around(slots, alpha * ones, tolerance * ones, ones, np.ones(monitors, bool), along)


def pulled(null: Bounded, laws: FloatArray, rows: FloatArray | slice = slice(None)) -> FloatArray:
    """Return laws ``[..., K]`` of each monitor's ball, moved towards its centre until all other parts hold them too."""
    centre = null.shares[0][rows]
    ways = laws - centre
    along = np.einsum("jfk,j...k->j...f", null.scores[0][rows], ways)
    at = np.einsum("jfk,jk->jf", null.scores[0][rows], centre)
    shape = (len(at), *(1,) * (along.ndim - 2), at.shape[1])
    up, down = (null.high[0][rows] - at).reshape(shape), (at - null.low[0][rows]).reshape(shape)
    cells = (null.most[0][rows] - centre).reshape(len(at), *(1,) * (along.ndim - 2), centre.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(along > 0, up / along, np.inf), np.where(along < 0, -down / along, np.inf)]
        room = np.minimum(*(part.min(axis=-1) for part in parts))
        room = np.minimum(room, np.where(ways > 0, cells / ways, np.inf).min(axis=-1))
    inside: FloatArray = centre + np.minimum(room, 1.0)[..., np.newaxis] * ways
    return inside


def intervals(reference: FloatArray, alpha: float = 1e-3, ratio: float = RATIO, floor: float = FLOOR) -> Interval:
    """Return the intervals of reference counts ``[J, 2]`` or ``[S, J, 2]`` that share their parameters."""
    slots = np.asarray(reference, np.float64).reshape(-1, *reference.shape[-2:])
    ones = np.ones(slots.shape[1])
    return Interval.of(slots, alpha * ones, ratio * ones, floor * ones, ones)


def shape_engine(reference: FloatArray, ordered: BoolArray | None = None, **parameters: float) -> Engine:
    """Return the engine of shape vectors."""
    return Engine.of(balls(reference, **parameters), ordered)


def rate_engine(reference: FloatArray, **parameters: float) -> Engine:
    """Return the engine of rates."""
    return Engine.of(intervals(reference, **parameters))


def compositions(rows: int, cells: int) -> FloatArray:
    """Return every way to put rows into cells, ``[ways, cells]``."""
    bars = np.array(list(combinations(range(rows + cells - 1), cells - 1)), np.int64).reshape(-1, cells - 1)
    padded = np.pad(bars, ((0, 0), (1, 1)), constant_values=(-1, rows + cells - 1))
    padded[:, 0] = -1
    return (np.diff(padded, axis=1) - 1).astype(np.float64)


def log_probability(counts: FloatArray, laws: FloatArray) -> FloatArray:
    """Return the log probability of each of ``[W, K]`` counts under each of ``[L, K]`` laws, ``[L, W]``."""
    ways = gammaln(counts.sum(axis=1) + 1) - gammaln(counts + 1).sum(axis=1)
    chance: FloatArray = ways + xlogy(counts[np.newaxis], laws[:, np.newaxis, :]).sum(axis=2)
    return chance


def surface(centre: FloatArray, radius: float, directions: int) -> FloatArray:
    """Return laws of three cells with KL(centre‖law) = radius, one in each of many directions, ``[D, 3]``."""
    angle = np.linspace(0, 2 * np.pi, directions, endpoint=False)
    plane = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])
    ways = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ plane
    with np.errstate(divide="ignore"):
        inside = np.zeros(directions)
        outside = np.min(np.where(ways < 0, centre / np.abs(ways), np.inf), axis=1)
    for _ in range(200):
        middle = (inside + outside) / 2
        laws = centre + middle[:, np.newaxis] * ways
        near = (xlogy(centre, centre) - xlogy(centre, np.maximum(laws, 1e-300))).sum(axis=1) <= radius
        inside, outside = np.where(near, middle, inside), np.where(near, outside, middle)
    return centre + inside[:, np.newaxis] * ways
