"""Laws before and after a change, as shares of cells and as values of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

FloatArray: TypeAlias = NDArray[np.float64]

LEVELS: Final = np.array([0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
EDGES: Final[FloatArray] = np.asarray(ndtri(LEVELS), np.float64)
BUMPED: Final = 6


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """One column before and after."""

    kind: Literal["number", "category", "rate"]
    before: FloatArray
    after: FloatArray

    @property
    def index(self) -> float:
        """Population stability index of the change."""
        return float(((self.after - self.before) * np.log(self.after / self.before)).sum())


@dataclass(frozen=True, slots=True)
class Course:
    """How a change comes about."""

    kind: Literal["abrupt", "gradual", "blip", "recurring"] = "abrupt"
    windows: int = 0

    def part(self, window: int) -> float:
        """Return how much of the change is there in a window, the first after the change being 0.

        >>> Course("gradual", 10).part(4), Course("blip", 2).part(2), Course("recurring", 20).part(45)
        (0.5, 0.0, 1.0)
        """
        match self.kind:
            case "gradual":
                return min((window + 1) / self.windows, 1.0)
            case "blip":
                return float(window < self.windows)
            case "recurring":
                return float(window % (2 * self.windows) < self.windows)
            case "abrupt":
                return 1.0


def gaussian(mean: float = 0.0, spread: float = 1.0) -> FloatArray:
    """Return the shares of a Gaussian in the 14 bins of the standard one."""
    shares: FloatArray = np.diff(ndtr((EDGES - mean) / spread), prepend=0.0, append=1.0)
    return shares


def zipf(cells: int) -> FloatArray:
    """Return shares in proportion to 1, ½, ⅓ and so on.

    >>> zipf(3).round(3).tolist()
    [0.545, 0.273, 0.182]
    """
    shares = 1.0 / np.arange(1, cells + 1)
    return np.asarray(shares / shares.sum(), np.float64)


def law_of(base: dict[str, Any], drift: dict[str, Any]) -> Law:
    """Return the law of a cell as the file tells it."""
    size = float(drift["size"])
    match base["kind"]:
        case "rate":
            return Law("rate", _rate(float(base["share"])), _rate(size))
        case "zipf":
            before = zipf(int(base["cells"]))
            return Law("category", before, (1 - size) * before + size * np.eye(len(before))[-1])
        case _:
            return Law("number", gaussian(), changed(drift["kind"], size))


def changed(kind: str, size: float) -> FloatArray:
    """Return the shares of the 14 bins after a change of a standard Gaussian.

    Raises
    ------
    ValueError
        When there is no such change.
    """
    standard = gaussian()
    match kind:
        case "mean":
            return gaussian(size)
        case "spread":
            return gaussian(0.0, size)
        case "bump":
            return np.asarray((1 - size) * standard + size * np.eye(len(standard))[BUMPED])
        case "tail":
            return np.asarray((1 - size) * standard + size * gaussian(3.0, 0.3))
        case "zigzag":
            shares = standard * (1 + size * (-1.0) ** np.arange(len(standard)))
            return np.asarray(shares / shares.sum())
        case "rare":
            shares = standard.copy()
            shares[0] *= size
            shares[1:] *= (1 - shares[0]) / (1 - standard[0])
            return shares
        case _:
            raise ValueError(f"no drift of kind {kind!r}")


def values(shares: FloatArray, rows: int, rng: np.random.Generator) -> FloatArray:
    """Return so many values with these shares of bins, within a bin as a standard Gaussian."""
    cells = rng.choice(len(shares), rows, p=shares)
    low = np.concatenate([[0.0], LEVELS])
    width = np.diff(np.concatenate([low, [1.0]]))
    inside: FloatArray = np.asarray(ndtri(low[cells] + width[cells] * (1 - rng.random(rows))), np.float64)
    return inside


def _rate(share: float) -> FloatArray:
    return np.array([1 - share, share])
