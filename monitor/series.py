"""Series of closed windows, chosen so that their number stays bounded and those in drift are dropped last."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from prometheus_client.core import Metric as Family
from prometheus_client.samples import Sample

from monitor import catalogue
from monitor.findings import Finding
from monitor.labels import label
from monitor.metric import Metric
from monitor.views import WindowView

_LIFT: Final = "lift"
_SEVERITIES: Final = {"evidence": "warn", "evidence_page": "page"}
"""Detector of evidence → severity."""
_STATUSES: Final = ("ok", "warn", "drift", "insufficient")


@dataclass(slots=True)
class SeriesSet:
    """Samples under their metrics: each series once, at most ``limit`` of them; what does not fit is counted."""

    limit: int
    size: int = 0
    dropped: int = 0
    _families: dict[str, Family] = field(default_factory=dict)
    _seen: set[tuple[str, ...]] = field(default_factory=set)

    def add(self, metric: Metric, value: float | None, *labels: str) -> None:
        """Add one series, its labels in the order of the metric.

        A figure that does not exist (``None``, NaN, infinite) makes no series. Of two series with the same labels the
        first stays.
        """
        if value is None or not math.isfinite(value):
            return
        key = (metric.name, *labels)
        if key in self._seen:
            return
        if self.size >= self.limit:
            self.dropped += 1
            return
        self._seen.add(key)
        self.size += 1
        family = self._families.get(metric.name)
        if family is None:
            family = self._families[metric.name] = new_family(metric)
        named = {name: text for name, text in zip(metric.labels, labels, strict=True) if text}
        family.samples.append(Sample(metric.name, named, value))

    def families(self) -> Iterator[Family]:
        """Yield the families with their samples."""
        yield from self._families.values()


def new_family(metric: Metric) -> Family:
    """Return a family without samples."""
    unit = metric.unit if metric.unit and metric.family.endswith(f"_{metric.unit}") else ""
    return Family(metric.family, metric.help, metric.kind, unit)


class _Rank(IntEnum):
    """Who goes first when not all can be exported."""

    WHOLE = 0
    DRIFT = 1
    WARN = 2
    SLICE = 3
    OK = 4
    SLICE_OK = 5


class _Candidate(NamedTuple):
    rank: int
    turn: int
    """Place among the model's own candidates of this rank, so that no model crowds out another."""
    model: str
    window: WindowView
    finding: Finding | None
    """``None`` for the figures of the window itself."""


def window_series(windows: Iterable[WindowView], export: Collection[str], limit: int) -> SeriesSet:
    """Return the series of these windows, at most ``limit``.

    Parameters
    ----------
    windows
        Closed windows; one without rows makes no series but those of its volume.
    export
        Words of ``metrics.export``.
    limit
        When it does not suffice: figures of whole windows come first, then findings in drift, then warnings, then the
        rest; among equals models take turns, the largest drift ratio first.
    """
    series = SeriesSet(limit)
    for candidate in _in_order(windows):
        if candidate.finding is None:
            _add_window(series, candidate.window)
            if "quality" in export:
                _add_quality(series, candidate.window)
        else:
            _add_finding(series, candidate.window, candidate.finding, export)
    return series


def _in_order(windows: Iterable[WindowView]) -> list[_Candidate]:
    ranked: defaultdict[tuple[_Rank, str], list[tuple[float, WindowView, Finding | None]]] = defaultdict(list)
    for window in windows:
        result = window.result
        own = _Rank.SLICE if result.slice else _Rank.WHOLE
        if result.n:
            ranked[own, result.model].append((0.0, window, None))
        for finding in result.findings:
            if finding.status != "insufficient" and (result.n or finding.detector == "volume"):
                rank = _rank(finding.status, sliced=bool(result.slice))
                ranked[rank, result.model].append((-(drift_ratio(finding) or 0.0), window, finding))
    candidates: list[_Candidate] = []
    for (rank, model), entries in ranked.items():
        entries.sort(key=lambda entry: entry[0])
        candidates.extend(
            _Candidate(rank, turn, model, window, finding) for turn, (_, window, finding) in enumerate(entries)
        )
    candidates.sort(key=lambda candidate: candidate[:3])
    return candidates


def _rank(status: str, *, sliced: bool) -> _Rank:
    if status == "drift":
        return _Rank.DRIFT
    if status == "warn":
        return _Rank.WARN
    return _Rank.SLICE_OK if sliced else _Rank.OK


def drift_ratio(finding: Finding) -> float | None:
    """Return the statistic over its threshold, ``None`` where one of them does not exist."""
    if not (math.isfinite(finding.statistic) and math.isfinite(finding.threshold) and finding.threshold > 0):
        return None
    return finding.statistic / finding.threshold


def _place(window: WindowView) -> tuple[str, str, str, str]:
    """Return the labels model, version, window, slice."""
    result = window.result
    return label(result.model), label(result.version), label(result.window), label(result.slice)


def _add_window(series: SeriesSet, window: WindowView) -> None:
    result, place = window.result, _place(window)
    series.add(catalogue.SAMPLES, result.n, *place)
    series.add(catalogue.WINDOW_END, result.end / 1e6, *place)
    series.add(catalogue.RESTATED, result.revision, *place)
    statuses = Counter(finding.status for finding in result.findings)
    for status in _STATUSES:
        series.add(catalogue.FINDINGS, statuses[status], *place, status)
    series.add(catalogue.FLAGGED, window.flagged, *place)
    series.add(catalogue.ERRORS, window.errors, *place)
    for quantile, seconds in window.latency.items():
        series.add(catalogue.LATENCY, seconds, *place, f"{quantile:g}")


def _add_quality(series: SeriesSet, window: WindowView) -> None:
    model, version, name, piece = _place(window)
    for (column, kind), share in window.quality.items():
        series.add(catalogue.QUALITY, share, model, version, label(column), name, piece, kind)


def _add_finding(series: SeriesSet, window: WindowView, finding: Finding, export: Collection[str]) -> None:
    model, version, name, piece = _place(window)
    if finding.detector == _LIFT:
        for bound, value in (("", finding.statistic), ("lower", finding.low), ("upper", finding.high)):
            series.add(catalogue.LIFT, value, *_place(window), bound)
        return
    place = (model, version, label(finding.column), name, piece)
    detector = label(finding.detector)
    series.add(catalogue.DRIFT_RATIO, drift_ratio(finding), *place, detector)
    # Of evidence, drift is the alarm itself, and a warning says that the monitor has not recovered from one.
    drifted = finding.status == "drift" or (finding.status == "warn" and finding.detector in _SEVERITIES)
    series.add(catalogue.DRIFT_DETECTED, float(drifted), *place, detector)
    if finding.detector == "volume":
        series.add(catalogue.VOLUME, math.exp(finding.direction * finding.statistic), *_place(window))
    severity = _SEVERITIES.get(finding.detector)
    if severity is not None:
        series.add(catalogue.EVIDENCE, finding.statistic, *place, severity)
    metric = catalogue.BY_DETECTOR.get(finding.detector)
    if metric is not None and (not metric.export or metric.export in export):
        series.add(metric, finding.statistic, *place)
    if "p_value" in export:
        series.add(catalogue.P_VALUE, finding.p_value, *place, detector)
