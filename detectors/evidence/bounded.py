"""The null of shapes: the ball, cut by what the reference says of the mean, the spread and each cell by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from detectors.evidence.ball import LIVE, Ball
from detectors.evidence.limits import (
    SCORES,
    directions_of,
    fitted_shift,
    highest_mean,
    highest_shares,
    one_sided_effect,
    score_radius,
)
from detectors.evidence.null import BoolArray, FloatArray, Rows

PART: Final = 0.25
"""Of alpha: for the ball, for the mean, for the spread, and for all cells together."""
_NEWTON: Final = 8
_INSIDE: Final = 1 - 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Along:
    """What the days of J references say of single directions."""

    factor: FloatArray
    """Variance between days over that of rows: of the score, of its square, and of each cell, ``[J, 2 + K]``."""
    freedom: FloatArray
    """Days less one, ``[J]``; infinite where rows are taken to have one law."""


@dataclass(frozen=True, slots=True, eq=False)
class Bounded(Ball):
    """All p of the ball whose mean scores lie within [low, high] and whose cells have ``most`` at most.

    The set is convex, and smaller than each of its parts, so a bet that is fair against one part is fair against it.
    Every bet is made against the part that it gains most from.
    """

    scores: FloatArray
    """``[S, J, 2, K]``."""
    low: FloatArray
    """``[S, J, 2]``."""
    high: FloatArray
    """``[S, J, 2]``."""
    most: FloatArray
    """``[S, J, K]``."""

    @classmethod
    def around(
        cls,
        reference: FloatArray,
        alpha: FloatArray,
        tolerance: FloatArray,
        dispersion: FloatArray,
        ordered: BoolArray,
        along: Along,
    ) -> Bounded:
        """Return the null around reference counts ``[S, J, K]``; a quarter of ``alpha`` goes to each kind of part.

        ``dispersion`` is the design effect at a quarter of ``alpha``, for the ball; the others are as for ``Ball.of``.
        Scores are ranks within the same rows, which costs them as many rows as there are cells, and a shift.
        """
        ball = Ball.of(reference, PART * alpha, tolerance, dispersion)
        slots, _, cells = reference.shape
        level = PART * alpha / slots
        rows = reference.sum(axis=-1)
        scores = np.stack([directions_of(smooth, ordered) for smooth in ball.smooth])
        side = np.tile((level / 2)[:, np.newaxis], SCORES)
        effect = one_sided_effect(along.factor[:, :SCORES], along.freedom[:, np.newaxis], side)
        known = np.maximum(rows[..., np.newaxis] / effect - cells, 0.0)
        radius = score_radius(known, side, tolerance[:, np.newaxis])
        shift = np.stack([fitted_shift(smooth, own) for smooth, own in zip(ball.smooth, scores, strict=True)])
        shift /= np.maximum(known, 1.0)
        shares = ball.shares[:, :, np.newaxis, :]
        cell = np.tile((level / cells)[:, np.newaxis], cells)
        spread = one_sided_effect(along.factor[:, SCORES:], along.freedom[:, np.newaxis], cell)
        return cls(
            shares=ball.shares,
            smooth=ball.smooth,
            radius=ball.radius,
            scores=scores,
            low=-highest_mean(shares, -scores, radius) + np.minimum(shift, 0.0),
            high=highest_mean(shares, scores, radius) + np.maximum(shift, 0.0),
            most=highest_shares(
                ball.shares,
                rows,
                spread,
                np.broadcast_to(cell[:, 0], rows.shape),
                np.broadcast_to(tolerance, rows.shape),
            ),
        )

    def project(self, laws: FloatArray, slot: int) -> tuple[FloatArray, BoolArray]:
        """Return the nearest law of the part that is farthest from each law ``[J, M, K]``, and which bets are on."""
        found = self.project_spikes(laws, slot)
        for place in range(SCORES):
            found = _farther(laws, found, self._at_score(laws, slot, place))
        return found

    def project_spikes(self, laws: FloatArray, slot: int) -> tuple[FloatArray, BoolArray]:
        """Return the same of laws in which a part of the rows went to one cell: against the ball or that cell."""
        return _farther(laws, Ball.project(self, laws, slot), self._at_cell(laws, slot))

    def take(self, rows: Rows) -> Self:
        """Return the null of some of the monitors."""
        return type(self)(
            *(part[:, rows] for part in (self.shares, self.smooth, self.radius)),
            *(part[:, rows] for part in (self.scores, self.low, self.high, self.most)),
        )

    def mean_inside(self, shares: FloatArray, slots: FloatArray, rows: Rows) -> BoolArray:
        """Return whether all parts but the ball hold shares ``[R, K]`` of some monitors, seen in parts of slots.

        ``slots`` ``[R, S]`` are the parts; limits are averaged by them.
        """
        scores = np.einsum("rs,srfk->rfk", slots, self.scores[:, rows])
        low, high = (np.einsum("rs,srf->rf", slots, np.clip(end[:, rows], -1e9, 1e9)) for end in (self.low, self.high))
        mean = np.einsum("rfk,rk->rf", scores, shares)
        most = np.einsum("rs,srk->rk", slots, self.most[:, rows])
        inside: BoolArray = ((mean >= low) & (mean <= high)).all(axis=1) & (shares <= most).all(axis=1)
        return inside

    def _at_cell(self, laws: FloatArray, slot: int) -> tuple[FloatArray, BoolArray]:
        """Return the law with the most that is tolerated of the cell that tells most, the others in proportion."""
        most = np.broadcast_to(self.most[slot][:, np.newaxis, :], laws.shape)
        beyond = laws > most
        law, end = np.where(beyond, laws, 0.5), np.where(beyond, most, 0.5)
        rest = np.maximum(1 - law, 1e-300)
        gain = np.where(beyond, law * np.log(law / end) + rest * np.log(rest / (1 - end)), 0.0)
        cell = gain.argmax(axis=2)[..., np.newaxis]
        own, limit = (np.take_along_axis(part, cell, axis=2) for part in (laws, most))
        centre = np.take_along_axis(np.broadcast_to(self.shares[slot][:, np.newaxis, :], laws.shape), cell, axis=2)
        on = own > limit
        limit = np.where(on, limit, own)
        nearest = np.where(on, laws * ((1 - limit) / np.maximum(1 - own, 1e-300)), laws)
        np.put_along_axis(nearest, cell, limit, axis=2)
        return nearest, (on & (own - limit > (1 - LIVE) * (own - centre)))[..., 0]

    def _at_score(self, laws: FloatArray, slot: int, place: int) -> tuple[FloatArray, BoolArray]:
        """Return law / (1 + μ·(score - end)) for the end of the tolerated means that a law lies beyond."""
        score = self.scores[slot][:, place]
        low, high = self.low[slot][:, place, np.newaxis], self.high[slot][:, place, np.newaxis]
        mean = np.einsum("jmk,jk->jm", laws, score)
        above, below = mean > high, mean < low
        rows, columns = np.nonzero(above | below)
        nearest, live = laws.copy(), np.zeros(mean.shape, bool)
        if not len(rows):
            return nearest, live
        sign = np.where(above[rows, columns], 1.0, -1.0)[:, np.newaxis]
        end = np.where(above, high, low)[rows, columns][:, np.newaxis]
        excess = sign * (score[rows] - end)
        chosen = laws[rows, columns]
        nearest[rows, columns] = chosen / (1 + _multiplier(chosen, excess)[:, np.newaxis] * excess)
        centre = np.einsum("rk,rk->r", self.shares[slot][rows], excess)
        gone = np.einsum("rk,rk->r", chosen, excess)
        live[rows, columns] = gone > (1 - LIVE) * (gone - centre)
        return nearest, live


def _multiplier(laws: FloatArray, excess: FloatArray) -> FloatArray:
    """Return μ ``[R]`` with Σ law·excess / (1 + μ·excess) near 0, where all 1 + μ·excess stay positive.

    Any such μ of 0 or more makes a fair bet 1 + μ·excess against laws whose mean excess is 0 at most; the root makes
    the best one, so a few of Newton's steps will do.
    """
    most = _INSIDE / np.maximum(-excess.min(axis=1), 1e-300)
    weighted = laws * excess
    squared = weighted * excess
    multiplier = np.zeros(len(laws))
    for _ in range(_NEWTON):
        inner = 1 + multiplier[:, np.newaxis] * excess
        step = (weighted / inner).sum(axis=1) / np.maximum((squared / np.square(inner)).sum(axis=1), 1e-300)
        moved = multiplier + step
        multiplier = np.where(moved >= most, (multiplier + most) / 2, np.maximum(moved, 0.0))
    return multiplier


def _farther(
    laws: FloatArray, one: tuple[FloatArray, BoolArray], other: tuple[FloatArray, BoolArray]
) -> tuple[FloatArray, BoolArray]:
    """Return, of two nearest laws, the one that a law is farther from."""
    near, on = one
    rival, rival_on = other
    if not rival_on.any():
        return near, on
    held = np.where(laws > 0, laws, 1.0)
    ratio = np.where(laws > 0, np.maximum(near, 1e-300) / np.where(laws > 0, np.maximum(rival, 1e-300), 1.0), 1.0)
    better = rival_on & ((held * np.where(laws > 0, np.log(ratio), 0.0)).sum(axis=2) > 0)
    return np.where(better[..., np.newaxis], rival, near), np.where(better, rival_on, on)
