"""The shapes that bettors look for, their names, and their bets, worked out once for each reference."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

import numpy as np

from detectors.evidence.ball import Ball
from detectors.evidence.bounded import Bounded
from detectors.evidence.interval import Interval
from detectors.evidence.limits import normal_scores
from detectors.evidence.null import BoolArray, FloatArray, Null, Rows, log_bet

MEANS: Final = (-0.8, -0.4, -0.2, -0.1, -0.05, 0.05, 0.1, 0.2, 0.4, 0.8)
SPREADS: Final = (-0.5, -0.25, -0.1, 0.05, 0.125, 0.25)
SPIKES: Final = (0.02, 0.1, 0.4)
ODDS: Final = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
RATES: Final = tuple([1 / odds for odds in reversed(ODDS)] + list(ODDS))
_AT_ONCE: Final = 512


class Kind(StrEnum):
    """What a bettor expects."""

    MEAN = "mean"
    """The normal score of the value moves by ``size`` standard deviations."""
    SPREAD = "spread"
    """The standard deviation is multiplied by ``size``."""
    SPIKE = "spike"
    """A share ``size`` of the rows goes to one cell."""
    RATE = "rate"
    """The odds of the rate are ``size`` times those of the end of the tolerated interval."""
    RECENT = "recent"
    """What recent windows looked like."""
    SUDDEN = "sudden"
    """Any change, seen in one window."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One bettor: what it expects, how much of it, and where."""

    kind: Kind
    size: float = 0.0
    cell: int = -1


def shapes_of(cells: int) -> tuple[Shape, ...]:
    """Return the dictionary of a vector: 16 + 3·cells shapes."""
    return (
        *(Shape(Kind.MEAN, size) for size in MEANS),
        *(Shape(Kind.SPREAD, (1 - 2 * size) ** -0.5) for size in SPREADS),
        *(Shape(Kind.SPIKE, size, cell) for size in SPIKES for cell in range(cells)),
    )


def rates_of() -> tuple[Shape, ...]:
    """Return the dictionary of a rate: 9 shapes below the tolerated interval and 9 above it."""
    return tuple(Shape(Kind.RATE, size) for size in RATES)


@dataclass(frozen=True, slots=True, eq=False)
class Bets:
    """Log bets of D shapes on every cell.

    A spike bets one amount on its cell and one on all others, so 2 numbers stand for K. Shapes are ordered as
    ``shapes_of`` and ``rates_of`` list them.
    """

    dense: FloatArray
    """``[S, J, K, T]``, shapes that bet on each cell by itself."""
    apart: FloatArray
    """``[S, J, 3K]``, a spike's log bet on the cells that are not its own (none for rates)."""
    gain: FloatArray
    """``[S, J, 3K]``, how much more it bets on its own cell."""
    live: BoolArray
    """``[S, J, D]``, bets that are worth it. The others never start."""

    @classmethod
    def against(cls, null: Null, ordered: BoolArray) -> Bets:
        """Return the bets against a null; for cells that are not ``ordered`` the commonest counts as the lowest."""
        slots, monitors, _ = null.shares.shape
        blocks = [
            _block(null.take(slice(first, first + _AT_ONCE)), ordered[first : first + _AT_ONCE], slot)
            for slot in range(slots)
            for first in range(0, max(monitors, 1), _AT_ONCE)
        ]
        parts = zip(*blocks, strict=True)
        joined = [np.concatenate(part).reshape(slots, monitors, *part[0].shape[1:]) for part in parts]
        return cls(joined[0], joined[1], joined[2], joined[3] > 0)

    def log_factors(self, counts: FloatArray, slot: int) -> FloatArray:
        """Return the log factors ``[J, D]`` of counts ``[J, K]``."""
        dense: FloatArray = np.matmul(counts[:, np.newaxis, :], self.dense[slot])[:, 0, :]
        if not self.apart.shape[-1]:
            return dense
        rows = counts.sum(axis=1, keepdims=True)
        spikes = np.tile(counts, len(SPIKES))
        spikes *= self.gain[slot]
        spikes += rows * self.apart[slot]
        return np.concatenate([dense, spikes], axis=1)

    def take(self, rows: Rows) -> Self:
        """Return the bets of some of the monitors."""
        return type(self)(self.dense[:, rows], self.apart[:, rows], self.gain[:, rows], self.live[:, rows])


