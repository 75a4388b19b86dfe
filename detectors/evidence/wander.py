"""How far a window's law strays while nothing is wrong, as the reference's own windows show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import fdtri

from detectors.evidence.null import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Wander:
    """Scatter of the laws of windows, without that of their rows, arrays of ``[J]``.

    A window's law has population stability index about ``trace``·F to the reference, where F has (directions,
    directions·freedom) degrees of freedom: few days say little about how far a rare one strays.
    """

    trace: FloatArray
    """Mean index of a window's law to the reference, at least 0."""
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
        """
        monitors, cells = windows.shape[2:]
        covariance = np.zeros((monitors, cells, cells))
        chance, scale = np.zeros(monitors), np.zeros(monitors)
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
            shares += total
        used = (shares > 0).sum(axis=1)
        centre = np.sqrt(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1.0))
        plain = np.eye(cells) * (shares > 0)[:, np.newaxis, :] - centre[:, :, np.newaxis] * centre[:, np.newaxis, :]
        covariance -= chance[:, np.newaxis, np.newaxis] * plain
        # Where each slot has one window only, its law is that window's, and nothing is known of how it strays.
        covariance *= np.where(scale > 0, 1 / np.maximum(scale, 1e-300), 0.0)[:, np.newaxis, np.newaxis]
        filled = windows.sum(axis=(1, 3)) > 0
        return cls._of_covariance(covariance, np.maximum(used - 1.0, 1.0), filled.sum(axis=0) - 1.0)

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
