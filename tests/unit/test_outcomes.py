"""What windows of outcomes say equals scikit-learn on rows joined by brute force from the two logs."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle
from sklearn.linear_model import LogisticRegression

from detectors.bins import NumericBins
from detectors.calibration.sums import equal_mass
from detectors.estimate.estimated import Light
from monitor.config.model import PerformanceConfig
from monitor.events import HOUR
from monitor.findings import Finding, WindowResult
from monitor.outcomes.evaluation import Evaluation
from monitor.outcomes.judges import BinaryJudge
from monitor.outcomes.told import told_estimate
from monitor.truth import UNKNOWN
from monitor.views import FigureView
from tests.outcomes_ground import BEGIN, COUNTRIES, Life, Row, config_of, logs_of

FOREVER = 1 << 60
CLOSED = {"hourly": FOREVER, "half": FOREVER}


def joined(logs: Mapping[str, list[Row]], wait: int = 12 * HOUR) -> list[tuple[Row, str]]:
    """Return each prediction with the last label of its id within the wait."""
    last: dict[str, Row] = {}
    predictions = {row.id: row for row in logs["p"]}
    for row in logs["l"]:
        found = predictions.get(row.id)
        if found is not None and abs(row.time - found.time) <= wait:
            last[row.id] = row
    return [(row, str(last[row.id].truth)) for row in logs["p"] if row.id in last]


def judged(life: Life, **settings: Any) -> dict[tuple[str, str, int, str], WindowResult]:
    evaluation = Evaluation(life.outcomes)
    results = evaluation.judge(CLOSED, 0.0, all_=True, **settings)
    evaluation.done()
    return {(result.window, result.version, result.start, result.slice): result for result in results}


def finding(result: WindowResult, column: str, detector: str) -> Finding:
    return next(one for one in result.findings if (one.column, one.detector) == (column, detector))


@pytest.fixture(scope="module")
def life() -> Life:
    logs = logs_of(4000, 7, ugly=False, hours=3)
    named = ["accuracy", "precision", "recall", "f1", "mcc", "log_loss", "brier", "roc_auc", "average_precision"]
    performance = {"metrics": named, "min_labels": 20}
    found = Life(config_of(performance=performance, features={"country": {"protected": True}}), logs)
    found.run()
    return found


def flagged(metric: Callable[..., float]) -> Callable[[Any, Any], float]:
    return lambda truth, score: float(metric(truth, score >= 0.5))


EXACT: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": flagged(oracle.accuracy_score),
    "precision": flagged(oracle.precision_score),
    "recall": flagged(oracle.recall_score),
    "f1": flagged(oracle.f1_score),
    "mcc": flagged(oracle.matthews_corrcoef),
    "log_loss": lambda truth, score: float(oracle.log_loss(truth, score)),
    "brier": lambda truth, score: float(oracle.brier_score_loss(truth, score)),
}
BINNED = {"roc_auc": oracle.roc_auc_score, "average_precision": oracle.average_precision_score}


def test_every_hour_of_every_version_equals_scikit_learn(life: Life) -> None:
    rows = joined(life.logs)
    results = judged(life)
    evaluation = Evaluation(life.outcomes)
    seen = 0
    for hour in range(BEGIN, BEGIN + 3 * HOUR, HOUR):
        for version in "12":
            chosen = [(r, t) for r, t in rows if r.version == version and hour <= r.time < hour + HOUR]
            truth = np.array([int(t) for _, t in chosen])
            score = np.array([r.score for r, _ in chosen])
            result = results["hourly:outcomes", version, hour, ""]
            predictions = [r for r in life.logs["p"] if r.version == version and hour <= r.time < hour + HOUR]
            assert result.n == len(predictions)
            assert finding(result, "labels", "coverage").statistic == pytest.approx(len(chosen) / result.n, abs=1e-12)
            for name, expected in EXACT.items():
                found = finding(result, name, "performance")
                assert found.statistic == pytest.approx(expected(truth, score), abs=1e-9), name
                assert found.low <= found.statistic <= found.high
            evaluation.outcomes.due.touch([(version, hour)])
            for name, curve in BINNED.items():
                found = finding(result, name, "performance")
                bound = _bound(life, version, hour, name)
                assert abs(found.statistic - float(curve(truth, score))) <= bound + 1e-12
                assert bound < 0.02
            seen += len(chosen)
    assert seen > 2500


def _bound(life: Life, version: str, hour: int, name: str) -> float:
    evaluation = Evaluation(life.outcomes)
    life.outcomes.due.touch([(version, hour)])
    evaluation.judge({"hourly": hour + HOUR}, 0.0, all_=True)
    view = evaluation.latest[version, "", "hourly"]
    assert view.result.start == hour
    return view.running[name].bound


def test_slices_hold_what_their_rows_say(life: Life) -> None:
    life.outcomes.due.touch([("1", BEGIN)])
    results = judged(life)
    rows = [(r, int(t)) for r, t in joined(life.logs) if r.version == "1" and BEGIN <= r.time < BEGIN + HOUR]
    for country in COUNTRIES:
        mine = [(r, t) for r, t in rows if r.country == country]
        result = results["hourly:outcomes", "1", BEGIN, f"country={country}"]
        right = np.mean([(r.score >= 0.5) == (t == 1) for r, t in mine])
        found = finding(result, "accuracy", "performance")
        assert found.statistic == pytest.approx(right, abs=1e-12)
        loss = oracle.log_loss([t for _, t in mine], [r.score for r, _ in mine], labels=[0, 1])
        assert finding(result, "log_loss", "performance").statistic == pytest.approx(loss, abs=1e-9)


def test_groups_of_a_protected_column_are_compared(life: Life) -> None:
    life.outcomes.due.touch([("1", BEGIN)])
    result = judged(life)["hourly:outcomes", "1", BEGIN, ""]
    mine = [r for r in life.logs["p"] if r.version == "1" and BEGIN <= r.time < BEGIN + HOUR]
    groups = [[r for r in mine if r.country == c] for c in COUNTRIES]
    groups.append([r for r in mine if r.country == "xx"])
    shares = [np.mean([r.score >= 0.5 for r in group]) for group in groups]
    found = finding(result, "country", "demographic_parity")
    assert found.statistic == pytest.approx(max(shares) - min(shares), abs=1e-12)
    assert finding(result, "country", "equalised_odds").statistic >= 0


def test_a_baseline_is_learnt_from_what_matured_and_estimates_follow() -> None:
    logs = logs_of(6000, 11, ugly=False, hours=12)
    turned = [
        Row(row.id, row.time, truth=str(1 - int(row.truth or 0))) if row.time > BEGIN + 9 * HOUR else row
        for row in logs["l"]
    ]
    settings = {"learn": 4 * HOUR, "min_labels": 20}
    life = Life(config_of(performance=settings), {"p": logs["p"], "l": turned})
    life.run()
    evaluation = Evaluation(life.outcomes)
    evaluation.upkeep(life.joining.join.watermark, FOREVER)
    results = judged(life)
    early = results["hourly:outcomes", "1", BEGIN + 5 * HOUR, ""]
    late = results["hourly:outcomes", "1", BEGIN + 11 * HOUR, ""]
    assert finding(early, "accuracy", "performance_change").status == "ok"
    change = finding(late, "accuracy", "performance_change")
    assert change.status == "drift"
    assert change.direction == -1
    assert change.high < -change.threshold
    estimate = finding(early, "accuracy", "estimate")
    assert estimate.low <= finding(early, "accuracy", "performance_matured").statistic <= estimate.high
    told = finding(early, "accuracy", "estimate_change")
    assert told.effect == pytest.approx(estimate.statistic - change_base(early), abs=1e-12)
    assert told.low < told.effect < told.high
    seen = finding(late, "accuracy", "estimate")
    assert seen.statistic > 0.6 > finding(late, "accuracy", "performance").statistic


def change_base(result: WindowResult) -> float:
    """Return the baseline that a window's accuracy is compared with."""
    change = finding(result, "accuracy", "performance_change")
    return finding(result, "accuracy", "performance_matured").statistic - change.effect


