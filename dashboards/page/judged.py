"""What labels say, as several sections look at it: which window, and how figures are called."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from dashboards.page.scene import OF_LABELS, Scene
from monitor.findings import WindowResult
from monitor.labels import label
from monitor.views import FigureView, PerformanceView

_NAMES: Final = {
    "auc": "ROC AUC", "roc_auc": "ROC AUC", "f1": "F1", "f1_macro": "F1, macro", "f1_weighted": "F1, weighted",
    "mcc": "Matthews correlation", "ks": "KS of the scores", "brier": "Brier score", "mae": "MAE", "mse": "MSE",
    "rmse": "RMSE", "r2": "R²", "mape": "MAPE", "smape": "SMAPE", "kappa": "Cohen's κ", "ece": "ECE",
    "ece_of_chance": "ECE of chance", "mce": "MCE", "calibration_slope": "slope", "calibration_intercept": "intercept",
    "average_precision": "average precision", "ece_adaptive": "ECE, adaptive bins",
    "ece_squared_debiased": "squared ECE, debiased", "spiegelhalter_z": "Spiegelhalter's z",
    "brier_reliability": "Brier: reliability", "brier_resolution": "Brier: resolution",
    "brier_uncertainty": "Brier: uncertainty", "false_positive_rate": "false positive rate",
    "false_negative_rate": "false negative rate",
}  # fmt: skip
_BY_PROPENSITY: Final = "_by_propensity"


def figure_name(metric: str) -> str:
    """Return a figure as people call it.

    >>> figure_name("roc_auc"), figure_name("log_loss"), figure_name("mae_by_propensity")
    ('ROC AUC', 'log loss', 'MAE, by propensity')
    """
    if metric.endswith(_BY_PROPENSITY):
        return f"{figure_name(metric.removesuffix(_BY_PROPENSITY))}, by propensity"
    return _NAMES.get(metric) or label(metric).replace("_", " ")


def has(scene: Scene) -> bool:
    """Return whether the model's labels are read."""
    return scene.model.join is not None or bool(scene.model.performance)


def whole(scene: Scene) -> PerformanceView | None:
    """Return the latest judged window of the whole population: of the version and window looked at if there is one.

    Otherwise of the version most of whose labels are known, in its longest window.
    """
    views = [view for view in _views(scene) if not view.result.slice]
    asked = _narrowed(views, scene)
    if not asked:
        return None
    return max(asked, key=lambda view: (view.result.end - view.result.start, view.labelled, view.result.version))


def slices(scene: Scene, of: PerformanceView) -> list[PerformanceView]:
    """Return the slices of a judged window."""
    place = (of.result.version, of.result.window, of.result.start)
    return [
        view
        for view in _views(scene)
        if view.result.slice and (view.result.version, view.result.window, view.result.start) == place
    ]


def is_known(figure: FigureView | None) -> bool:
    """Return whether there is a figure that exists."""
    return figure is not None and not math.isnan(figure.value)


def _views(scene: Scene) -> Sequence[PerformanceView]:
    """Return the judged windows; right after a start those of the past, as far as findings tell of them."""
    if scene.model.performance:
        return scene.model.performance
    return [
        _of_past(window.result) for window in scene.windows_of(scene.model) if window.result.window.endswith(OF_LABELS)
    ]


def _of_past(result: WindowResult) -> PerformanceView:
    found: dict[str, dict[str, FigureView]] = {}
    for one in result.findings:
        figure = FigureView(one.statistic, one.low, one.high, result.n)
        found.setdefault(one.detector, {})[one.column] = figure
    return PerformanceView(
        result, result.window.removesuffix(OF_LABELS), result.n, 0, 0, 0, found.get("performance", {}),
        found.get("performance_matured", {}), calibration=found.get("calibration", {}),
        estimated=found.get("estimate", {}), reweighted=found.get("estimate_reweighted", {}),
        coverage=next(iter(found.get("coverage", {}).values()), None),
    )  # fmt: skip


def _narrowed(views: Sequence[PerformanceView], scene: Scene) -> Sequence[PerformanceView]:
    """Leave those of the version and window that are looked at, as far as there are any."""
    chosen = scene.chosen
    version = scene.ask.version or (None if chosen is None else label(chosen.result.version))
    same = [view for view in views if label(view.result.version) == version]
    if scene.ask.version is not None or same:
        views = same
    return [view for view in views if label(view.name) == scene.ask.window] or views
