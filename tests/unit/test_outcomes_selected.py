"""Labels that only some actions lead to: figures of these rows alone, and weighted ones that stand for all rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle

from detectors.bins import NumericBins
from monitor.config.model import ModelConfig
from monitor.decoding.schema import selection_column
from monitor.events import HOUR, MINUTE
from monitor.outcomes.evaluation import Evaluation
from monitor.views import PerformanceView
from tests.config_files import examined, minimal
from tests.outcomes_ground import BEGIN, Life, Row, config_of

ACTION, PROPENSITY = selection_column("action"), selection_column("propensity")
NAMES = ("ant", "bee", "cat")
CODERS = {"prediction": NumericBins.of_edges(np.linspace(-30, 30, 41), low=-50.0, high=50.0)}


def config(**mapped: Any) -> ModelConfig:
    plain = {"score": "value.score", "action": "value.did", "propensity": "value.p"}
    return config_of(
        predictions={"topic": "p", "map": {**plain, **mapped}},
        performance={"labelled_when": ["approve"], "min_labels": 20},
        slices=[{"by": ["country"], "min_samples": 1}],
    )


def logs_of(rows: int, seed: int) -> dict[str, list[Row]]:
    """Return predictions of which low scores are approved, and one in five of the others; labels come of approval."""
    rng = np.random.default_rng(seed)
    predictions, labels = [], []
    for number in range(rows):
        score = round(float(rng.random()), 3)
        share = 1.0 if score < 0.4 else 0.2
        done = bool(rng.random() < share)
        action = None if number % 50 == 0 else "approve" if done else "decline"
        extra: dict[str, float | str | None] = {
            ACTION: action, PROPENSITY: share if action == "approve" and number % 40 else float("nan"),
        }  # fmt: skip
        predictions.append(Row(f"i{number}", BEGIN + number, score, "de", extra=extra))
        labels.append(Row(f"i{number}", BEGIN + MINUTE + number, truth=str(int(rng.random() < score))))
    labels = [label for label, row in zip(labels, predictions, strict=True) if row.extra[ACTION] != "decline"]
    end = BEGIN + 40 * HOUR
    predictions[0] = Row("i0", BEGIN, 0.1, "de", extra={ACTION: "decline", PROPENSITY: float("nan")})
    predictions.append(Row("end", end, 0.5, extra=predictions[0].extra))
    labels.append(Row("end", end, truth="1"))
    return {"p": predictions, "l": labels}


@pytest.fixture(scope="module")
def life() -> Life:
    found = Life(config(), logs_of(4000, 3))
    found.run()
    return found


def view_of(life: Life) -> PerformanceView:
    evaluation = Evaluation(life.outcomes)
    life.outcomes.due.touch([("1", BEGIN)])
    evaluation.judge({"hourly": BEGIN + HOUR}, 0.0, all_=True)
    return evaluation.latest["1", "", "hourly"]


def rows_of(life: Life) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = {row.id: row.truth for row in life.logs["l"]}
    rows = [row for row in life.logs["p"][:-1] if row.extra[ACTION] == "approve" and row.id in truth]
    score = np.array([row.score for row in rows])
    share = np.array([float(row.extra[PROPENSITY] or 0) for row in rows])
    return score, np.array([int(str(truth[row.id])) for row in rows]), share


def test_figures_are_of_approved_rows_and_say_so(life: Life) -> None:
    view, (score, truth, _) = view_of(life), rows_of(life)
    assert view.running["recall"].value == pytest.approx(oracle.recall_score(truth, score >= 0.5), abs=1e-9)
    assert view.running["log_loss"].value == pytest.approx(oracle.log_loss(truth, score), abs=1e-9)
    assert view.labelled == len(score)
    recall = next(one for one in view.result.findings if (one.column, one.detector) == ("recall", "performance"))
    assert recall.explanation.endswith("approve only")
    assert not any(one.detector == "coverage_by_score" for one in view.result.findings)


def test_weighted_figures_equal_scikit_learn_and_lie_nearer_to_those_of_all_rows(life: Life) -> None:
    view, (score, truth, share) = view_of(life), rows_of(life)
    known = share > 0
    score, truth, weight = score[known], truth[known], 1 / share[known]
    said = score >= 0.5
    for name, metric in {
        "accuracy": oracle.accuracy_score,
        "precision": oracle.precision_score,
        "recall": oracle.recall_score,
    }.items():
        figure = view.running[f"{name}_weighted"]
        assert figure.value == pytest.approx(metric(truth, said, sample_weight=weight), abs=1e-9)
        assert figure.n <= len(score)
    everything = (1 - 0.5**2) / 1  # recall of flagging s >= 1/2 where P(positive | s) = s and s is uniform
    weighted, plain = view.running["recall_weighted"], view.running["recall"]
    assert weighted.low < everything < weighted.high
    assert plain.high < everything


def explored(task: str, rows: int = 1500) -> Life:
    """Return a life of a model whose class, or number, is the worse the higher the score, and seldom explored there."""
    rng = np.random.default_rng(7)
    predictions, labels = [], []
    for number in range(rows):
        hard = float(rng.random())
        share = 1.0 if hard < 0.5 else 0.2
        done = bool(rng.random() < share)
        extra: dict[str, float | str | None] = {ACTION: "approve" if done else "decline", PROPENSITY: share}
        if task == "multiclass":
            truth = str(rng.choice(NAMES))
            said: Any = truth if rng.random() > 0.8 * hard else str(rng.choice(NAMES))
        else:
            said = float(rng.normal(0, 5))
            truth = repr(said - 3 * hard - float(rng.normal()))
        predictions.append(Row(f"i{number}", BEGIN + number, country="de", predicted=said, extra=extra))
        labels += [Row(f"i{number}", BEGIN + MINUTE + number, truth=truth)] if done else []
    end = BEGIN + 40 * HOUR
    predictions.append(Row("end", end, predicted=predictions[0].predicted, extra=predictions[0].extra))
    labels.append(Row("end", end, truth=labels[0].truth))
    mapped = {"prediction": "value.y", "action": "value.did", "propensity": "value.p"}
    found = Life(
        config_of(
            task=task, positive_class=None, decision=None, predictions={"topic": "p", "map": mapped},
            classes=list(NAMES) if task == "multiclass" else None,
            performance={"labelled_when": ["approve"], "min_labels": 20},
        ),
        {"p": predictions, "l": labels},
        coders=CODERS if task == "regression" else {},
    )  # fmt: skip
    found.run()
    found.outcomes.settle()
    return found


def explored_rows(life: Life) -> tuple[list[Row], list[str], np.ndarray]:
    truth = {row.id: str(row.truth) for row in life.logs["l"]}
    rows = [row for row in life.logs["p"][:-1] if row.id in truth]
    return rows, [truth[row.id] for row in rows], np.array([1 / float(row.extra[PROPENSITY] or 0) for row in rows])


@pytest.mark.parametrize("again", [False, True])
def test_weighted_figures_of_several_classes_equal_scikit_learn(again: bool) -> None:
    life = explored("multiclass")
    if again:
        life.start()
    view, (rows, truth, weight) = view_of(life), explored_rows(life)
    said = [row.predicted for row in rows]
    for found in (view.running, view.final):
        for name in ("precision", "recall", "f1"):
            score = getattr(oracle, f"{name}_score")
            for average in ("macro", "weighted"):
                figure = found[f"{name}_{average}_by_propensity"]
                assert figure.value == pytest.approx(
                    score(truth, said, average=average, sample_weight=weight), abs=1e-9
                )
                assert figure.low < figure.value < figure.high
    plain, weighted = view.running["accuracy"], view.running["accuracy_by_propensity"]
    everything = np.mean([1 - 0.8 * hard * (1 - 1 / len(NAMES)) for hard in np.linspace(0, 1, 1001)])
    assert weighted.low < everything < weighted.high
    assert plain.value > weighted.value
    told = {one.column for one in view.result.findings if one.detector == "performance"}
    assert {"accuracy_by_propensity", "f1_macro_by_propensity", "recall_weighted_by_propensity"} <= told


def test_weighted_figures_of_a_regression_equal_scikit_learn() -> None:
    life = explored("regression")
    view, (rows, texts, weight) = view_of(life), explored_rows(life)
    said, truth = np.array([row.predicted for row in rows]), np.array([float(text) for text in texts])
    found = view.running
    mse = oracle.mean_squared_error(truth, said, sample_weight=weight)
    assert found["mse_by_propensity"].value == pytest.approx(mse, rel=1e-9)
    assert found["rmse_by_propensity"].value == pytest.approx(mse**0.5, rel=1e-9)
    mae = oracle.mean_absolute_error(truth, said, sample_weight=weight)
    assert found["mae_by_propensity"].value == pytest.approx(mae, rel=1e-9)
    bias = found["bias_by_propensity"]
    assert bias.value == pytest.approx(float(np.average(said - truth, weights=weight)), rel=1e-9)
    assert bias.low < 1.5 < bias.high
    assert found["bias"].high < 1.5
    told = {one.column for one in view.result.findings if one.detector == "performance"}
    assert {"mae_by_propensity", "rmse_by_propensity", "bias_by_propensity"} <= told


def test_what_does_not_say_enough_is_counted(life: Life) -> None:
    rows = life.logs["p"]
    flaws = life.joining.view().flaws
    assert flaws["action_missing"] == sum(row.extra[ACTION] is None for row in rows)
    lacking = [row for row in rows if row.extra[ACTION] == "approve" and np.isnan(float(row.extra[PROPENSITY] or 0))]
    assert flaws["propensity_bad"] == len(lacking) > 10


@pytest.mark.parametrize(
    ("model", "mapped", "path", "message"),
    [
        ("performance: {labelled_when: [a]}", "score: value.s", "performance.labelled_when", "needs the action"),
        ("", "score: value.s, action: value.a", "predictions.map.action", "is not used"),
        ("", "score: value.s, propensity: value.a", "predictions.map.propensity", "is not used"),
    ],
)
def test_each_mistake_is_told(tmp_path: Path, model: str, mapped: str, path: str, message: str) -> None:
    text = f"positive_class: 1\nlabels: {{topic: l}}\n{model}"
    found = examined(tmp_path, minimal(model=text, predictions=f"map: {{{mapped}}}")).problems
    told = [problem.message for problem in found if problem.path == f"models[0].{path}"]
    assert any(message in one for one in told), [(problem.path, problem.message) for problem in found]
