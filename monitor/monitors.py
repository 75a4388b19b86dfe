"""Which count vectors a detector compares: the columns it is on, in the bins that suit it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.bins import CategoricalBins, NumericBins
from detectors.counts import merge_bins
from detectors.registry import STATISTICS
from monitor.coders import NO, YES
from monitor.config.model import DetectorConfig
from monitor.config.where import WHERE
from monitor.events import FloatArray, IntArray
from monitor.model import FLAGGED, ROLES, Model
from monitor.vectors import REPEATED

FINE: Final = frozenset({"ks", "wasserstein", "cramer_von_mises"})
"""Statistics of the distribution function want every bin; the others are judged on the few evidence bins."""
_SELECTORS: Final = ("features", "numeric", "categorical", "quality", "volume")


@dataclass(frozen=True, slots=True)
class Monitor:
    """One vector of reference counts, and where the window's counts of the same cells stand."""

    column: str
    kind: str
    """The finding's detector: the statistic, or what the rate is of."""
    reference: IntArray
    cells: IntArray
    """Positions in the layout's vector."""
    groups: IntArray | None = None
    """Cell → merged bin, where the detector wants fewer bins."""
    positions: FloatArray | None = None
    """Where each bin's values stand, in reference standard deviations; for distances."""
    is_rate: bool = False
    names: tuple[str, ...] = ()
    """Names of the bins, where they have any."""

    def explain(self, statistic: float, direction: int) -> str:
        """Return what moved, in a few words."""
        if self.is_rate:
            others, kind = self.reference.tolist()
            before = kind / (others + kind) if others + kind else float("nan")
            return f"{self.kind.removesuffix('_rate')} {before:.2%} → {before + direction * statistic:.2%}"
        return {1: "towards higher values", -1: "towards lower values"}.get(direction, "")


def monitors_of(model: Model, version: str, detector: DetectorConfig) -> list[Monitor]:
    """Return the monitors of one detector for one version; columns without a reference are left out."""
    found: dict[tuple[str, str], Monitor] = {}
    for selector in detector.on:
        for column in _columns(model, selector):
            for monitor in _monitors(model, version, detector.kind, column, rates=selector == "quality"):
                found[monitor.column, monitor.kind] = monitor
    return list(found.values())


def _columns(model: Model, selector: str) -> Iterator[str]:
    for name, coder in model.layout.coders.items():
        if name.startswith(WHERE):
            continue
        feature = name not in ROLES
        numeric = isinstance(coder, NumericBins)
        if (
            selector == name
            or (selector == "features" and feature)
            or (selector == "numeric" and feature and numeric)
            or (selector == "categorical" and feature and not numeric)
            or (selector == "quality" and name not in {"latency", "error", FLAGGED})
        ):
            yield name


def _monitors(model: Model, version: str, kind: str, column: str, *, rates: bool) -> Iterator[Monitor]:
    reference = model.reference
    if reference is None:
        return
    if column in {FLAGGED, "error"}:
        if kind == "rate" and (counts := reference.flags(column, version, model.decision)) is not None:
            first = model.layout.spans[column][0]
            yield Monitor(column, f"{column}_rate", counts, np.array([first + NO, first + YES]), is_rate=True)
        return
    counts = reference.cells(column, version)
    bins = model.layout.coders[column]
    if counts is None or not isinstance(bins, NumericBins | CategoricalBins):
        return
    first = model.layout.spans[column][0]
    if rates or kind == "rate":
        yield from _rates(model, version, column, bins)
        return
    shape = np.arange(first, first + bins.size)
    if isinstance(bins, NumericBins) and kind not in FINE:
        merged = merge_bins(counts[np.newaxis, : bins.size], bins.evidence)[0]
        yield Monitor(column, kind, merged, shape, bins.evidence)
    elif isinstance(bins, NumericBins):
        yield Monitor(column, kind, counts[: bins.size], shape, positions=positions_of(bins, counts[: bins.size]))
    elif not STATISTICS[kind].ordered:
        yield Monitor(column, kind, counts[: bins.size], shape)


def positions_of(bins: NumericBins, counts: IntArray) -> FloatArray:
    """Return the middle of every bin in standard deviations of the reference; without spread, in bins."""
    borders = (
        np.concatenate([[min(bins.low, bins.edges[0])], bins.edges, [max(bins.high, bins.edges[-1])]])
        if len(bins.edges)
        else np.array([bins.low, bins.high])
    )
    middles: FloatArray = (borders[:-1] + borders[1:]) / 2
    total = max(int(counts.sum()), 1)
    mean = float(middles @ counts) / total
    spread = float(np.sqrt(((middles - mean) ** 2 @ counts) / total))
    return middles / spread if spread > 0 else np.arange(len(middles), dtype=np.float64)


def _rates(model: Model, version: str, column: str, bins: NumericBins | CategoricalBins) -> Iterator[Monitor]:
    """Yield a pair (all other rows, rows of this kind) for each quality cell."""
    reference = model.reference
    first = model.layout.spans[column][0]
    told = REPEATED if column in model.repeating else frozenset()
    for name, cell in bins.quality.items():
        counts = None if reference is None else reference.rate(column, version, name)
        if counts is None or name in told:
            continue
        rest = [place for place in range(bins.cells) if place != cell]
        groups = np.array([0] * len(rest) + [1], np.int64)
        yield Monitor(column, f"{name}_rate", counts, first + np.array([*rest, cell]), groups, is_rate=True)