@pytest.mark.parametrize(
    ("value", "half", "light", "n", "status"),
    [
        (0.90, 0.01, Light.HOLDS, 500, "ok"), (0.87, 0.01, Light.HOLDS, 500, "ok"),
        (0.85, 0.01, Light.HOLDS, 500, "warn"), (0.82, 0.01, Light.HOLDS, 500, "drift"),
        (0.82, 0.08, Light.HOLDS, 500, "ok"), (0.82, 0.01, Light.UNPROVEN, 500, "insufficient"),
        (0.82, 0.01, Light.BROKEN, 500, "insufficient"), (0.82, 0.01, Light.HOLDS, 99, "insufficient"),
        (math.nan, 0.01, Light.HOLDS, 500, "insufficient"), (0.99, 0.01, Light.HOLDS, 500, "ok"),
    ],
)  # fmt: skip
def test_an_estimate_is_worse_only_with_all_of_its_interval(
    value: float, half: float, light: Light, n: int, status: str
) -> None:
    settings = PerformanceConfig(min_labels=100)
    figure, base = FigureView(value, value - half, value + half, n), FigureView(0.9, 0.89, 0.91, 5_000)
    found = told_estimate("recall", figure, base, settings, light)
    assert (found.status, found.detector, found.threshold) == (status, "estimate_change", 0.05)
    assert bool(found.explanation) is (status != "insufficient")
    if status != "insufficient":
        assert found.low == pytest.approx(value - 0.9 - math.hypot(half, 0.01))
        assert found.high == pytest.approx(value - 0.9 + math.hypot(half, 0.01))
        given = told_estimate("recall", figure, FigureView(0.9, math.nan, math.nan, 0), settings, light)
        assert (given.low, given.high) == pytest.approx((value - 0.9 - half, value - 0.9 + half))
        mirrored = told_estimate("false_positive_rate", figure, base, settings, light)
        assert mirrored.statistic == -found.statistic


