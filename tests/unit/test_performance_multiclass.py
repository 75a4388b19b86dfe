"""Performance of several classes: equal to scikit-learn, unknown codes and probabilities counted apart."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from detectors.performance.multiclass import MulticlassTable
from tests.performance_rows import FloatArray, IntArray

CLASSES = ("a", "b", "c", "d")
TABLE = MulticlassTable(CLASSES, (1, 2, 4))


def rows(number: int, seed: int = 0, prior: tuple[float, ...] = (0.5, 0.3, 0.15, 0.05)) -> tuple[IntArray, FloatArray]:
    rng = np.random.default_rng(seed)
    label = rng.choice(4, number, p=prior)
    odds = rng.normal(size=(number, 4))
    odds[np.arange(number), label] += 1
    odds = np.round(odds, 1)
    return label, np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("number", [1, 5, 60, 4000])
@pytest.mark.parametrize("prior", [(0.5, 0.3, 0.15, 0.05), (1.0, 0.0, 0.0, 0.0), (0.0, 0.5, 0.5, 0.0)])
def test_figures_equal_scikit_learn(number: int, prior: tuple[float, ...]) -> None:
    label, odds = rows(number, 3, prior)
    said = odds.argmax(axis=1)
    found = TABLE.metrics(TABLE.tally(label, said, odds))
    nan = np.nan
    expected = {
        "accuracy": oracle.accuracy_score(label, said),
        "log_loss": oracle.log_loss(label, odds, labels=range(4)),
    }
    for average in ("micro", "macro", "weighted"):
        figures = oracle.precision_recall_fscore_support(
            label, said, labels=range(4), average=average, zero_division=nan
        )
        expected |= {f"{name}_{average}": figures[place] for place, name in enumerate(("precision", "recall", "f1"))}
    each = oracle.precision_recall_fscore_support(label, said, labels=range(4), zero_division=nan)
    for place, name in enumerate(("precision", "recall", "f1")):
        expected |= {f"{name}[{CLASSES[code]}]": figure for code, figure in enumerate(each[place])}
    if len(set(label) | set(said)) > 1:
        expected["kappa"] = oracle.cohen_kappa_score(label, said)
    if len(set(label)) > 1 and len(set(said)) > 1:
        expected["mcc"] = oracle.matthews_corrcoef(label, said)
    for top in TABLE.tops[:2]:
        expected[f"top_{top}_accuracy"] = oracle.top_k_accuracy_score(label, odds, k=top, labels=range(4))
    expected["top_4_accuracy"] = 1.0
    if not set(label) & set(said):
        expected["precision_weighted"] = nan  # scikit-learn averages over classes of no weight
    for name in found.keys() - expected.keys():
        assert np.isnan(found[name].value[0]), name
    for name, figure in expected.items():
        assert found[name].value[0] == pytest.approx(figure, abs=1e-9, nan_ok=True), name
        assert found[name].n[0] <= number


def test_predictions_may_be_left_to_the_probabilities() -> None:
    label, odds = rows(500)
    both = TABLE.tally(label, odds.argmax(axis=1), odds)
    assert np.array_equal(TABLE.tally(label, None, odds), both)
    without = TABLE.metrics(TABLE.tally(label, odds.argmax(axis=1)))
    assert np.isnan(without["log_loss"].value[0])
    assert without["log_loss"].n[0] == 0
    assert without["f1_macro"].value[0] == TABLE.metrics(both)["f1_macro"].value[0]


def test_a_prediction_without_a_name_is_a_miss_and_a_label_without_one_is_not_judged() -> None:
    label, said = np.array([0, 0, 1, 2, 9, -1]), np.array([0, 7, 1, -1, 0, 0])
    tables = TABLE.tally(label, said)
    cells, found = TABLE.cells(tables), TABLE.metrics(tables)
    assert (cells["rows"][0], cells["unknown_label"][0]) == (6, 2)
    assert found["accuracy"].value[0] == 0.5
    assert found["recall[a]"].value[0] == 0.5
    assert found["precision[a]"].value[0] == 1
    named = np.array([0, 4, 1, 4])
    expected = oracle.recall_score(label[:4], named, labels=range(4), average="macro", zero_division=np.nan)
    assert found["recall_macro"].value[0] == pytest.approx(expected)
    assert found["kappa"].value[0] == pytest.approx(oracle.cohen_kappa_score(label[:4], named))
    assert found["mcc"].value[0] == pytest.approx(oracle.matthews_corrcoef(label[:4], named))


def test_probabilities_that_are_none_have_cells_of_their_own() -> None:
    nan, inf = np.nan, np.inf
    odds = np.array(
        [[nan, 0.5, 0.5, 0], [inf, 0, 0, 0], [1.2, -0.2, 0, 0], [0.2, 0.2, 0.2, 0.2], [0, 0, 0, 1], [0.25] * 4]
    )
    label = np.array([0, 1, 2, 3, 3, 9])
    cells = TABLE.cells(TABLE.tally(label, None, odds))
    assert cells["unscored"].tolist() == [[1, 2, 1]]
    assert (cells["scored"][0], cells["unpredicted"][0], cells["unknown_label"][0]) == (1, 4, 1)
    assert cells["confusion"].sum() == 1
    told = TABLE.cells(TABLE.tally(label, np.zeros(6, np.int64), odds))
    assert (told["confusion"].sum(), told["unpredicted"][0], told["scored"][0]) == (5, 0, 1)


@pytest.mark.parametrize("number", [0, 1])
def test_nothing_and_a_single_row(number: int) -> None:
    found = TABLE.metrics(TABLE.tally(np.zeros(number, np.int64), np.zeros(number, np.int64)))
    assert found["accuracy"].n[0] == number
    assert np.isnan(found["accuracy"].value[0]) == (number == 0)
    assert np.isnan(found["recall[b]"].value[0])
    assert np.isnan(found["kappa"].value[0])


def test_groups_and_weights_are_linear() -> None:
    label, odds = rows(300)
    label[:20], odds[20:40, 0] = 11, np.nan
    group, weight = np.arange(300) % 3, np.where(np.arange(300) < 100, -1, 1)
    whole = TABLE.tally(label, None, odds, group=group, weight=weight, groups=3)
    by_hand = np.zeros_like(whole)
    for row in range(300):
        by_hand[group[row]] += weight[row] * TABLE.tally(label[row : row + 1], None, odds[row : row + 1])[0]
    assert np.array_equal(whole, by_hand)


def test_wrong_input_is_refused() -> None:
    label = np.array([0, 1])
    with pytest.raises(ValueError, match="neither"):
        TABLE.tally(label)
    with pytest.raises(ValueError, match="4 classes"):
        TABLE.tally(label, label, np.ones((2, 3)))
    with pytest.raises(ValueError, match="predicted has shape"):
        TABLE.tally(label, label[:1])
    with pytest.raises(ValueError, match="at least two"):
        MulticlassTable(("a",))
    with pytest.raises(ValueError, match="differ"):
        MulticlassTable(("a", "a"))
    with pytest.raises(ValueError, match="at least 1"):
        MulticlassTable(("a", "b"), (0,))


def test_the_identity_is_that_of_classes_and_tops() -> None:
    others = [MulticlassTable(("a", "b")), MulticlassTable(("b", "a")), MulticlassTable(("a", "b"), (1,))]
    assert len({other.identity for other in others}) == 3
    assert MulticlassTable.from_dict(TABLE.to_dict()).identity == TABLE.identity
    assert len(set(TABLE.names)) == TABLE.size
