"""Estimates from strata, through the service: those of weighted rows, and right where scores alone are wrong."""

from __future__ import annotations

import random

import numpy as np
import pytest

from detectors.estimate.weighted import importance_weighted
from monitor.config.model import ModelConfig
from monitor.events import HOUR, MINUTE
from monitor.outcomes.evaluation import Evaluation
from monitor.outcomes.judges import BinaryJudge
from monitor.outcomes.reweighted import DETECTOR, MOST_SLICES, strata_of
from monitor.views import PerformanceView
from tests.outcomes_ground import BEGIN, Life, Row, config_of

LEARN, LAST = 3, 7


def config(**changes: object) -> ModelConfig:
    return config_of(performance={"learn": LEARN * HOUR, "min_labels": 20}, **changes)


def logs_of(rows: int, seed: int, *, turned: bool = False) -> dict[str, list[Row]]:
    """Return scores that mean half as much in France, whose share rises; from hour 5 on they mean the opposite."""
    rng = random.Random(seed)
    predictions, labels = [], []
    for number in range(rows):
        time = BEGIN + rng.randrange((LAST + 1) * HOUR)
        late = time >= BEGIN + 5 * HOUR
        country = "fr" if rng.random() < (0.8 if late else 0.2) else "de"
        score = round(rng.random(), 3)
        chance = score / 2 if country == "fr" else score
        truth = rng.random() < (1 - chance if turned and late else chance)
        predictions.append(Row(f"i{number}", time, score, country))
        labels.append(Row(f"i{number}", time + MINUTE, truth=str(int(truth))))
    end = BEGIN + 60 * HOUR
    predictions.append(Row("end", end, 0.5, "de"))
    labels.append(Row("end", end, truth="1"))
    return {
        "p": sorted(predictions, key=lambda row: row.time),
        "l": sorted(labels, key=lambda row: row.time),
    }


def lived(logs: dict[str, list[Row]], settings: ModelConfig | None = None) -> Life:
    life = Life(settings or config(), logs)
    life.run()
    Evaluation(life.outcomes).upkeep(life.joining.join.watermark, 1 << 60)
    return life


def view_of(life: Life, hour: int, place: str = "") -> PerformanceView:
    evaluation = Evaluation(life.outcomes)
    start = BEGIN + hour * HOUR
    life.outcomes.due.touch([("1", start)])
    evaluation.judge({"hourly": start + HOUR}, 0.0, all_=True)
    return evaluation.latest["1", place, "hourly"]


def strata_rows(life: Life, first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return stratum, decision and truth of the predictions of some hours."""
    part = strata_of(life.outcomes)
    assert part is not None
    assert isinstance(part.judge, BinaryJudge)
    truth = {row.id: int(str(row.truth)) for row in life.logs["l"]}
    rows = [row for row in life.logs["p"] if BEGIN + first * HOUR <= row.time < BEGIN + last * HOUR]
    bins = np.searchsorted(part.judge.table.edges, [row.score for row in rows], side="right")
    strata = bins + 100 * np.array([row.country == "fr" for row in rows])
    return strata, np.array([row.score >= 0.5 for row in rows]), np.array([truth[row.id] for row in rows])


@pytest.fixture(scope="module")
def life() -> Life:
    return lived(logs_of(12_000, 3))


def test_figures_are_those_of_the_baselines_rows_by_weight(life: Life) -> None:
    strata, said, truth = strata_rows(life, 0, LEARN)
    window, _, _ = strata_rows(life, LAST, LAST + 1)
    weights = np.array([np.mean(window == one) / np.mean(strata == one) for one in strata])
    found = view_of(life, LAST).reweighted
    assert found["accuracy"].value == pytest.approx((weights * (said == truth)).sum() / weights.sum(), abs=1e-9)
    assert found["recall"].value == pytest.approx((weights * truth * said).sum() / (weights * truth).sum(), abs=1e-9)
    assert found["precision"].value == pytest.approx((weights * truth * said).sum() / (weights * said).sum(), abs=1e-9)
    assert found["accuracy"].n == len(window)


def test_strata_are_right_where_scores_alone_are_wrong(life: Life) -> None:
    view = view_of(life, LAST)
    for name in ("accuracy", "precision"):
        realised, strata, scores = view.running[name], view.reweighted[name], view.estimated[name]
        assert strata.low <= realised.value <= strata.high, name
        assert abs(scores.value - realised.value) > 2 * abs(strata.value - realised.value), name
    assert not scores.low <= realised.value <= scores.high
    assert (view.light, view.reweighted_light) == ("broken", "holds")


def test_they_are_findings_and_never_mix_with_figures_from_labels(life: Life) -> None:
    view = view_of(life, LAST)
    told = {one.column: one for one in view.result.findings if one.detector == DETECTOR}
    assert told.keys() == view.reweighted.keys() == {
        "accuracy", "precision", "recall", "specificity", "f1", "roc_auc", "average_precision",
    }  # fmt: skip
    assert all(one.status == "ok" and "country, holds" in one.explanation for one in told.values())
    assert not view_of(life, LAST, "country=fr").reweighted


def test_labels_that_contradict_them_break_the_light() -> None:
    view = view_of(lived(logs_of(12_000, 4, turned=True)), LAST)
    assert view.reweighted_light == "broken"
    assert {one.status for one in view.result.findings if one.detector == DETECTOR} == {"warn"}


def test_without_strata_or_baseline_there_are_none() -> None:
    logs = logs_of(2000, 5)
    for settings in (config_of(slices=[]), config_of(performance={"estimate_without_labels": False})):
        one = lived(logs, settings)
        assert strata_of(one.outcomes) is None
        assert view_of(one, LAST).reweighted_light is None
    unlearnt = Life(config(), logs)
    unlearnt.run()
    assert not view_of(unlearnt, LAST).reweighted
    assert MOST_SLICES >= 50


def test_a_stratum_may_be_decided_in_two_ways() -> None:
    reference, positives = np.array([400, 600]), np.array([40, 300])
    window = np.array([[30, 10, 20, 40]])
    flagged, stratum = np.array([False, True, False, True]), np.array([0, 0, 1, 1])
    found = importance_weighted(reference, positives, window, flagged, stratum, stratum)
    accuracy = found.estimates.figures["accuracy"]
    assert accuracy.value[0] == pytest.approx((30 * 0.9 + 10 * 0.1 + 20 * 0.5 + 40 * 0.5) / 100)
    assert found.effective[0] == pytest.approx(1 / (0.4**2 / 400 + 0.6**2 / 600))
    # the error of a stratum's rate is one error, however its rows were decided
    smooth = (positives + 0.5) / (reference + 1)
    variance = smooth * (1 - smooth) / reference
    gradient = np.array([10 - 30, 40 - 20]) / 100
    assert accuracy.calibration[0] ** 2 == pytest.approx((gradient**2 * variance).sum())
