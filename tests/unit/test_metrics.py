"""What ``/metrics`` says of a View."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from monitor import catalogue, held, metrics
from monitor.config.root import MetricsConfig
from monitor.decoding.reasons import OUTCOMES
from monitor.events import HOUR, MINUTE
from monitor.labels import MAX_BYTES, label
from monitor.metrics import make_registry
from monitor.series import window_series
from monitor.views import View, ViewHolder
from tests.example_view import NOW, UGLY, finding, full_view, judged, model, view, window

EVERYTHING = tuple(metric.export for metric in catalogue.metrics() if metric.export)
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(
    shown: View | None, *, max_series: int = 20_000, export: tuple[str, ...] = (), now: int = NOW
) -> tuple[Series, CollectorRegistry]:
    registry, _ = make_registry(ViewHolder(shown), max_series, export, lambda: now / 1e6)
    return read(registry), registry


def read(registry: CollectorRegistry) -> Series:
    """Return the series through the text format and its parser; a series that comes twice fails."""
    series: Series = {}
    for family in parse(generate_latest(registry).decode()):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in series, f"{key} comes twice"
            series[key] = sample.value
    return series


def value(series: Series, name: str, **labels: str) -> float | None:
    return series.get((name, frozenset(labels.items())))


def of(series: Series, name: str) -> list[dict[str, str]]:
    return [dict(labels) for found, labels in series if found == name]


PLACE = {"model": "fraud", "version": "7", "window": "fast"}


def test_every_figure_of_a_view_is_exported_under_its_name() -> None:
    series, _ = scrape(full_view())
    amount = {**PLACE, "feature": "amount"}
    assert value(series, "driftline_feature_psi", **amount) == 0.3
    assert value(series, "driftline_feature_drift_ratio", **amount, detector="ks") == pytest.approx(3.0)
    assert value(series, "driftline_drift_detected", **amount, detector="psi") == 1
    assert value(series, "driftline_drift_detected", **{**amount, "feature": "country"}, detector="psi") == 0
    assert value(series, "driftline_window_samples", **PLACE) == 1000
    assert value(series, "driftline_window_restated_rows", **PLACE) == 12
    assert value(series, "driftline_window_findings", **PLACE, status="drift") == 12
    assert value(series, "driftline_window_findings", **PLACE, status="insufficient") == 1
    assert value(series, "driftline_flagged_ratio", **PLACE) == 0.03
    assert value(series, "driftline_request_latency_seconds", **PLACE, quantile="0.99") == 0.2
    assert value(series, "driftline_predictions_total", model="fraud") == 1000
    assert value(series, "driftline_rows_total", model="fraud", outcome="too_late") == 2
    assert value(series, "driftline_rows_total", model="fraud", outcome="future") == 3
    assert value(series, "driftline_records_total") == 1010
    assert value(series, "driftline_lost_records_total") == 7
    assert value(series, "driftline_log_gaps_total") == 1
    assert value(series, "driftline_records_rejected_total", reason="not_json") == 1
    assert value(series, "driftline_records_skipped_total", reason="unmatched") == 4
    assert value(series, "driftline_decode_remarks_total", model="fraud", remark="decode_fallback") == 5
    assert value(series, "driftline_consumer_lag_records", topic="predictions", partition="0") == 10
    assert value(series, "driftline_watermark_timestamp_seconds", model="fraud", partition="0") == NOW / 1e6 - 60
    assert value(series, "driftline_rows_held", model="fraud", partition="1") == 3
    assert value(series, "driftline_reference_learning_ratio", model="new") == 0.25
    assert value(series, "driftline_config_info", hash="c0ffee") == 1
    assert value(series, "driftline_dead_letters_pending") == 2
    info = {"model": "fraud", "version": "7", "reference": "a1b2", "owner": "payments"}
    assert value(series, "driftline_model_info", **info) == 1


def test_no_counter_is_mistaken_for_a_remark_on_decoding() -> None:
    shown = full_view()
    counters = {("fraud", outcome): 1 for outcome in OUTCOMES} | dict(shown.counters)
    series, _ = scrape(replace(shown, counters=counters))
    remarks = {labels["remark"] for labels in of(series, "driftline_decode_remarks_total")}
    skipped = {labels["reason"] for labels in of(series, "driftline_records_skipped_total")}
    assert remarks | skipped == set(OUTCOMES)
    assert not remarks & skipped
    assert set(held._DETAILS) == set(metrics._ROW_REJECTS)


def test_what_is_not_known_makes_no_series() -> None:
    series, _ = scrape(full_view())
    assert {"topic": "predictions", "partition": "1"} not in of(series, "driftline_consumer_lag_records")
    assert {"model": "fraud", "partition": "1"} not in of(series, "driftline_watermark_timestamp_seconds")
    assert not [labels for labels in of(series, "driftline_feature_psi") if labels["feature"] == "small"]


@pytest.mark.parametrize("figure", [math.nan, math.inf, -math.inf])
def test_figures_that_are_not_finite_make_no_series(figure: float) -> None:
    odd = finding(statistic=figure, p_value=figure, threshold=figure)
    series, _ = scrape(view(model(window(odd, flagged=figure))), export=EVERYTHING)
    assert all(math.isfinite(number) for (name, _), number in series.items() if name.startswith("driftline_feature"))
    assert not of(series, "driftline_feature_psi")
    assert not of(series, "driftline_flagged_ratio")


def test_a_threshold_of_zero_has_no_drift_ratio() -> None:
    series, _ = scrape(view(model(window(finding(threshold=0.0)))))
    assert not of(series, "driftline_feature_drift_ratio")
    assert of(series, "driftline_feature_psi")


def test_only_what_was_chosen_is_exported_of_each_feature() -> None:
    few, _ = scrape(full_view())
    chosen, _ = scrape(full_view(), export=("ks",))
    every, _ = scrape(full_view(), export=EVERYTHING)
    assert not of(few, "driftline_feature_ks_statistic")
    assert of(chosen, "driftline_feature_ks_statistic")
    assert not of(chosen, "driftline_feature_hellinger_distance")
    place = {**PLACE, "feature": "amount"}
    assert value(every, "driftline_data_quality_ratio", **place, kind="missing") == 0.02
    assert value(every, "driftline_feature_p_value", **place, detector="psi") == 1e-6


def test_the_configuration_offers_exactly_the_words_of_the_catalogue() -> None:
    offered = MetricsConfig.model_json_schema()["properties"]["export"]["items"]["enum"]
    assert sorted(offered) == sorted(EVERYTHING)


def test_an_empty_window_leaves_no_series() -> None:
    series, _ = scrape(view(model(window(finding(), n=0))))
    assert not [name for name, _ in series if name.startswith(("driftline_window", "driftline_feature"))]


def test_the_volume_of_an_empty_window_is_a_series() -> None:
    """An empty window that should have had 5,000 rows is the clearest drift there is."""
    empty = finding("", "volume", "drift", statistic=9.2, threshold=0.7, direction=-1)
    series, _ = scrape(view(model(window(finding(status="ok"), empty, n=0))))
    place = {"model": "fraud", "version": "7", "window": "fast"}
    assert value(series, "driftline_volume_ratio", **place) == pytest.approx(math.exp(-9.2))
    assert value(series, "driftline_drift_detected", **place, detector="volume") == 1
    assert not of(series, "driftline_feature_psi")
    assert not of(series, "driftline_window_samples")


def test_series_of_a_feature_that_left_the_window_disappear() -> None:
    holder = ViewHolder(view(model(window(finding("amount"), finding("age")))))
    registry, _ = make_registry(holder, 1000, (), lambda: NOW / 1e6)
    before = read(registry)
    holder.swap(view(model(window(finding("age")))))
    after = read(registry)
    assert {labels["feature"] for labels in of(before, "driftline_feature_psi")} == {"amount", "age"}
    assert {labels["feature"] for labels in of(after, "driftline_feature_psi")} == {"age"}


def test_windows_of_a_model_that_fell_silent_disappear_by_wall_clock() -> None:
    shown = view(
        model(window(finding())), model(window(finding(), model="busy"), name="busy", seen_at=NOW + 45 * MINUTE)
    )
    almost, _ = scrape(shown, now=NOW + 45 * MINUTE)
    later, registry = scrape(shown, now=NOW + 45 * MINUTE + 1_000_000)
    assert {labels["model"] for labels in of(almost, "driftline_feature_psi")} == {"fraud", "busy"}
    assert {labels["model"] for labels in of(later, "driftline_feature_psi")} == {"busy"}
    assert value(read(registry), "driftline_predictions_total", model="fraud") == 1000


def test_a_model_not_seen_since_the_start_is_shown_for_three_windows() -> None:
    shown = view(model(window(finding()), seen_at=None), started_at=NOW - 44 * MINUTE)
    assert of(scrape(shown)[0], "driftline_feature_psi")
    assert not of(scrape(replace(shown, started_at=NOW - 46 * MINUTE))[0], "driftline_feature_psi")


def test_no_view_no_series_of_it() -> None:
    series, _ = scrape(None)
    assert not of(series, "driftline_records_total")
    assert value(series, "driftline_checkpoint_duration_seconds_count") == 0


def test_counters_that_alerts_watch_start_at_zero() -> None:
    series, _ = scrape(view(model(name="quiet"), counters={}))
    assert value(series, "driftline_records_total") == 0
    assert value(series, "driftline_rows_total", model="quiet", outcome="late") == 0
    assert value(series, "driftline_records_rejected_total", reason="not_json") == 0
    assert value(series, "driftline_records_rejected_total", model="quiet", reason="missing_id") == 0


def test_counters_never_step_back_while_views_go_on() -> None:
    holder = ViewHolder(view(model()))
    registry, timings = make_registry(holder, 1000)
    counters = dict(view().counters)
    rng = random.Random(5)
    before = read(registry)
    for _ in range(20):
        for name in counters:
            counters[name] += rng.randrange(3)
        holder.swap(view(model(), counters=dict(counters)))
        timings.observe(Costs(0.01, 0.0, 100))
        after = read(registry)
        for key, number in before.items():
            if key[0].endswith(("_total", "_count", "_bucket", "_sum")):
                assert after[key] >= number
        before = after


@dataclass(frozen=True)
class Costs:
    checkpoint: float
    evaluation: float
    written_bytes: int


def test_timings_are_histograms_without_creation_times() -> None:
    registry, timings = make_registry(ViewHolder(view()), 1000)
    timings.observe(Costs(0.02, 0.0001, 70_000))
    timings.observe(Costs(40.0, 0.0001, 1))
    series = read(registry)
    assert value(series, "driftline_checkpoint_duration_seconds_bucket", le="0.025") == 1
    assert value(series, "driftline_checkpoint_duration_seconds_bucket", le="30.0") == 1
    assert value(series, "driftline_checkpoint_duration_seconds_bucket", le="+Inf") == 2
    assert value(series, "driftline_checkpoint_duration_seconds_sum") == pytest.approx(40.02)
    assert value(series, "driftline_checkpoint_written_bytes_count") == 2
    assert not [name for name, _ in series if name.endswith("_created")]


def test_each_registry_stands_alone() -> None:
    one, timings = make_registry(ViewHolder(view()), 1000)
    other, _ = make_registry(ViewHolder(view()), 1000)
    timings.observe(Costs(0.1, 0.1, 1))
    assert value(read(one), "driftline_checkpoint_duration_seconds_count") == 1
    assert value(read(other), "driftline_checkpoint_duration_seconds_count") == 0


def test_the_cap_holds_with_a_hundred_thousand_series_and_drift_is_dropped_last() -> None:
    rng = random.Random(3)
    drifting = set(rng.sample(range(34_000), 200))
    windows = [window(finding(status="drift" if i in drifting else "ok"), slice=f"merchant-{i}") for i in range(34_000)]
    series, registry = scrape(view(model(*windows)), max_series=2000)
    own = {"driftline_series", "driftline_series_limit", "driftline_series_dropped_total"}
    counted = value(series, "driftline_series", state="exported")
    assert counted is not None
    assert counted <= 2000
    assert len([name for name, _ in series if name.startswith("driftline_") and name not in own]) < 2000 + 60
    shown = {
        int(labels["slice"].removeprefix("merchant-"))
        for labels in of(series, "driftline_drift_detected")
        if value(series, "driftline_drift_detected", **labels) == 1
    }
    assert shown == drifting
    dropped = value(series, "driftline_series", state="dropped")
    assert dropped is not None
    assert dropped > 100_000
    assert value(series, "driftline_series_dropped_total") == dropped
    assert value(read(registry), "driftline_series_dropped_total") == 2 * dropped
    assert value(series, "driftline_predictions_total", model="fraud") == 1000


def test_series_exported_and_dropped_add_up_to_all_there_are() -> None:
    shown = full_view()
    everything, _ = scrape(shown, max_series=10**9, export=EVERYTHING)
    total = value(everything, "driftline_series", state="exported")
    assert total is not None
    for limit in (100, 150, 400, 800):
        series, _ = scrape(shown, max_series=limit, export=EVERYTHING)
        parts = [value(series, "driftline_series", state=state) for state in ("exported", "dropped")]
        assert parts == [limit, total - limit]


def test_no_model_crowds_out_another() -> None:
    loud = window(*(finding(f"f{i}", statistic=0.09) for i in range(500)), model="loud")
    quiet = window(*(finding(f"f{i}", statistic=0.01) for i in range(5)), model="quiet")
    series = window_series([loud, quiet], (), limit=100)
    models = [
        sample.labels["model"]
        for family in series.families()
        for sample in family.samples
        if sample.name == "driftline_feature_psi"
    ]
    assert models.count("quiet") == 5
    assert models.count("loud") > 5


def test_partitions_without_end_leave_half_of_the_room_to_windows() -> None:
    clock = model().clocks[0]
    clocks = tuple(replace(clock, partition=partition) for partition in range(10_000))
    shown = view(model(window(finding("amount", status="drift")), clocks=clocks))
    series, _ = scrape(shown, max_series=400)
    assert value(series, "driftline_series", state="exported") == 400
    assert value(series, "driftline_drift_detected", **PLACE, feature="amount", detector="psi") == 1


def test_two_rules_on_one_statistic_make_one_series_and_drift_wins() -> None:
    series, _ = scrape(view(model(window(finding(status="ok"), finding(status="drift")))))
    assert value(series, "driftline_drift_detected", **PLACE, feature="amount", detector="psi") == 1
    assert value(series, "driftline_feature_psi", **PLACE, feature="amount") == 0.3


@pytest.mark.parametrize("text", [*UGLY, "", "~", "plain"])
def test_label_values_are_short_and_printable(text: str) -> None:
    shown = label(text)
    assert len(shown.encode()) <= MAX_BYTES
    assert shown.isprintable()


def test_different_values_stay_different_labels() -> None:
    texts = [*UGLY, "x" * 999_999, "line\\nbreak", "é" * 101, "\ud801", "\x00", "\x01"]
    assert len({label(text) for text in texts}) == len(texts)


def test_ugly_labels_survive_both_formats() -> None:
    _, registry = scrape(full_view(), export=EVERYTHING)
    text = generate_openmetrics(registry).decode()  # type: ignore[no-untyped-call]  # the library does not annotate it
    for family in parse_openmetrics(text):  # type: ignore[no-untyped-call]  # the same
        for sample in family.samples:
            assert all(len(text.encode()) <= MAX_BYTES for text in sample.labels.values())
    slices = {labels.get("slice", "") for labels in of(read(registry), "driftline_window_samples")}
    assert slices == {"", *(label(text) for text in UGLY)}


def test_evidence_is_exported_with_its_threshold_and_its_meter() -> None:
    series, _ = scrape(full_view())
    place = {**PLACE, "window": "evidence"}
    fleet = {"model": "fraud", "fleet": "inputs"}
    assert value(series, "driftline_evidence_log", **place, feature="amount", severity="warn") == -3.5
    assert value(series, "driftline_evidence_log", **place, feature="amount.missing", severity="page") == 12
    assert value(series, "driftline_evidence_threshold_log", **fleet, severity="page") == pytest.approx(math.log(8760))
    assert value(series, "driftline_evidence_incidents_total", **fleet, severity="warn") == 1
    assert value(series, "driftline_evidence_promised_incidents_total", **fleet, severity="warn") == 2.97
    states = {"watching": 39, "drifted": 1, "unstable": 1}
    for state, number in states.items():
        assert value(series, "driftline_evidence_monitors", **fleet, severity="warn", state=state) == number
    detected = {name: {**place, "feature": name} for name in ("amount", "amount.missing")}
    assert value(series, "driftline_drift_detected", **detected["amount"], detector="evidence") == 1, "not recovered"
    assert value(series, "driftline_drift_detected", **detected["amount.missing"], detector="evidence_page") == 1


def test_the_catalogue_names_all_that_is_exported_and_nothing_else() -> None:
    _, registry = scrape(full_view(), export=EVERYTHING)
    exported = {
        (family.name, family.type, frozenset(label for sample in family.samples for label in sample.labels) - {"le"})
        for family in registry.collect()
        if family.name.startswith("driftline_")
    }
    assert {name for name, _, _ in exported} == {metric.family for metric in catalogue.metrics()}
    known = {metric.family: metric for metric in catalogue.metrics()}
    for name, kind, labels in exported:
        assert kind == known[name].kind
        assert labels <= set(known[name].labels)


def test_catalogue_names_follow_the_conventions() -> None:
    names = [metric.name for metric in catalogue.metrics()]
    assert len(names) == len(set(names))
    for metric in catalogue.metrics():
        assert metric.name.startswith("driftline_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.name.endswith("_info") == (metric.kind == "info")
        assert metric.help.endswith(".")
        if metric.unit:
            assert metric.family.endswith(f"_{metric.unit}")


def test_the_reference_page_is_up_to_date() -> None:
    command = "python -m monitor.catalogue > docs/reference/metrics.md"
    assert PAGE.read_text() == catalogue.reference_page(), f"out of date; run: {command}"


def test_figures_of_labels_come_with_their_intervals_and_estimates_stay_apart() -> None:
    told = judged(
        finding("recall", "performance"), finding("recall", "performance_change", "drift"),
        finding("recall", "estimate_change", "warn"), finding("precision", "estimate_change", "insufficient"),
    )  # fmt: skip
    series, _ = scrape(view(model(performance=(told,))))
    place = {"model": "fraud", "version": "7", "window": "daily"}
    running = frozenset({**place, "basis": "running"}.items())
    assert series["driftline_recall_ratio", running] == 0.8
    assert series["driftline_recall_ratio_lower", running] == 0.7
    assert series["driftline_recall_ratio_upper", running] == 0.9
    assert ("driftline_recall_ratio", frozenset({**place, "basis": "matured"}.items())) not in series
    assert series["driftline_estimated_recall_ratio", frozenset(place.items())] == 0.8
    assert series["driftline_performance_drop_detected", frozenset({**place, "metric": "recall"}.items())] == 1
    assert series["driftline_estimated_drop_detected", frozenset({**place, "metric": "recall"}.items())] == 0
    assert series["driftline_estimated_drop_ratio", frozenset({**place, "metric": "recall"}.items())] > 0
    assert not [dict(labels) for name, labels in series if "_drop_" in name and ("metric", "precision") in labels]
    assert series["driftline_outcome_rows", frozenset({**place, "state": "labelled"}.items())] == 500
    assert not any(name == "driftline_accuracy_ratio" for name, _ in series)


def test_series_of_labels_keep_to_a_quarter_of_the_bound() -> None:
    slices = tuple(judged(slice=f"s{n}") for n in range(50))
    series, registry = scrape(view(model(performance=(judged(), *slices))), max_series=1000)
    own = [name for name, labels in series if dict(labels).get("basis") or name.startswith("driftline_outcome")]
    assert 0 < len(own) <= 250
    assert any(name == "driftline_accuracy_ratio" and "slice" not in dict(labels) for name, labels in series)
    assert series["driftline_series", frozenset({("state", "dropped")})] > 0
    del registry


def test_a_join_tells_where_all_its_rows_are() -> None:
    series, _ = scrape(view(model()))
    rows = {"model": "fraud", "side": "label"}
    assert value(series, "driftline_join_rows", **rows, outcome="orphan") == 0
    assert value(series, "driftline_join_rows", **rows, outcome="invalid") == 5
    assert value(series, "driftline_predictions_matured", model="fraud", outcome="waiting") == 1000
    assert value(series, "driftline_labels_total", model="fraud") == 705
    assert value(series, "driftline_labels_rejected_total", model="fraud", reason="label_unknown_class") == 5
    assert value(series, "driftline_last_label_timestamp_seconds", model="fraud") == (NOW - HOUR) / 1e6
    assert value(series, "driftline_label_delay_seconds", model="fraud", quantile="0.5") == 64
    assert value(series, "driftline_label_coverage_ratio", model="fraud", age="0s") == pytest.approx(0.7)
    assert value(series, "driftline_label_coverage_ratio", model="fraud", age="1h") == pytest.approx(690 / 900)
    assert value(series, "driftline_label_coverage_ratio", model="fraud", age="1d") is None
    without, _ = scrape(view(model(join=None)))
    assert not of(without, "driftline_join_rows")
