"""Other thresholds, shares of the highest scores, costs and amounts, through the service, equal those of the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle

from monitor.config.model import ModelConfig
from monitor.events import HOUR
from monitor.figure_metrics import metric_of
from monitor.outcomes.evaluation import Evaluation
from monitor.views import PerformanceView
from tests.config_files import examined, minimal
from tests.outcomes_ground import BEGIN, Life, config_of, logs_of

COST = {"false_positive": 5.0, "per_amount": {"false_negative": 0.5}}


def config(**performance: Any) -> ModelConfig:
    plain = {"thresholds": [0.3, 0.77], "tops": [0.2], "cost": COST, "amount": "amount", "min_labels": 20}
    return config_of(performance={**plain, **performance}, slices=[])


@pytest.fixture(scope="module")
def life() -> Life:
    found = Life(config(), logs_of(1500, 21, ugly=False, hours=1))
    found.run()
    return found


def view_of(life: Life) -> PerformanceView:
    evaluation = Evaluation(life.outcomes)
    life.outcomes.due.touch([("1", BEGIN)])
    evaluation.judge({"hourly": BEGIN + HOUR}, 0.0, all_=True)
    return evaluation.latest["1", "", "hourly"]


def rows_of(life: Life) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return score, truth and amount of the labelled predictions of version 1."""
    last = {row.id: row.truth for row in life.logs["l"]}
    rows = [row for row in life.logs["p"] if row.version == "1" and row.id in last and row.id != "end"]
    score = np.array([row.score for row in rows])
    truth = np.array([int(str(last[row.id])) for row in rows])
    return score, truth, np.array([100.0 * len(row.id) for row in rows])


@pytest.mark.parametrize("threshold", [0.3, 0.77])
def test_decisions_at_other_thresholds_equal_scikit_learn(life: Life, threshold: float) -> None:
    view, (score, truth, amount) = view_of(life), rows_of(life)
    said = score >= threshold
    cost = np.where(said, np.where(truth == 1, 0.0, 5.0), np.where(truth == 1, 0.5 * amount, 0.0))
    for name, expected in {
        "accuracy": oracle.accuracy_score(truth, said),
        "precision": oracle.precision_score(truth, said),
        "recall": oracle.recall_score(truth, said),
        "f1": oracle.f1_score(truth, said),
        "mcc": oracle.matthews_corrcoef(truth, said),
        "flagged_share": said.mean(),
        "specificity": oracle.recall_score(1 - truth, ~said),
        "cost": cost.mean(),
        "recall_by_amount": oracle.recall_score(truth, said, sample_weight=amount),
        "precision_by_amount": oracle.precision_score(truth, said, sample_weight=amount),
    }.items():
        figure = view.running[f"{name}[score>={threshold:g}]"]
        assert figure.value == pytest.approx(expected, abs=1e-9), name
        assert figure.low <= figure.value <= figure.high


def test_shares_of_the_highest_scores_lie_within_their_bound(life: Life) -> None:
    view, (score, truth, _) = view_of(life), rows_of(life)
    highest = np.argsort(-score, kind="stable")[: round(len(score) * 0.2)]
    capture = view.running["capture_at_0.2"]
    assert abs(capture.value - truth[highest].sum() / truth.sum()) <= capture.bound + 2 / truth.sum()
    assert view.running["lift_at_0.2"].value == pytest.approx(capture.value / 0.2)
    assert "capture_at_0.01" not in view.running


def test_what_was_asked_for_is_told_and_exported(life: Life) -> None:
    told = {one.column for one in view_of(life).result.findings if one.detector == "performance"}
    asked = {
        "recall[score>=0.3]",
        "precision[score>=0.77]",
        "cost[score>=0.3]",
        "capture_at_0.2",
        "lift_at_0.2",
        "cost",
    }
    assert asked <= told
    for name in asked:
        assert metric_of(name) is not None


def test_a_threshold_on_an_edge_keeps_what_was_counted_and_another_starts_anew(life: Life) -> None:
    assert life.outcomes.whole is not None
    before = life.outcomes.whole.identity
    for thresholds, same in (([0.5], True), ([0.3], True), ([0.123], False)):
        life.config = config(thresholds=thresholds)
        life.start()
        assert life.outcomes.whole is not None
        assert (life.outcomes.whole.identity == before) == same
        assert any("threshold" in text for text in life.model.changes) != same
    life.config = config()
    life.start()


def test_the_figures_of_the_issue_all_have_a_metric() -> None:
    binary = (
        "accuracy precision recall f1 specificity false_positive_rate false_negative_rate mcc log_loss brier roc_auc"
    )
    binary += " average_precision ks gini capture_at_0.01 lift_at_0.01 cost accuracy_by_amount precision_by_amount"
    binary += (
        " recall_by_amount specificity_by_amount flagged_share_by_amount recall[score>=0.3] prevalence mean_amount"
    )
    several = "precision_macro recall_macro f1_macro precision_weighted recall_weighted f1_weighted log_loss kappa"
    several += " top_3_accuracy recall[fox] precision[fox] f1[fox] accuracy"
    numbers = (
        "mae mse rmse r2 mape smape bias quantile_loss_0.9 huber error_quantile_0.95 interval_coverage pinball_0.1"
    )
    numbers += " quantile_hits_0.1 pit_mean pit_dispersion"
    for name in f"{binary} {several} {numbers}".split():
        assert metric_of(name) is not None, name
    assert metric_of("no_such_figure") is None
    assert metric_of("no_such[fox]") is None


@pytest.mark.parametrize(
    ("model", "mapped", "message"),
    [
        ("task: regression", "prediction: value.y", "only a binary model"),
        ("positive_class: 1", "prediction: value.y", "needs a score"),
        ("positive_class: 1", "score: value.y", "given twice"),
    ],
)
def test_each_mistake_is_told(tmp_path: Path, model: str, mapped: str, message: str) -> None:
    text = f"{model}\nlabels: {{topic: l}}\nperformance: {{thresholds: [0.5, 0.5]}}"
    found = examined(tmp_path, minimal(model=text, predictions=f"topic: p, map: {{{mapped}}}")).problems
    told = [problem.message for problem in found if problem.path == "models[0].performance.thresholds"]
    assert any(message in one for one in told), [(problem.path, problem.message) for problem in found]
