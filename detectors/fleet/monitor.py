"""What a monitor of a fleet is: its reference, what it tolerates, and the identity of its evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np

from detectors.evidence.ball import Ball
from detectors.evidence.bounded import PART, Along, Bounded
from detectors.evidence.dispersion import Dispersion
from detectors.evidence.interval import FLOOR, RATIO, Interval
from detectors.evidence.null import FloatArray

RULES: Final = 2
"""Version of the bets; evidence gathered by other ones is not continued."""


@dataclass(frozen=True, eq=False)
class Monitor:
    """One count vector to be judged.

    Parameters
    ----------
    name
        Key that is unique in the fleet.
    kind
        ``shape`` for the shares of bins or categories of 1 % and more; ``rate`` for (other rows, rows of the kind).
    reference
        Reference rows by slot and cell, ``[S, K]`` or ``[K]``; soft counts where sessions share a weight of 1.
    alpha
        Probability that the law of the reference is not tolerated; the fleet's times the monitor's weight, fixed when
        the monitor is created, so that a new monitor changes none of the others.
    tolerance
        Population stability index that is of no interest (shapes).
    ratio, floor
        Ratio of odds, and absolute change, that is of no interest (rates).
    ordered
        Whether the order of the cells means anything; ``False`` for categories.
    dispersion, directions, days
        What the reference's days say (``Dispersion``): the factor, the number of directions, and how many days there
        are; with fewer than two, the factor is taken as it is.
    along
        Variance between days over that of rows, ``[2 + K]``: of the score, of its square, and of each cell
        (``Along``). With it a shape is bet against in single directions, too; ones if rows are taken to have one law.
    epoch
        The e-th reference of this monitor, from 1; later ones get less of ``alpha``, so that the sum is kept.

    Raises
    ------
    ValueError
        When a figure is out of range.
    """

    name: str
    kind: Literal["shape", "rate"]
    reference: FloatArray
    alpha: float
    tolerance: float = 0.01
    ratio: float = RATIO
    floor: float = FLOOR
    ordered: bool = True
    dispersion: float = 1.0
    directions: float = 1.0
    days: int = 0
    epoch: int = 1
    along: FloatArray | None = None

    def __post_init__(self) -> None:
        counts = np.atleast_2d(np.asarray(self.reference, np.float64))
        if counts.ndim != 2 or not (np.isfinite(counts).all() and counts.min(initial=0.0) >= 0):
            raise ValueError(f"{self.name}: reference counts must be finite and not negative, slots by cells")
        if counts.shape[1] < 2 or (self.kind == "rate" and counts.shape[1] != 2):
            raise ValueError(f"{self.name}: a {self.kind} cannot have {counts.shape[1]} cells")
        if not 0 < self.alpha < 1:
            raise ValueError(f"{self.name}: alpha {self.alpha} is not between 0 and 1")
        if not (self.tolerance >= 0 and self.floor >= 0 and self.ratio >= 1):
            raise ValueError(f"{self.name}: tolerance and floor must be 0 or more, the ratio 1 or more")
        if not (self.dispersion >= 1 and self.directions >= 1 and self.days >= 0):
            raise ValueError(f"{self.name}: dispersion and directions must be 1 or more, days 0 or more")
        if self.epoch < 1:
            raise ValueError(f"{self.name}: references are numbered from 1, not {self.epoch}")
        object.__setattr__(self, "reference", counts)
        if self.along is not None:
            along = np.asarray(self.along, np.float64)
            if along.shape != (2 + counts.shape[1],) or not (np.isfinite(along).all() and along.min() >= 0):
                raise ValueError(f"{self.name}: {2 + counts.shape[1]} directions need as many finite figures")
            object.__setattr__(self, "along", along)

    @property
    def slots(self) -> int:
        """Calendar slots with a reference of their own."""
        return len(self.reference)

    @property
    def cells(self) -> int:
        """Cells of the count vector."""
        return int(self.reference.shape[1])

    @cached_property
    def identity(self) -> bytes:
        """Hash of all that gives the evidence its meaning. Budgets, weights and thresholds are not part of it."""
        digest = hashlib.blake2b(digest_size=16)
        parts = (RULES, self.name, self.kind, self.alpha, self.tolerance, self.ratio, self.floor, self.ordered)
        digest.update(
            repr((*parts, self.dispersion, self.directions, self.days, self.epoch, self.reference.shape)).encode()
        )
        digest.update(self.reference.astype("<f8").tobytes())
        if self.along is not None:
            digest.update(self.along.astype("<f8").tobytes())
        return digest.digest()


def alpha_of_epoch(alpha: FloatArray, epoch: FloatArray) -> FloatArray:
    """Return the part of ``alpha`` that the e-th reference may spend; all parts together are ``alpha``.

    >>> round(sum(float(alpha_of_epoch(np.array(0.05), np.array(e))) for e in range(1, 100_000)), 4)
    0.05
    """
    part: FloatArray = alpha * 6 / (np.pi * epoch) ** 2
    return part


def null_of(monitors: Sequence[Monitor]) -> Ball | Interval:
    """Return the null of monitors of one kind, number of cells and number of slots."""
    reference = np.stack([monitor.reference for monitor in monitors], axis=1)
    return null_around(monitors, reference, np.array([monitor.epoch for monitor in monitors], np.float64))


def null_around(monitors: Sequence[Monitor], reference: FloatArray, epoch: FloatArray) -> Ball | Interval:
    """Return the null of monitors around other reference counts ``[S, J, K]``, their ``epoch``-th ones."""

    def each(name: str) -> FloatArray:
        return np.array([getattr(monitor, name) for monitor in monitors], np.float64)

    alpha = alpha_of_epoch(each("alpha"), epoch)
    days = each("days")
    freedom = np.where(days >= 2, days - 1, np.inf)
    known = Dispersion(each("dispersion"), each("directions"), freedom)
    cells, slots = reference.shape[2], len(reference)
    if monitors[0].kind == "rate":
        effect = known.design_effect(alpha / slots, cells)
        return Interval.of(reference, alpha, each("ratio"), each("floor"), effect)
    along = [monitor.along for monitor in monitors if monitor.along is not None]
    if len(along) < len(monitors):
        return Ball.of(reference, alpha, each("tolerance"), known.design_effect(alpha / slots, cells))
    effect = known.design_effect(PART * alpha / slots, cells)
    ordered = np.array([monitor.ordered for monitor in monitors])
    return Bounded.around(reference, alpha, each("tolerance"), effect, ordered, Along(np.stack(along), freedom))
