"""Random Fourier features of vectors as whole numbers, whose sums merge exactly."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.embeddings.coding import packed, unpacked
from detectors.fixed import Fixed

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FREQUENCIES: Final = 64
BANDWIDTHS: Final = (0.5, 1.0, 2.0)
"""Of the three Gaussian kernels that are averaged, as multiples of the median distance."""
UNIT: Final = Fixed(bits=20, limbs=1)
"""Of a cosine plus one; sums of 2**32 rows stay below 2**53."""
_LARGEST: Final = (1 << 15) - 1
_TURN: Final = 12
"""A wave is a table of 2**12 places."""
_MOST_BITS: Final = 60
_FAR: Final = 699_051.0
"""Grid steps where vectors are cut; no power of two, whose phase could be that of the centre."""
_PAIRS: Final = 1000
_SEED: Final = 20_112


def _wave() -> FloatArray:
    places = np.arange(1 << _TURN) * (2 * math.pi / (1 << _TURN))
    wave: FloatArray = UNIT.split(1.0 + np.cos(places))[0].astype(np.float64)
    return wave


_WAVE: Final = _wave()


@dataclass(frozen=True, eq=False)
class FourierFeatures:
    """Random Fourier features of the mean of three Gaussian kernels, fitted once and frozen.

    The features φ(x) = D^-½ (cos Wx, sin Wx) have length 1, and φ(x)·φ(y) is the kernel but for an error of about
    D^-½. Phases are whole numbers and waves a table, so a row gives the same features in whatever batch it comes.

    Parameters
    ----------
    weights
        Whole numbers below 2**15 in size, ``[D, d]``.
    bits
        So many weights times grid steps make a turn: 2**bits.
    square
        tr Σ², Σ being the covariance of the features of the rows of the fit.

    References
    ----------
    Rahimi and Recht (2007), Random features for large-scale kernel machines.
    """

    weights: FloatArray
    bits: int
    square: float

    @classmethod
    def fit(cls, placed: FloatArray, *, frequencies: int = FREQUENCIES, seed: int = _SEED) -> FourierFeatures:
        """Return features for vectors like these, placed on a grid, ``[n, d]``.

        The bandwidth is the median distance among the first 1,000 of them.

        Raises
        ------
        ValueError
            Without rows.

        References
        ----------
        Gretton et al. (2012), A kernel two-sample test, JMLR 13, section 8 (median heuristic).
        """
        if not len(placed):
            message = "no rows to fit features to"
            raise ValueError(message)
        rng = np.random.default_rng(seed)
        each = np.array(BANDWIDTHS)[np.arange(frequencies) % len(BANDWIDTHS)] * _median_distance(placed)
        turns = rng.standard_normal((frequencies, placed.shape[1])) / each[:, np.newaxis] / (2 * math.pi)
        bits = math.floor(math.log2(_LARGEST / float(np.abs(turns).max())))
        raw = cls(np.rint(turns * 2.0**bits), bits, 0.0)
        return cls(raw.weights, bits, _trace_of_square(raw.features(placed)))

    @property
    def cells(self) -> int:
        """Numbers in a row of ``code``: one, then the cosines, then the sines."""
        return 1 + 2 * len(self.weights)

    @cached_property
    def identity(self) -> str:
        """Hash of all that decides the features of a row on its grid."""
        digest = hashlib.blake2b(f"{self.weights.shape}{self.bits}".encode(), digest_size=8)
        digest.update(np.ascontiguousarray(self.weights).tobytes())
        return f"fourier:{digest.hexdigest()}"

    def code(self, placed: FloatArray) -> FloatArray:
        """Return rows to be summed, ``[n, 1 + 2D]``: a one, then cosines and sines plus one in units of 2**-20.

        All are whole numbers from 0 on, and floats hold their sums exactly.
        """
        near = np.clip(placed, -_FAR, _FAR)
        phases = (near @ self.weights.T).astype(np.int64) >> (self.bits - _TURN)
        places, number = phases & ((1 << _TURN) - 1), len(self.weights)
        rows = np.empty((len(placed), self.cells))
        rows[:, 0] = 1.0
        rows[:, 1 : 1 + number] = _WAVE[places]
        rows[:, 1 + number :] = _WAVE[(places - (1 << (_TURN - 2))) & ((1 << _TURN) - 1)]
        return rows

    def mean(self, sums: IntArray) -> FloatArray:
        """Return the mean φ of summed rows, ``[1 + 2D]``; NaN without rows."""
        if not sums[0]:
            return np.full(len(sums) - 1, np.nan)
        return (UNIT.value(sums[1:, np.newaxis]) / int(sums[0]) - 1.0) / math.sqrt(len(self.weights))

    def features(self, placed: FloatArray) -> FloatArray:
        """Return φ of each row, ``[n, 2D]``."""
        return (self.code(placed)[:, 1:] / 2.0**UNIT.bits - 1.0) / math.sqrt(len(self.weights))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that ``from_dict`` takes."""
        return {"weights": packed(self.weights, "<i2"), "bits": self.bits, "square": self.square}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], size: int) -> FourierFeatures:
        """Return the features of some fields, for vectors of a size.

        Raises
        ------
        ValueError, KeyError, TypeError
            When they make no sense.
        """
        weights, bits, square = unpacked(data["weights"], "<i2", size), int(data["bits"]), float(data["square"])
        if not (len(weights) and _TURN <= bits <= _MOST_BITS and 0 <= square <= 1):
            raise ValueError(f"{len(weights)} frequencies, {bits} bits a turn and a trace of {square}")
        return cls(weights, bits, square)


def _median_distance(placed: FloatArray) -> float:
    """Return the median distance of the first 1,000 rows, where there is any; 1 where all are equal."""
    few = placed[:_PAIRS]
    lengths = (few**2).sum(axis=1)
    squares = lengths[:, np.newaxis] + lengths - 2.0 * (few @ few.T)
    distances = squares[np.triu_indices(len(few), 1)]
    apart = distances[distances > 0]
    return math.sqrt(float(np.median(apart))) if len(apart) else 1.0


def _trace_of_square(features: FloatArray) -> float:
    """Return an estimate of tr Σ² with the bias of a small sample taken off (Bai and Saranadasa 1996)."""
    rows = len(features)
    if rows < 3:
        return 0.0
    cov = np.cov(features, rowvar=False)
    found = float((cov**2).sum()) - float(np.trace(cov)) ** 2 / (rows - 1)
    return max(0.0, found * (rows - 1) ** 2 / ((rows - 2) * (rows + 1)))