def tilted(smooth: FloatArray, ordered: BoolArray) -> FloatArray:
    """Return laws ``[J, 16, K]`` whose mean or spread differs: smooth·exp(θz) and smooth·exp(θ(z² - 1)), normalised.

    z is the normal score of the middle rank of each cell. A Gaussian tilted by exp(θz) has its mean moved by θ standard
    deviations; by exp(θ(z² - 1)), its standard deviation multiplied by (1 - 2θ)^-½.
    """
    z = normal_scores(smooth, ordered)
    means = np.array(MEANS)[:, np.newaxis] * z[:, np.newaxis, :]
    spreads = np.array(SPREADS)[:, np.newaxis] * (z**2 - 1)[:, np.newaxis, :]
    tilts = np.concatenate([means, spreads], axis=1)
    laws: FloatArray = smooth[:, np.newaxis, :] * np.exp(tilts - tilts.max(axis=2, keepdims=True))
    laws /= laws.sum(axis=2, keepdims=True)
    return laws


def spiked(shares: FloatArray) -> FloatArray:
    """Return laws ``[J, 3K, K]`` in which a part of the rows went to one cell."""
    cells = shares.shape[1]
    sizes = np.repeat(SPIKES, cells)[:, np.newaxis]
    laws: FloatArray = (1 - sizes) * shares[:, np.newaxis, :] + sizes * np.tile(np.eye(cells), (len(SPIKES), 1))
    return laws


def shifted(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return laws ``[J, 18, 2]`` of rates beyond [low, high]."""
    factor = np.array(RATES)
    end = np.where(factor < 1, low[:, np.newaxis], high[:, np.newaxis])
    hits, misses = end * factor, 1 - end
    laws: FloatArray = np.stack([misses, hits], axis=-1) / (hits + misses)[..., np.newaxis]
    return laws


def laws_of(null: Null, ordered: BoolArray, slot: int) -> FloatArray:
    """Return the laws ``[J, D, K]`` that the dictionary bets on."""
    if isinstance(null, Interval):
        return shifted(null.low[slot], null.high[slot])
    if isinstance(null, Ball):
        return np.concatenate([tilted(null.smooth[slot], ordered), spiked(null.shares[slot])], axis=1)
    raise TypeError(f"no dictionary for a {type(null).__name__}")


def _block(null: Null, ordered: BoolArray, slot: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return dense, apart, gain and live (as numbers) of a few monitors in one slot."""
    laws = laws_of(null, ordered, slot)
    monitors, shapes, cells = laws.shape
    spikes = shapes - len(MEANS) - len(SPREADS) if isinstance(null, Ball) else 0
    nearest, live = _projected(null, laws, slot, shapes - spikes)
    bets = np.where(live[..., np.newaxis], log_bet(laws, nearest), 0.0)
    tail = bets[:, shapes - spikes :]
    own, places = np.arange(spikes) % cells, np.arange(spikes)
    # A cell that the reference knows tells what the spike bets on every other; an empty one tells nothing.
    ranked = np.argsort(-null.shares[slot], axis=1, kind="stable")[:, :2]
    other = np.where(ranked[:, :1] == own, ranked[:, 1:], ranked[:, :1])
    apart = tail[np.arange(monitors)[:, np.newaxis], places, other]
    gain = tail[:, places, own] - apart
    dense = np.ascontiguousarray(bets[:, : shapes - spikes].transpose(0, 2, 1))
    return dense, apart, gain, live.reshape(monitors, shapes).astype(np.float64)


def _projected(null: Null, laws: FloatArray, slot: int, dense: int) -> tuple[FloatArray, BoolArray]:
    """Return nearest laws and live bets; those of spikes have one amount for all other cells."""
    if not isinstance(null, Bounded):
        return null.project(laws, slot)
    tilts, spikes = null.project(laws[:, :dense], slot), null.project_spikes(laws[:, dense:], slot)
    return np.concatenate([tilts[0], spikes[0]], axis=1), np.concatenate([tilts[1], spikes[1]], axis=1)
