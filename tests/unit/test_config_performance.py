"""What the configuration may say of performance, and what each mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.problem import WARNING
from tests.config_files import examined, loaded, minimal

LABELLED = "positive_class: 1\nlabels: {topic: l}\n"


@pytest.mark.parametrize(
    ("performance", "path", "message"),
    [
        ("metrics: [roc_auk]", "metrics[0]", "no figure 'roc_auk'"),
        ("alert_when: {mae: {drop: 1}}", "alert_when.mae", "no figure 'mae'"),
        ("baseline: {recal: 0.9}", "baseline.recal", "no figure 'recal'"),
        ("window: weekly", "window", "no window 'weekly'"),
        ("window: fast", "window", "outcomes are counted by the hour"),
        ("cost: {per_amount: {false_negative: 1}}", "cost.per_amount", "needs performance.amount"),
    ],
)
def test_each_mistake_is_told_once_where_it_stands(tmp_path: Path, performance: str, path: str, message: str) -> None:
    text = minimal(model=f"{LABELLED}performance: {{{performance}}}")
    found = [problem for problem in examined(tmp_path, text).problems if problem.code != WARNING]
    assert [problem.path for problem in found] == [f"models[0].performance.{path}"]
    assert message in found[0].message


def test_outcomes_of_decisions_cost_something_only_in_a_binary_model(tmp_path: Path) -> None:
    text = minimal(model="task: regression\nlabels: {topic: l}\nperformance: {cost: {false_positive: 5}}")
    found = [problem for problem in examined(tmp_path, text).problems if problem.code != WARNING]
    assert [problem.path for problem in found] == ["models[0].performance.cost"]


def test_what_is_sound_is_taken(tmp_path: Path) -> None:
    text = minimal(
        model=LABELLED + "features: {amount: {type: numeric}}\n"
        "performance: {metrics: [recall, cost], window: daily, baseline: {recall: 0.8}, amount: amount,\n"
        "              cost: {false_positive: 5, per_amount: {false_negative: 1}}, alert_when: {recall: {drop: 0.1}}}"
    )
    performance = loaded(tmp_path, text).models[0].performance
    assert performance.baseline == {"recall": 0.8}
    assert performance.cost is not None
    assert performance.cost.per_amount.false_negative == 1.0


def test_performance_without_labels_is_told(tmp_path: Path) -> None:
    found = examined(tmp_path, minimal(model="performance: {min_labels: 10}")).problems
    assert any(problem.path == "models[0].performance" and problem.code == WARNING for problem in found)