def test_the_interval_of_an_estimated_change_covers_as_it_says() -> None:
    rng = np.random.default_rng(5)
    now, before, missed = 0.8, 0.9, 0
    for _ in range(4_000):
        a, b = rng.normal(now, 0.02), rng.normal(before, 0.01)
        figure = FigureView(a, a - 1.96 * 0.02, a + 1.96 * 0.02, 500)
        base = FigureView(b, b - 1.96 * 0.01, b + 1.96 * 0.01, 500)
        found = told_estimate("recall", figure, base, PerformanceConfig(min_labels=100), Light.HOLDS)
        missed += not found.low <= now - before <= found.high
    assert 0.04 < missed / 4_000 < 0.06, "and with the interval of the estimate alone it would be 0.08"


def test_labels_that_say_nothing_are_counted_by_reason() -> None:
    logs = logs_of(50, 3, ugly=False)
    logs["l"].insert(0, Row("i0", BEGIN, truth="7"))
    life = Life(config_of(), logs)
    life.run()
    assert life.joining.counters[UNKNOWN] == 1
    assert life.joining.join.tally.unaccounted() == {}


def test_many_distinct_values_take_no_more_room_than_few() -> None:
    def size(values: int) -> int:
        rng = random.Random(5)
        logs = logs_of(400, 3, ugly=False, hours=1)
        logs["p"] = [
            Row(r.id, r.time, r.score, rng.choice(COUNTRIES) if values == 3 else f"c{rng.randrange(values)}")
            for r in logs["p"]
        ]
        life = Life(config_of(), logs)
        life.run()
        life.outcomes.settle()
        return sum(pane.nbytes() for pane in life.outcomes.shelf._cache.values())

    assert size(100_000) == size(3)


def test_a_regression_is_judged_in_the_scale_of_its_reference() -> None:
    rng = random.Random(2)
    predictions, labels = [], []
    for number in range(800):
        time = BEGIN + number * 1_000_000
        truth = rng.gauss(100, 20)
        predictions.append(Row(f"i{number}", time, country="de", predicted=truth + rng.gauss(1, 3)))
        labels.append(Row(f"i{number}", time + HOUR, truth=repr(truth)))
    labels.append(Row("end", BEGIN + 60 * HOUR, truth="1"))
    config = config_of(
        task="regression", positive_class=None, decision=None,
        predictions={"topic": "p", "map": {"prediction": "value.price"}},
        performance={"metrics": ["mae", "rmse", "bias", "r2"]},
    )  # fmt: skip
    bins = NumericBins.of_edges(np.linspace(40, 160, 50), low=0.0, high=300.0)
    life = Life(config, {"p": predictions, "l": labels}, coders={"prediction": bins})
    life.run()
    result = judged(life)["hourly:outcomes", "1", BEGIN, ""]
    said = np.array([row.predicted for row in predictions])
    true = np.array([float(row.truth or "nan") for row in labels[:-1]])
    assert finding(result, "mae", "performance").statistic == pytest.approx(np.abs(said - true).mean(), abs=1e-9)
    assert finding(result, "rmse", "performance").statistic == pytest.approx(
        math.sqrt(np.mean((said - true) ** 2)), abs=1e-9
    )
    assert finding(result, "r2", "performance").statistic == pytest.approx(oracle.r2_score(true, said), abs=1e-9)


