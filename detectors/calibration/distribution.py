"""Predictions that say how sure they are: an interval, quantiles, or a standard deviation, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from detectors.calibration.coverage import CoverageTable
from detectors.calibration.figure import FloatArray, IntArray
from detectors.calibration.pinball import PinballTable
from detectors.calibration.pit import PitTable, dispersion, normal_pit, pit_mean, quantile_pit, uniformity
from detectors.performance.estimate import Estimate
from detectors.scores import Scores


@dataclass(frozen=True, slots=True)
class Said:
    """What predictions say of their distribution, each ``None`` where they do not."""

    lower: FloatArray | None = None
    upper: FloatArray | None = None
    quantiles: FloatArray | None = None
    """``[n, levels]``."""
    mean: FloatArray | None = None
    deviation: FloatArray | None = None
    """Standard deviation of a normal law about ``mean``."""


@dataclass(frozen=True, eq=False)
class DistributionTable:
    """Coverage of intervals, pinball loss and hits of quantiles, and the probability integral transform.

    The transform is that of a normal law where there are deviations, in 20 bins; of quantiles only the cell between two
    levels is known, so there is a bin a cell. Linear in the rows, like its parts.

    Parameters
    ----------
    nominal
        Coverage that intervals claim; ``None``: there are none.
    levels
        Of the quantiles, increasing; they may be none.
    unit
        Of the pinball losses; see ``PinballTable``.
    normal
        Whether predictions have a standard deviation.

    Examples
    --------
    >>> table = DistributionTable(0.8, (0.1, 0.9), 1.0)
    >>> said = Said(np.array([0.0, 0.0]), np.array([2.0, 2.0]), np.array([[0.0, 2.0], [0.0, 2.0]]))
    >>> once = np.ones(2, np.int64)
    >>> found = table.figures(table.tally(np.array([1.0, 3.0]), said, once, once - 1, 1))
    >>> {name: figure.value.round(3).tolist() for name, figure in found.items() if name in ("interval_coverage",)}
    {'interval_coverage': [0.5]}
    """

    nominal: float | None
    levels: tuple[float, ...]
    unit: float
    normal: bool = False

    def __post_init__(self) -> None:
        if any(high <= low for low, high in zip(self.levels, self.levels[1:], strict=False)):
            raise ValueError(f"quantile levels increase, unlike {self.levels}")
        if self.nominal is None and not self.levels and not self.normal:
            raise ValueError("there is neither an interval nor a quantile nor a deviation")

    @property
    def size(self) -> int:
        """Cells."""
        return sum(part.size for part in (self._coverage, self._pinball, self._pit) if part is not None)

    @property
    def identity(self) -> str:
        """What decides the meaning of a cell."""
        parts = (self._coverage, self._pinball, self._pit)
        return "distribution:" + ";".join(part.identity for part in parts if part is not None)

    def tally(self, outcome: FloatArray, said: Said, weight: IntArray, group: IntArray, groups: int) -> IntArray:
        """Count rows into one table a group, ``[groups, size]``; weight -1 takes a row out again."""
        none = np.full(len(outcome), np.nan)
        found = []
        if self._coverage is not None:
            lower, upper = (none if side is None else side for side in (said.lower, said.upper))
            found.append(self._coverage.tally(outcome, lower, upper, weight, group, groups))
        quantiles = np.full((len(outcome), len(self.levels)), np.nan) if said.quantiles is None else said.quantiles
        if self._pinball is not None:
            found.append(self._pinball.tally(outcome, quantiles, weight, group, groups))
        if self._pit is not None:
            mean, deviation = (none if part is None else part for part in (said.mean, said.deviation))
            levels = np.array(self.levels)
            pit = normal_pit(outcome, mean, deviation) if self.normal else quantile_pit(outcome, quantiles, levels)
            found.append(self._pit.tally(pit, weight, group, groups))
        return np.concatenate(found, axis=1)

    def figures(self, tables: IntArray) -> dict[str, Estimate]:
        """Return every figure of tables ``[J, size]``; each part says what its intervals are."""
        found: dict[str, Estimate] = {}
        coverage, pinball, pit = self._parts(tables)
        if self._coverage is not None:
            for name, figure in self._coverage.figures(coverage).items():
                found[f"interval_{name}"] = figure
        if self._pinball is not None:
            losses, hits = self._pinball.losses(pinball), self._pinball.hits(pinball)
            for level, loss, hit in zip(self.levels, losses, hits, strict=True):
                found[f"pinball_{level:g}"], found[f"quantile_hits_{level:g}"] = loss, hit
        if self._pit is not None and self.normal:
            found["pit_mean"], found["pit_dispersion"] = pit_mean(self._pit, pit), dispersion(self._pit, pit)
        return found

    def uniformity(self, tables: IntArray, reference: IntArray | None, alpha: float) -> Scores | None:
        """Return how far the transform is from the reference's, or from uniform without one; ``None`` without any.

        The reference is one table for all, ``[1, size]``, or one for each.
        """
        if self._pit is None:
            return None
        found = self._parts(tables)[2]
        before = None if reference is None else np.broadcast_to(self._parts(reference)[2], found.shape)
        return uniformity(self._pit, found, before, alpha)

    @cached_property
    def rate_names(self) -> tuple[str, ...]:
        """Names of what a row either hits or misses, as ``figures`` calls them: the interval, then each quantile."""
        covered = () if self._coverage is None else ("interval_coverage",)
        return (*covered, *(f"quantile_hits_{level:g}" for level in self.levels))

    def rates(self, tables: IntArray) -> IntArray:
        """Return the misses and hits of each of ``rate_names``, ``[..., R, 2]``; rows without a claim are in none.

        >>> table = DistributionTable(0.8, (), 1.0)
        >>> table.rates(np.array([10, 1, 2, 1, 4, 2])).tolist()
        [[3, 4]]
        """
        found = []
        coverage, pinball, _ = self._parts(tables)
        if self._coverage is not None:
            found.append(self._coverage.trials(coverage))
        if self._pinball is not None:
            found += list(np.moveaxis(self._pinball.trials(pinball), -2, 0))
        empty = np.zeros((*tables.shape[:-1], 0, 2), np.int64)
        return np.stack(found, axis=-2) if found else empty

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"nominal": self.nominal, "levels": list(self.levels), "unit": self.unit, "normal": self.normal}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DistributionTable:
        """Return what ``to_dict`` took apart."""
        return cls(data["nominal"], tuple(data["levels"]), data["unit"], data["normal"])

    def _parts(self, tables: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        sizes = [0 if part is None else part.size for part in (self._coverage, self._pinball, self._pit)]
        first, second = sizes[0], sizes[0] + sizes[1]
        return tables[..., :first], tables[..., first:second], tables[..., second:]

    @cached_property
    def _coverage(self) -> CoverageTable | None:
        return None if self.nominal is None else CoverageTable(self.nominal)

    @cached_property
    def _pinball(self) -> PinballTable | None:
        return PinballTable(self.levels, self.unit) if self.levels else None

    @cached_property
    def _pit(self) -> PitTable | None:
        if self.normal:
            return PitTable()
        return PitTable(levels=self.levels) if self.levels else None
