"""Chosen columns of one model: each statistic, its threshold, evidence, quality."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards.grafana.frame import board
from dashboards.grafana.panels import HALF, THIRD, Query, lines

_OF = 'model="$model",version=~"$version",window="$window",feature=~"$feature",slice=~"$slice"'
_GATHERED = 'model="$model",version=~"$version",feature=~"$feature([.].+)?",slice=~"$slice"'
_OTHERS = (
    "ks_statistic", "jensen_shannon", "wasserstein_distance", "hellinger_distance", "total_variation_distance",
    "l_infinity_distance",
)  # fmt: skip


def feature() -> Dashboard:
    """Return the dashboard of columns; its panels repeat for each column that is chosen."""
    evidence = [
        Query(f"max by (feature, severity) (driftline_evidence_log{{{_GATHERED}}})", "{{feature}} {{severity}}"),
        Query('max by (severity) (driftline_evidence_threshold_log{model="$model"})', "threshold {{severity}}"),
    ]
    psi = [
        Query(f"driftline_feature_psi{{{_OF}}}", "version {{version}}"),
        Query(f'driftline_feature_psi{{{_OF}}} / ignoring(detector) driftline_feature_drift_ratio{{{_OF},'
              'detector="psi"}', "threshold {{version}}"),
    ]  # fmt: skip
    ratio = [
        Query(f"max by (version, detector) (driftline_feature_drift_ratio{{{_OF}}})", "{{version}} {{detector}}"),
        Query("vector(1)", "threshold"),
    ]
    made = board(
        "feature", "Driftline / Column", "Columns of one model, over time.", "model", "version", "window", "feature",
        "slice",
    )  # fmt: skip
    return (
        made
        .with_row(Row("$feature").repeat("feature"))
        .with_panel(lines("$feature: statistic / threshold", *ratio, low=0,
                          about="Drift from 1 on, for every detector."))
        .with_panel(lines("$feature: PSI", *psi, low=0,
                          about="Population stability index, and its threshold, which grows where rows are few."))
        .with_panel(lines("$feature: evidence", *evidence,
                          about="Gathered window by window, as a natural logarithm, with the budget's thresholds."))
        .with_panel(lines("$feature: share of bad cells",
                          Query(f"driftline_data_quality_ratio{{{_OF}}}", "{{version}} {{kind}}"),
                          unit="percentunit", low=0, about="Needs `quality` in `metrics.export`."))
        .with_panel(lines("$feature: p-values",
                          Query(f"driftline_feature_p_value{{{_OF}}}", "{{version}} {{detector}}"), low=0, high=1,
                          width=HALF, about="Before any correction. Needs `p_value` in `metrics.export`."))
        .with_panel(lines("$feature: other statistics", *(
            Query(f"driftline_feature_{name}{{{_OF}}}", f"{{{{version}}}} {name.replace('_', ' ')}")
            for name in _OTHERS), low=0, width=HALF,
            about="Those that `detectors` computes and `metrics.export` names."))
        .with_row(Row("Fields beside the known ones"))
        .with_panel(lines("New columns",
                          Query('driftline_new_column_ratio{model="$model",version=~"$version",window="$window"}',
                                "{{feature}}"), unit="percentunit", low=0, width=THIRD,
                          about="Share of records that carry a field that the reference does not know."))
    )  # fmt: skip
