"""Bins fixed by the reference: edges for numbers, lists for categories; from values to small integers, exactly."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.histogram import AT_ONCE, Histogram
from detectors.lookup import Lookup

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

HUGE: Final = 1e300
"""Numbers beyond this are bad: their square is not finite."""
EVIDENCE_QUANTILES: Final = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Deciles and the tails; the 14 bins keep 98 % of the information about a shifted Gaussian."""
FEW_VALUES: Final = 20
"""A column of at most so many distinct numbers gets a bin for each."""
MOST_RARE: Final = 10_000
_BYTE: Final = 256
_NUMERIC_KINDS: Final = ("missing", "bad", "low", "high")
_CATEGORICAL_KINDS: Final = ("other", "missing", "bad", "unseen")


@dataclass(frozen=True, eq=False)
class NumericBins:
    """Right-closed bins of a number: bin i holds ``edges[i-1] < x <= edges[i]``.

    The cells of a column are its ``size`` bins, then missing (NaN), bad (not finite, beyond 1e300, or of the wrong
    type), low (below ``low``) and high (above ``high``).

    Examples
    --------
    >>> bins = NumericBins.of_edges([1.0, 2.0], low=0.0, high=3.0)
    >>> bins.code(np.array([0.5, 1.0, 1.5, 3.0, np.nan, np.inf, -1.0, 4.0])).tolist()
    [0, 0, 1, 2, 3, 4, 5, 6]
    """

    edges: FloatArray
    low: float
    high: float
    evidence: IntArray
    """Bin → one of at most 14 merged bins."""

    numeric = True

    def __post_init__(self) -> None:
        if not (np.all(np.isfinite(self.edges)) and np.all(np.diff(self.edges) > 0)):
            message = "edges must be finite and strictly increasing"
            raise ValueError(message)
        if len(self.evidence) != self.size:
            raise ValueError(f"{self.size} bins but {len(self.evidence)} groups of evidence")

    @classmethod
    def of_edges(cls, edges: Sequence[float] | FloatArray, *, low: float, high: float) -> NumericBins:
        """Return bins with these interior edges; evidence bins take about equally many of them."""
        inner = np.asarray(edges, np.float64)
        size = len(inner) + 1
        groups = np.arange(size, dtype=np.int64) * min(14, size) // size
        return cls(inner, float(low), float(high), groups)

    @classmethod
    def fit(
        cls,
        values: FloatArray,
        bins: int = 256,
        *,
        low: float | None = None,
        high: float | None = None,
        cuts: Sequence[float] = (),
    ) -> NumericBins:
        """Return bins of about equal mass in a sample.

        Parameters
        ----------
        values
            The sample; cells that are not finite are left out.
        bins
            How many bins of equal mass; the evidence edges, heavy values and cuts come on top.
        low, high
            Smallest and greatest value in order; by default the sample's. What lies outside has no say in the edges.
        cuts
            Further edges, such as a decision threshold: ``x <= cut`` is then a sum of bins.

        Notes
        -----
        A value with a mass above 2 / ``bins`` gets a bin of its own, as does every value of a column with at most 20
        distinct ones. The edges of the 14 evidence bins are among the edges; a value with more than a seventh of the
        mass is an evidence bin of its own where the quantiles, by falling together, leave room.
        """
        kept = np.sort(values[np.abs(values) <= HUGE]) + 0.0
        least = float(low if low is not None else kept[0] if len(kept) else 0.0)
        most = float(high if high is not None else kept[-1] if len(kept) else 0.0)
        kept = kept[(kept >= least) & (kept <= most)]
        distinct, mass = np.unique(kept, return_counts=True)
        extra = [float(cut) for cut in cuts]
        if len(distinct) <= FEW_VALUES:
            inner = np.unique(np.concatenate([_between(distinct), extra]))
            coarse = inner if len(inner) < 14 else _evidence_edges(kept, distinct, mass)
        else:
            ties = distinct[mass > 2 * len(kept) / bins]
            steps = np.arange(1, bins) / bins
            coarse = _evidence_edges(kept, distinct, mass)
            alone = np.concatenate([np.nextafter(ties, -np.inf), ties])
            inner = np.unique(np.concatenate([_quantiles(kept, steps), coarse, alone, extra]))
            inner = inner[(inner < distinct[-1]) | np.isin(inner, extra)]
        groups = np.searchsorted(np.unique(coarse), np.append(inner, np.inf), side="left")
        _, groups = np.unique(groups, return_inverse=True)
        return cls(inner, least, most, groups.astype(np.int64))

    @property
    def size(self) -> int:
        """Bins."""
        return len(self.edges) + 1

    @property
    def cells(self) -> int:
        """Bins and quality cells."""
        return self.size + len(_NUMERIC_KINDS)

    @cached_property
    def quality(self) -> dict[str, int]:
        """Quality cell → its code."""
        return {name: self.size + place for place, name in enumerate(_NUMERIC_KINDS)}

    @cached_property
    def identity(self) -> str:
        """Hash of all that decides which value gets which code."""
        digest = hashlib.blake2b(self.edges.tobytes(), digest_size=8)
        digest.update(np.array([self.low, self.high]).tobytes())
        return f"numeric:{digest.hexdigest()}"

    @cached_property
    def coarse(self) -> IntArray:
        """Cell → coarse cell: the evidence bins, then the quality cells."""
        return np.concatenate([self.evidence, int(self.evidence.max()) + 1 + np.arange(len(_NUMERIC_KINDS))])

    def code(self, values: FloatArray, bad: IntArray | None = None) -> IntArray:
        """Return the cell of each value; ``bad`` lists rows that are bad whatever their value."""
        codes = self._lookup.bins(values)
        if len(values) and not (values.min() >= self.low and values.max() <= self.high):
            rows = np.flatnonzero(~((values >= self.low) & (values <= self.high)))
            codes[rows] = self._quality_of(values[rows])
        if bad is not None and len(bad):
            codes[bad] = self.quality["bad"]
        return codes

    def tally(self, *parts: FloatArray) -> IntArray:
        """Return how many values each cell gets, ``[cells]``: what ``code`` counts to, sooner for a long column."""
        cut = range(0, max(map(len, parts), default=0), AT_ONCE)
        return self._histogram.tally(values[start : start + AT_ONCE] for values in parts for start in cut)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; floats keep every digit."""
        return {
            "kind": "numeric",
            "low": self.low,
            "high": self.high,
            "edges": self.edges.tolist(),
            "evidence": self.evidence.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NumericBins:
        """Return what ``to_dict`` took apart."""
        evidence = np.array(data["evidence"], np.int64)
        return cls(np.array(data["edges"], np.float64), float(data["low"]), float(data["high"]), evidence)

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self.edges)

    @cached_property
    def _histogram(self) -> Histogram:
        return Histogram(self.edges, self.low, self.high, self.code, self.cells)

    def _quality_of(self, values: FloatArray) -> IntArray:
        codes = np.where(values < self.low, self.quality["low"], self.quality["high"])
        codes[np.abs(values) > HUGE] = self.quality["bad"]
        codes[np.isnan(values)] = self.quality["missing"]
        return codes


@dataclass(frozen=True, eq=False)
class CategoricalBins:
    """One bin a category and one for all rare ones; then missing, bad and unseen.

    ``rare`` holds values that the reference saw, too rarely for a bin of their own.

    Examples
    --------
    >>> bins = CategoricalBins(("de", "fr"), frozenset({"lu"}))
    >>> bins.code(["fr", "lu", None, "xx"]).tolist()
    [1, 2, 3, 5]
    """

    categories: tuple[str, ...]
    rare: frozenset[str] = frozenset()

    numeric = False

    @classmethod
    def fit(cls, values: Sequence[str | None], *, top_k: int = 100, min_share: float = 0.01) -> CategoricalBins:
        """Return the categories that hold ``min_share`` of the present values, commonest first, ``top_k`` at most."""
        found = Counter(value for value in values if value is not None)
        total = found.total()
        ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        kept = tuple(name for name, count in ranked[:top_k] if count >= min_share * total)
        rare = [name for name, _ in ranked if name not in set(kept)]
        return cls(kept, frozenset(rare[:MOST_RARE]))

    @property
    def size(self) -> int:
        """Categories, and one for all rare ones."""
        return len(self.categories) + 1

    @property
    def cells(self) -> int:
        """Bins and quality cells."""
        return self.size + len(_CATEGORICAL_KINDS) - 1

    @cached_property
    def quality(self) -> dict[str, int]:
        """Quality cell → its code."""
        return {name: len(self.categories) + place for place, name in enumerate(_CATEGORICAL_KINDS)}

    @cached_property
    def identity(self) -> str:
        """Hash of all that decides which value gets which code."""
        text = json.dumps([self.categories, sorted(self.rare)])
        return f"categorical:{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"

    @property
    def evidence(self) -> IntArray:
        """Bin → itself."""
        return np.arange(self.size)

    @property
    def coarse(self) -> IntArray:
        """Cell → itself."""
        return np.arange(self.cells)

    def code(self, values: Sequence[str | None], bad: IntArray | None = None) -> IntArray:
        """Return the cell of each value; ``bad`` lists rows that are bad whatever their value."""
        code = map(self._codes.__getitem__, values)
        if self.cells <= _BYTE:
            codes = np.frombuffer(bytes(code), np.uint8).astype(np.int64)
        else:
            codes = np.fromiter(code, np.int64, len(values))
        if bad is not None and len(bad):
            codes[bad] = self.quality["bad"]
        return codes

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"kind": "categorical", "categories": list(self.categories), "rare": sorted(self.rare)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CategoricalBins:
        """Return what ``to_dict`` took apart."""
        return cls(tuple(data["categories"]), frozenset(data["rare"]))

    @cached_property
    def codes(self) -> Mapping[str | None, int]:
        """Value → its cell, for every value that the reference knows and for ``None``, which is missing."""
        return self._codes

    @cached_property
    def _codes(self) -> _Codes:
        codes = _Codes(dict.fromkeys(self.rare, len(self.categories)))
        codes.unseen = self.quality["unseen"]
        codes.update({name: place for place, name in enumerate(self.categories)})
        codes[None] = self.quality["missing"]
        return codes


class _Codes(dict[str | None, int]):
    """Value → code; a value that is not there is unseen."""

    unseen: int

    def __missing__(self, value: str | None) -> int:
        return self.unseen


def _quantiles(ordered: FloatArray, shares: Sequence[float] | FloatArray) -> FloatArray:
    """Return sample values (no interpolation), so that an edge is a value and ``x <= edge`` holds it."""
    places = np.ceil(np.asarray(shares) * len(ordered)).astype(np.int64) - 1
    chosen: FloatArray = ordered[np.clip(places, 0, max(len(ordered) - 1, 0))]
    return chosen


def _between(distinct: FloatArray) -> FloatArray:
    """Return an edge between any two neighbours; ``x <= edge`` for the lower one only, be they ever so close."""
    middle = distinct[:-1] / 2 + distinct[1:] / 2
    return np.where((middle >= distinct[:-1]) & (middle < distinct[1:]), middle, distinct[:-1]) + 0.0


def _evidence_edges(ordered: FloatArray, distinct: FloatArray, mass: IntArray) -> FloatArray:
    """Return the edges of at most 14 bins: the quantiles, and the heaviest values apart while there is room."""
    edges = np.unique(_quantiles(ordered, EVIDENCE_QUANTILES))
    most = len(EVIDENCE_QUANTILES)
    for place in np.argsort(-mass, kind="stable")[: max(most - len(edges), 0)].tolist():
        wider = np.unique(np.append(edges, [np.nextafter(distinct[place], -np.inf), distinct[place]]))
        if place and mass[place] * (most + 1) > 2 * len(ordered) and len(wider) <= most:
            edges = wider
    return edges
