"""Seeded simulations: error bars hold the labels that come, weighting undoes a shift, the light turns when it must."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from detectors.estimate.calibrator import Calibrator
from detectors.estimate.cbpe import cbpe
from detectors.estimate.cells import Cells
from detectors.estimate.class_table import ClassTable
from detectors.estimate.decisions import confusion
from detectors.estimate.estimated import Estimated, Light
from detectors.estimate.multiclass import cbpe_classes, class_calibrators
from detectors.estimate.validity import validity
from detectors.estimate.weighted import importance_weighted
from tests.oracles import FloatArray, IntArray

BINS = 60
CENTRES = (np.arange(BINS) + 0.5) / BINS
FLAGGED = CENTRES > 0.5
RARE = 0.35 * CENTRES**2
COMMON = np.clip(0.05 + 0.85 * CENTRES, 0, 1)


@dataclass(frozen=True)
class Outcome:
    n: IntArray
    positives: IntArray


def draw(rng: np.random.Generator, truth: FloatArray, mass: FloatArray, rows: int, windows: int) -> Outcome:
    n = rng.multinomial(rows, mass / mass.sum(), windows)
    return Outcome(n, rng.binomial(n, truth))


def realised(outcome: Outcome) -> dict[str, FloatArray]:
    t, f = outcome.positives, outcome.n - outcome.positives
    tp, fp = (part[:, FLAGGED].sum(axis=1) for part in (t, f))
    fn, tn = (part[:, ~FLAGGED].sum(axis=1) for part in (t, f))
    above = t.sum(axis=1, keepdims=True) - np.cumsum(t, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "accuracy": (tp + tn) / outcome.n.sum(axis=1),
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "specificity": tn / (tn + fp),
            "f1": 2 * tp / (2 * tp + fp + fn),
            "roc_auc": (f * (above + t / 2)).sum(axis=1) / ((tp + fn) * (fp + tn)),
            "true_positives": tp,
            "false_positives": fp,
            "false_negatives": fn,
            "true_negatives": tn,
        }


def covered(figure: Estimated, seen: FloatArray) -> float:
    some = ~np.isnan(seen)
    return float(np.mean((figure.low - 1e-9 <= seen)[some] & (seen <= figure.high + 1e-9)[some]))


def given(truth: FloatArray) -> Calibrator:
    return Calibrator(truth, np.zeros(BINS), np.arange(BINS), np.ones(BINS, np.bool_))


@pytest.mark.parametrize("rows", [200, 2000])
@pytest.mark.parametrize("truth", [COMMON, RARE], ids=["common", "rare"])
def test_error_bars_hold_the_labels_that_come(truth: FloatArray, rows: int) -> None:
    rng = np.random.default_rng(rows)
    outcome = draw(rng, truth, np.exp(-2 * CENTRES), rows, 3000)
    found, seen = cbpe(outcome.n, given(truth), FLAGGED).figures, realised(outcome)
    for name, figure in seen.items():
        assert covered(found[name], figure) >= 0.935, name
        assert np.nanmean(found[name].value - figure) == pytest.approx(
            0, abs=4 * np.nanstd(figure) / np.sqrt(3000) + (0.01 if name in {"recall", "f1", "roc_auc"} else 0.0)
        ), name
    narrow = found["accuracy"]
    assert np.mean(np.abs(seen["accuracy"] - narrow.value) < 0.98 * narrow.chance) < 0.8


def test_average_precision_counts_each_positive_itself() -> None:
    rng = np.random.default_rng(3)
    n = np.full((1, BINS), 5)
    found = cbpe(n, given(RARE), FLAGGED).figures["average_precision"]
    label = rng.random((4000, BINS * 5)) < np.repeat(RARE[::-1], 5)
    rank = np.arange(1, BINS * 5 + 1)
    total = label.sum(axis=1)
    seen = (label * np.cumsum(label, axis=1) / rank).sum(axis=1) / total
    assert seen.mean() == pytest.approx(found.value[0], abs=0.01)
    assert np.mean((found.low[0] <= seen) & (seen <= found.high[0])) >= 0.93
    plug_in = (np.cumsum(np.repeat(RARE[::-1], 5)) / rank * np.repeat(RARE[::-1], 5)).sum() / (5 * RARE.sum())
    assert seen.mean() - plug_in > 0.015, "the positive itself adds nothing, so this test shows nothing"


@pytest.mark.parametrize("reference", [500, 5000])
def test_error_bars_hold_a_calibrator_that_a_small_reference_made(reference: int) -> None:
    rng = np.random.default_rng(reference)
    missed = {name: [0, 0] for name in ("accuracy", "precision", "recall", "roc_auc", "true_positives")}
    for _ in range(250):
        before = draw(rng, COMMON, np.ones(BINS), reference, 1)
        calibrator = Calibrator.isotonic(before.n[0], before.positives[0])
        now = draw(rng, COMMON, np.exp(-CENTRES), 5000, 1)
        found, seen = cbpe(now.n, calibrator, FLAGGED).figures, realised(now)
        blind = cbpe(
            now.n,
            Calibrator(calibrator.probability, calibrator.variance * 0, calibrator.block, calibrator.supported),
            FLAGGED,
        ).figures
        for name, counts in missed.items():
            counts[0] += not found[name].low[0] <= seen[name][0] <= found[name].high[0]
            counts[1] += not blind[name].low[0] <= seen[name][0] <= blind[name].high[0]
    for name, (ours, without) in missed.items():
        assert ours / 250 <= (0.11 if (name, reference) == ("roc_auc", 500) else 0.08), name
        if reference == 500:
            assert without / 250 > 0.2, name


def test_confusion_counts_follow_the_poisson_binomial_law() -> None:
    rng = np.random.default_rng(6)
    probability, n = np.array([0.003, 0.01, 0.4, 0.97]), np.array([[150, 80, 30, 40]])
    cells = Cells.calibrated(
        n,
        Calibrator(probability, np.zeros(4), np.arange(4), np.ones(4, np.bool_)),
        np.array([False, False, True, True]),
    )
    found = confusion(cells)
    drawn = rng.binomial(n, probability, (40_000, 4))
    hits, missed = drawn[:, 2:].sum(axis=1), drawn[:, :2].sum(axis=1)
    for name, seen in (("true_positives", hits), ("false_negatives", missed), ("false_positives", 70 - hits)):
        figure = found[name]
        assert figure.value[0] == pytest.approx(seen.mean(), abs=0.05)
        assert figure.chance[0] == pytest.approx(seen.std(), rel=0.02)
        inside = np.mean((np.ceil(figure.low[0]) <= seen) & (seen <= np.floor(figure.high[0])))
        assert 0.935 <= inside <= 0.995, name
        exact = np.quantile(seen, [0.025, 0.975])
        assert figure.low[0] == pytest.approx(exact[0], abs=1.01)
        assert figure.high[0] == pytest.approx(exact[1], abs=1.01)


@pytest.mark.parametrize(("rows", "rate"), [(2000, 0.002), (2000, 0.998), (500, 0.02), (300, 0.5)])
def test_counts_that_lean_to_one_side_have_the_quantiles_of_their_law(rows: int, rate: float) -> None:
    calibrator = Calibrator(np.array([rate]), np.zeros(1), np.zeros(1, np.int64), np.ones(1, np.bool_))
    figure = confusion(Cells.calibrated(np.array([[rows]]), calibrator, np.array([True])))["true_positives"]
    law = stats.binom(rows, rate)
    assert np.ceil(figure.low[0]) == law.ppf(0.025)
    assert np.floor(figure.high[0]) == law.ppf(0.975)


def test_several_classes_are_held_too() -> None:
    rng = np.random.default_rng(9)
    table, names = ClassTable((np.arange(1, 20) / 20,) * 3), ("accuracy", "precision", "recall", "f1", "roc_auc")
    inside = dict.fromkeys(names, 0)
    runs = 100
    for _ in range(runs):
        chances = rng.dirichlet([0.8, 1.2, 0.6], 4000)
        truth = chances**0.7 / (chances**0.7).sum(axis=1, keepdims=True)
        label = (rng.random((4000, 1)) > np.cumsum(truth, axis=1)[:, :2]).sum(axis=1)
        predicted = chances.argmax(axis=1)
        group = (np.arange(4000) >= 3000).astype(np.int64)
        cells = table.tally(chances, predicted, label, np.ones(4000, np.int64), group, 2)
        calibrators = class_calibrators(table.labelled(cells[:1]), 3)
        found = cbpe_classes(table.predicted(cells[1:]), calibrators).macro.figures
        y, guess, p = label[3000:], predicted[3000:], chances[3000:]
        hits = np.array([[np.sum((y == k) & (guess == k)), np.sum(guess == k), np.sum(y == k)] for k in range(3)])
        areas = []
        for k in range(3):
            order = np.argsort(np.argsort(p[:, k])) + 1
            m = hits[k, 2]
            areas.append((order[y == k].sum() - m * (m + 1) / 2) / (m * (1000 - m)))
        seen = {
            "accuracy": np.mean(y == guess),
            "precision": np.mean(hits[:, 0] / hits[:, 1]),
            "recall": np.mean(hits[:, 0] / hits[:, 2]),
            "f1": np.mean(2 * hits[:, 0] / (hits[:, 1] + hits[:, 2])),
            "roc_auc": np.mean(areas),
        }
        for name in names:
            inside[name] += bool(found[name].low[0] <= seen[name] <= found[name].high[0])
    for name in names:
        assert inside[name] / runs >= 0.93, name


def test_weighting_undoes_a_shift_of_strata_and_scores_alone_do_not() -> None:
    """Two clusters with the same scores and other outcomes: only strata that know the cluster get it right."""
    rng = np.random.default_rng(4)
    truth = np.concatenate([COMMON, 0.5 * COMMON])
    strata, flagged = np.arange(2 * BINS), np.tile(FLAGGED, 2)
    rank = np.tile(np.arange(BINS), 2)
    inside, errors, naive = 0, [], []
    for _ in range(120):
        n = rng.multinomial(20_000, np.repeat([0.8, 0.2], BINS) / BINS)
        positives = rng.binomial(n, truth)
        window = rng.multinomial(3000, np.repeat([0.3, 0.7], BINS) / BINS, 1)
        outcome = rng.binomial(window, truth)
        found = importance_weighted(n, positives, window, flagged, rank)
        seen = np.where(flagged, outcome, window - outcome).sum() / 3000
        figure = found.estimates.figures["accuracy"]
        inside += bool(figure.low[0] <= seen <= figure.high[0])
        errors.append(figure.value[0] - seen)
        pooled = Calibrator.isotonic(n[:BINS] + n[BINS:], positives[:BINS] + positives[BINS:])
        naive.append(cbpe(window[:, :BINS] + window[:, BINS:], pooled, FLAGGED).figures["accuracy"].value[0] - seen)
    assert len(strata) == 2 * BINS
    assert inside / 120 >= 0.93
    assert abs(np.mean(errors)) < 0.003
    assert abs(np.mean(naive)) > 0.02


def test_weights_and_effective_size_are_those_of_single_rows() -> None:
    reference, positives = np.array([400, 100, 50]), np.array([40, 30, 40])
    window, flagged = np.array([[100, 100, 200]]), np.array([False, False, True])
    found = importance_weighted(reference, positives, window, flagged)
    weight = np.repeat(window[0] / 400 / (reference / 550), reference)
    label = np.concatenate([np.arange(n) < k for n, k in zip(reference, positives, strict=True)])
    decided = np.repeat(flagged, reference)
    assert found.effective[0] == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
    figures = found.estimates.figures
    assert figures["accuracy"].value[0] == pytest.approx((weight * (label == decided)).sum() / weight.sum())
    assert figures["recall"].value[0] == pytest.approx((weight * label * decided).sum() / (weight * label).sum())
    share, rate = window[0] / 400, positives / reference
    smooth = (positives + 0.5) / (reference + 1)
    variance = (share**2 * smooth * (1 - smooth) / reference).sum()
    assert figures["accuracy"].calibration[0] ** 2 == pytest.approx(variance)
    assert figures["accuracy"].chance[0] ** 2 == pytest.approx((share * rate * (1 - rate)).sum() / 400)


def test_a_window_unlike_the_reference_is_refused() -> None:
    reference, positives = np.array([5000, 20, 0]), np.array([500, 10, 0])
    windows = np.array([[900, 2, 0], [10, 990, 0], [800, 2, 100], [0, 0, 0]])
    found = importance_weighted(reference, positives, windows, np.array([False, True, True]))
    assert found.refused.tolist() == [False, True, True, True]
    assert found.effective[1] < 100 < found.effective[0]
    assert found.estimates.unsupported[2] == pytest.approx(100 / 902)
    for figure in found.estimates.figures.values():
        assert np.isnan(figure.value[1:]).all()
        assert np.isnan(figure.low[1:]).all()
    assert np.isfinite(found.estimates.figures["accuracy"].value[0])
    with pytest.raises(ValueError, match="at most as many"):
        importance_weighted(reference, reference + 1, windows, np.array([False, True, True]))


@pytest.mark.parametrize(
    ("rows", "truth", "light"),
    [
        (20_000, COMMON, Light.HOLDS), (20_000, COMMON + 0.06, Light.BROKEN), (150, COMMON, Light.UNPROVEN),
        (20_000, np.where(FLAGGED, COMMON - 0.1, COMMON + 0.1), Light.BROKEN), (0, COMMON, Light.UNPROVEN),
        (400, COMMON + 0.02, Light.UNPROVEN),
    ],
    ids=["same", "shifted", "few", "cancelling", "none", "too few to tell"],
)  # fmt: skip
def test_the_light_says_what_the_labels_say(rows: int, truth: FloatArray, light: Light) -> None:
    rng = np.random.default_rng(5)
    before = draw(rng, COMMON, np.ones(BINS), 50_000, 1)
    calibrator = Calibrator.isotonic(before.n[0], before.positives[0])
    seen = draw(rng, np.clip(truth, 0, 1), np.ones(BINS), rows, 200)
    lights = validity(seen.n, seen.positives, calibrator).light
    assert np.mean(lights == light) > 0.9


def test_the_light_is_seldom_broken_by_chance() -> None:
    rng = np.random.default_rng(6)
    before = draw(rng, RARE, np.ones(BINS), 50_000, 1)
    calibrator = Calibrator.isotonic(before.n[0], before.positives[0])
    for rows in (100, 1000, 10_000):
        seen = draw(rng, RARE, np.ones(BINS), rows, 2000)
        assert np.mean(validity(seen.n, seen.positives, calibrator).light == Light.BROKEN) < 0.01
