"""Every figure of the whole stands for slices, too, and equals that of the slice's rows."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle

from detectors.bins import NumericBins
from detectors.performance.multiclass import faults
from monitor.config.model import ModelConfig
from monitor.decoding.schema import quantile_column, score_column, selection_column
from monitor.events import HOUR, MINUTE
from monitor.outcomes.evaluation import Evaluation
from monitor.outcomes.fitting import MOST_CONFUSED
from monitor.store.memory import MemoryStore
from monitor.views import PerformanceView
from tests.outcomes_ground import BEGIN, COUNTRIES, Life, Row, config_of
from tests.outcomes_ground import logs_of as scored_logs

ACTION, PROPENSITY = selection_column("action"), selection_column("propensity")
COST = {"false_positive": 5.0, "per_amount": {"false_negative": 0.5}}
LEVELS = ("0.1", "0.5", "0.9")
CODERS = {"prediction": NumericBins.of_edges(np.linspace(-30, 30, 41), low=-50.0, high=50.0)}
NAMES = ("ant", "bee", "cat", "dog")


def lived(config: ModelConfig, logs: dict[str, list[Row]], **coders: Any) -> Life:
    life = Life(config, logs, MemoryStore(), coders)
    life.run(random.Random(1))
    return life


def views_of(life: Life) -> dict[str, PerformanceView]:
    """Return the views of the first hour, by country; that of the whole under no name."""
    life.outcomes.settle()
    evaluation = Evaluation(life.outcomes)
    life.outcomes.due.touch([("1", BEGIN)])
    evaluation.judge({"hourly": BEGIN + HOUR}, 0.0, all_=True)
    return {
        place.removeprefix("country="): view
        for (version, place, _), view in evaluation.latest.items()
        if version == "1"
    }


def labelled(life: Life, country: str) -> tuple[list[Row], list[str]]:
    """Return the labelled predictions of version 1 and a country in the first hour, with their labels."""
    truth = {row.id: str(row.truth) for row in life.logs["l"] if row.truth != "nan"}
    rows = [
        row
        for row in life.logs["p"]
        if row.id in truth and row.country == country and row.version == "1" and row.time < BEGIN + HOUR
    ]
    assert len(rows) > 30
    return rows, [truth[row.id] for row in rows]


def binary(**performance: Any) -> ModelConfig:
    plain = {"thresholds": [0.3, 0.77], "tops": [0.2], "cost": COST, "amount": "amount", "min_labels": 20}
    return config_of(performance={**plain, **performance})


@pytest.fixture(scope="module")
def life() -> Life:
    return lived(binary(), scored_logs(1500, 21, ugly=False, hours=1))


@pytest.mark.parametrize("country", COUNTRIES)
def test_decisions_amounts_and_costs_equal_scikit_learn(life: Life, country: str) -> None:
    views = views_of(life)
    rows, truths = labelled(life, country)
    score, truth = np.array([row.score for row in rows]), np.array(list(map(int, truths)))
    amount = np.array([100.0 * len(row.id) for row in rows])
    found = {name: figure.value for name, figure in views[country].running.items()}
    assert found.keys() == views[""].running.keys()
    for threshold, mark in ((0.5, ""), (0.3, "[score>=0.3]"), (0.77, "[score>=0.77]")):
        said = score >= threshold
        cost = np.where(said, np.where(truth == 1, 0.0, 5.0), np.where(truth == 1, 0.5 * amount, 0.0))
        for name, expected in {
            "accuracy": oracle.accuracy_score(truth, said),
            "precision": oracle.precision_score(truth, said),
            "recall": oracle.recall_score(truth, said),
            "mcc": oracle.matthews_corrcoef(truth, said),
            "cost": cost.mean(),
            "recall_by_amount": oracle.recall_score(truth, said, sample_weight=amount),
            "precision_by_amount": oracle.precision_score(truth, said, sample_weight=amount),
        }.items():
            assert found[name + mark] == pytest.approx(expected, abs=1e-9), name + mark
    assert found["brier"] == pytest.approx(oracle.brier_score_loss(truth, score), abs=1e-9)
    assert found["log_loss"] == pytest.approx(oracle.log_loss(truth, score), abs=1e-9)
    for name, exact in (("roc_auc", oracle.roc_auc_score(truth, score)), ("capture_at_0.2", captured(score, truth))):
        figure = views[country].running[name]
        assert abs(figure.value - exact) <= figure.bound + 1e-9, name


def captured(score: np.ndarray, truth: np.ndarray) -> float:
    """Return the share of the positives in a fifth of the rows, the last of them in part."""
    order = np.argsort(-score, kind="stable")
    taken = np.clip(0.2 * len(score) - np.arange(len(score)), 0, 1)
    return float((truth[order] * taken).sum() / truth.sum())


def test_amounts_without_other_thresholds_take_less_room(life: Life) -> None:
    plain = lived(binary(thresholds=[]), life.logs)
    sizes = [next(iter(one.outcomes.sliced.values())).slice_size for one in (life, plain)]
    assert sizes[1] < sizes[0] / 1.5
    views = views_of(plain)
    assert views["de"].running.keys() == views[""].running.keys()
    assert views["de"].running["recall_by_amount"] == views_of(life)["de"].running["recall_by_amount"]


def test_slices_begin_anew_where_other_cells_are_needed(life: Life) -> None:
    part = next(iter(life.outcomes.sliced.values()))
    before = life.tables()
    for thresholds, same in (([0.3, 0.77], True), ([0.77], True), ([0.5, 0.6], False), ([], False)):
        life.config = binary(thresholds=thresholds)
        life.start()
        assert (next(iter(life.outcomes.sliced.values())).identity == part.identity) == same
        assert any("slices anew" in text for text in life.model.changes) != same
    life.config = binary()
    life.start()
    assert life.tables() == before


def test_explored_rows_stand_for_all_within_slices() -> None:
    rng = np.random.default_rng(5)
    logs = scored_logs(1500, 8, ugly=False, hours=1)
    rows = [replace(row, extra={ACTION: "approve", PROPENSITY: float(rng.uniform(0.2, 1.0))}) for row in logs["p"]]
    mapped = {"score": "value.score", "action": "value.did", "propensity": "value.p"}
    config = config_of(
        predictions={"topic": "p", "map": mapped}, performance={"labelled_when": ["approve"], "min_labels": 20}
    )
    life = lived(config, {"p": rows, "l": logs["l"]})
    views = views_of(life)
    chosen, truths = labelled(life, "fr")
    score, truth = np.array([row.score for row in chosen]), np.array(list(map(int, truths)))
    stands = np.array([1 / float(row.extra[PROPENSITY] or 1) for row in chosen])
    found = views["fr"].running
    assert found.keys() == views[""].running.keys()
    expected = oracle.recall_score(truth, score >= 0.5, sample_weight=stands)
    assert found["recall_weighted"].value == pytest.approx(expected, abs=1e-4)


def test_quantiles_and_transforms_of_a_regression_equal_their_rows() -> None:
    rng = np.random.default_rng(3)
    predictions, labels = [], []
    for number in range(1200):
        country = COUNTRIES[number % 3]
        mean = float(rng.normal(0, 8))
        extra = {quantile_column(level): mean + 3 * (float(level) - 0.5) for level in LEVELS}
        time = BEGIN + number * MINUTE // 60
        predictions.append(Row(f"i{number}", time, country=country, predicted=mean, extra=extra))
        shift = 2.0 if country == "it" else 0.0
        labels.append(Row(f"i{number}", time + MINUTE, truth=repr(mean + shift + float(rng.normal()))))
    end = BEGIN + 40 * HOUR
    predictions.append(Row("end", end, country="de", predicted=0.0, extra=predictions[0].extra))
    labels.append(Row("end", end, truth="0"))
    mapped = {"prediction": "value.y", "quantiles": {level: f"value.q{level}" for level in LEVELS}}
    config = config_of(
        task="regression", positive_class=None, decision=None, predictions={"topic": "p", "map": mapped},
        performance={"min_labels": 20},
    )  # fmt: skip
    life = lived(config, {"p": predictions, "l": labels}, **CODERS)
    views = views_of(life)
    for country in COUNTRIES:
        rows, texts = labelled(life, country)
        truth = np.array(list(map(float, texts)))
        found = views[country].running
        assert found.keys() == views[""].running.keys()
        for level in LEVELS:
            said = np.array([float(row.extra[quantile_column(level)] or 0) for row in rows])
            loss = oracle.mean_pinball_loss(truth, said, alpha=float(level))
            assert found[f"pinball_{level}"].value == pytest.approx(loss, abs=1e-6)
            assert found[f"quantile_hits_{level}"].value == pytest.approx((truth <= said).mean(), abs=1e-12)
        pit = next(one for one in views[country].result.findings if one.column == "pit")
        assert (pit.status == "warn") == (country == "it")
        assert views[country].calibration["pit"].value == pit.statistic


def several(names: tuple[str, ...]) -> tuple[ModelConfig, dict[str, list[Row]]]:
    rng = np.random.default_rng(len(names))
    predictions, labels = [], []
    for number in range(1500):
        odds = rng.dirichlet(np.full(len(names), 0.6))
        extra = {score_column(name): float(value) for name, value in zip(names, odds, strict=True)}
        time = BEGIN + number * MINUTE // 60
        predictions.append(Row(f"i{number}", time, country=COUNTRIES[number % 3], extra=extra))
        labels.append(Row(f"i{number}", time + MINUTE, truth=str(rng.choice(names, p=odds))))
    end = BEGIN + 40 * HOUR
    predictions.append(Row("end", end, country="de", extra=predictions[0].extra))
    labels.append(Row("end", end, truth=names[0]))
    config = config_of(
        task="multiclass", positive_class=None, decision=None, classes=list(names),
        predictions={"topic": "p", "map": {"scores": "value.p"}}, performance={"tops": [2], "min_labels": 20},
    )  # fmt: skip
    return config, {"p": predictions, "l": labels}


def test_classes_ranks_and_losses_equal_scikit_learn() -> None:
    life = lived(*several(NAMES))
    views = views_of(life)
    rows, texts = labelled(life, "fr")
    odds = np.array([[float(row.extra[score_column(name)] or 0) for name in NAMES] for row in rows])
    true = np.array([NAMES.index(text) for text in texts])
    assert (faults(odds) < 0).all()
    said = odds.argmax(axis=1)
    found = {name: figure.value for name, figure in views["fr"].running.items()}
    assert found.keys() == views[""].running.keys()
    assert views["fr"].result.n == views["fr"].predictions == len(rows)
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(true, said), abs=1e-12)
    assert found["f1_macro"] == pytest.approx(oracle.f1_score(true, said, average="macro"), abs=1e-9)
    assert found["recall[cat]"] == pytest.approx(oracle.recall_score(true == 2, said == 2), abs=1e-12)
    assert found["kappa"] == pytest.approx(oracle.cohen_kappa_score(true, said), abs=1e-9)
    assert found["log_loss"] == pytest.approx(oracle.log_loss(true, odds, labels=range(4)), abs=1e-9)
    assert found["top_2_accuracy"] == pytest.approx(
        oracle.top_k_accuracy_score(true, odds, k=2, labels=range(4)), abs=1e-12
    )
    assert "ece" in views["fr"].calibration


def test_of_very_many_classes_a_slice_knows_whether_the_class_that_was_said_is_right() -> None:
    life = lived(*several(tuple(f"c{place}" for place in range(MOST_CONFUSED + 1))))
    views = views_of(life)
    assert list(views["fr"].running) == ["accuracy"]
    assert {"f1_macro", "kappa"} <= views[""].running.keys()
