"""Figures as findings: what history, page and replay can show."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.estimate.estimated import Light
from detectors.performance import Change, Estimate
from monitor.config.model import PerformanceConfig
from monitor.findings import Finding
from monitor.outcomes.figures import small_is_good
from monitor.views import FigureView

NAN: Final = float("nan")
OF_WINDOW: Final = ":outcomes"
"""Ends the name of a window whose findings rest on labels; those of its inputs are the window's own."""
SURE: Final = 0.001
_SHARE_DROP: Final = 0.05
_RELATIVE_DROP: Final = 0.1
_SHARES: Final = (
    *("accuracy", "precision", "recall", "f1", "specificity", "false_", "mcc", "roc_auc", "gini", "average_precision"),
    *("ks", "capture", "kappa", "flagged_share", "map", "mrr", "ndcg", "r2", "prevalence", "interval", "quantile_hits"),
)


def figure_view(figure: Estimate, place: int = 0) -> FigureView:
    """Return one table's figure."""
    return FigureView(
        float(figure.value[place]), float(figure.low[place]), float(figure.high[place]), int(figure.n[place]),
        float(figure.bound[place]),
    )  # fmt: skip


def change_view(change: Change, place: int = 0) -> FigureView:
    """Return one table's change."""
    return FigureView(
        float(change.value[place]), float(change.low[place]), float(change.high[place]), int(change.n[place]),
        float(change.bound[place]),
    )  # fmt: skip


def told(
    metric: str, detector: str, figure: FigureView, enough: int, note: str = "", status: str = "ok",
    p_value: float = NAN, threshold: float = NAN,
) -> Finding:  # fmt: skip
    """Return a figure as a finding: the statistic and the effect are its value, ``low`` and ``high`` its interval."""
    known = figure.n >= enough and np.isfinite(figure.value)
    return Finding(
        metric, detector, figure.value, figure.value, figure.low, figure.high, p_value, threshold,
        status if known else "insufficient", 0, _text(metric, figure, note) if known else "",
    )  # fmt: skip


def told_change(
    metric: str, change: Change, figure: FigureView, base: float, settings: PerformanceConfig, place: int = 0
) -> Finding:
    """Return the change of a figure as a finding: the statistic is its size for the worse.

    In drift when the whole 95 % interval lies beyond the drop that is configured; a warning when the figure is worse
    beyond all chance (p < 0.001) by half of it.
    """
    view = change_view(change, place)
    worse = 1.0 if small_is_good(metric) else -1.0
    limit = drop_of(metric, base, settings)
    size, p_value = worse * view.value, float(change.p_value[place])
    surely = view.low if worse > 0 else -view.high
    if view.n < settings.min_labels or not np.isfinite(view.value):
        status = "insufficient"
    elif surely >= limit:
        status = "drift"
    else:
        status = "warn" if size >= limit / 2 and p_value < SURE else "ok"
    text = ""
    if status != "insufficient":
        text = f"{metric} {_number(figure.value)}, {'worse' if size > 0 else 'better'} by {_number(abs(size))} than "
        text += f"{_number(base)} before"
    return Finding(
        metric, "performance_change", size, view.value, view.low, view.high, p_value, limit, status,
        int(np.sign(view.value)) if np.isfinite(view.value) else 0, text,
    )  # fmt: skip


LIGHTS: Final = {Light.HOLDS: "ok", Light.UNPROVEN: "insufficient", Light.BROKEN: "warn"}
"""What labels of late say of an estimate → its status."""


def told_estimate(
    metric: str, figure: FigureView, base: FigureView, settings: PerformanceConfig, light: Light
) -> Finding:
    """Return an estimated figure against its baseline as a finding: the statistic is its size for the worse.

    The interval is that of a difference of two figures with intervals of their own (MOVER: Zou and Donner 2008,
    Statistics in Medicine 27, section 2). In drift when all of it lies beyond the drop that is configured, a warning
    when all of it lies beyond half of that. Nothing is said unless labels of late agree with the estimates.

    Parameters
    ----------
    base
        NaN bounds where it is a number that somebody gave.
    """
    value = figure.value - base.value
    error = np.nan_to_num([base.high - base.value, base.value - base.low])
    low = value - float(np.hypot(figure.value - figure.low, error[0]))
    high = value + float(np.hypot(figure.high - figure.value, error[1]))
    bad = small_is_good(metric)
    limit, size, surely = drop_of(metric, base.value, settings), value if bad else -value, low if bad else -high
    if light is not Light.HOLDS or figure.n < settings.min_labels or not np.isfinite(surely):
        status = "insufficient"
    elif surely >= limit:
        status = "drift"
    else:
        status = "warn" if surely >= limit / 2 else "ok"
    text = ""
    if status != "insufficient":
        text = f"{metric} is estimated at {_number(figure.value)} before labels, "
        text += f"{'worse' if size > 0 else 'better'} by {_number(abs(size))} than {_number(base.value)} before"
    return Finding(
        metric, "estimate_change", size, value, low, high, NAN, limit, status,
        int(np.sign(value)) if np.isfinite(value) else 0, text,
    )  # fmt: skip


def drop_of(metric: str, base: float, settings: PerformanceConfig) -> float:
    """Return by how much a figure must be worse to be in drift.

    >>> drop_of("recall", 0.8, PerformanceConfig()), drop_of("mae", 20.0, PerformanceConfig())
    (0.05, 2.0)
    """
    chosen = settings.alert_when.get(metric)
    if chosen is not None:
        return chosen.drop
    if metric.startswith(_SHARES):
        return _SHARE_DROP
    return _RELATIVE_DROP * abs(base) if np.isfinite(base) and base else NAN


def _text(metric: str, figure: FigureView, note: str) -> str:
    rows = f"{figure.n} rows"
    found = f"{metric} {_number(figure.value)} [{_number(figure.low)}, {_number(figure.high)}] of {rows}"
    return f"{found}, {note}" if note else found


def _number(value: float) -> str:
    return f"{value:.4g}"
