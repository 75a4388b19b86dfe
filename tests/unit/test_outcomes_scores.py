"""The scores of several classes, through the service: figures equal those of the rows, bad scores are counted."""

from __future__ import annotations

import random

import numpy as np
import pytest
from sklearn import metrics as oracle

from detectors.calibration.sums import equal_mass
from detectors.estimate.multiclass import cbpe_classes
from detectors.performance.multiclass import faults
from monitor.concept.reading import OutcomesReader
from monitor.concept.watched import watched
from monitor.config.model import ModelConfig
from monitor.decoding.schema import score_column
from monitor.events import HOUR, MINUTE
from monitor.outcomes.evaluation import Evaluation
from monitor.outcomes.figures import calibrators_of
from monitor.outcomes.judges import MulticlassJudge
from monitor.views import PerformanceView
from tests.outcomes_ground import BEGIN, Life, Row, config_of

NAMES = ("ant", "bee", "cat", "dog")


def config(**changes: object) -> ModelConfig:
    return config_of(
        task="multiclass",
        positive_class=None,
        decision=None,
        classes=list(NAMES),
        predictions={"topic": "p", "map": {"scores": "value.p", **changes}},
        performance={"tops": [1, 2, 3], "min_labels": 20, "learn": 5 * HOUR},
    )


