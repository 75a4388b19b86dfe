"""Estimates before labels: NannyML's figures, brute force, and what a calibrator must do."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from detectors.calibration.table import CalibrationTable
from detectors.estimate.calibrator import Calibrator, helps
from detectors.estimate.cbpe import cbpe, cbpe_of_scores
from detectors.estimate.cells import Cells
from detectors.estimate.class_table import ClassTable
from detectors.estimate.estimated import Light
from detectors.estimate.multiclass import cbpe_classes, class_calibrators
from detectors.estimate.ranking import average_precision, roc_auc
from tests.oracles import FloatArray, oracles, tally

CELLS = {
    "true_positives": "true_positive", "false_positives": "false_positive",
    "false_negatives": "false_negative", "true_negatives": "true_negative",
}  # fmt: skip


def given(probabilities: FloatArray) -> Calibrator:
    """Return a calibrator without error of its own."""
    size = len(probabilities)
    return Calibrator(probabilities, np.zeros(size), np.arange(size), np.ones(size, np.bool_))


def test_binary_estimates_are_those_of_nannyml() -> None:
    binary = oracles()["binary"]
    score, label = np.array(binary["score"]) / 1e6, np.array(binary["label"], np.float64)
    table = CalibrationTable(np.array(binary["edges"]))
    windows = len(score) // binary["window"]
    n = table.score_bins(tally(table, score, label, windows)).n
    calibrator = given(np.array(binary["probabilities"]))
    flagged = np.append(table.edges, 1.0) > binary["threshold"]
    assert np.array_equal(flagged[table.code(score)], score > binary["threshold"])
    found = cbpe(n, calibrator, flagged).figures
    expected = binary["nannyml"]
    for name in ("accuracy", "precision", "recall", "specificity", "f1", "roc_auc"):
        assert found[name].value == pytest.approx(expected[name], abs=1e-6), name
    for ours, theirs in CELLS.items():
        assert found[ours].value == pytest.approx(expected[theirs], abs=1e-6 * 500), ours
    plain = average_precision(Cells.calibrated(n, calibrator, flagged), plug_in=True)
    assert plain.value == pytest.approx(expected["average_precision"], abs=1e-6)
    assert np.all(found["average_precision"].value > plain.value)


def test_multiclass_estimates_are_those_of_nannyml() -> None:
    multi = oracles()["multiclass"]
    scores = np.array(multi["parts"]) / 20
    predicted, label = np.array(multi["predicted"]), np.array(multi["label"])
    windows = len(scores) // multi["window"]
    table = ClassTable((np.arange(20) / 20 + 0.025,) * 3)
    group = np.arange(len(scores)) // multi["window"]
    cells = table.tally(scores, predicted, label, np.ones(len(scores), np.int64), group, windows)
    found = cbpe_classes(table.predicted(cells), [given(np.arange(21) / 20)] * 3, normalise=True)
    expected = multi["nannyml"]
    for name in ("accuracy", "precision", "recall", "specificity", "f1", "roc_auc"):
        assert found.macro.figures[name].value == pytest.approx(expected[name], abs=1e-6), name
    for (row, true), (column, guess) in product(enumerate("abc"), enumerate("abc")):
        assert found.confusion[:, row, column] == pytest.approx(multi["confusion"][true + guess], abs=1e-6 * 400)
    rows = table.predicted(cells)
    for place in range(3):
        mine = rows[:, place, place]
        n = np.concatenate([mine, rows[:, :, place].sum(axis=1) - mine], axis=1)
        flagged, rank = np.repeat([True, False], 21), np.tile(np.arange(21), 2)
        one = cbpe(n, given(np.arange(21) / 20), flagged, rank).figures
        assert one["recall"].value == pytest.approx(found.per_class[place].figures["recall"].value)
    precision = [
        average_precision(
            Cells.calibrated(rows[:, :, place].sum(axis=1), given(np.arange(21) / 20), np.zeros(21, np.bool_)),
            plug_in=True,
        ).value
        for place in range(3)
    ]
    assert np.mean(precision, axis=0) == pytest.approx(expected["average_precision"], abs=1e-6)


def test_counts_of_scores_give_what_single_rows_give() -> None:
    rng = np.random.default_rng(2)
    probability = np.sort(rng.random(12))
    n = rng.integers(0, 30, (3, 12))
    flagged = np.arange(12) >= 7
    found = cbpe(n, given(probability), flagged).figures
    for window in range(3):
        p = np.repeat(probability[::-1], n[window, ::-1])
        hits, misses = np.cumsum(p), np.cumsum(1 - p)
        area = np.trapezoid(np.append(0, hits), np.append(0, misses)) / (hits[-1] * misses[-1])
        assert found["roc_auc"].value[window] == pytest.approx(area, abs=1e-12)
        rank = np.arange(1, len(p) + 1)
        gain = (p * (hits / rank) + p * (1 - p) / rank).sum() / hits[-1]
        assert found["average_precision"].value[window] == pytest.approx(gain, abs=1e-9)


def test_every_expectation_is_that_over_all_labels_that_could_come() -> None:
    probability, n = np.array([0.1, 0.4, 0.7, 0.9]), np.array([[3, 2, 2, 3]])
    flagged = np.array([False, False, True, True])
    p, flag = np.repeat(probability, n[0]), np.repeat(flagged, n[0])
    labels = np.array(list(product([0, 1], repeat=10)))
    weight = np.where(labels, p, 1 - p).prod(axis=1)
    right = (labels == flag).mean(axis=1)
    hits = (labels * flag).sum(axis=1)
    found = cbpe(n, given(probability), flagged).figures
    for name, drawn in (("accuracy", right), ("precision", hits / flag.sum()), ("true_positives", hits)):
        mean = (weight * drawn).sum()
        assert found[name].value[0] == pytest.approx(mean, abs=1e-12)
        assert found[name].chance[0] ** 2 == pytest.approx((weight * (drawn - mean) ** 2).sum(), abs=1e-12)


def test_gradients_are_those_of_finite_differences() -> None:
    rng = np.random.default_rng(5)
    n, p = rng.integers(5, 40, (1, 9)).astype(np.float64), np.sort(rng.random(9))
    flagged = np.arange(9) >= 5
    cells = Cells.calibrated(n, given(p), flagged)
    for name in ("accuracy", "precision", "recall", "specificity", "f1", "roc_auc", "average_precision"):
        steps = []
        for place in range(9):
            sides = []
            for sign in (1, -1):
                moved = p.copy()
                moved[place] += sign * 1e-6 / n[0, place]
                sides.append(cbpe(n, given(moved), flagged).figures[name].value[0])
            steps.append((sides[0] - sides[1]) / 2e-6)
        variance = (np.array(steps) ** 2 * cells.chance[0]).sum()
        assert cbpe(n, given(p), flagged).figures[name].chance[0] ** 2 == pytest.approx(variance, rel=1e-5), name


def test_isotonic_probabilities_are_those_of_scikit_learn() -> None:
    binary = oracles()["binary"]
    score, label = np.array(binary["score"]) / 1e6, np.array(binary["label"], np.float64)
    table = CalibrationTable(np.arange(1, 20) / 20)
    bins = table.score_bins(tally(table, score, label))
    calibrator = Calibrator.isotonic(bins.n[0], bins.positives[0])
    assert calibrator.probability == pytest.approx(binary["sklearn"]["isotonic"], abs=1e-12)
    assert np.all(np.diff(calibrator.probability) >= 0)
    for block in np.unique(calibrator.block):
        member = calibrator.block == block
        rows, hits = bins.n[0, member].sum(), bins.positives[0, member].sum()
        assert calibrator.probability[member] == pytest.approx(hits / rows)
        smooth = (hits + 0.5) / (rows + 1)
        assert calibrator.variance[member] == pytest.approx(smooth * (1 - smooth) / rows)


def test_bins_without_reference_rows_lie_between_their_neighbours_and_are_reported() -> None:
    calibrator = Calibrator.isotonic(np.array([0, 10, 0, 0, 20, 0]), np.array([0, 1, 0, 0, 14, 0]))
    assert calibrator.probability == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.7, 0.7])
    assert calibrator.supported.tolist() == [False, True, False, False, True, False]
    found = cbpe(np.array([[10, 30, 0, 20, 40, 0]]), calibrator, np.arange(6) > 2)
    assert found.unsupported[0] == pytest.approx(0.3)
    assert found.light.tolist() == [Light.UNPROVEN]
    assert found.under(np.array([1], np.int8)).light.tolist() == [Light.HOLDS]


def test_references_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="labelled rows"):
        Calibrator.isotonic(np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="at most as many"):
        Calibrator.isotonic(np.array([1]), np.array([2]))
    with pytest.raises(ValueError, match="decision"):
        cbpe(np.array([[1, 2]]), given(np.array([0.5, 0.6])), np.array([True]))
    with pytest.raises(ValueError, match="at least 0"):
        cbpe(np.array([[1, -2]]), given(np.array([0.5, 0.6])), np.array([False, True]))
    with pytest.raises(ValueError, match="2 classes"):
        cbpe_classes(np.zeros((1, 3, 3, 4), np.int64), [given(np.arange(4) / 4)] * 2)


def test_calibration_helps_scores_that_need_it_and_not_those_that_do_not() -> None:
    rng = np.random.default_rng(8)
    wins = {1.0: 0, 0.4: 0}
    for slope in wins:
        for _ in range(40):
            halves = rng.beta(1, 1.5, (2, 600))
            truth = 1 / (1 + ((1 - halves) / halves) ** slope)
            label = (rng.random(halves.shape) < truth).astype(np.float64)
            table = CalibrationTable(np.arange(1, 20) / 20)
            fit, judge = (table.score_bins(tally(table, p, y)) for p, y in zip(halves, label, strict=True))
            calibrator = Calibrator.isotonic(fit.n[0], fit.positives[0])
            n, positives = judge.n[0].astype(np.int64), judge.positives[0].astype(np.int64)
            wins[slope] += helps(n, positives, judge.mean_score[0], calibrator)
    assert wins[0.4] == 40
    assert wins[1.0] < 10


def test_windows_without_rows_flags_or_positives_have_no_such_figures() -> None:
    calibrator = given(np.array([0.0, 0.5, 1.0]))
    n = np.array([[0, 0, 0], [7, 0, 0], [0, 0, 7], [5, 5, 5]])
    found = cbpe(n, calibrator, np.array([False, False, True])).figures
    gone = {
        "accuracy": [True, False, False, False], "precision": [True, True, False, False],
        "recall": [True, True, False, False], "specificity": [True, False, True, False],
        "f1": [True, True, False, False], "roc_auc": [True, True, True, False],
        "average_precision": [True, True, False, False], "true_positives": [True, False, False, False],
    }  # fmt: skip
    for name, expected in gone.items():
        for part in (found[name].value, found[name].low, found[name].high, found[name].chance):
            assert np.isnan(part).tolist() == expected, name
        assert found[name].n.tolist() == [0, 7, 7, 15]
    for figure in found.values():
        some = ~np.isnan(figure.value)
        assert np.all(figure.low[some] <= figure.value[some] + 1e-12)
        assert np.all(figure.value[some] <= figure.high[some] + 1e-12)


def test_scores_that_are_calibrated_need_no_calibrator() -> None:
    rng = np.random.default_rng(3)
    score = rng.random(4000)
    table = CalibrationTable(np.arange(1, 200) / 200)
    bins = table.score_bins(tally(table, score, np.zeros(4000)))
    flagged = np.append(table.edges, 1.0) > 0.6
    found = cbpe_of_scores(bins, flagged).figures
    decided = score > 0.6
    assert found["accuracy"].value[0] == pytest.approx(np.where(decided, score, 1 - score).mean(), abs=1e-9)
    assert found["recall"].value[0] == pytest.approx(score[decided].sum() / score.sum(), abs=1e-9)
    spread = (score * (1 - score)).sum() / 4000**2
    assert found["accuracy"].chance[0] == pytest.approx(np.sqrt(spread), abs=1e-9)
    assert found["accuracy"].calibration[0] == 0.0


def test_class_calibrators_come_from_labelled_rows_alone() -> None:
    table = ClassTable((np.array([0.5]), np.array([0.5])))
    scores = np.array([[0.9, 0.1]] * 4 + [[0.2, 0.8]] * 4)
    label = np.array([0, 0, 1, -1, 1, 1, 1, 0])
    once = np.ones(8, np.int64)
    cells = table.tally(scores, np.repeat([0, 1], 4), label, once, once * 0, 1)
    first, second = class_calibrators(table.labelled(cells), 2)
    assert first.probability == pytest.approx([0.25, 2 / 3])
    assert second.probability == pytest.approx([1 / 3, 0.75])
    assert cells[0, 2] == 1
    normal = cbpe_classes(table.predicted(cells), [first, second])
    assert normal.confusion.sum(axis=1)[0] == pytest.approx([4, 4]), "probabilities of all classes add up to the rows"
    raw = cbpe_classes(table.predicted(cells), [first, second], normalise=False)
    assert raw.macro.figures["accuracy"].value[0] == pytest.approx((4 * 2 / 3 + 4 * 0.75) / 8)


def test_probabilities_of_classes_that_do_not_agree_are_scaled_to_the_rows() -> None:
    n = np.zeros((1, 2, 2, 2), np.int64)
    n[0, 0, :, :], n[0, 1, :, :] = [[10, 30], [25, 15]], [[18, 2], [5, 15]]
    calibrators = [given(np.array([0.3, 0.8])), given(np.array([0.1, 0.9]))]
    found = cbpe_classes(n, calibrators)
    assert found.confusion[0].sum(axis=0) == pytest.approx([40, 20])
    raw = np.array([[10 * 0.3 + 30 * 0.8, 18 * 0.3 + 2 * 0.8], [25 * 0.1 + 15 * 0.9, 5 * 0.1 + 15 * 0.9]])
    assert found.confusion[0] == pytest.approx(raw / raw.sum(axis=0) * [40, 20])
    assert found.macro.figures["accuracy"].value[0] == pytest.approx(np.trace(found.confusion[0]) / 60)


def test_auc_of_ties_is_a_half() -> None:
    cells = Cells.calibrated(
        np.array([[50, 50]]), given(np.array([0.2, 0.6])), np.array([False, True]), np.zeros(2, int)
    )
    assert cells.total.tolist() == [100.0]
    tied = Cells.calibrated(np.array([[100]]), given(np.array([0.3])), np.array([False]))
    assert roc_auc(tied).value[0] == pytest.approx(0.5)
