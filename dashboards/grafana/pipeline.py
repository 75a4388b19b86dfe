"""The service itself: whether it keeps up, what it loses, what it sets aside."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards.grafana.frame import board
from dashboards.grafana.panels import THIRD, Query, Steps, lines, number

_RATE = "[$__rate_interval]"


def pipeline() -> Dashboard:
    """Return the dashboard of the service."""
    return _cost(_told(_aside(_flow(_head(board("pipeline", "Driftline / Pipeline", "Health of Driftline itself.",
                                          span="now-6h"))))))  # fmt: skip


def _head(made: Dashboard) -> Dashboard:
    return (
        made
        .with_panel(number("Behind", Query("max(time() - driftline_last_checkpoint_timestamp_seconds)"), unit="s",
                           steps=Steps(30, 120), about="Time since the state was last written."))
        .with_panel(number("Records to read", Query("sum(driftline_consumer_lag_records)"),
                           steps=Steps(100_000, 1_000_000), about="Over all partitions."))
        .with_panel(number("Lost", Query("sum(driftline_lost_records_total)"), steps=Steps(bad=1),
                           about="Records that were deleted before they were read, under `lost_records: reset`."))
        .with_panel(number("Dead letters waiting", Query("sum(driftline_dead_letters_pending)"), steps=Steps(100, 5000),
                           about="Rejected records that wait for their acknowledgement."))
        .with_panel(number("Series", Query('sum(driftline_series{state="exported"}) / sum(driftline_series_limit)'),
                           unit="percentunit", steps=Steps(0.8, 1), about="Of `limits.max_series`."))
        .with_panel(number("Version", Query("max by (version) (driftline_build_info)", "{{version}}"),
                           about="Of Driftline.").text_mode("name"))  # type: ignore[arg-type]
    )  # fmt: skip


def _flow(made: Dashboard) -> Dashboard:
    return (
        made
        .with_row(Row("Flow"))
        .with_panel(lines("Records read", Query(f"sum(rate(driftline_records_total{_RATE}))", "records"), unit="reqps",
                          low=0, width=THIRD, about="From all inputs."))
        .with_panel(lines("Lag", Query("driftline_consumer_lag_records", "{{topic}} {{partition}}"), low=0, width=THIRD,
                          about="Records that are still to be read, by partition."))
        .with_panel(lines("Event time behind the clock",
                          Query("max by (model) (time() - driftline_watermark_timestamp_seconds)", "{{model}}"),
                          unit="s", width=THIRD, about="Windows close by event time, not by the clock."))
        .with_panel(lines("Rows by what became of them",
                          Query(f"sum by (outcome) (rate(driftline_rows_total{_RATE}))", "{{outcome}}"), unit="reqps",
                          low=0, width=THIRD,
                          about="`late` rows restate windows; `too_late` and `future` are rejected."))
        .with_panel(lines("Late share",
                          Query(f'sum by (model) (rate(driftline_rows_total{{outcome="late"}}{_RATE}))'
                                f" / sum by (model) (rate(driftline_rows_total{_RATE}))", "{{model}}"),
                          Query("vector(0.05)", "threshold"), unit="percentunit", low=0, width=THIRD,
                          about="Late rows enter no evidence; beyond 5 % somebody should look."))
        .with_panel(lines("Rows held, partitions at rest",
                          Query("sum by (model) (driftline_rows_held)", "{{model}} held"),
                          Query("sum by (model) (driftline_partition_idle)", "{{model}} at rest"), low=0, width=THIRD,
                          about="Held rows are far ahead of event time and wait for others to confirm it."))
    )  # fmt: skip


def _aside(made: Dashboard) -> Dashboard:
    return (
        made
        .with_row(Row("Set aside"))
        .with_panel(lines("Rejected, by reason",
                          Query(f"sum by (reason) (rate(driftline_records_rejected_total{_RATE}))", "{{reason}}"),
                          unit="reqps", low=0, width=THIRD, about="Cannot be counted; dead-lettered."))
        .with_panel(lines("Left out on purpose, and remarks",
                          Query(f"sum by (reason) (rate(driftline_records_skipped_total{_RATE}))", "{{reason}}"),
                          Query(f"sum by (remark) (rate(driftline_decode_remarks_total{_RATE}))", "{{remark}}"),
                          unit="reqps", low=0, width=THIRD, about="No `where` matched, sampled out, or no value."))
        .with_panel(lines("Dead letters",
                          Query("sum(driftline_dead_letters_pending)", "waiting"),
                          Query("sum(driftline_dead_letters_overflow_total)", "only counted"),
                          Query("sum(driftline_log_gaps_total)", "gaps in the log"), low=0, width=THIRD,
                          about="Overflow means that the sink of dead letters is slower than what is rejected."))
    )  # fmt: skip


def _told(made: Dashboard) -> Dashboard:
    return (
        made
        .with_row(Row("Driftline's own alerts"))
        .with_panel(lines("Alerts", Query("sum by (alertname, state) (driftline_alerts)", "{{alertname}} {{state}}"),
                          low=0, width=THIRD, about="Silenced ones, and those of models on trial, count too."))
        .with_panel(lines("Deliveries", Query("sum by (receiver, outcome) (increase(driftline_alert_deliveries_total"
                                              "[$__rate_interval]))", "{{receiver}} {{outcome}}"),
                          low=0, width=THIRD, about="`parked` was given up; somebody must look."))
        .with_panel(lines("Waiting",
                          Query("sum by (receiver) (driftline_alert_messages_pending)", "messages for {{receiver}}"),
                          Query("sum(driftline_alert_signals_pending)", "signals"), low=0, width=THIRD,
                          about="Messages for receivers, and signals that the alerts have not applied yet."))
    )  # fmt: skip


def _cost(made: Dashboard) -> Dashboard:
    def quantiles(name: str) -> list[Query]:
        return [
            Query(f"histogram_quantile({q}, sum by (le) (rate({name}_bucket{_RATE})))", f"q{q}") for q in (0.5, 0.99)
        ]

    return (
        made
        .with_row(Row("Cost"))
        .with_panel(lines("Checkpoint", *quantiles("driftline_checkpoint_duration_seconds"), unit="s", low=0,
                          width=THIRD, about="Close windows, write the state, publish what waits."))
        .with_panel(lines("Evaluation", *quantiles("driftline_evaluation_duration_seconds"), unit="s", low=0,
                          width=THIRD, about="Part of a checkpoint: statistics of the windows that were due."))
        .with_panel(lines("Written", *quantiles("driftline_checkpoint_written_bytes"), unit="bytes", low=0,
                          width=THIRD, about="Bytes of one checkpoint."))
        .with_panel(lines("Processor", Query(f"rate(process_cpu_seconds_total{_RATE}) and on (job, instance)"
                                             " driftline_build_info", "{{instance}}"), low=0, width=THIRD,
                          about="Cores in use."))
        .with_panel(lines("Memory", Query("process_resident_memory_bytes and on (job, instance) driftline_build_info",
                                          "{{instance}}"),
                          unit="bytes", low=0, width=THIRD, about="Resident."))
        .with_panel(lines("Series", Query("sum by (state) (driftline_series)", "{{state}}"),
                          Query("sum(driftline_series_limit)", "threshold"), low=0, width=THIRD,
                          about="Beyond the limit, series that are not in drift are dropped first."))
    )  # fmt: skip
