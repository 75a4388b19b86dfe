"""How far a window's law strays while nothing is wrong, as the reference's own windows show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from scipy.special import fdtri, gammaincinv

from detectors.evidence.null import FloatArray, IntArray

CHANCE: Final = 0.025
"""Scatter that rows of one law show with this probability is taken for theirs."""


@dataclass(frozen=True, slots=True, eq=False)
class Wander:
    """Scatter of the laws of windows, without that of their rows, arrays of ``[J]``.

    A window's law has population stability index about ``trace``·F to the reference, where F has (directions,
    directions·freedom) degrees of freedom: few days say little about how far a rare one strays.
    """

    trace: FloatArray
    """Mean index of a window's law to the reference; 0 where chance explains what windows differ by."""
    directions: FloatArray
    freedom: FloatArray
    """Days less one. Windows of one day may share what makes the day different."""

    @classmethod
    def of(cls, windows: FloatArray, slots: IntArray) -> Self:
        """Return the scatter of counts by day, window of the day, monitor and cell, ``[D, W, J, K]``.

        Parameters
        ----------
        windows
            Counts; windows without rows do not count.
        slots
            Calendar slot of each window of the day, ``[W]``. A window is compared with all of its slot.

        Notes
        -----
        Moments: with z the standardised residuals of a window of n rows, E[zzᵀ] = (1 - n/N)(P + n·T), where P is what
        chance gives and T is the covariance of laws. Directions are (tr T)² / tr T², the latter without its bias.

        The sum of all zᵀz is Pearson's chi-square. Rows of one law give it a mean of K - 1 a window and a variance of
        2(K - 1) + (Σ 1/p - K² - 2K + 2)/n (Haldane 1937); a gamma law with both tells what chance explains.
        """
        monitors, cells = windows.shape[2:]
        covariance = np.zeros((monitors, cells, cells))
        chance, scale, variance = np.zeros(monitors), np.zeros(monitors), np.zeros(monitors)
        shares = np.zeros((monitors, cells))
        for slot in np.unique(slots):
            part = windows[:, slots == slot].reshape(-1, monitors, cells)
            rows, total = part.sum(axis=2), part.sum(axis=(0,))
            known = np.maximum(total.sum(axis=1), 1.0)
            law = total / known[:, np.newaxis]
            residual = (part - rows[..., np.newaxis] * law) / np.sqrt(np.maximum(rows[..., np.newaxis] * law, 1e-300))
            covariance += np.einsum("wjk,wjl->jkl", residual, residual)
            left = np.where(rows > 0, 1 - rows / known, 0.0)
            chance += left.sum(axis=0)
            scale += (left * rows).sum(axis=0)
            variance += _chance_variance(law, left, rows)
            shares += total
        used = (shares > 0).sum(axis=1)
        centre = np.sqrt(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1.0))
        plain = np.eye(cells) * (shares > 0)[:, np.newaxis, :] - centre[:, :, np.newaxis] * centre[:, np.newaxis, :]
        explained = _explained(chance * (used - 1.0), variance)
        nothing = np.trace(covariance, axis1=1, axis2=2) <= explained
        covariance -= chance[:, np.newaxis, np.newaxis] * plain
        # Where each slot has one window only, its law is that window's, and nothing is known of how it strays.
        covariance *= np.where(scale > 0, 1 / np.maximum(scale, 1e-300), 0.0)[:, np.newaxis, np.newaxis]
        filled = windows.sum(axis=(1, 3)) > 0
        found = cls._of_covariance(covariance, np.maximum(used - 1.0, 1.0), filled.sum(axis=0) - 1.0)
        return replace(found, trace=np.where(nothing, 0.0, found.trace))

    @classmethod
    def _of_covariance(cls, covariance: FloatArray, most: FloatArray, freedom: FloatArray) -> Self:
        trace = np.maximum(np.trace(covariance, axis1=1, axis2=2), 0.0)
        v = np.maximum(freedom, 2.0)
        squares = (np.square(covariance).sum(axis=(1, 2)) - trace**2 / v) * v**2 / ((v - 1) * (v + 2))
        some = trace > 0
        directions = np.where(some, trace**2 / np.maximum(squares, np.where(some, trace**2 / most, 1.0)), 1.0)
        return cls(trace, np.where(freedom >= 2, np.clip(directions, 1.0, most), 1.0), freedom)

    def reach(self, alpha: FloatArray) -> FloatArray:
        """Return the index that a day's law exceeds with probability ``alpha``; ∞ with fewer than two days."""
        some = self.freedom >= 1
        denominator = self.directions * np.where(some, self.freedom, 1.0)
        reach: FloatArray = np.where(some, self.trace / fdtri(denominator, self.directions, alpha), np.inf)
        return reach


def _chance_variance(law: FloatArray, left: FloatArray, rows: FloatArray) -> FloatArray:
    """Return the variance ``[J]`` of the sum over windows ``[W, J]`` of Pearson's chi-square of rows of one law."""
    held = law > 0
    cells = held.sum(axis=1)
    inverse = np.where(held, 1 / np.where(held, law, 1.0), 0.0).sum(axis=1)
    uneven = inverse - cells**2 - 2 * cells + 2
    each = 2 * (cells - 1.0) + uneven / np.maximum(rows, 1.0)
    variance: FloatArray = (np.square(left) * np.where(rows > 0, np.maximum(each, 0.0), 0.0)).sum(axis=0)
    return variance


def _explained(mean: FloatArray, variance: FloatArray) -> FloatArray:
    """Return what a sum with this mean and variance exceeds with probability ``CHANCE``, if it has a gamma law."""
    some = (mean > 0) & (variance > 0)
    scale = np.where(some, variance, 1.0) / np.where(some, mean, 1.0)
    shape = np.where(some, mean, 1.0) / scale
    quantile: FloatArray = np.where(some, gammaincinv(shape, 1 - CHANCE) * scale, 0.0)
    return quantile
