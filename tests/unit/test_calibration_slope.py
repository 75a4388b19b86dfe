"""Calibration slope and intercept from binned sums against the exact fit of the raw rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from detectors.calibration.slope import LogitBins, Recalibration, recalibration
from detectors.calibration.sums import ScoreBins
from detectors.calibration.table import CalibrationTable
from tests.oracles import FloatArray, oracles, tally


def exact(p: FloatArray, y: FloatArray) -> FloatArray:
    x = logit(p)

    def loss(theta: FloatArray) -> tuple[float, FloatArray]:
        eta = theta[0] + theta[1] * x
        off = expit(eta) - y
        return float((np.logaddexp(0, eta) - y * eta).sum()), np.array([off.sum(), (off * x).sum()])

    found: FloatArray = minimize(loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-7}).x
    return found


def fitted(found: Recalibration) -> FloatArray:
    return np.array([found.intercept.value[0], found.slope.value[0]])


def sample(slope: float, shift: float, spread: float, rows: int, seed: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(-1.0, spread, rows)
    return expit(x), (rng.random(rows) < expit(shift + slope * x)).astype(np.float64)


@pytest.mark.parametrize("bins", [5, 15, 200])
@pytest.mark.parametrize(
    ("slope", "shift", "spread"), [(1.0, 0.0, 1.0), (0.5, -0.5, 2.0), (1.8, 1.0, 0.7), (-0.3, 0.0, 1.5), (0.0, 0.2, 1)]
)
def test_the_fit_lies_within_its_bound_of_the_exact_one(slope: float, shift: float, spread: float, bins: int) -> None:
    p, y = sample(slope, shift, spread, 3000, bins)
    truth = exact(p, y)
    table = CalibrationTable.fit(p, bins)
    cells = tally(table, p, y)
    counted = recalibration(table.logit_bins(cells))
    guessed = recalibration(LogitBins.of_scores(table.score_bins(cells)))
    for found in (counted, guessed):
        bound = np.array([found.intercept.bound[0], found.slope.bound[0]])
        assert np.all(np.abs(fitted(found) - truth) <= bound + 1e-9)
    if bins == 200:
        assert np.abs(fitted(counted) - truth).max() < 0.01
        assert counted.slope.bound[0] < 0.05


def test_bounds_shrink_with_the_square_of_the_bins() -> None:
    p, y = sample(0.8, 0.1, 1.0, 20_000, 3)
    inner = (p > 0.05) & (p < 0.8)
    bounds = []
    for bins in (20, 40):
        table = CalibrationTable.fit(p[inner], bins)
        bounds.append(recalibration(table.logit_bins(tally(table, p[inner], y[inner]))).slope.bound[0])
    assert bounds[1] < bounds[0] / 3


def test_with_a_bin_for_every_score_the_fit_is_that_of_statsmodels() -> None:
    binary = oracles()["binary"]
    p, y = np.array(binary["score"]) / 1e6, np.array(binary["label"], np.float64)
    table = CalibrationTable(np.unique(p)[:-1])
    found = recalibration(table.logit_bins(tally(table, p, y)))
    expected = binary["statsmodels"]
    assert fitted(found) == pytest.approx(expected["fit"], abs=1e-5)
    half = [(figure.high[0] - figure.low[0]) / 2 / 1.959963984540054 for figure in (found.intercept, found.slope)]
    assert half == pytest.approx(expected["error"], rel=1e-4)
    assert found.slope.bound[0] < 1e-3
    coarse = CalibrationTable.fit(p, 15)
    near = recalibration(coarse.logit_bins(tally(coarse, p, y)))
    assert fitted(near) == pytest.approx(expected["fit"], abs=0.02)


def test_sums_of_scores_alone_give_a_fit_with_more_doubt() -> None:
    p, y = sample(0.7, 0.2, 1.2, 5000, 8)
    table = CalibrationTable.fit(p, 200)
    bins = table.score_bins(tally(table, p, y))
    whole = recalibration(LogitBins.of_scores(bins))
    less = recalibration(LogitBins.of_scores(ScoreBins(bins.n, bins.positives, bins.score, bins.score_sq)))
    truth = exact(p, y)
    for found in (whole, less):
        assert np.abs(fitted(found) - truth).max() < 0.02
    assert less.slope.bound[0] > whole.slope.bound[0]


def test_intervals_cover() -> None:
    rng = np.random.default_rng(12)
    x = rng.normal(-1.0, 1.3, (500, 400))
    y = rng.random(x.shape) < expit(0.3 + 0.8 * x)
    table = CalibrationTable.fit(expit(x[0]), 40)
    found = recalibration(table.logit_bins(tally(table, expit(x).ravel(), y.ravel().astype(np.float64), 500)))
    for figure, truth in ((found.intercept, 0.3), (found.slope, 0.8)):
        assert np.mean((figure.low <= truth) & (truth <= figure.high)) >= 0.93
        half = (figure.high - figure.value) / 2
        assert np.mean(np.abs(figure.value - truth) <= half) < 0.8


def test_where_there_is_no_fit_there_is_no_figure() -> None:
    table = CalibrationTable(np.array([0.25, 0.5, 0.75]))
    p = np.array([0.1, 0.3, 0.6, 0.9])
    ones = [
        tally(table, np.array([]), np.array([])),
        tally(table, p, np.zeros(4)),
        tally(table, p, np.ones(4)),
        tally(table, p, np.array([0.0, 0.0, 1.0, 1.0])),
        tally(table, np.full(6, 0.3), np.array([0.0, 1, 0, 1, 0, 1])),
        tally(table, np.repeat(p, 3), np.array([0.0, 0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0])),
    ]
    found = recalibration(table.logit_bins(np.concatenate(ones)))
    assert np.isnan(found.slope.value).tolist() == [True, True, True, True, True, False]
    assert np.isnan(found.slope.low).tolist() == [True, True, True, True, True, False]
    again = recalibration(table.logit_bins(ones[-1]))
    assert again.slope.value[0] == pytest.approx(found.slope.value[-1], abs=1e-9)


def test_scores_of_nought_and_one_do_not_break_the_fit() -> None:
    p, y = sample(1.0, 0.0, 1.0, 2000, 5)
    p[:3], y[:3] = [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]
    table = CalibrationTable.fit(p, 15)
    found = recalibration(table.logit_bins(tally(table, p, y)))
    assert np.isfinite(fitted(found)).all()
    assert found.slope.bound[0] > 0.1, "a bin that holds 34 and -3 together must say so"
