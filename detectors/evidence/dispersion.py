"""How much days differ beyond chance, and what that adds to the uncertainty of a reference."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from scipy.special import chdtri, fdtri

from detectors.evidence.ball import smoothed
from detectors.evidence.limits import SCORES, directions_of
from detectors.evidence.null import BoolArray, FloatArray, Rows


@dataclass(frozen=True, slots=True, eq=False)
class Dispersion:
    """What the days of J references say, arrays of ``[J]``.

    Days that differ in one direction only, such as a mean that goes up and down, add up to a far heavier tail than the
    same chi-square spread over all directions; so it takes three figures, not one.
    """

    factor: FloatArray
    """Chi-square between days over its degrees of freedom, at least 1."""
    directions: FloatArray
    """In how many directions days differ: 1 to K - 1."""
    freedom: FloatArray
    """Days less one; infinite where nothing is known and days are taken to be alike."""

    @classmethod
    def none(cls, monitors: int, cells: int) -> Self:
        """Return the dispersion of rows that are taken to have one law."""
        ones = np.ones(monitors)
        return cls(ones, ones * (cells - 1), ones * np.inf)

    @classmethod
    def of(cls, days: FloatArray) -> Self:
        """Return the dispersion of counts by day, ``[D, J, K]``, or by day and slot, ``[D, S, J, K]``.

        The directions are (Σλ)² / Σλ² of the eigenvalues λ of the covariance of standardised shares between days, each
        sum without its bias. Days without rows do not count; with fewer than two, days are taken to be alike.

        Raises
        ------
        ValueError
            When the array has another shape.
        """
        if days.ndim not in {3, 4}:
            raise ValueError(f"counts by day have 3 or 4 axes, not {days.ndim}")
        slots = days[:, np.newaxis] if days.ndim == 3 else days
        rows = slots.sum(axis=3, keepdims=True)
        total = slots.sum(axis=0)
        expected = rows * total / np.maximum(total.sum(axis=2, keepdims=True), 1.0)
        residual = (slots - expected) / np.sqrt(np.where(expected > 0, expected, 1.0))
        filled = rows[..., 0] > 0
        freedom = np.maximum(filled.sum(axis=0) - 1, 0).sum(axis=0).astype(np.float64)
        known = freedom >= 1
        divisor = np.where(known, freedom, 1.0)
        covariance = np.einsum("dsjk,dsjl->jkl", residual, residual) / divisor[:, np.newaxis, np.newaxis]
        independent = np.maximum(filled.any(axis=1).sum(axis=0) - 1.0, 0.0)
        return cls._of_covariance(covariance, np.where(known, independent, np.inf), (total.sum(axis=0) > 0).sum(axis=1))

    @classmethod
    def _of_covariance(cls, covariance: FloatArray, freedom: FloatArray, cells: FloatArray) -> Self:
        trace = np.trace(covariance, axis1=1, axis2=2)
        squares = np.square(covariance).sum(axis=(1, 2))
        most = np.maximum(cells - 1.0, 1.0)
        some = np.isfinite(freedom)
        v = np.where(some & (freedom >= 2), freedom, 2.0)
        unbiased = (squares - trace**2 / v) * v**2 / ((v - 1) * (v + 2))
        directions = trace**2 / np.maximum(unbiased, np.maximum(trace**2 / most, 1e-300))
        directions = np.where(some & (freedom < 2), 1.0, np.where(some & (trace > 0), directions, most))
        factor = np.where(some, np.maximum(trace / most, 1.0), 1.0)
        return cls(factor, np.clip(directions, 1.0, most), freedom)

    def take(self, rows: Rows) -> Self:
        """Return the dispersion of some of the monitors."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def design_effect(self, alpha: FloatArray, cells: int) -> FloatArray:
        """Return by how much fewer rows of one law would leave as much open at level ``alpha``, ``[J]``.

        The reference's likelihood ratio is about factor·(K - 1)·F with (directions, freedom·directions) degrees of
        freedom where it would be χ² with K - 1 (Satterthwaite's approximation).

        >>> days = Dispersion(np.array([1.0, 2.4]), np.array([13.0, 3.0]), np.array([np.inf, 13.0]))
        >>> days.design_effect(np.array([1e-4, 1e-4]), 14).round(1).tolist()
        [1.0, 7.0]
        """
        known = np.isfinite(self.freedom)
        numerator = np.where(known, self.directions, 1.0)
        denominator = numerator * np.where(known, self.freedom, 1.0)
        tail = self.factor * (cells - 1) / fdtri(denominator, numerator, alpha)
        effect: FloatArray = np.where(known, np.maximum(tail / chdtri(cells - 1.0, alpha), 1.0), self.factor)
        return effect


def along(days: FloatArray, ordered: BoolArray) -> FloatArray:
    """Return the variance between days over that of rows in single directions, ``[J, 2 + K]``.

    The directions are the normal score of a cell, its square, and each cell by itself. Days are compared within slots.
    0 where nothing can be compared.

    Parameters
    ----------
    days
        Counts by day and slot, ``[D, S, J, K]``.
    ordered
        Whether the order of the cells means anything, ``[J]``.
    """
    rows, total = days.sum(axis=3), days.sum(axis=0)
    known = total.sum(axis=2)
    law = total / np.maximum(known, 1.0)[..., np.newaxis]
    monitors, cells = days.shape[2:]
    found = np.zeros((monitors, SCORES + cells))
    for slot in range(days.shape[1]):
        apart = days[:, slot] - rows[:, slot, :, np.newaxis] * law[slot]
        scores = directions_of(smoothed(total[slot]), ordered)
        variance = np.einsum("jk,jfk->jf", law[slot], scores**2) - np.einsum("jk,jfk->jf", law[slot], scores) ** 2
        moved = np.einsum("djk,jfk->djf", apart, scores)
        every = np.concatenate([moved, apart], axis=2)
        variance = np.concatenate([variance, law[slot] * (1 - law[slot])], axis=1)
        chance = rows[:, slot, :, np.newaxis] * variance
        found += np.where(chance > 0, np.square(every) / np.where(chance > 0, chance, 1.0), 0.0).sum(axis=0)
    freedom = np.maximum((rows > 0).sum(axis=0) - 1, 0).sum(axis=0)
    ratio: FloatArray = found / np.maximum(freedom, 1)[:, np.newaxis]
    return ratio
