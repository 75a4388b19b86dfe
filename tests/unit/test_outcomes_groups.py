"""The groups of a protected column, of several classes and of a regression: brute force over the rows of a life."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detectors.bins import NumericBins
from monitor.events import HOUR, MINUTE
from monitor.findings import Finding
from monitor.outcomes.evaluation import Evaluation
from monitor.outcomes.fitting import slices_as_configured
from monitor.outcomes.judges import judge_of
from monitor.views import PerformanceView
from tests.outcomes_ground import BEGIN, COUNTRIES, Life, Row, config_of

NAMES = ("ant", "bee", "cat")
CODERS = {"prediction": NumericBins.of_edges(np.linspace(-30, 30, 41), low=-50.0, high=50.0)}
PROTECTED = {"country": {"type": "categorical", "protected": True}}


def life_of(task: str) -> Life:
    """Return a life in which one country is mistaken more often, or is given more than it is worth."""
    rng = np.random.default_rng(9)
    predictions, labels = [], []
    for number in range(900):
        country = COUNTRIES[number % 3]
        if task == "multiclass":
            truth = str(rng.choice(NAMES))
            said: Any = "cat" if country == "it" and rng.random() < 0.5 else truth
        else:
            said = float(rng.normal(6.0 if country == "it" else 1.0, 4))
            truth = repr(said - (3.0 if country == "de" else 0.0) - float(rng.normal()))
        predictions.append(Row(f"i{number}", BEGIN + number, country=country, predicted=said))
        labels += [Row(f"i{number}", BEGIN + MINUTE + number, truth=truth)] if number % 4 else []
    end = BEGIN + 40 * HOUR
    predictions.append(Row("end", end, country="de", predicted=predictions[0].predicted))
    labels.append(Row("end", end, truth=labels[0].truth))
    config = config_of(
        task=task, positive_class=None, decision=None, features=PROTECTED,
        classes=list(NAMES) if task == "multiclass" else None,
        predictions={"topic": "p", "map": {"prediction": "value.y"}},
    )  # fmt: skip
    found = Life(config, {"p": predictions, "l": labels}, coders=CODERS if task == "regression" else {})
    found.run()
    found.start()
    found.outcomes.settle()
    return found


def view_of(life: Life) -> PerformanceView:
    evaluation = Evaluation(life.outcomes)
    life.outcomes.due.touch([("1", BEGIN)])
    evaluation.judge({"hourly": BEGIN + HOUR}, 0.0, all_=True)
    return evaluation.latest["1", "", "hourly"]


def findings_of(view: PerformanceView) -> dict[str, Finding]:
    return {one.detector: one for one in view.result.findings if one.column == "country"}


def groups(life: Life) -> list[tuple[list[Row], list[tuple[Any, str]]]]:
    """Return the rows of each country, and of those with a label what was said and what was true."""
    truth = {row.id: str(row.truth) for row in life.logs["l"]}
    found = []
    for country in COUNTRIES:
        rows = [row for row in life.logs["p"][:-1] if row.country == country]
        found.append((rows, [(row.predicted, truth[row.id]) for row in rows if row.id in truth]))
    return found


def test_several_classes_are_compared_one_against_the_rest() -> None:
    life = life_of("multiclass")
    found, known = findings_of(view_of(life)), groups(life)
    shares = np.array([[np.mean([row.predicted == name for row in rows]) for rows, _ in known] for name in NAMES])
    parity = found["demographic_parity"]
    assert parity.statistic == pytest.approx(np.ptp(shares, axis=1).max(), abs=1e-12)
    assert "of cat" in parity.explanation
    assert "country=it" in parity.explanation
    assert parity.status == "warn"
    rates = [
        [np.mean([said == name for said, true in pairs if (true == name) == side]) for _, pairs in known]
        for name in NAMES for side in (True, False)
    ]  # fmt: skip
    odds = found["equalised_odds"]
    assert odds.statistic == pytest.approx(np.ptp(np.array(rates), axis=1).max(), abs=1e-12)
    assert odds.status == "warn"
    ratios = [min(one) / max(one) for one in rates if max(one)]
    assert found["equalised_odds_ratio"].statistic == pytest.approx(min(ratios), abs=1e-12)


def test_of_a_regression_means_are_compared() -> None:
    life = life_of("regression")
    view = view_of(life)
    found, known = findings_of(view), groups(life)
    means = [np.mean([row.predicted for row in rows]) for rows, _ in known]
    apart = found["prediction_by_group"]
    assert apart.statistic == pytest.approx(max(means) - min(means), rel=1e-9)
    assert apart.low < 5 < apart.high
    assert "country=it" in apart.explanation
    errors = [[said - float(true) for said, true in pairs] for _, pairs in known]
    wrong = found["error_by_group"]
    assert wrong.statistic == pytest.approx(np.ptp([np.mean(one) for one in errors]), rel=1e-9)
    assert (apart.status, wrong.status) == ("warn", "warn")
    within = np.sqrt(sum(np.var(one, ddof=1) * (len(one) - 1) for one in errors) / sum(len(one) - 1 for one in errors))
    assert wrong.threshold == pytest.approx(0.2 * within, rel=1e-9)
    assert (view.predictions, view.labelled) == (900, 675)


def test_without_a_protected_column_nothing_more_is_counted() -> None:
    plain = config_of(
        task="regression", positive_class=None, decision=None,
        predictions={"topic": "p", "map": {"prediction": "value.y"}},
    )  # fmt: skip
    logs = life_of("regression").logs
    open_ = Life(plain, logs, coders=CODERS)
    open_.run()
    assert findings_of(view_of(open_)) == {}
    judge = life_of("regression").outcomes._slice_judge
    assert judge is not None
    assert judge_of(judge.to_dict()).identity == judge.identity
    assert slices_as_configured(judge, plain) is None
