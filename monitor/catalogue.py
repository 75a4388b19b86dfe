"""Every metric that Driftline exports: its name, type, labels, and what it means.

``python -m monitor.catalogue > docs/reference/metrics.md`` writes the reference page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from monitor.figure_metrics import FAMILIES, OUTCOME, bounds
from monitor.metric import Metric, Scope

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BYTES: Final = tuple(float(1 << power) for power in range(10, 28, 2))

BUILD: Final = Metric(
    "driftline_build_info",
    "info",
    "service",
    "Always 1; the version of Driftline and of Python.",
    ("version", "python"),
)
CONFIG: Final = Metric(
    "driftline_config_info", "info", "service", "Always 1; the hash of the configuration that is running.", ("hash",)
)
LAST_CHECKPOINT: Final = Metric(
    "driftline_last_checkpoint_timestamp_seconds", "gauge", "service",
    "When the state was last written. Everything else here was true at that moment.", (), "seconds",
)  # fmt: skip
CHECKPOINT_DURATION: Final = Metric(
    "driftline_checkpoint_duration_seconds", "histogram", "service",
    "Time to close windows, write the state and publish what waits.", (), "seconds", buckets=_SECONDS,
)  # fmt: skip
EVALUATION_DURATION: Final = Metric(
    "driftline_evaluation_duration_seconds", "histogram", "service",
    "Time of one checkpoint's evaluation of the windows that were due; next to nothing when none was.", (), "seconds",
    buckets=_SECONDS,
)  # fmt: skip
CHECKPOINT_BYTES: Final = Metric(
    "driftline_checkpoint_written_bytes", "histogram", "service", "Bytes of keys and values of one checkpoint.", (),
    "bytes", buckets=_BYTES,
)  # fmt: skip
RECORDS: Final = Metric("driftline_records_total", "counter", "service", "Records read from the inputs.", (), "records")
SKIPPED: Final = Metric(
    "driftline_records_skipped_total", "counter", "service",
    "Records left out on purpose: `unmatched` by any `where`, `unsampled`, or `tombstone` (no value).",
    ("model", "reason"),
)  # fmt: skip
REJECTED: Final = Metric(
    "driftline_records_rejected_total", "counter", "service",
    "Records, or rows of them, that cannot be counted and were dead-lettered.", ("model", "reason"),
)  # fmt: skip
REMARKS: Final = Metric(
    "driftline_decode_remarks_total", "counter", "service",
    "Rows that were counted all the same but needed a remark, such as `decode_fallback`.", ("model", "remark"),
)  # fmt: skip
LOST: Final = Metric(
    "driftline_lost_records_total", "counter", "service",
    "Records that were gone from the log before they were read, skipped under `lost_records: reset`.", (), "records",
)  # fmt: skip
GAPS: Final = Metric(
    "driftline_log_gaps_total", "counter", "service", "How often records were lost; counts a gap of unknown size too."
)
DEAD_LETTERS: Final = Metric(
    "driftline_dead_letters_pending", "gauge", "service", "Dead letters that wait for their acknowledgement."
)
DEAD_LETTERS_OVERFLOW: Final = Metric(
    "driftline_dead_letters_overflow_total", "counter", "service",
    "Rejected records that were only counted, since `limits.max_dead_letters` were waiting.",
)  # fmt: skip
RETRAINING_DECISIONS: Final = Metric(
    "driftline_retraining_decisions_total", "counter", "service",
    "Decisions about retraining. `fired` and `dry_run` went through all limits; `cooldown`, `budget`, `labels`, "
    "`coverage`, `fault`, `policy_change`, `blackout`, `in_flight`, `paused` and `too_short` were held back; `parked` "
    "asks a person.",
    ("model", "outcome"),
)  # fmt: skip
RETRAINING_PROPOSALS: Final = Metric(
    "driftline_retraining_proposals", "gauge", "service", "Proposals to retrain that are not over.", ("model", "state")
)
RETRAINING_PAUSED: Final = Metric(
    "driftline_retraining_paused", "gauge", "service", "1 for a model whose retraining is paused.", ("model",)
)
RETRAINING_REQUESTED: Final = Metric(
    "driftline_retraining_last_request_timestamp_seconds", "gauge", "service",
    "When a retraining was requested last; absent before the first. Dry runs do not count.", ("model",), "seconds",
)  # fmt: skip
ALERTS: Final = Metric(
    "driftline_alerts", "gauge", "service",
    "Alerts by name, severity, model and state, which is `pending` or `firing`. Those that are silenced or on trial "
    "count too.",
    ("alertname", "severity", "model", "state"),
)  # fmt: skip
ALERT_CHANGES: Final = Metric(
    "driftline_alert_transitions_total",
    "counter",
    "service",
    "Alerts that began to fire, or were resolved.",
    ("state",),
)
SILENCES: Final = Metric("driftline_alert_silences", "gauge", "service", "Silences that hold or are to come.")
TRIALS: Final = Metric(
    "driftline_alert_model_on_trial", "gauge", "service", "1 for a model whose alerts are not told yet.", ("model",)
)
DELIVERIES: Final = Metric(
    "driftline_alert_deliveries_total", "counter", "service",
    "Messages and attempts by receiver and outcome: `delivered`, `retried` (an attempt failed), `parked` (given up).",
    ("receiver", "outcome"),
)  # fmt: skip
MESSAGES: Final = Metric(
    "driftline_alert_messages_pending", "gauge", "service", "Messages that wait for their delivery.", ("receiver",)
)
OLDEST_MESSAGE: Final = Metric(
    "driftline_alert_oldest_message_timestamp_seconds", "gauge", "service",
    "When the oldest message was formed that waits; absent while none does.", ("receiver",), "seconds",
)  # fmt: skip
RECEIVER_DISABLED: Final = Metric(
    "driftline_alert_receiver_disabled", "gauge", "service",
    "1 for a receiver that said it wants no more, until it is enabled again.", ("receiver",),
)  # fmt: skip
SIGNALS_PENDING: Final = Metric(
    "driftline_alert_signals_pending", "gauge", "service", "Signals in the state that the alerts have not applied yet."
)
SIGNALS_LOST: Final = Metric(
    "driftline_alert_signals_lost_total", "counter", "service",
    "Signals that had no room, since the alerts' store could not be written for too long.",
)  # fmt: skip
SERIES: Final = Metric(
    "driftline_series", "gauge", "service",
    "Series of models, inputs and features in this scrape: `exported`, or `dropped` for `limits.max_series`.",
    ("state",),
)  # fmt: skip
SERIES_LIMIT: Final = Metric("driftline_series_limit", "gauge", "service", "The configured `limits.max_series`.")
SERIES_DROPPED: Final = Metric(
    "driftline_series_dropped_total", "counter", "service",
    "Series left out because of `limits.max_series`, summed over scrapes. Series in drift are left out last.",
)  # fmt: skip

LAG: Final = Metric(
    "driftline_consumer_lag_records", "gauge", "input", "Records of the partition that are still to be read.",
    ("topic", "partition"), "records",
)  # fmt: skip
OFFSET: Final = Metric(
    "driftline_consumer_next_offset", "gauge", "input", "Offset after the last counted record.", ("topic", "partition")
)

MODEL: Final = Metric(
    "driftline_model_info", "info", "model",
    "Always 1; what is watched, whose it is, and the reference it is compared with.",
    ("model", "version", "reference", "owner"),
)  # fmt: skip
PREDICTIONS: Final = Metric(
    "driftline_predictions_total", "counter", "model", "Predictions counted into windows.", ("model",), "predictions"
)
ROWS: Final = Metric(
    "driftline_rows_total", "counter", "model",
    "Decoded rows by what became of them: `on_time`, `late` (restates closed windows), `too_late` and `future` (both "
    "rejected).",
    ("model", "outcome"), "rows",
)  # fmt: skip
ROWS_HELD: Final = Metric(
    "driftline_rows_held", "gauge", "model", "Rows far ahead of event time that wait until others confirm it.",
    ("model", "partition"),
)  # fmt: skip
WATERMARK: Final = Metric(
    "driftline_watermark_timestamp_seconds", "gauge", "model", "Event time below which rows count as late.",
    ("model", "partition"), "seconds",
)  # fmt: skip
IDLE: Final = Metric(
    "driftline_partition_idle", "gauge", "model", "1 while nothing comes and the partition holds no window open.",
    ("model", "partition"),
)  # fmt: skip
LAST_PREDICTION: Final = Metric(
    "driftline_last_prediction_timestamp_seconds", "gauge", "model", "Greatest event time of any counted prediction.",
    ("model",), "seconds",
)  # fmt: skip
LEARNING: Final = Metric(
    "driftline_reference_learning_ratio", "gauge", "model",
    "Share of the learning period that has passed; absent once there is a reference.", ("model",), "ratio",
)  # fmt: skip
CHANGES: Final = Metric(
    "driftline_model_configuration_changes", "gauge", "model",
    "Changes of the configuration that made some counts of the model start fresh at the last start; "
    "`/api/v1/status` names them.",
    ("model",),
)  # fmt: skip

_FLEET: Final = ("model", "fleet", "severity")
EVIDENCE_THRESHOLD: Final = Metric(
    "driftline_evidence_threshold_log", "gauge", "model",
    "Evidence at which one monitor alone is alarmed, as a natural logarithm; the budget decides it.", _FLEET,
)  # fmt: skip
EVIDENCE_MONITORS: Final = Metric(
    "driftline_evidence_monitors", "gauge", "model",
    "Monitors that gather evidence, by state: `watching`, `drifted` (alarmed and not recovered), `unstable` (shown, "
    "not judged).",
    (*_FLEET, "state"),
)  # fmt: skip
EVIDENCE_INCIDENTS: Final = Metric(
    "driftline_evidence_incidents_total", "counter", "model", "Incidents of evidence, by chance or not.", _FLEET,
    "incidents",
)  # fmt: skip
EVIDENCE_PROMISED: Final = Metric(
    "driftline_evidence_promised_incidents_total", "counter", "model",
    "Incidents by chance that the budget allowed in the windows so far. The meter beside it shows what came.", _FLEET,
    "incidents",
)  # fmt: skip
MARKED: Final = Metric(
    "driftline_evidence_marked_incidents", "gauge", "model",
    "Incidents that operators marked `useful`, `expected` or `noise`, each by its latest mark.", ("model", "mark"),
    "incidents",
)  # fmt: skip

UNKNOWN_FIELD: Final = Metric(
    "driftline_unknown_field_first_seen_timestamp_seconds", "gauge", "model",
    "Event time of the first row that has a field beside the known features. One record in 64 is looked at; at most "
    "100 fields of a model are told apart, the rest is `other`.",
    ("model", "feature"), "seconds",
)  # fmt: skip

JOIN_ROWS: Final = Metric(
    "driftline_join_rows", "gauge", "model",
    "What became so far of all predictions and labels that were to be joined. Side `prediction`: `joined`, `pending`, "
    "`expired`, `duplicate`, `unsampled`, `overflow`. Side `label`: `joined`, `pending`, `orphan`, `duplicate`, "
    "`superseded`, `conflict`, `retracted`, `unsampled`, `overflow`, `invalid`. Each side adds up to all that came.",
    ("model", "side", "outcome"), "rows",
)  # fmt: skip
MATURED: Final = Metric(
    "driftline_predictions_matured", "gauge", "model",
    "Predictions by how they were judged at `matures_after`: `labelled`, `absent` (the configured value of no label), "
    "`unlabelled`; `waiting` are younger.",
    ("model", "outcome"),
)  # fmt: skip
LABELS: Final = Metric("driftline_labels_total", "counter", "model", "Labels that came.", ("model",), "labels")
LABELS_REJECTED: Final = Metric(
    "driftline_labels_rejected_total", "counter", "model",
    "Labels that cannot be used: `label_missing`, `label_bad` or `label_unknown_class`.", ("model", "reason"),
)  # fmt: skip
PAIR_ROWS: Final = Metric(
    "driftline_pair_rows_total", "counter", "model",
    "Requests and responses that are logged apart: `seen`, and what became of them, `paired`, `unpaired_request`, "
    "`unpaired_response`, `duplicate`, `overflow`; the rest of `seen` waits.",
    ("model", "outcome"), "rows",
)  # fmt: skip
_CHALLENGER: Final = ("model", "version", "champion", "champion_version")
CHALLENGER_ROWS: Final = Metric(
    "driftline_challenger_rows_total", "counter", "model",
    "Labelled ids that this challenger and its champion both predicted.", _CHALLENGER, "rows",
)  # fmt: skip
CHALLENGER_UNMATCHED: Final = Metric(
    "driftline_challenger_unmatched_total", "counter", "model",
    "Labelled ids that only one of a challenger and its champion predicted.", ("model", "champion"),
)  # fmt: skip
CHALLENGER_ACCURACY: Final = Metric(
    "driftline_challenger_accuracy_difference", "gauge", "model",
    "Accuracy of the challenger less that of its champion on the same ids.", _CHALLENGER,
)  # fmt: skip
CHALLENGER_LOSS: Final = Metric(
    "driftline_challenger_loss_difference", "gauge", "model",
    "Mean loss of the challenger less that of its champion on the same ids: squared error of the probability, absolute "
    "error of a regression. Below 0 the challenger is better. The interval of `bound` holds however often one looks.",
    (*_CHALLENGER, "bound"),
)  # fmt: skip
CHALLENGER_P: Final = Metric(
    "driftline_challenger_p_value", "gauge", "model",
    "P-value of equal losses that holds however often one looks.", _CHALLENGER,
)  # fmt: skip
FLAWED: Final = Metric(
    "driftline_outcomes_flawed_total", "counter", "model",
    "Predictions that labels judge in part only: `score_outside` 0 to 1; of the scores of classes, `scores_missing`, "
    "`scores_outside` or a `scores_sum` that is not 1; and `label_not_counted`, pairs that no figure has.",
    ("model", "reason"),
)  # fmt: skip
WITHOUT_ENTITY: Final = Metric(
    "driftline_predictions_without_entity_total", "counter", "model",
    "Predictions that no label can find under `labels.match: last_before`: `unnamed` says nothing of whom it is about, "
    "`overflow` are more than 256 of one entity within a quarter of `join.wait`.",
    ("model", "reason"),
)  # fmt: skip
LAST_LABEL: Final = Metric(
    "driftline_last_label_timestamp_seconds", "gauge", "model", "Greatest time of any label.", ("model",), "seconds"
)
LABEL_DELAY: Final = Metric(
    "driftline_label_delay_seconds", "summary", "model",
    "Quantiles of the time from a prediction to its label, among all that are joined; at most twice too high.",
    ("model", "quantile"), "seconds",
)  # fmt: skip
LABEL_COVERAGE: Final = Metric(
    "driftline_label_coverage_ratio", "gauge", "model",
    "Share of the predictions of at least this age that have a label, among those that may still get one.",
    ("model", "age"), "ratio",
)  # fmt: skip
JOIN_WATERMARK: Final = Metric(
    "driftline_join_watermark_timestamp_seconds", "gauge", "model",
    "Log time up to which predictions are judged and let go.", ("model",), "seconds",
)  # fmt: skip

_CONCEPT: Final = ("model", "version", "column", "detector")
CONCEPT_ROWS: Final = Metric(
    "driftline_concept_rows_total", "counter", "model",
    "Errors or losses by what became of them: `watched`, `refused` (they do not exist, or are not finite), `left_out` "
    "(an hour had more than are watched; a sample by id stands for them).",
    (*_CONCEPT, "outcome"), "rows",
)  # fmt: skip
CONCEPT_ALARMS: Final = Metric(
    "driftline_concept_alarms_total", "counter", "model",
    "Alarms of detectors of concept drift by level: `drift` or `warning`.", (*_CONCEPT, "level"),
)  # fmt: skip
CONCEPT_ALARM: Final = Metric(
    "driftline_concept_last_alarm_timestamp_seconds", "gauge", "model",
    "Join time of the pair that raised the latest alarm; absent while there was none.", _CONCEPT, "seconds",
)  # fmt: skip
CONCEPT_CHANGE: Final = Metric(
    "driftline_concept_last_alarm_change", "gauge", "model",
    "Mean error or loss after the latest alarm's change less the mean before it: above 0 the model got worse.",
    _CONCEPT,
)  # fmt: skip

_WINDOW: Final = ("model", "version", "window", "slice")
SAMPLES: Final = Metric(
    "driftline_window_samples", "gauge", "window", "Rows in the last closed window; absent when it was empty.", _WINDOW
)
WINDOW_END: Final = Metric(
    "driftline_window_end_timestamp_seconds", "gauge", "window", "Event time at which the last closed window ended.",
    _WINDOW, "seconds",
)  # fmt: skip
RESTATED: Final = Metric(
    "driftline_window_restated_rows", "gauge", "window", "Rows that came after the last closed window had closed.",
    _WINDOW, "rows",
)  # fmt: skip
FINDINGS: Final = Metric(
    "driftline_window_findings", "gauge", "window",
    "Findings of the last closed window by status: `ok`, `warn`, `drift`, `insufficient`. Counts all of them, also "
    "those whose own series were dropped.",
    (*_WINDOW, "status"),
)  # fmt: skip
VOLUME: Final = Metric(
    "driftline_volume_ratio", "gauge", "window",
    "Rows of the last closed window, of all versions together, over those that the reference had in the same hours; "
    "half a row is added to both, so that an empty window has a ratio, too.",
    _WINDOW, "ratio",
)  # fmt: skip
FLAGGED: Final = Metric(
    "driftline_flagged_ratio", "gauge", "window", "Share of predictions at or beyond the decision threshold.", _WINDOW,
    "ratio",
)  # fmt: skip
ERRORS: Final = Metric(
    "driftline_prediction_errors_ratio", "gauge", "window", "Share of requests that failed.", _WINDOW, "ratio"
)
LATENCY: Final = Metric(
    "driftline_request_latency_seconds", "summary", "window", "Quantiles of the time the model took in the last closed "
    "window.", (*_WINDOW, "quantile"), "seconds",
)  # fmt: skip

_FEATURE: Final = ("model", "version", "feature", "window", "slice")
DRIFT_RATIO: Final = Metric(
    "driftline_feature_drift_ratio", "gauge", "feature",
    "Statistic divided by its threshold: drift from 1 on. One unit for all detectors.", (*_FEATURE, "detector"),
    "ratio",
)  # fmt: skip
DRIFT_DETECTED: Final = Metric(
    "driftline_drift_detected", "gauge", "feature", "1 when the finding's status is drift, 0 when it is ok or warn.",
    (*_FEATURE, "detector"),
)  # fmt: skip


def _statistic(name: str, detector: str, text: str) -> Metric:
    export = "" if detector == "psi" else detector
    return Metric(f"driftline_feature_{name}", "gauge", "feature", text, _FEATURE, export=export, detector=detector)


PSI: Final = _statistic("psi", "psi", "Population stability index against the reference.")
STATISTICS: Final = (
    PSI,
    _statistic("ks_statistic", "ks", "Kolmogorov-Smirnov statistic over the reference's bins."),
    _statistic("jensen_shannon", "jensen_shannon", "Jensen-Shannon divergence, natural logarithm."),
    _statistic("hellinger_distance", "hellinger", "Hellinger distance."),
    _statistic("wasserstein_distance", "wasserstein", "Wasserstein-1 distance."),
    _statistic("chi2_statistic", "chi2", "Pearson's chi-square statistic."),
    _statistic("g_statistic", "g_test", "Likelihood-ratio (G) statistic."),
    _statistic("total_variation_distance", "total_variation", "Total variation distance."),
    _statistic("l_infinity_distance", "l_infinity", "Largest difference of any bin's share."),
    _statistic("cramer_von_mises_statistic", "cramer_von_mises", "Cramér-von Mises statistic on merged bins."),
)
MMD: Final = Metric(
    "driftline_feature_mmd_squared", "gauge", "feature",
    "Squared maximum mean discrepancy of a vector against the reference; about the square of the share of vectors that "
    "are of a new kind.",
    _FEATURE, detector="mmd",
)  # fmt: skip
NEW_COLUMN: Final = Metric(
    "driftline_new_column_ratio", "gauge", "feature",
    "Share of the records that have a field beside the known features, of the one in 64 that is looked at; only where "
    "it is surely above the bound.",
    _FEATURE, "ratio", detector="new_column",
)  # fmt: skip
EVIDENCE: Final = Metric(
    "driftline_evidence_log", "gauge", "feature",
    "Evidence of drift that was gathered over windows, as a natural logarithm. Compare with "
    "`driftline_evidence_threshold_log`.",
    (*_FEATURE, "severity"),
)  # fmt: skip
LIFT: Final = Metric(
    "driftline_slice_lift", "gauge", "feature",
    "Of a slice that was found by itself: its error rate ÷ that of all rows, in the windows since it was found; "
    "`bound` is empty, `lower` or `upper`. At most 32 slices of a version by default.",
    (*_WINDOW, "bound"),
)  # fmt: skip
P_VALUE: Final = Metric(
    "driftline_feature_p_value", "gauge", "feature", "P-value of the statistic before any correction.",
    (*_FEATURE, "detector"), export="p_value",
)  # fmt: skip
QUALITY: Final = Metric(
    "driftline_data_quality_ratio", "gauge", "feature",
    "Share of the window's rows whose cell is `missing`, `bad` (wrong type or not finite), `low` or `high` (beyond the "
    "range) or `unseen` (a category the reference does not have).",
    (*_FEATURE, "kind"), "ratio", export="quality",
)  # fmt: skip

ESTIMATE_LIGHT: Final = Metric(
    "driftline_estimate_light", "gauge", "outcome",
    "Whether late labels bear the estimates out: 1 they do, 0 too few to tell, -1 they contradict them.", OUTCOME,
)  # fmt: skip
REWEIGHTED_LIGHT: Final = Metric(
    "driftline_reweighted_light", "gauge", "outcome",
    "The same of the estimates by slices: 1 late labels bear them out, 0 too few to tell, -1 they contradict them.",
    OUTCOME,
)  # fmt: skip
OUTCOME_ROWS: Final = Metric(
    "driftline_outcome_rows", "gauge", "outcome",
    "Predictions of the window by state: `predicted`, `labelled`, `matured` (judged for good), `unlabelled` (came of "
    "age without a label).",
    (*OUTCOME, "state"), "rows",
)  # fmt: skip
OUTCOME_COVERAGE: Final = Metric(
    "driftline_window_label_coverage_ratio", "gauge", "outcome", "Share of the window's predictions with a label.",
    OUTCOME, "ratio",
)  # fmt: skip
OUTCOME_END: Final = Metric(
    "driftline_outcome_window_end_timestamp_seconds", "gauge", "outcome",
    "Event time at which the last judged window ended.", OUTCOME, "seconds",
)  # fmt: skip
DROP_RATIO: Final = Metric(
    "driftline_performance_drop_ratio", "gauge", "outcome",
    "By how much a matured figure is worse than the baseline, divided by the drop that is allowed.",
    (*OUTCOME, "metric"), "ratio",
)  # fmt: skip
DROP_DETECTED: Final = Metric(
    "driftline_performance_drop_detected", "gauge", "outcome",
    "1 when a matured figure is surely worse than the baseline by more than the drop that is allowed.",
    (*OUTCOME, "metric"),
)  # fmt: skip
ESTIMATED_DROP_RATIO: Final = Metric(
    "driftline_estimated_drop_ratio", "gauge", "outcome",
    "By how much an estimated figure is worse than the baseline, divided by the drop that is allowed; only while "
    "labels bear the estimates out.",
    (*OUTCOME, "metric"), "ratio",
)  # fmt: skip
ESTIMATED_DROP_DETECTED: Final = Metric(
    "driftline_estimated_drop_detected", "gauge", "outcome",
    "1 when an estimated figure is surely worse than the baseline by more than the drop that is allowed; only while "
    "labels bear the estimates out.",
    (*OUTCOME, "metric"),
)  # fmt: skip

BY_DETECTOR: Final = {metric.detector: metric for metric in (*STATISTICS, MMD, NEW_COLUMN)}
_SCOPES: Final[dict[Scope, str]] = {
    "service": "The service",
    "input": "Each input partition",
    "model": "Each model",
    "window": "The last closed window of each version and slice",
    "feature": "Each feature of that window",
    "outcome": "What labels say of the last judged window of each version and slice",
}


def metrics() -> Iterator[Metric]:
    """Yield every metric of this module, in the order in which they are documented."""
    for value in globals().copy().values():
        if isinstance(value, Metric):
            if value is PSI:
                yield from STATISTICS
            else:
                yield value
    for metric in FAMILIES:
        yield metric
        yield from bounds(metric)


def reference_page() -> str:
    """Return the reference page as Markdown."""
    lines = [
        "# Metrics",
        "",
        "Served at `/metrics`, read from the last checkpoint when Prometheus asks.",
        "Generated from `monitor/catalogue.py`.",
        "",
        "A series is absent when there is nothing to say: an empty window, too few rows, a figure that does not exist,",
        "a model that has been silent for three windows. Absent is never 0. The whole population has no `slice` label.",
        "A label value longer than 128 bytes, or with characters that cannot be printed, is shortened or escaped and",
        "ends in `~` and a hash.",
        "",
        "Metrics with a word in the last column are exported when `metrics.export` names it. Of what labels say, every",
        "figure comes with its 95 % interval under the same name and `_lower` and `_upper`. `basis` is `running`, from",
        "the labels known now, or `matured`, from predictions that are old enough to have been judged for good.",
    ]
    for scope, title in _SCOPES.items():
        lines += ["", f"## {title}", "", "| metric | type | labels | meaning | export |", "|---|---|---|---|---|"]
        for metric in metrics():
            if metric.scope == scope and not metric.bound_of:
                labels = ", ".join(f"`{label}`" for label in metric.labels)
                export = f"`{metric.export}`" if metric.export else "always"
                lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} | {export} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.stdout.write(reference_page())
