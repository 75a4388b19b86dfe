"""Series of what labels say, of the last judged window of every version and slice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from monitor import catalogue, figure_metrics
from monitor.findings import worst_status
from monitor.labels import label
from monitor.metric import Metric
from monitor.series import SeriesSet, drift_ratio
from monitor.views import FigureView, PerformanceView

_LIGHTS: Final = {"holds": 1.0, "unproven": 0.0, "broken": -1.0}
_BASES: Final = {"performance": "running", "performance_matured": "matured"}
_DROPS: Final = {
    "performance_change": (catalogue.DROP_RATIO, catalogue.DROP_DETECTED),
    "estimate_change": (catalogue.ESTIMATED_DROP_RATIO, catalogue.ESTIMATED_DROP_DETECTED),
}
_ORDER: Final = ("drift", "warn", "ok", "insufficient")
_BOUNDS: Final = {metric.name: figure_metrics.bounds(metric) for metric in figure_metrics.FAMILIES}


def outcome_series(views: Iterable[PerformanceView], limit: int) -> SeriesSet:
    """Return the series of judged windows, at most ``limit``.

    Whole windows come first, then slices, the worst first. Of the figures only those are exported that findings are
    made of, and none that rests on too few labels.
    """
    series = SeriesSet(limit)
    for view in sorted(views, key=_rank):
        _add(series, view)
    return series


def _rank(view: PerformanceView) -> tuple[bool, int, str, str, str]:
    result = view.result
    worst = _ORDER.index(worst_status(result.findings))
    return bool(result.slice), worst, result.model, result.version, result.slice


def _add(series: SeriesSet, view: PerformanceView) -> None:
    result = view.result
    place = (label(result.model), label(result.version), label(view.name), label(result.slice))
    states = (("predicted", view.predictions), ("labelled", view.labelled), ("matured", view.matured))
    for state, rows in (*states, ("unlabelled", view.unlabelled)):
        series.add(catalogue.OUTCOME_ROWS, rows, *place, state)
    series.add(catalogue.OUTCOME_END, result.end / 1e6, *place)
    if view.coverage is not None:
        series.add(catalogue.OUTCOME_COVERAGE, view.coverage.value, *place)
    for finding in result.findings:
        basis, metric = _BASES.get(finding.detector), finding.column
        if finding.status == "insufficient":
            continue
        if basis is not None and (found := figure_metrics.metric_of(metric)) is not None:
            figures = view.running if basis == "running" else view.final
            _figure(series, found[0], figures.get(metric), *place, basis, *([label(found[1])] if found[1] else []))
        elif finding.detector == "calibration" and metric in figure_metrics.CALIBRATION:
            _figure(series, figure_metrics.CALIBRATION[metric], view.calibration.get(metric), *place)
    for metric, family in figure_metrics.ESTIMATES.items():
        _figure(series, family, view.estimated.get(metric), *place)
    if view.light is not None:
        series.add(catalogue.ESTIMATE_LIGHT, _LIGHTS.get(view.light), *place)
    for finding in result.findings:
        if finding.detector in _DROPS and finding.status != "insufficient":
            ratio, detected = _DROPS[finding.detector]
            series.add(ratio, drift_ratio(finding), *place, label(finding.column))
            series.add(detected, float(finding.status == "drift"), *place, label(finding.column))


def _figure(series: SeriesSet, metric: Metric, figure: FigureView | None, *labels: str) -> None:
    if figure is None:
        return
    low, high = _BOUNDS[metric.name]
    series.add(metric, figure.value, *labels)
    series.add(low, figure.low, *labels)
    series.add(high, figure.high, *labels)
