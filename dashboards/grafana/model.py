"""One model: what moved, whether it is still right, whether labels come."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.builders.timeseries import Panel

from dashboards.grafana.deciding import decided
from dashboards.grafana.frame import board
from dashboards.grafana.panels import HALF, QUARTER, THIRD, Query, Steps, lines, number, states, words

OF = 'model="$model",version=~"$version",window="$window",slice=""'
_COLUMNS = f'{OF},feature!=""'
_MODEL = 'model="$model"'
_JUDGED = 'model="$model",version=~"$version",slice=""'
_ADDRESS = (
    "/d/driftline-feature?var-model=${model}&var-window=${window}&var-feature=${__field.labels.feature}"
    "&${datasource:queryparam}&${__url_time_range}"
)
_TO_COLUMN = ("Column", _ADDRESS)


def model() -> Dashboard:
    """Return the dashboard of one model."""
    made = board("model", "Driftline / Model", "One model: drift, performance, labels.", "model", "version", "window")
    return decided(_labels(_estimates(_performance(_drift(_head(made))))))


def _head(made: Dashboard) -> Dashboard:
    return (
        made
        .with_panel(number("In drift", Query(f'sum(driftline_window_findings{{{OF},status="drift"}})'),
                           about="Findings of the last closed window.", steps=Steps(1, 5)))
        .with_panel(number("Warnings", Query(f'sum(driftline_window_findings{{{OF},status="warn"}})'),
                           about="Findings of the last closed window.", steps=Steps(1)))
        .with_panel(number("Too few rows", Query(f'sum(driftline_window_findings{{{OF},status="insufficient"}})'),
                           about="Findings that cannot be judged yet; not the same as fine."))
        .with_panel(number("Rows", Query(f"sum(driftline_window_samples{{{OF}}})"),
                           about="Rows of the last closed window."))
        .with_panel(number("Volume / expected", Query(f"min(driftline_volume_ratio{{{_MODEL},window=\"$window\"}})"),
                           unit="percentunit", steps=Steps(0.67, 0.5, falling=True),
                           about="Rows over those of the same hours in the reference."))
        .with_panel(number("Last prediction",
                           Query(f"max(driftline_last_prediction_timestamp_seconds{{{_MODEL}}}) * 1000"),
                           unit="dateTimeFromNow", about="Greatest event time of any counted prediction."))
    )  # fmt: skip


def _drift(made: Dashboard) -> Dashboard:
    return (
        made
        .with_row(Row("Drift"))
        .with_panel(states("Columns over time",
                           Query(f"max by (feature) (driftline_feature_drift_ratio{{{_COLUMNS}}})", "{{feature}}"),
                           about="Largest statistic divided by its threshold: orange from half of it, red from 1 on."))
        .with_panel(lines("Ten largest drift ratios",
                          Query(f"topk(10, max by (feature, detector) (driftline_feature_drift_ratio{{{_COLUMNS}}}))",
                                "{{feature}} {{detector}}"),
                          Query("vector(1)", "threshold"), low=0, links=[_TO_COLUMN],
                          about="Statistic divided by its threshold."))
        .with_panel(lines("Evidence",
                          Query(f"topk(10, max by (feature) (driftline_evidence_log{{{_JUDGED},severity=\"warn\"}}))",
                                "{{feature}}"),
                          Query(f'min(driftline_evidence_threshold_log{{{_MODEL},severity="warn"}})', "threshold"),
                          about="Gathered window by window; an alarm where it crosses the threshold, which the budget "
                                "of false alarms decides. Natural logarithm."))
        .with_panel(lines("Flagged", Query(f"driftline_flagged_ratio{{{OF}}}", "version {{version}}"),
                          unit="percentunit", low=0, width=THIRD,
                          about="Share of predictions at or beyond the decision threshold."))
        .with_panel(lines("Failed requests", Query(f"driftline_prediction_errors_ratio{{{OF}}}",
                                                   "version {{version}}"),
                          unit="percentunit", low=0, width=THIRD, about="Share of requests that failed."))
        .with_panel(lines("Latency", Query(f"driftline_request_latency_seconds{{{OF}}}",
                                           "version {{version}} q{{quantile}}"),
                          unit="s", low=0, width=THIRD, about="Quantiles in the last closed window."))
        .with_panel(lines("Alarms of concept drift",
                          Query(f"sum by (detector, column, level) (driftline_concept_alarms_total{{{_MODEL},"
                                'version=~"$version"})', "{{detector}} {{column}} {{level}}"),
                          low=0,
                          about="Detectors that read errors one by one as labels come; counted since the start."))
        .with_panel(lines("Rows", Query(f"driftline_window_samples{{{OF}}}", "version {{version}}"),
                          Query(f"driftline_window_restated_rows{{{OF}}}", "version {{version}}, came late"), low=0,
                          about="Rows of the last closed window, and how many of them restated it."))
    )  # fmt: skip


def figure(title: str, name: str, about: str, unit: str = "percentunit", width: int = QUARTER) -> Panel:
    """Return a panel of a figure with its 95 % interval, as known now, as matured, and as estimated if it can be."""
    running, matured = (f'{{{_JUDGED},basis="{basis}"}}' for basis in ("running", "matured"))
    told = [
        Query(f"{name}{running}", "{{version}} {{window}} as known now"),
        Query(f"{name}{matured}", "{{version}} {{window}} matured"),
        Query(f"{name}_lower{matured}", "{{version}} {{window}} matured, lower"),
        Query(f"{name}_upper{matured}", "{{version}} {{window}} matured, upper"),
    ]
    return lines(title, *told, about=about, unit=unit, width=width)


def _performance(made: Dashboard) -> Dashboard:
    return (
        made
        .with_row(Row("Performance, from labels"))
        .with_panel(number("Figures that dropped", Query(f"sum(driftline_performance_drop_detected{{{_JUDGED}}})"),
                           steps=Steps(bad=1), width=QUARTER,
                           about="Surely worse than the baseline by more than is allowed."))
        .with_panel(number("Worst drop / allowed", Query(f"max(driftline_performance_drop_ratio{{{_JUDGED}}})"),
                           steps=Steps(0.5, 1), width=QUARTER, about="1 is the drop that is allowed."))
        .with_panel(_light("Do labels bear out the estimates?", "driftline_estimate_light",
                           "Whether estimates made before labels come agreed with the labels that came."))
        .with_panel(_light("And those by slices?", "driftline_reweighted_light",
                           "The same of estimates from the baseline's outcomes, weighted by slice and score."))
        .with_panel(figure("Accuracy", "driftline_accuracy_ratio", "Share of right decisions or classes."))
        .with_panel(figure("Area under the ROC curve", "driftline_auc_ratio", "Of binary models."))
        .with_panel(figure("Precision", "driftline_precision_ratio", "Of what was flagged, the share of positives."))
        .with_panel(figure("Recall", "driftline_recall_ratio", "Of the positives, the share that was flagged."))
        .with_panel(figure("Log loss", "driftline_log_loss", "Of scores.", "short"))
        .with_panel(figure("Mean absolute error", "driftline_mae", "Of regressions.", "short"))
        .with_panel(figure("Root mean squared error", "driftline_rmse", "Of regressions.", "short"))
        .with_panel(figure("Bias", "driftline_bias", "Prediction less label, of regressions.", "short"))
        .with_panel(lines("Calibration error",
                          Query(f"driftline_calibration_ece_ratio{{{_JUDGED}}}", "{{version}} {{window}}"),
                          Query(f"driftline_calibration_ece_chance_ratio{{{_JUDGED}}}",
                                "{{version}} {{window}} by chance"),
                          unit="percentunit", low=0,
                          about="Expected calibration error, beside what a calibrated model would show by chance."))
        .with_panel(lines("Calibration slope",
                          Query(f"driftline_calibration_slope{{{_JUDGED}}}", "{{version}} {{window}}"),
                          about="Of labels on the scores' log odds; 1 when calibrated, below it overconfident."))
    )  # fmt: skip


def _estimates(made: Dashboard) -> Dashboard:
    explored = (f'{{{_JUDGED},basis="matured"}}', "{{version}} {{window}}")
    return (
        made
        .with_panel(lines("Estimated before labels come",
                          Query(f"driftline_estimated_accuracy_ratio{{{_JUDGED}}}", "{{version}} {{window}} accuracy"),
                          Query(f"driftline_estimated_auc_ratio{{{_JUDGED}}}", "{{version}} {{window}} AUC"),
                          Query(f"driftline_estimated_precision_ratio{{{_JUDGED}}}",
                                "{{version}} {{window}} precision"),
                          Query(f"driftline_estimated_recall_ratio{{{_JUDGED}}}", "{{version}} {{window}} recall"),
                          unit="percentunit", about="From scores alone; see whether labels bear it out."))
        .with_panel(lines("Estimated by slice and score",
                          *_estimate("accuracy", "accuracy"), *_estimate("auc", "AUC"),
                          *_estimate("precision", "precision"), *_estimate("recall", "recall"), unit="percentunit",
                          about="Before labels come: the baseline's outcomes of each value of the first slicing, "
                                "weighted as the predictions fall now. Of binary models."))
        .with_panel(lines("Drop / allowed drop",
                          Query(f"driftline_performance_drop_ratio{{{_JUDGED}}}",
                                "{{version}} {{window}} {{metric}}"),
                          Query(f"driftline_estimated_drop_ratio{{{_JUDGED}}}",
                                "{{version}} {{window}} {{metric}}, estimated"),
                          Query("vector(1)", "threshold"), width=THIRD,
                          about="Matured figures against the baseline, and estimated ones while labels bear them out."))
        .with_panel(lines("Accuracy of all rows, from explored ones",
                          *_bounded("driftline_accuracy_weighted_ratio", *explored),
                          *_bounded("driftline_accuracy_by_propensity_ratio", *explored),
                          unit="percentunit", width=THIRD,
                          about="Matured rows with an action that leads to labels, each for 1 over its propensity."))
        .with_panel(lines("Absolute error of all rows, from explored ones",
                          *_bounded("driftline_mae_by_propensity", *explored), low=0, width=THIRD,
                          about="The same of regressions: the mean size of the error."))
    )  # fmt: skip


def _light(title: str, metric: str, about: str) -> stat.Panel:
    panel = number(title, Query(f"min({metric}{{{_JUDGED}}})"), width=QUARTER, about=about)
    return panel.mappings(words({"1": ("yes", "green"), "0": ("too few labels", "blue"), "-1": ("no", "red")}))


def _estimate(figure: str, called: str) -> list[Query]:
    return _bounded(
        f"driftline_reweighted_{figure}_ratio", f"{{{_JUDGED}}}", f"{{{{version}}}} {{{{window}}}} {called}"
    )


def _bounded(metric: str, of: str, legend: str) -> list[Query]:
    """Return the queries of a figure and of the ends of its interval."""
    ends = [Query(f"{metric}_{end}{of}", f"{legend}, {end}") for end in ("lower", "upper")]
    return [Query(f"{metric}{of}", legend), *ends]


def _labels(made: Dashboard) -> Dashboard:
    return (
        made
        .with_row(Row("Labels"))
        .with_panel(lines("Coverage by age", Query(f"driftline_label_coverage_ratio{{{_MODEL}}}", "older than {{age}}"),
                          unit="percentunit", low=0, high=1, width=THIRD,
                          about="Share of predictions of at least this age that have their label."))
        .with_panel(lines("Delay", Query(f"driftline_label_delay_seconds{{{_MODEL}}}", "q{{quantile}}"), unit="s",
                          low=0, width=THIRD, about="From a prediction to its label; at most twice too high."))
        .with_panel(lines("What became of rows",
                          Query(f"driftline_join_rows{{{_MODEL},outcome!=\"joined\"}}", "{{side}} {{outcome}}"), low=0,
                          width=THIRD, about="Rows of the join that are not joined, by why."))
        .with_panel(lines("Labels that cannot be used",
                          Query(f"sum by (reason) (rate(driftline_labels_rejected_total{{{_MODEL}}}"
                                "[$__rate_interval]))", "{{reason}}"), unit="reqps", low=0, width=HALF,
                          about="Missing, of the wrong type, or of no class that there is."))
        .with_panel(lines("Labels that came",
                          Query(f"sum(rate(driftline_labels_total{{{_MODEL}}}[$__rate_interval]))", "labels"),
                          unit="reqps", low=0, width=HALF, about="Counted once each, whatever becomes of them."))
        .with_panel(lines("Requests and responses that are logged apart",
                          Query(f"driftline_pair_rows_total{{{_MODEL}}}", "{{outcome}}"), low=0,
                          about="What of `seen` is neither paired nor unpaired waits for its other half."))
    )  # fmt: skip
