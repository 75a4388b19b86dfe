"""All models on one screen: which need a look."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards.grafana.frame import board
from dashboards.grafana.panels import Column, Query, Steps, grid, lines, number

_TO_MODEL = "/d/driftline-model?var-model=${__data.fields.model}&${datasource:queryparam}&${__url_time_range}"


def overview() -> Dashboard:
    """Return the dashboard of all models."""
    return _drift(_head())


def _head() -> Dashboard:
    return (
        board("overview", "Driftline / Overview", "Every model that is watched: drift, performance, flow.")
        .with_panel(number("Models", Query("count(count by (model) (driftline_model_info))"),
                           about="Models that are watched."))
        .with_panel(number("Models in drift",
                           Query('count(sum by (model) (driftline_window_findings{status="drift"}) > 0)'
                                 " or vector(0)"),
                           about="Models of which a last closed window has a finding in drift.", steps=Steps(1, 3)))
        .with_panel(number("Alarmed by evidence",
                           Query('sum(driftline_evidence_monitors{state="drifted"})'),
                           about="Monitors whose evidence crossed the budget's threshold and that have not recovered.",
                           steps=Steps(1)))
        .with_panel(number("Performance drops", Query("sum(driftline_performance_drop_detected) or vector(0)"),
                           about="Figures on matured labels that are surely worse than the baseline.",
                           steps=Steps(bad=1)))
        .with_panel(number("Behind", Query("max(time() - driftline_last_checkpoint_timestamp_seconds)"), unit="s",
                           about="Time since the service last wrote its state; everything shown is that old.",
                           steps=Steps(30, 120)))
        .with_panel(number("Records to read", Query("sum(driftline_consumer_lag_records)"),
                           about="Records that are in the topics and not counted yet.",
                           steps=Steps(100_000, 1_000_000)))
        .with_panel(grid("Models", ["model"], [
            Column("Findings in drift", 'sum by (model) (driftline_window_findings{status="drift"})',
                   steps=Steps(1, 5)),
            Column("Worst drift ratio", "max by (model) (driftline_feature_drift_ratio)", steps=Steps(0.5, 1)),
            Column("Performance drops", "sum by (model) (driftline_performance_drop_detected)", steps=Steps(bad=1)),
            Column("Label coverage", "min by (model) (driftline_window_label_coverage_ratio{slice=\"\"})",
                   "percentunit"),
            Column("Volume / expected", "min by (model) (driftline_volume_ratio)", "percentunit",
                   Steps(0.67, 0.5, falling=True)),
            Column("Predictions / s", "sum by (model) (rate(driftline_predictions_total[$__rate_interval]))", "reqps"),
            Column("Last prediction", "max by (model) (driftline_last_prediction_timestamp_seconds) * 1000",
                   "dateTimeFromNow"),
        ], about="A ratio of 1 is the threshold. Cells stay empty where there is nothing to say.",
            links=[("model", "Model", _TO_MODEL)]))
        .with_panel(lines("Alerts of Driftline's own that fire",
                          Query('sum by (alertname, model) (driftline_alerts{state="firing"})',
                                "{{alertname}} {{model}}"), low=0, width=24,
                          about="Silenced ones, and those of models on trial, count too."))
    )  # fmt: skip


def _drift(made: Dashboard) -> Dashboard:
    return (
        made
        .with_row(Row("Drift"))
        .with_panel(lines("Columns that moved most",
                          Query('topk(10, max by (model, feature, window)'
                                ' (driftline_feature_drift_ratio{slice="",feature!="",detector!~"evidence.*"}))',
                                "{{model}} {{feature}} {{window}}"),
                          Query("vector(1)", "threshold"), low=0,
                          about="Statistic divided by its threshold, the ten largest. Drift from 1 on."))
        .with_panel(lines("Incidents of evidence, and how many chance may cause",
                          Query("sum by (severity) (driftline_evidence_incidents_total)", "{{severity}} came"),
                          Query("sum by (severity) (driftline_evidence_promised_incidents_total)",
                                "{{severity}} promised at most by chance"), low=0,
                          about="Since the state began. Far more than promised means that things truly moved."))
        .with_panel(lines("Incidents by what people said of them",
                          Query("sum by (mark) (driftline_evidence_marked_incidents)", "{{mark}}"), low=0,
                          about="Marked on the page or by `driftline mark`. Only noise counts against the promise."))
        .with_panel(lines("Noise against the promise",
                          Query('sum(driftline_evidence_marked_incidents{mark="noise"})', "noise"),
                          Query("sum(driftline_evidence_promised_incidents_total)", "threshold: promised at most"),
                          low=0, about="More noise than was promised means that a budget is not kept: tell us."))
        .with_row(Row("Flow"))
        .with_panel(lines("Predictions", Query("sum by (model) (rate(driftline_predictions_total[$__rate_interval]))",
                                               "{{model}}"), unit="reqps", low=0, about="Counted into windows."))
        .with_panel(lines("Flagged", Query('max by (model, window) (driftline_flagged_ratio{slice=""})',
                                           "{{model}} {{window}}"), unit="percentunit", low=0,
                          about="Share of predictions at or beyond the decision threshold."))
    )  # fmt: skip
