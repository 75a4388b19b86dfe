"""Ranked lists through the service: figures equal brute force and scikit-learn, bad relevance is counted."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from detectors.performance import RankingTable
from monitor.config.model import ModelConfig
from monitor.config.root import LimitsConfig
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import MOST_LISTED, Schema, item_column, relevance_column
from monitor.events import HOUR, MINUTE, Records
from monitor.evidence.learnt import Learnt
from monitor.evidence.outcome_streams import outcome_streams
from monitor.evidence.readout import Readout
from monitor.outcomes.evaluation import Evaluation
from monitor.outcomes.judges import RankingJudge
from monitor.truth import Truth, relevance_of
from monitor.views import PerformanceView
from tests.config_files import examined, minimal
from tests.outcomes_ground import BEGIN, Life, Row, config_of


def config(*, by_item: bool = False, **performance: Any) -> ModelConfig:
    mapped = {"items": "value.items"} if by_item else {}
    return config_of(
        task="ranking",
        positive_class=None,
        decision=None,
        predictions={"topic": "p", "map": mapped},
        labels={"topic": "l", "matures_after": 6 * HOUR, "map": {"item": "value.item"} if by_item else {}},
        performance={"min_labels": 20, "tops": [3, 5], **performance},
    )


def graded(seed: int, lists: int = 400) -> dict[str, list[Row]]:
    """Return lists and labels with the relevance of each place, some of no use."""
    dice = random.Random(seed)
    predictions, labels = [], []
    for number in range(lists):
        time = BEGIN + number * HOUR // lists
        grades = [float(dice.choice([0, 0, 0, 1, 2, 3])) for _ in range(dice.randint(1, MOST_LISTED))]
        if number % 40 == 0:
            grades[0] = dice.choice([-1.0, 16.0, 0.5])
        elif number % 40 == 1:
            grades = []
        cells = [*grades, *[float("nan")] * (MOST_LISTED - len(grades))]
        extra = {relevance_column(place): value for place, value in enumerate(cells)}
        predictions.append(Row(f"i{number}", time, country="de"))
        labels.append(Row(f"i{number}", time + MINUTE, extra=extra))
    end = BEGIN + 40 * HOUR
    predictions.append(Row("end", end))
    labels.append(Row("end", end, extra=labels[2].extra))
    return {"p": predictions, "l": labels}


def lived(settings: ModelConfig, logs: dict[str, list[Row]]) -> Life:
    life = Life(settings, logs)
    life.run()
    return life


def view_of(life: Life, place: str = "") -> PerformanceView:
    evaluation = Evaluation(life.outcomes)
    life.outcomes.due.touch([("1", BEGIN)])
    evaluation.judge({"hourly": BEGIN + HOUR}, 0.0, all_=True)
    return evaluation.latest["1", place, "hourly"]


def grades_of(logs: dict[str, list[Row]]) -> np.ndarray:
    rows = [[float(row.extra[relevance_column(p)] or 0) for p in range(MOST_LISTED)] for row in logs["l"][:-1]]
    cells = np.array(rows)
    good = ~np.isnan(cells[:, 0]) & (np.nan_to_num(cells) == np.clip(np.rint(np.nan_to_num(cells)), 0, 15)).all(axis=1)
    found: np.ndarray = np.nan_to_num(cells[good])
    return found


def test_graded_lists_equal_brute_force_and_scikit_learn() -> None:
    logs = graded(3)
    life = lived(config(), logs)
    view, grades = view_of(life), grades_of(logs)
    hit = grades > 0
    some = hit.any(axis=1)
    ranks = np.arange(1, MOST_LISTED + 1)
    precision = np.cumsum(hit, axis=1) / ranks
    expected = {
        "precision_at_3": precision[:, 2].mean(),
        "recall_at_5": (hit[:, :5].sum(axis=1)[some] / hit.sum(axis=1)[some]).mean(),
        "map": ((precision * hit).sum(axis=1)[some] / hit.sum(axis=1)[some]).mean(),
        "mrr": (1 / (np.argmax(hit, axis=1)[some] + 1)).mean(),
        "ndcg_at_5": ndcg_score(grades[some], np.broadcast_to(-ranks, grades[some].shape), k=5),
    }
    for name, value in expected.items():
        assert view.running[name].value == pytest.approx(value, abs=1e-9), name
    assert view.running["precision_at_3"].n == len(grades)
    assert view_of(life, "country=de").running["map"] == view.running["map"]
    rejected = life.joining.view().rejected
    assert (rejected["label_bad"], rejected["label_missing"]) == (10, 10)
    told = {one.column for one in view.result.findings if one.detector == "performance"}
    assert {"map", "mrr", "ndcg_at_3", "recall_at_5"} <= told


def test_exponential_gain_is_that_of_the_formula() -> None:
    logs = graded(4)
    view, grades = view_of(lived(config(gain="exponential"), logs)), grades_of(logs)
    some = (grades > 0).any(axis=1)
    ranks = np.broadcast_to(-np.arange(MOST_LISTED), grades[some].shape)
    assert view.running["ndcg_at_5"].value == pytest.approx(ndcg_score(2 ** grades[some] - 1, ranks, k=5), abs=1e-9)


def test_an_item_that_was_chosen_counts_where_it_stands_in_the_list() -> None:
    dice = random.Random(2)
    shelf = [f"sku{n}" for n in range(40)]
    predictions, labels, places = [], [], []
    for number in range(300):
        shown = dice.sample(shelf, MOST_LISTED)
        chosen = dice.choice([*shown[:6], "elsewhere"])
        places.append(shown.index(chosen) if chosen in shown else -1)
        extra = {item_column(place): item for place, item in enumerate(shown)}
        predictions.append(Row(f"i{number}", BEGIN + number, country="de", extra=extra))
        labels.append(Row(f"i{number}", BEGIN + MINUTE + number, truth=chosen))
    end = BEGIN + 40 * HOUR
    predictions.append(Row("end", end, extra=predictions[0].extra))
    labels.append(Row("end", end, truth="none"))
    view, place = view_of(lived(config(by_item=True), {"p": predictions, "l": labels})), np.array(places)
    found = place >= 0
    assert view.running["mrr"].value == pytest.approx(
        np.where(found, 1 / np.maximum(place + 1.0, 1), 0).mean(), abs=1e-9
    )
    assert view.running["recall_at_3"].value == pytest.approx((found & (place < 3)).mean(), abs=1e-9)
    gain = np.where(found & (place < 5), 1 / np.log2(np.maximum(place, 0) + 2), 0)
    assert view.running["ndcg_at_5"].value == pytest.approx(gain.mean(), abs=1e-9)


def test_evidence_has_nothing_to_gather_of_lists() -> None:
    readout = Readout(RankingJudge(RankingTable()))
    assert readout.size == 1
    assert list(outcome_streams(readout, Learnt("x", readout.size), "1")) == []


def test_relevance_survives_packing() -> None:
    dice = np.random.default_rng(1)
    grades = dice.integers(0, 16, (200, MOST_LISTED)).astype(float)
    packed = grades @ 2.0 ** (4 * np.arange(MOST_LISTED))
    assert packed.max() < 2.0**53
    assert (relevance_of(packed) == grades).all()


def test_lists_are_read_out_of_records() -> None:
    settings = config()
    record = {"prediction_id": "a", "label": [0, 3, None, "x"]}
    other = {"prediction_id": "b", "label": [1, 2]}
    decoder = Decoder([Schema.of_labels(settings)], LimitsConfig())
    values: list[bytes | None] = [json.dumps(one).encode() for one in (record, other)]
    batch = decoder.decode(Records("l", 0, 2, [0, 1], [5, 6], True, [None] * 2, values)).batches[0]
    labels, reasons = Truth.of(settings).labels(batch)
    assert np.isnan(labels[0])
    assert relevance_of(labels[1:])[0, :3].tolist() == [1, 2, 0]
    assert reasons == {"label_bad": 1}


@pytest.mark.parametrize("seed", range(2))
def test_any_order_with_crashes_gives_the_same_tables(seed: int) -> None:
    logs = graded(seed, 150)
    calm, rough = Life(config(), logs), Life(config(), logs)
    calm.run()
    rough.run(random.Random(seed))
    assert rough.tables() == calm.tables()


@pytest.mark.parametrize(
    ("model", "predictions", "path", "message"),
    [
        ("task: ranking\npositive_class: 1", "map: {}", "positive_class", "a ranking has none"),
        ("task: ranking\nlabels: {topic: l, map: {item: value.i}}", "map: {}", "labels.map.item", "needs the items"),
        ("", "map: {items: value.i, score: value.s}", "predictions.map.items", "only a ranking"),
        (
            "task: ranking\nlabels: {topic: l, absent_means: 1}",
            "map: {}",
            "labels.absent_means",
            "nothing was relevant",
        ),
        ("task: ranking\nlabels: {topic: l}\nperformance: {tops: [14]}", "map: {}", "performance.tops", "1 to 13"),
    ],
)
def test_each_mistake_is_told(tmp_path: Path, model: str, predictions: str, path: str, message: str) -> None:
    found = examined(tmp_path, minimal(model=model, predictions=predictions)).problems
    told = [problem.message for problem in found if problem.path == f"models[0].{path}"]
    assert any(message in text for text in told), [(problem.path, problem.message) for problem in found]
