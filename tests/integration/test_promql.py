"""Every expression of the dashboards and the rules, asked of a real Prometheus that scraped the service after a run."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from dashboards.grafana.committed import committed, expressions
from tests import shop
from tests.prometheus import Prometheus, eventually

RULES = Path(__file__).parents[2] / "deploy/prometheus/rules/driftline.yaml"
TESTS = sorted((RULES.parents[1] / "tests").glob("*.yaml"))
VALUES = {
    "fraud": {"model": "fraud", "version": ".*", "window": "daily", "feature": "amount", "slice": "()"},
    "fraud-next": {"model": "fraud-next", "version": ".*", "window": "fast", "feature": "amount", "slice": "()"},
    "iris": {"model": "iris", "version": ".*", "window": "fast", "feature": "petal", "slice": "()"},
    "eta": {"model": "eta", "version": ".*", "window": "fast", "feature": "amount", "slice": "()"},
}
"""What a person chose; a model of each kind."""
OTHER_TASK = {
    "driftline_mae": "eta", "driftline_rmse": "eta", "driftline_bias": "eta", "driftline_flagged": "fraud",
    "driftline_prediction_errors": "fraud", "driftline_request_latency": "fraud", "driftline_accuracy": "fraud",
    "driftline_auc": "fraud", "driftline_precision": "fraud", "driftline_recall": "fraud",
    "driftline_log_loss": "fraud", "driftline_estimate": "fraud", "driftline_calibration": "fraud",
    "driftline_concept": "fraud", "driftline_volume": "fraud", "slice!=": "fraud",
    "driftline_challenger": "fraud-next", "driftline_retraining": "fraud-next",
    "driftline_feature_jensen_shannon": "fraud", "driftline_feature_wasserstein": "fraud",
    "driftline_pair_rows": "iris", "driftline_reweighted": "fraud",
}  # fmt: skip
"""Only one of the two models has such figures."""
NOTHING_TO_SAY = {
    "driftline_retraining_last_request": "only a dry run was proposed",
    "driftline_records_skipped_total": "no record was left out",
    "driftline_decode_remarks_total": "no row needed a remark",
    "driftline_new_column_ratio": "no record has a field beside the known ones",
    "driftline_accuracy_by_propensity": "no model tells several classes apart",
    "driftline_feature_hellinger_distance": "not among the exported statistics",
    "driftline_feature_total_variation_distance": "not among the exported statistics",
    "driftline_feature_l_infinity_distance": "not among the exported statistics",
}
"""Absent series are no zero: what this run rightly has no series of."""


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Return a Prometheus that is asked of the moment after it had scraped the shop and evaluated the rules."""
    running = shop.opened(tmp_path_factory.mktemp("shop"))
    server = Prometheus(
        tmp_path_factory.mktemp("prometheus"), running.target, "1s", rules=[RULES], evaluation_interval="1s"
    )
    try:
        server.start()
        settled = "count_over_time(instance:driftline_consumer_lag_seconds:rate5m[1m]) > 1 and on () ALERTS"
        eventually("scrapes and rules", lambda: server.query(settled), 60)
        server.moment = time.time()
        yield server
    finally:
        server.close()
        running.close()


def chosen(expr: str, values: dict[str, str]) -> str:
    """Return an expression as Grafana would send it."""
    for name, value in values.items():
        expr = expr.replace(f"${name}", value)
    return expr.replace("$__rate_interval", "1m")


def asked() -> list[Any]:
    return [
        pytest.param(expr, legend, id=f"{name}: {title}: {expr[:60]}")
        for name, board in committed().items()
        for title, expr, legend in expressions(board)
        if "annotations" not in title
    ]


@pytest.mark.parametrize(("expr", "legend"), asked())
def test_every_query_of_a_dashboard_returns_what_its_legend_names(scraped: Prometheus, expr: str, legend: str) -> None:
    absent = next((why for name, why in NOTHING_TO_SAY.items() if name in expr), None)
    note = "offset 5m" in expr
    for model, values in VALUES.items():
        other = next((task for name, task in OTHER_TASK.items() if name in expr and "$model" in expr), None)
        if other is None and model in {"fraud-next", "iris"}:
            continue
        other = other or model
        found = scraped.query(chosen(expr, values))
        if absent is not None or other != model or (note and ">" in expr):
            assert found == [] or absent is None
            continue
        assert found, chosen(expr, values)
        for labels, _ in found:
            missing = [name for name in re.findall(r"{{(\w+)}}", legend) if name not in labels]
            assert missing == [], labels


