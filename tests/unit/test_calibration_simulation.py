"""Seeded simulations: noise floors, estimates without bias, intervals that cover, and broken variants that do not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.special import expit, logit

from detectors.calibration import error, losses, murphy, squared
from detectors.calibration.reliability import bias
from detectors.calibration.sums import ScoreBins
from detectors.calibration.table import CalibrationTable
from detectors.performance import Estimate
from tests.oracles import FloatArray, IntArray, tally

LAWS = {"common": (1.0, 1.5), "rare": (0.3, 12.0), "sure": (0.2, 0.2)}


@dataclass(frozen=True)
class Windows:
    """Many windows of one law, with the truth that no monitor knows."""

    table: CalibrationTable
    cells: IntArray
    bins: ScoreBins
    chance: FloatArray
    """Mean true probability in each bin."""
    p: FloatArray
    truth: FloatArray


def simulate(
    law: str, rows: int, windows: int, *, slope: float = 1.0, shift: float = 0.0, bins: int = 15, seed: int = 1
) -> Windows:
    rng = np.random.default_rng(seed)
    p = np.clip(rng.beta(*LAWS[law], (windows, rows)), 1e-9, 1 - 1e-9)
    truth = expit(slope * logit(p) + shift)
    table = CalibrationTable.fit(rng.beta(*LAWS[law], 5000), bins)
    cells = tally(table, p.ravel(), (rng.random(p.shape) < truth).ravel().astype(np.float64), windows)
    found = table.score_bins(cells)
    places = table.code(p.ravel()) + np.repeat(np.arange(windows), rows) * table.bins
    mass = np.bincount(places, truth.ravel(), windows * table.bins).reshape(windows, table.bins)
    return Windows(table, cells, found, mass / np.maximum(found.n, 1), p, truth)


def covered(figure: Estimate, truth: FloatArray) -> float:
    return float(np.mean((figure.low - 1e-9 <= truth) & (truth <= figure.high + 1e-9)))


def halved(figure: Estimate) -> Estimate:
    low, high = (figure.value + (side - figure.value) / 2 for side in (figure.low, figure.high))
    return replace(figure, low=low, high=high)


def true_error(w: Windows, power: int) -> FloatArray:
    share = w.bins.n / w.bins.total[:, np.newaxis]
    error_: FloatArray = (share * np.abs(w.chance - np.nan_to_num(w.bins.mean_score)) ** power).sum(axis=1)
    return error_


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("rows", [60, 300, 2000])
def test_the_noise_floor_is_the_error_of_a_calibrated_model(law: str, rows: int) -> None:
    w = simulate(law, rows, max(500, 200_000 // rows), seed=rows)
    floor, found = error.noise_floor(w.bins), error.expected(w.bins)
    assert found.value.mean() == pytest.approx(floor.value.mean(), rel=0.03)
    inside = np.mean((floor.low <= found.value) & (found.value <= floor.high))
    assert 0.93 <= inside <= 0.98


@pytest.mark.parametrize("law", ["common", "sure"])
def test_the_noise_floor_knows_that_scores_within_a_wide_bin_differ(law: str) -> None:
    w = simulate(law, 400, 1500, bins=2, seed=7)
    floor, found = error.noise_floor(w.bins), error.expected(w.bins)
    assert found.value.mean() == pytest.approx(floor.value.mean(), rel=0.03)
    alike = ScoreBins(w.bins.n, w.bins.positives, w.bins.score, np.nan_to_num(w.bins.score * w.bins.mean_score))
    assert error.noise_floor(alike).value.mean() > 1.045 * floor.value.mean()


def test_a_floor_from_the_normal_law_would_be_wrong_where_positives_are_rare() -> None:
    w = simulate("rare", 300, 2000)
    n = np.maximum(w.bins.n, 1)
    normal = np.sqrt(2 * np.clip(w.bins.score - w.bins.score_sq, 0, None) / np.pi).sum(axis=1) / w.bins.total
    plugged = (np.sqrt(2 * n * w.bins.positives / n * (1 - w.bins.positives / n) / np.pi)).sum(axis=1) / w.bins.total
    seen = error.expected(w.bins).value.mean()
    assert abs(normal.mean() / seen - 1) > 0.05
    assert abs(plugged.mean() / seen - 1) > 0.05


@pytest.mark.parametrize(("law", "slope", "shift"), [("common", 1.0, 0.0), ("common", 0.6, 0.3), ("rare", 1.0, 0.5)])
@pytest.mark.parametrize("bins", [2, 15])
def test_pairs_are_centred_on_the_squared_error_whatever_the_bins(
    law: str, slope: float, shift: float, bins: int
) -> None:
    w = simulate(law, 300, 1500, slope=slope, shift=shift, bins=bins, seed=bins)
    code = w.table.code(w.p.ravel())
    mass = np.bincount(code, minlength=w.table.bins)
    gap = (np.bincount(code, w.truth.ravel(), w.table.bins) - np.bincount(code, w.p.ravel(), w.table.bins)) / mass
    truth = (mass / mass.sum() * gap**2).sum()
    found = squared.paired(w.bins).value
    chance = found.std() / np.sqrt(len(found))
    assert abs(found.mean() - truth) < 4 * chance
    assert abs(squared.plain(w.bins).value.mean() - truth) > 6 * chance, "the plain square would do"


def test_the_textbook_debiased_error_is_centred_in_narrow_bins_and_too_low_in_wide_ones() -> None:
    narrow, wide = (simulate("common", 300, 2500, bins=bins, seed=9) for bins in (40, 2))
    for w, centred in ((narrow, True), (wide, False)):
        found = squared.debiased(w.bins).value
        chance = found.std() / np.sqrt(len(found))
        assert (abs(found.mean()) < 4 * chance) == centred
    rows = wide.bins.n.sum()
    lost = (wide.bins.n * wide.bins.spread / np.maximum(wide.bins.n - 1, 1)).sum() / rows
    assert squared.debiased(wide.bins).value.mean() == pytest.approx(-lost, rel=0.15)


@pytest.mark.parametrize(("law", "slope", "shift"), [("common", 1.0, 0.0), ("common", 0.7, 0.2), ("rare", 1.0, 0.4)])
@pytest.mark.parametrize("rows", [200, 1000])
def test_intervals_cover(law: str, slope: float, shift: float, rows: int) -> None:
    w = simulate(law, rows, 600, slope=slope, shift=shift, seed=rows + 5)
    parts = murphy.murphy(w.bins)
    assert covered(error.expected(w.bins), true_error(w, 1)) >= 0.94
    assert covered(squared.plain(w.bins), true_error(w, 2)) >= 0.94
    assert covered(parts.reliability, true_error(w, 2)) >= 0.94
    assert covered(bias(w.bins), w.truth.mean(axis=1) - w.p.mean(axis=1)) >= 0.93
    rate = w.truth.mean()
    share = w.bins.n / w.bins.total[:, np.newaxis]
    assert covered(parts.uncertainty, np.full(len(w.p), rate * (1 - rate))) >= 0.93
    apart = (share * (w.chance - w.truth.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    assert covered(parts.resolution, apart) >= 0.94
    fit = w.bins.n >= rows // 20
    gaps = np.where(fit, np.abs(w.chance - np.nan_to_num(w.bins.mean_score)), -1.0).max(axis=1)
    some = fit.any(axis=1)
    largest = error.maximal(w.bins, rows // 20)
    assert np.mean((largest.low <= gaps)[some] & (gaps <= largest.high)[some]) >= 0.94
    if law == "common":
        sums = w.table.losses(w.cells)
        squares = w.truth * (1 - w.p) ** 2 + (1 - w.truth) * w.p**2
        surprise = -w.truth * np.log(w.p) - (1 - w.truth) * np.log1p(-w.p)
        assert covered(losses.brier_score(sums), np.full(len(w.p), squares.mean())) >= 0.93
        assert covered(parts.brier, np.full(len(w.p), squares.mean())) >= 0.93
        assert covered(losses.log_loss(sums), np.full(len(w.p), surprise.mean())) >= 0.93
        assert covered(halved(losses.log_loss(sums)), np.full(len(w.p), surprise.mean())) < 0.8
        assert covered(halved(losses.brier_score(sums)), np.full(len(w.p), squares.mean())) < 0.8


def test_an_interval_around_the_plain_error_would_not_cover_that_of_a_calibrated_model() -> None:
    w = simulate("common", 1000, 600)
    found = error.expected(w.bins)
    half = found.high - found.value
    assert np.mean((found.value - half <= 0.0) & (found.high >= 0.0)) < 0.5
    assert covered(found, np.zeros(600)) >= 0.95


def test_classes_that_depend_on_each_other_are_covered_too() -> None:
    rng = np.random.default_rng(4)
    chances = rng.dirichlet([1.0, 2.0, 1.5], (400, 500))
    truth = chances**1.3 / (chances**1.3).sum(axis=2, keepdims=True)
    label = (rng.random((400, 500, 1)) > np.cumsum(truth, axis=2)[:, :, :2]).sum(axis=2)
    table = CalibrationTable(np.arange(1, 10) / 10)
    each = [tally(table, chances[:, :, k].ravel(), (label == k).ravel().astype(np.float64), 400) for k in range(3)]
    bins = table.score_bins(np.stack(each, axis=1).reshape(1200, -1))
    places = table.code(chances.ravel()).reshape(chances.shape)
    gap = np.zeros((1200, table.bins))
    for k in range(3):
        index = places[:, :, k] + np.arange(400)[:, np.newaxis] * table.bins
        mass = np.bincount(index.ravel(), (truth - chances)[:, :, k].ravel(), 400 * table.bins)
        gap[k::3] = mass.reshape(400, -1)
    expected = (np.abs(gap).sum(axis=1) / 500).reshape(400, 3).mean(axis=1)
    assert covered(error.class_wise(bins, 3), expected) >= 0.94


def test_spiegelhalters_test_keeps_its_level_and_sees_overconfidence() -> None:
    calm, sure = simulate("common", 500, 1000), simulate("common", 500, 300, slope=0.6)
    test = losses.spiegelhalter(calm.table.losses(calm.cells))
    assert np.mean(test.p_value < 0.05) == pytest.approx(0.05, abs=0.02)
    assert test.z.value.std() == pytest.approx(1.0, abs=0.05)
    seen = losses.spiegelhalter(sure.table.losses(sure.cells))
    assert np.mean((seen.p_value < 0.05) & (seen.z.value > 0)) > 0.9
