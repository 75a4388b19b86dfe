"""Intervals, quantiles and deviations of a regression, through the service: figures equal those of the rows."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import mean_pinball_loss

from detectors.bins import NumericBins
from monitor.config.model import ModelConfig
from monitor.decoding.schema import interval_column, quantile_column
from monitor.events import HOUR, MINUTE
from monitor.outcomes.evaluation import Evaluation
from monitor.views import PerformanceView
from tests.config_files import examined, minimal
from tests.outcomes_ground import BEGIN, Life, Row, config_of

LEVELS = ("0.9", "0.1", "0.5")
CODERS = {"prediction": NumericBins.of_edges(np.linspace(-30, 30, 41), low=-50.0, high=50.0)}


def config(**mapped: Any) -> ModelConfig:
    return config_of(
        task="regression",
        positive_class=None,
        decision=None,
        predictions={"topic": "p", "map": {"prediction": "value.y", **mapped}},
        performance={"min_labels": 20, "learn": 4 * HOUR, "interval": 0.8},
    )


INTERVAL = {"lower": "value.l", "upper": "value.u"}
QUANTILES = {"quantiles": {level: f"value.q{level}" for level in LEVELS}}


def logs_of(rows: int, seed: int, hours: int = 2, wider: float = 1.0) -> dict[str, list[Row]]:
    """Return normal predictions with their intervals, some of them bad, and labels; ``wider`` from hour 5 on."""
    rng = np.random.default_rng(seed)
    predictions, labels = [], []
    for number in range(rows):
        time = BEGIN + number * hours * HOUR // rows
        mean, sigma = float(rng.normal(0, 10)), float(rng.uniform(0.5, 2))
        scale = wider if time >= BEGIN + 5 * HOUR else 1.0
        truth = mean + sigma * scale * float(rng.standard_normal())
        low, high = (float(norm.ppf(level, mean, sigma)) for level in (0.1, 0.9))
        cells = {"lower": low, "upper": high, "deviation": sigma}
        quantiles = {level: float(norm.ppf(float(level), mean, sigma)) for level in LEVELS}
        if number % 20 == 0:
            cells = {"lower": high, "upper": low, "deviation": -1.0}
            quantiles["0.5"] = low - 1
        elif number % 20 == 1:
            cells, quantiles = dict.fromkeys(cells, float("nan")), dict.fromkeys(quantiles, float("nan"))
        extra = {interval_column(name): value for name, value in cells.items()}
        extra |= {quantile_column(level): value for level, value in quantiles.items()}
        predictions.append(Row(f"i{number}", time, country="de", predicted=mean, extra=extra))
        labels.append(Row(f"i{number}", time + HOUR, truth="nan" if number % 50 == 3 else repr(truth)))
    end = BEGIN + (hours + 30) * HOUR
    predictions.append(Row("end", end, predicted=0.0, extra=dict.fromkeys(predictions[0].extra, float("nan"))))
    labels.append(Row("end", end + MINUTE, truth="0"))
    return {"p": predictions, "l": labels}


def view_of(life: Life, hour: int, place: str = "") -> PerformanceView:
    evaluation = Evaluation(life.outcomes)
    life.outcomes.due.touch([("1", hour)])
    evaluation.judge({"hourly": hour + HOUR}, 0.0, all_=True)
    return evaluation.latest["1", place, "hourly"]


def lived(settings: ModelConfig, logs: dict[str, list[Row]]) -> Life:
    life = Life(settings, logs, coders=CODERS)
    life.run()
    return life


def column(life: Life, name: str) -> np.ndarray:
    """Return a column of the labelled predictions of the first hour."""
    return np.array([float(row.extra[name] or 0) for row in _chosen(life)])


def truths(life: Life) -> np.ndarray:
    known = {row.id: float(str(row.truth)) for row in life.logs["l"]}
    return np.array([known[row.id] for row in _chosen(life)])


def _chosen(life: Life) -> list[Row]:
    known = {row.id for row in life.logs["l"] if row.truth != "nan"}
    return [row for row in life.logs["p"] if BEGIN <= row.time < BEGIN + HOUR and row.id in known]


@pytest.fixture(scope="module")
def logs() -> dict[str, list[Row]]:
    return logs_of(2000, 4)


def test_coverage_of_intervals_equals_the_count_of_rows(logs: dict[str, list[Row]]) -> None:
    life = lived(config(**INTERVAL), logs)
    low, high, y = column(life, "interval[lower]"), column(life, "interval[upper]"), truths(life)
    good = low <= high
    view = view_of(life, BEGIN)
    for name, expected in {
        "interval_coverage": ((low <= y) & (y <= high))[good].mean(),
        "interval_below": (y < low)[good].mean(),
        "interval_above": (y > high)[good].mean(),
    }.items():
        assert view.running[name].value == pytest.approx(expected, abs=1e-12)
        assert view.running[name].n == good.sum()
    assert 0.75 < view.running["interval_coverage"].value < 0.85
    assert view.running["interval_excess"].value == pytest.approx(view.running["interval_coverage"].value - 0.8)
    assert view_of(life, BEGIN, "country=de").running["interval_coverage"] == view.running["interval_coverage"]
    every = [row for row in logs["p"] if row.id != "end"]
    flaws = life.joining.view().flaws
    assert flaws["interval_crossed"] == len(every) // 20
    assert life.joining.view().rejected["label_missing"] == len(every) // 50


def test_quantiles_equal_scikit_learn_and_their_outermost_are_an_interval(logs: dict[str, list[Row]]) -> None:
    life = lived(config(**QUANTILES), logs)
    view, y = view_of(life, BEGIN), truths(life)
    for level in LEVELS:
        q = column(life, f"quantiles[{level}]")
        good = np.isfinite(q)
        loss = mean_pinball_loss(y[good], q[good], alpha=float(level))
        assert view.running[f"pinball_{level}"].value == pytest.approx(loss, abs=1e-9)
        hits = (y[good] <= q[good]).mean()
        assert view.running[f"quantile_hits_{level}"].value == pytest.approx(hits, abs=1e-12)
    low, high = column(life, "quantiles[0.1]"), column(life, "quantiles[0.9]")
    good = np.isfinite(low)
    inside = ((low <= y) & (y <= high))[good].mean()
    assert view.running["interval_coverage"].value == pytest.approx(inside, abs=1e-12)
    rising = good & (low <= column(life, "quantiles[0.5]"))
    cells = np.bincount(np.sum([y > column(life, f"quantiles[{level}]") for level in LEVELS], axis=0)[rising])
    apart = np.abs(cells / cells.sum() - np.array([0.1, 0.4, 0.4, 0.1])).sum() / 2
    assert view.calibration["pit"].value == pytest.approx(apart, abs=1e-9)
    assert life.joining.view().flaws["quantiles_crossed"] == (len(logs["p"]) - 1) // 20


def test_deviations_give_the_transform_and_a_change_of_it_warns() -> None:
    logs = logs_of(4800, 9, hours=7, wider=2.5)
    life = lived(config(deviation="value.s"), logs)
    evaluation = Evaluation(life.outcomes)
    evaluation.upkeep(BEGIN + 14 * HOUR, 1 << 60)
    view, y = view_of(life, BEGIN), truths(life)
    sigma = column(life, "interval[deviation]")
    mean = np.array([float(row.predicted) for row in _chosen(life)])
    good: np.ndarray = np.greater(sigma, 0)
    u = norm.cdf((y - mean)[good] / sigma[good])
    assert view.running["pit_mean"].value == pytest.approx(u.mean(), abs=1e-8)
    assert view.running["pit_dispersion"].value == pytest.approx(12 * u.var(ddof=1), abs=1e-7)
    assert life.joining.view().flaws["deviation_bad"] == 4800 // 20
    status = {hour: _pit(view_of(life, BEGIN + hour * HOUR)) for hour in range(7)}
    assert [status[hour] for hour in range(5)] == ["ok"] * 5
    assert status[5] == status[6] == "warn"


def _pit(view: PerformanceView) -> str:
    return next(one.status for one in view.result.findings if one.column == "pit")


@pytest.mark.parametrize("seed", range(3))
def test_any_order_with_crashes_gives_the_same_tables(seed: int) -> None:
    logs = logs_of(300, seed)
    settings = config(**INTERVAL, **QUANTILES, deviation="value.s")
    calm, rough = Life(settings, logs, coders=CODERS), Life(settings, logs, coders=CODERS)
    calm.run()
    rough.run(random.Random(seed))
    assert rough.tables() == calm.tables()


@pytest.mark.parametrize(
    ("model", "mapped", "path", "message"),
    [
        ("task: regression", "lower: value.l", "predictions.map", "needs upper"),
        ("", "score: value.s, quantiles: {'0.5': value.q}", "predictions.map.quantiles", "only a regression"),
        ("task: regression", "quantiles: {'1.5': value.q}", "predictions.map.quantiles", "between 0 and 1"),
        ("task: regression", "quantiles: {'0.5': value.q, '.5': value.r}", "predictions.map.quantiles", "twice"),
        ("task: regression", "deviation: value.s", "predictions.map.deviation", "needs the mean"),
        (
            "task: regression\nperformance: {interval: 0.5}",
            "prediction: value.y",
            "performance.interval",
            "no interval",
        ),
    ],
)
def test_each_mistake_is_told(tmp_path: Path, model: str, mapped: str, path: str, message: str) -> None:
    found = examined(tmp_path, minimal(model=model, predictions=f"map: {{{mapped}}}")).problems
    told = [problem.message for problem in found if problem.path == f"models[0].{path}"]
    assert any(message in text for text in told), [(problem.path, problem.message) for problem in found]
