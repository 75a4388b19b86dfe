"""Slices of one model: whether it is one country, channel or tier only."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards.grafana.frame import board
from dashboards.grafana.panels import Column, Query, Steps, grid, lines

_OF = 'model="$model",version=~"$version",window="$window",slice!=""'
_COLUMNS = f'{_OF},feature!=""'
_CHOSEN = 'model="$model",version=~"$version",window="$window",slice=~"$slice"'
_JUDGED = 'model="$model",version=~"$version",slice!=""'
_BY = ["slice"]


def slices() -> Dashboard:
    """Return the dashboard of slices."""
    made = board("slices", "Driftline / Slices", "Parts of one model's traffic.", "model", "version", "window", "slice")
    return (
        made
        .with_panel(grid("Slices", _BY, [
            Column("Rows", f"sum by (slice) (driftline_window_samples{{{_OF}}})"),
            Column("Worst drift ratio",
                   f"max by (slice) (driftline_feature_drift_ratio{{{_COLUMNS}}})",
                   steps=Steps(0.5, 1)),
            Column("Flagged", f"max by (slice) (driftline_flagged_ratio{{{_OF}}})", "percentunit"),
            Column("Failed", f"max by (slice) (driftline_prediction_errors_ratio{{{_OF}}})", "percentunit"),
            Column("Accuracy, as known now",
                   f'min by (slice) (driftline_accuracy_ratio{{{_JUDGED},basis="running"}})', "percentunit"),
            Column("Accuracy, matured",
                   f'min by (slice) (driftline_accuracy_ratio{{{_JUDGED},basis="matured"}})', "percentunit"),
            Column("Label coverage", f'sum by (slice) (driftline_outcome_rows{{{_JUDGED},state="labelled"}})'
                   f' / sum by (slice) (driftline_outcome_rows{{{_JUDGED},state="predicted"}})', "percentunit"),
            Column("Worst drop / allowed", f"max by (slice) (driftline_performance_drop_ratio{{{_JUDGED}}})",
                   steps=Steps(0.5, 1)),
        ], about="Only the score, the prediction, the flagged share and errors are compared within a slice.",
            height=12))
        .with_row(Row("Over time"))
        .with_panel(lines("Ten largest drift ratios",
                          Query(f"topk(10, max by (slice, feature) (driftline_feature_drift_ratio{{{_COLUMNS}}}))",
                                "{{slice}} {{feature}}"), Query("vector(1)", "threshold"), low=0,
                          about="Statistic divided by its threshold."))
        .with_panel(lines("Flagged, by slice", Query(f"driftline_flagged_ratio{{{_OF}}}", "{{slice}} {{version}}"),
                          unit="percentunit", low=0, about="Share at or beyond the decision threshold."))
        .with_panel(lines("Rows, by slice", Query(f"driftline_window_samples{{{_OF}}}", "{{slice}} {{version}}"),
                          low=0, about="Rows of the last closed window."))
        .with_panel(lines("Accuracy, by slice",
                          Query(f'driftline_accuracy_ratio{{{_JUDGED},basis="running"}}',
                                "{{slice}} {{version}} {{window}}"), unit="percentunit",
                          about="From the labels known now."))
        .with_panel(lines("Matured accuracy, by slice",
                          Query(f'driftline_accuracy_ratio{{{_JUDGED},basis="matured"}}',
                                "{{slice}} {{version}} {{window}}"), unit="percentunit",
                          about="From predictions whose time for labels is over; it moves no more."))
        .with_row(Row("The chosen slice"))
        .with_panel(lines("Drift ratio", Query(f"max by (version, feature, detector)"
                                               f" (driftline_feature_drift_ratio{{{_CHOSEN},feature!=\"\"}})",
                                               "{{version}} {{feature}} {{detector}}"),
                          Query("vector(1)", "threshold"), low=0, about="Statistic divided by its threshold."))
        .with_panel(lines("Rows", Query(f"driftline_window_samples{{{_CHOSEN}}}", "{{version}}"), low=0,
                          about="Rows of the last closed window."))
    )  # fmt: skip
