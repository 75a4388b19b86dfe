"""What the two-sample statistics share: checked counts, shares, sizes, direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.scores import Scores

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Samples:
    """Two count matrices ``[J, K]`` with what follows from them; empty monitors have NaN shares."""

    reference: IntArray
    window: IntArray
    big: FloatArray
    """Reference rows, N."""
    small: FloatArray
    """Window rows, n."""
    p: FloatArray
    """Reference shares."""
    q: FloatArray
    """Window shares."""

    @classmethod
    def of(cls, reference: IntArray, window: IntArray) -> Samples:
        """Check and normalise two matrices of counts.

        Raises
        ------
        ValueError
            When the shapes differ, or a count is negative.
        """
        if reference.ndim != 2 or reference.shape != window.shape:
            raise ValueError(f"counts of shape {reference.shape} and {window.shape} do not compare")
        if (reference.size and reference.min() < 0) or (window.size and window.min() < 0):
            message = "counts are negative"
            raise ValueError(message)
        big, small = reference.sum(axis=1).astype(np.float64), window.sum(axis=1).astype(np.float64)
        usable = (big > 0) & (small > 0)
        scale = np.where(usable, 1.0, np.nan)
        p = reference / np.where(big > 0, big, 1.0)[:, np.newaxis] * scale[:, np.newaxis]
        q = window / np.where(small > 0, small, 1.0)[:, np.newaxis] * scale[:, np.newaxis]
        return cls(reference, window, big * scale, small * scale, p, q)

    @property
    def s(self) -> FloatArray:
        """1/n + 1/N, the scale of chance."""
        return 1.0 / self.big + 1.0 / self.small

    @property
    def pooled(self) -> FloatArray:
        """Shares of both samples together."""
        return (self.reference + self.window) / (self.big + self.small)[:, np.newaxis]

    @property
    def df(self) -> FloatArray:
        """Bins that either sample uses, less one."""
        used = ((self.reference + self.window) > 0).sum(axis=1) - 1.0
        return np.where(np.isnan(self.big), np.nan, used)

    def cumulated(self) -> tuple[FloatArray, FloatArray]:
        """Return both distribution functions at the inner edges, ``[J, K - 1]``."""
        return np.cumsum(self.p, axis=1)[:, :-1], np.cumsum(self.q, axis=1)[:, :-1]

    def scores(
        self,
        statistic: FloatArray,
        *,
        effect: FloatArray,
        low: FloatArray,
        high: FloatArray,
        p_value: FloatArray,
        threshold: FloatArray,
    ) -> Scores:
        """Return the scores with sizes and direction filled in."""
        bins = np.arange(self.reference.shape[1], dtype=np.float64)
        shift = np.nan_to_num((self.q - self.p) @ bins)
        moved = np.where(np.abs(shift) > 1e-12, np.sign(shift), 0.0)
        rows = self.window.sum(axis=1)
        return Scores(statistic, effect, low, high, p_value, threshold, rows, moved.astype(np.int8))