def test_several_classes_are_told_apart() -> None:
    rng = random.Random(4)
    names = ["a", "b", "c"]
    predictions, labels = [], []
    for number in range(600):
        time = BEGIN + number * 1_000_000
        truth = rng.choice(names)
        said = truth if rng.random() < 0.7 else rng.choice(names)
        predictions.append(Row(f"i{number}", time, 0.7, "fr", predicted=said))
        labels.append(Row(f"i{number}", time + HOUR, truth=truth))
    labels.append(Row("end", BEGIN + 60 * HOUR, truth="a"))
    config = config_of(
        task="multiclass", positive_class=None, decision=None, classes=names,
        predictions={"topic": "p", "map": {"prediction": "value.class", "score": "value.score"}},
    )  # fmt: skip
    life = Life(config, {"p": predictions, "l": labels})
    life.run()
    results = judged(life)
    result = results["hourly:outcomes", "1", BEGIN, ""]
    said_all, true = [row.predicted for row in predictions], [row.truth for row in labels[:-1]]
    for name, expected in {
        "accuracy": oracle.accuracy_score(true, said_all),
        "f1_macro": oracle.f1_score(true, said_all, average="macro"),
        "kappa": oracle.cohen_kappa_score(true, said_all),
    }.items():
        assert finding(result, name, "performance").statistic == pytest.approx(expected, abs=1e-9)
    sliced = results["hourly:outcomes", "1", BEGIN, "country=fr"]
    assert finding(sliced, "accuracy", "performance").statistic == pytest.approx(
        oracle.accuracy_score(true, said_all), abs=1e-12
    )
    assert finding(result, "ece", "calibration").statistic == pytest.approx(
        abs(oracle.accuracy_score(true, said_all) - 0.7), abs=1e-8
    )


def test_calibration_equals_brute_force_on_the_rows(life: Life) -> None:
    life.outcomes.due.touch([("2", BEGIN)])
    result = judged(life)["hourly:outcomes", "2", BEGIN, ""]
    rows = [(r.score, int(t)) for r, t in joined(life.logs) if r.version == "2" and BEGIN <= r.time < BEGIN + HOUR]
    p, y = np.array([score for score, _ in rows]), np.array([truth for _, truth in rows])
    z = ((y - p) * (1 - 2 * p)).sum() / np.sqrt(((1 - 2 * p) ** 2 * p * (1 - p)).sum())
    assert finding(result, "spiegelhalter_z", "calibration").statistic == pytest.approx(z, abs=1e-7)
    assert finding(result, "brier", "calibration").statistic == pytest.approx(((p - y) ** 2).mean(), abs=1e-9)
    whole = life.outcomes.whole
    assert whole is not None
    assert isinstance(whole.judge, BinaryJudge)
    fine = np.searchsorted(whole.judge.table.edges, p, side="right")
    groups = equal_mass(np.bincount(fine, minlength=whole.judge.bins), 15)[fine]
    gaps = [abs((y - p)[groups == group].sum()) for group in range(15)]
    assert finding(result, "ece", "calibration").statistic == pytest.approx(sum(gaps) / len(p), abs=1e-8)
    logits = np.log(p / (1 - p))[:, np.newaxis]
    fit = LogisticRegression(C=np.inf, tol=1e-10).fit(logits[np.isfinite(logits[:, 0])], y[np.isfinite(logits[:, 0])])
    slope = finding(result, "calibration_slope", "calibration")
    assert abs(slope.statistic - float(fit.coef_[0, 0])) < 0.02 * float(fit.coef_[0, 0])


def test_outcomes_cost_what_the_configuration_says() -> None:
    cost = {"false_positive": 5.0, "per_amount": {"false_negative": 0.5}}
    performance = {"metrics": ["cost", "recall_by_amount"], "amount": "amount", "cost": cost, "min_labels": 1}
    logs = logs_of(600, 5, ugly=False, hours=1)
    life = Life(config_of(performance=performance), logs)
    life.run()
    result = judged(life)["hourly:outcomes", "1", BEGIN, ""]
    rows = [(r, int(t)) for r, t in joined(logs) if r.version == "1"]
    rows = [(r, t) for r, t in rows if r.time < BEGIN + HOUR]
    amounts = [100.0 * len(r.id) for r, _ in rows]
    paid = [
        5.0 if r.score >= 0.5 and not t else 0.5 * amount if r.score < 0.5 and t else 0.0
        for (r, t), amount in zip(rows, amounts, strict=True)
    ]
    assert finding(result, "cost", "performance").statistic == pytest.approx(np.mean(paid), abs=1e-9)
    caught = sum(a for (r, t), a in zip(rows, amounts, strict=True) if t and r.score >= 0.5)
    there = sum(a for (_, t), a in zip(rows, amounts, strict=True) if t)
    assert finding(result, "recall_by_amount", "performance").statistic == pytest.approx(caught / there, abs=1e-9)