def logs_of(rows: int, seed: int, hours: int = 2) -> dict[str, list[Row]]:
    """Return predictions with scores, a tenth of them bad in one way or other, and labels drawn from the scores."""
    rng, dice = np.random.default_rng(seed), random.Random(seed)
    predictions, labels = [], []
    for number in range(rows):
        time = BEGIN + dice.randrange(hours * HOUR)
        odds = rng.dirichlet(np.full(len(NAMES), 0.6))
        truth = NAMES[int(rng.choice(len(NAMES), p=odds))]
        if number % 10 == 0:
            bad = [np.append(odds[:3], np.nan), odds * 1.5, np.append(odds[:3] / 10, 0.0), odds - 0.4]
            odds = bad[number // 10 % 4]
        extra = {score_column(name): float(value) for name, value in zip(NAMES, odds, strict=True)}
        predictions.append(Row(f"i{number}", time, country="de", extra=extra))
        if dice.random() < 0.8:
            labels.append(Row(f"i{number}", time + dice.randrange(HOUR), truth=truth))
    end = BEGIN + (hours + 30) * HOUR
    predictions.append(Row("end", end, extra=dict.fromkeys(predictions[0].extra, 0.25)))
    labels.append(Row("end", end + MINUTE, truth="ant"))
    predictions.sort(key=lambda row: row.time)
    labels.sort(key=lambda row: row.time)
    return {"p": predictions, "l": labels}


def view_of(life: Life, hour: int) -> PerformanceView:
    evaluation = Evaluation(life.outcomes)
    life.outcomes.due.touch([("1", hour)])
    evaluation.judge({"hourly": hour + HOUR}, 0.0, all_=True)
    return evaluation.latest["1", "", "hourly"]


@pytest.fixture(scope="module")
def life() -> Life:
    found = Life(config(), logs_of(3000, 5))
    found.run()
    return found


def rows_of(life: Life, hour: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and true classes of the labelled predictions of an hour."""
    truth = {row.id: row.truth for row in life.logs["l"]}
    chosen = [row for row in life.logs["p"] if hour <= row.time < hour + HOUR and row.id in truth]
    odds = np.array([[float(row.extra[score_column(name)] or 0) for name in NAMES] for row in chosen])
    return odds, np.array([NAMES.index(str(truth[row.id])) for row in chosen])


def test_losses_ranks_and_classes_equal_scikit_learn(life: Life) -> None:
    view, (odds, true) = view_of(life, BEGIN), rows_of(life, BEGIN)
    good = faults(odds) < 0
    said = np.where(good, np.argmax(np.nan_to_num(odds), axis=1), len(NAMES))
    running = {name: figure.value for name, figure in view.running.items()}
    assert running["log_loss"] == pytest.approx(oracle.log_loss(true[good], odds[good], labels=range(4)), abs=1e-9)
    for top in (1, 2, 3):
        expected = oracle.top_k_accuracy_score(true[good], odds[good], k=top, labels=range(4))
        assert running[f"top_{top}_accuracy"] == pytest.approx(expected, abs=1e-12)
    assert running["accuracy"] == pytest.approx(oracle.accuracy_score(true, said), abs=1e-12)
    recalls = oracle.recall_score(true, said, labels=range(4), average=None)
    assert [running[f"recall[{name}]"] for name in NAMES] == pytest.approx(list(recalls), abs=1e-12)
    assert running["kappa"] == pytest.approx(oracle.cohen_kappa_score(true, said), abs=1e-9)
    assert view.running["log_loss"].n == good.sum() < len(good)


def test_calibration_of_the_classes_equals_brute_force(life: Life) -> None:
    judge = life.outcomes.whole and life.outcomes.whole.judge
    assert isinstance(judge, MulticlassJudge)
    assert judge.scores is not None
    view, (odds, true) = view_of(life, BEGIN), rows_of(life, BEGIN)
    good = faults(odds) < 0
    odds, true = odds[good], true[good]
    fixed, adaptive = [], []
    for place in range(len(NAMES)):
        fine = np.searchsorted(judge.scores.edges[place], odds[:, place], side="left")
        gap = (true == place) - odds[:, place]
        fixed.append(sum(abs(gap[fine == one].sum()) for one in np.unique(fine)) / len(true))
        groups = equal_mass(np.bincount(fine, minlength=judge.scores.bins), 15)[fine]
        adaptive.append(sum(abs(gap[groups == one].sum()) for one in np.unique(groups)) / len(true))
    assert view.calibration["ece_class_wise"].value == pytest.approx(np.mean(fixed), abs=1e-7)
    assert view.calibration["ece_class_wise_adaptive"].value == pytest.approx(np.mean(adaptive), abs=1e-7)
    assert view.calibration["ece_adaptive"].n == len(true)


def test_estimates_come_before_labels_and_lie_near_what_labels_say() -> None:
    logs = logs_of(5000, 8, hours=9)
    life = Life(config(), logs)
    life.run()
    evaluation = Evaluation(life.outcomes)
    evaluation.upkeep(BEGIN + 15 * HOUR, 1 << 60)
    late = BEGIN + 8 * HOUR
    view = view_of(life, late)
    judge = life.outcomes.whole and life.outcomes.whole.judge
    assert isinstance(judge, MulticlassJudge)
    assert judge.scores is not None
    assert view.light in {"holds", "unproven"}
    assert abs(view.estimated["accuracy"].value - view.running["top_1_accuracy"].value) < 0.06
    assert abs(view.estimated["f1_macro"].value - view.running["f1_macro"].value) < 0.06
    assert abs(view.estimated["recall[cat]"].value - view.running["recall[cat]"].value) < 0.12
    base = judge.tally(*_labelled(life, BEGIN, BEGIN + 5 * HOUR))
    packed = _packed(life, late, late + HOUR)
    said = judge.say(packed, np.zeros(len(packed), np.int64), 1)
    shape = (1, 4, 4, judge.scores.bins)
    expected = cbpe_classes(said[:, judge.scores_said].reshape(shape), calibrators_of(judge, base))
    assert view.estimated["accuracy"].value == pytest.approx(expected.macro.figures["accuracy"].value[0], abs=1e-12)


def _packed(life: Life, first: int, last: int) -> np.ndarray:
    rows = [row for row in life.logs["p"] if first <= row.time < last]
    packed = np.zeros(len(rows), life.outcomes.payload.dtype)
    packed["scores"] = [[row.extra[score_column(name)] for name in NAMES] for row in rows]
    life.outcomes.carried._name_classes(packed)
    return packed


def _labelled(life: Life, first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    truth = {row.id: row.truth for row in life.logs["l"]}
    rows = [row for row in life.logs["p"] if first <= row.time < last]
    some = np.array([row.id in truth for row in rows])
    labels = np.array([float(NAMES.index(str(truth[row.id]))) for row in rows if row.id in truth])
    ones = np.ones(len(labels), np.int64)
    return _packed(life, first, last)[some], labels, ones, ones * 0, 1


def test_bad_scores_are_counted_by_reason_and_the_rest_is_untouched(life: Life) -> None:
    odds = np.array([[float(row.extra[score_column(n)] or 0) for n in NAMES] for row in life.logs["p"]])
    found = faults(odds)
    flaws = life.joining.view().flaws
    expected = {name: int((found == place).sum()) for place, name in enumerate(("missing", "outside", "sum"))}
    assert {name: flaws[f"scores_{name}"] for name in expected} == expected
    assert min(expected.values()) > 50
    assert flaws["score_outside"] == flaws["label_not_counted"] == 0
    assert view_of(life, BEGIN).predictions == sum(BEGIN <= row.time < BEGIN + HOUR for row in life.logs["p"])


def test_a_logged_class_is_what_was_said_whatever_the_scores() -> None:
    logs = logs_of(400, 3)
    logs["p"] = [Row(r.id, r.time, extra=r.extra, predicted="bee", country="de") for r in logs["p"]]
    life = Life(config(prediction="value.class"), logs)
    life.run()
    view, (_, true) = view_of(life, BEGIN), rows_of(life, BEGIN)
    assert view.running["accuracy"].value == pytest.approx((true == 1).mean(), abs=1e-12)
    assert view.running["recall[bee]"].value == 1


def test_the_loss_that_concept_detectors_watch_is_that_of_the_true_class(life: Life) -> None:
    reader = OutcomesReader(life.outcomes)
    rows, labels, *_ = _labelled(life, BEGIN, BEGIN + HOUR)
    found = watched("loss", "multiclass", reader, rows, labels)
    odds, true = rows_of(life, BEGIN)
    good = faults(odds) < 0
    assert np.isnan(found[~good]).all()
    assert found[good] == pytest.approx(-np.log(odds[good, true[good]]), abs=1e-9)
    assert watched("error", "multiclass", reader, rows, labels)[good].mean() == pytest.approx(
        (np.argmax(odds[good], axis=1) != true[good]).mean()
    )


@pytest.mark.parametrize("seed", range(4))
def test_any_order_with_crashes_gives_the_same_tables(seed: int) -> None:
    logs = logs_of(300, seed)
    calm, rough = Life(config(), logs), Life(config(), logs)
    calm.run()
    rough.run(random.Random(seed))
    assert rough.tables() == calm.tables()
    assert rough.joining.view().flaws == calm.joining.view().flaws


def test_more_than_twenty_classes_have_losses_but_no_estimates() -> None:
    many = [f"c{place}" for place in range(30)]
    plain = config()
    scores = {score_column(name): 1 / 30 for name in many}
    settings = plain.model_copy(update={"classes": many})
    rows = [Row(f"i{n}", BEGIN + n, country="de", extra=scores) for n in range(60)]
    labels = [Row(f"i{n}", BEGIN + MINUTE + n, truth=many[n % 30]) for n in range(60)]
    end = BEGIN + 40 * HOUR
    life = Life(settings, {"p": [*rows, Row("end", end, extra=scores)], "l": [*labels, Row("e", end, truth="c0")]})
    life.run()
    view = view_of(life, BEGIN)
    assert view.running["log_loss"].value == pytest.approx(np.log(30), abs=1e-9)
    assert view.predictions == 60
    assert view.calibration["ece_class_wise"].value == pytest.approx(0, abs=1e-7)