@pytest.mark.parametrize("name", committed())
def test_every_variable_offers_what_there_is(scraped: Prometheus, name: str) -> None:
    for variable in committed()[name]["templating"]["list"]:
        if variable["type"] != "query":
            continue
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert match is not None
        offered = {labels[match[2]] for labels, _ in scraped.query(chosen(match[1], VALUES["fraud"]))}
        expected = {
            "model": {"fraud", "eta", "fraud-next", "iris"},
            "version": {"1", "2"},
            "slice": {"country=de", "country=fr"},
        }
        assert offered >= expected.get(variable["name"], {VALUES["fraud"][variable["name"]]})


def test_figures_on_dashboards_are_those_of_the_service(scraped: Prometheus) -> None:
    psi = expressions(committed()["feature"])
    threshold = next(expr for title, expr, _ in psi if "PSI" in title and "ignoring" in expr)
    found = {labels["version"]: value for labels, value in scraped.query(chosen(threshold, VALUES["fraud"]))}
    assert set(found) == {"2"}
    assert found["2"] == pytest.approx(0.25, abs=0.1)
    ((_, late),) = scraped.query("sum(driftline_drift_detected{feature='amount',detector='psi',window='daily'})")
    assert late == 1


def test_matured_figures_of_slices_make_up_those_of_the_whole(scraped: Prometheus) -> None:
    right = 'driftline_accuracy_ratio{{model="fraud",slice{0}"",basis="matured"}}'
    rows = 'driftline_outcome_rows{{model="fraud",slice{0}"",state="matured"}}'
    by = "sum by (version, window) "
    matched = "* on (version, window, slice) group_left ()"
    parts = scraped.query(f"{by}({right.format('!=')} {matched} {rows.format('!=')}) / {by}({rows.format('!=')})")
    whole = {(one["version"], one["window"]): value for one, value in scraped.query(right.format("="))}
    assert {"1", "2"} == {one["version"] for one, _ in parts}
    for labels, value in parts:
        assert value == pytest.approx(whole[labels["version"], labels["window"]], abs=1e-9)


def rules() -> list[dict[str, Any]]:
    groups = YAML(typ="safe").load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_prometheus_evaluates_every_rule(scraped: Prometheus) -> None:
    def evaluated() -> list[Any] | None:
        told = [rule for group in scraped.api("rules")["groups"] for rule in group["rules"]]
        return told if all(rule["health"] == "ok" for rule in told) else None

    assert len(eventually("every rule is evaluated", evaluated)) == len(rules())


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_rule_finds_its_series(scraped: Prometheus, rule: dict[str, Any]) -> None:
    """Take the comparisons away, and what a rule compares must be there; otherwise it could never fire."""
    expr = rule["expr"]
    if rule.get("alert") == "DriftlineDown":
        assert scraped.query("driftline_build_info")
        return
    for selector in set(re.findall(r"(?:\w+:)?driftline_\w+(?::\w+)?(?:\{[^}]*\})?", expr)):
        window = re.search(re.escape(selector) + r"(\[\w+\])", expr)
        series = f"present_over_time({selector}{window[1]})" if window else selector
        assert scraped.query(series), selector


def test_what_broke_in_the_shop_alarms(scraped: Prometheus) -> None:
    found = {(labels["alertname"], labels.get("model", "")) for labels, _ in scraped.query("ALERTS")}
    assert {("EvidenceAlarm", "fraud"), ("FeatureDrift", "fraud"), ("Watchdog", ""),
            ("QualityProblem", "fraud"), ("PerformanceDrop", "fraud"), ("PerformanceDrop", "eta")} <= found  # fmt: skip
    assert not {name for name, _ in found} & {"DriftlineDown", "ConsumerLagHigh", "RecordsLost", "SeriesDropped"}


def test_promtool_agrees(promtool: str, tmp_path: Path) -> None:
    done = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert (done.returncode, "SUCCESS" in done.stdout) == (0, True), done.stderr
    done = subprocess.run([promtool, "test", "rules", *TESTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = tmp_path / "prometheus"
    shutil.copytree(RULES.parents[1], broken)
    text = (broken / "rules/driftline.yaml").read_text()
    (broken / "rules/driftline.yaml").write_text(text.replace("keep_firing_for: 1h", "keep_firing_for: 1m"))
    again: list[str | Path] = [promtool, "test", "rules", broken / "tests/driftline.yaml"]
    assert subprocess.run(again, capture_output=True, check=False).returncode != 0
