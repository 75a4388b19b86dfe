"""Binary performance: equal to scikit-learn from counts, within the bound from bins, exact in any order."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from detectors.calibration.sums import ScoreBins
from detectors.performance.amounts import Costs
from detectors.performance.binary import SCORE, BinaryTable
from tests.performance_rows import KINDS, FloatArray, IntArray, scored

TABLE = BinaryTable(np.arange(1, 200) / 200, decision=0.4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [2, 50, 3000])
def test_figures_of_the_decision_and_losses_equal_scikit_learn(kind: str, rows: int) -> None:
    score, label = scored(kind, rows)
    said = (score >= 0.4).astype(np.int64)
    found = TABLE.metrics(TABLE.tally(score, label))
    nan = np.nan
    expected = {
        "accuracy": oracle.accuracy_score(label, said),
        "precision": oracle.precision_score(label, said, zero_division=nan),
        "recall": oracle.recall_score(label, said, zero_division=nan),
        "f1": oracle.f1_score(label, said, zero_division=nan),
        "specificity": oracle.recall_score(label, said, pos_label=0, zero_division=nan),
        "false_positive_rate": 1 - oracle.recall_score(label, said, pos_label=0, zero_division=nan),
        "false_negative_rate": 1 - oracle.recall_score(label, said, zero_division=nan),
        "mcc": oracle.matthews_corrcoef(label, said) if 0 < said.sum() < rows else nan,
        "log_loss": oracle.log_loss(label, score, labels=[0, 1]),
        "brier": oracle.brier_score_loss(label, score),
        "prevalence": label.mean(),
        "flagged_share": said.mean(),
    }
    for name, figure in expected.items():
        assert found[name].value[0] == pytest.approx(figure, abs=1e-9, nan_ok=True), name
        assert found[name].bound[0] == 0 or np.isnan(figure)


@pytest.mark.parametrize("kind", KINDS)
def test_curves_of_exact_bins_equal_scikit_learn(kind: str) -> None:
    score, label = scored(kind, 2000)
    codes = np.searchsorted(TABLE.edges, score, side="right")
    found = TABLE.metrics(TABLE.tally(score, label))
    area = oracle.roc_auc_score(label, codes)
    false, true, _ = oracle.roc_curve(label, codes, drop_intermediate=False)
    expected = {
        "roc_auc": area,
        "gini": 2 * area - 1,
        "average_precision": oracle.average_precision_score(label, codes),
        "ks": np.max(np.abs(true - false)),
    }
    for name, figure in expected.items():
        assert found[name].value[0] == pytest.approx(figure, abs=1e-9), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bins", [3, 20, 200])
def test_curves_of_the_scores_are_within_the_bound(kind: str, bins: int) -> None:
    for seed in range(4):
        score, label = scored(kind, 400, seed)
        table = BinaryTable.fit(scored(kind, 5000, seed + 100)[0], bins=bins, thresholds=[0.4], tops=(0.01, 0.1, 0.5))
        found = table.metrics(table.tally(score, label))
        false, true, _ = oracle.roc_curve(label, score, drop_intermediate=False)
        expected = {
            "roc_auc": oracle.roc_auc_score(label, score),
            "gini": 2 * oracle.roc_auc_score(label, score) - 1,
            "average_precision": oracle.average_precision_score(label, score),
            "ks": np.max(np.abs(true - false)),
        } | {f"capture_at_{share:g}": captured(score, label, share) for share in table.tops}
        for name, figure in expected.items():
            off = abs(found[name].value[0] - figure)
            assert off <= found[name].bound[0] + 1e-9, (name, off, found[name].bound[0])


def captured(score: FloatArray, label: IntArray, share: float) -> float:
    """Return the share of positives in the top share of rows, ties and the last row in proportion."""
    wanted, caught = share * len(score), 0.0
    for value in np.unique(score)[::-1]:
        tied = score == value
        part = min(1.0, wanted / tied.sum())
        caught += part * label[tied].sum()
        wanted -= part * tied.sum()
        if wanted <= 0:
            break
    return float(caught / label.sum())


def test_the_bounds_are_reached_by_some_order_within_the_bins() -> None:
    table = BinaryTable(np.array([0.5]), decision=0.5, tops=(0.5,))
    label = np.array([0, 0, 1, 0, 1, 1, 1, 0, 0])
    best = np.where(label == 1, 0.9, 0.6)
    worst = 0.6 + 0.001 * np.arange(9) - 0.05 * label
    for name, function in (("roc_auc", oracle.roc_auc_score), ("average_precision", oracle.average_precision_score)):
        found = table.metrics(table.tally(best, label))[name]
        reached = [function(label, score) - found.value[0] for score in (best, worst)]
        assert reached[0] > 0 > reached[1]
        assert found.bound[0] == pytest.approx(max(reached[0], -reached[1]), abs=1e-9), name


def test_finer_bins_of_the_fit_keep_rare_positives_apart() -> None:
    score, label = scored("rare", 100_000)
    table = BinaryTable.fit(score)
    found = table.metrics(table.tally(score, label))
    assert found["roc_auc"].bound[0] < 0.003
    assert 200 <= len(table.edges) <= 230
    plain = BinaryTable(np.unique(np.quantile(score, np.arange(1, len(table.edges) + 1) / (len(table.edges) + 1))))
    coarse = plain.metrics(plain.tally(score, label))
    assert found["average_precision"].bound[0] < 0.6 * coarse["average_precision"].bound[0]


def test_a_threshold_that_is_an_edge_gives_exact_figures() -> None:
    score, label = scored("few values", 1000)
    table = BinaryTable.fit(score, thresholds=[0.25])
    tables = table.tally(score, label)
    for threshold in (0.25, 0.3, 0.5, 0.7):
        found = table.at(tables, threshold)
        said = (score >= threshold).astype(np.int64)
        assert found["precision"].value[0] == oracle.precision_score(label, said)
        assert found["recall"].n[0] == label.sum()
        assert found["mcc"].value[0] == pytest.approx(oracle.matthews_corrcoef(label, said), abs=1e-12)
    with pytest.raises(ValueError, match=r"nearest is 0\.3"):
        table.at(tables, 0.31)


def test_the_flag_that_was_acted_on_counts_and_not_the_score() -> None:
    table = BinaryTable(np.array([0.5]), decision=None)
    score, label = np.array([0.9, 0.1, np.nan, np.inf]), np.array([1, 1, 0, 1])
    found = table.metrics(table.tally(score, label, decided=np.array([False, True, True, True])))
    assert found["recall"].value[0] == pytest.approx(2 / 3)
    assert found["specificity"].value[0] == 0
    assert found["prevalence"].value[0] == 0.75
    assert found["scored_share"].value[0] == 0.5
    with pytest.raises(ValueError, match="must be told"):
        table.tally(score, label)


def test_scores_that_are_none_have_cells_of_their_own() -> None:
    score = np.array([0.2, np.nan, np.nan, np.inf, -np.inf, 1.0000001, -1e-9, -0.0, 1.0])
    label = np.array([0, 1, 0, 1, 0, 0, 1, 0, 1])
    cells = TABLE.cells(TABLE.tally(score, label))
    assert cells["rows"].tolist() == [9]
    assert cells["unscored"][0].tolist() == [[1, 2], [1, 2]]
    assert cells["bins"].sum() == 3
    assert cells["confusion"].sum() == 3
    found = TABLE.metrics(TABLE.tally(score, label))
    assert found["roc_auc"].n.tolist() == [3]
    assert found["accuracy"].value[0] == 1


@pytest.mark.parametrize("label", [[], [0], [1], [0, 0, 0], [1, 1]])
def test_what_does_not_exist_is_nan_and_never_zero(label: list[int]) -> None:
    score = np.full(len(label), 0.9)
    found = TABLE.metrics(TABLE.tally(score, np.array(label, np.int64)))
    for name in ("roc_auc", "gini", "average_precision", "ks", "mcc"):
        figure = found[name]
        assert np.isnan([figure.value[0], figure.low[0], figure.high[0], figure.bound[0]]).all(), name
    for name, rows in (("recall", sum(label)), ("specificity", len(label) - sum(label)), ("accuracy", len(label))):
        assert np.isnan(found[name].value[0]) == (rows == 0)
        assert found[name].n[0] == rows
    assert np.isnan(found["log_loss"].value[0]) == (not label)


def test_rows_without_any_score_leave_the_curves_undefined() -> None:
    found = TABLE.metrics(TABLE.tally(np.full(5, np.nan), np.array([0, 1, 0, 1, 1])))
    assert np.isnan(found["log_loss"].value[0])
    assert np.isnan(found["accuracy"].value[0])
    assert found["prevalence"].value[0] == 0.6
    assert found["capture_at_0.1"].n[0] == 0


def test_amounts_weight_rows_as_scikit_learn_weights_them() -> None:
    score, label = scored("mild", 3000)
    amount = np.round(np.random.default_rng(5).lognormal(3, 2, 3000), 2)
    table = BinaryTable(TABLE.edges, 0.4, amount=0.01, costs=Costs((0.0, 5.0, 1.0, 5.0), (0.0, 0.01, 1.0, -0.2)))
    found = table.metrics(table.tally(score, label, amount=amount))
    said = (score >= 0.4).astype(np.int64)
    expected = {
        "accuracy_by_amount": oracle.accuracy_score(label, said, sample_weight=amount),
        "precision_by_amount": oracle.precision_score(label, said, sample_weight=amount),
        "recall_by_amount": oracle.recall_score(label, said, sample_weight=amount),
        "specificity_by_amount": oracle.recall_score(label, said, sample_weight=amount, pos_label=0),
        "flagged_share_by_amount": np.average(said, weights=amount),
        "mean_amount": amount.mean(),
    }
    outcome = 2 * label + said
    cost = np.array([0.0, 5, 1, 5])[outcome] + np.array([0, 0.01, 1, -0.2])[outcome] * amount
    expected["cost"] = cost.mean()
    for name, figure in expected.items():
        assert found[name].value[0] == pytest.approx(figure, rel=1e-9), name
    half = 1.9607544 * cost.std(ddof=1) / np.sqrt(3000)
    assert found["cost"].high[0] - found["cost"].value[0] == pytest.approx(half, rel=1e-4)


def test_amounts_and_costs_follow_the_decision_to_another_threshold() -> None:
    score, label = scored("mild", 2000)
    score[:5], amount = np.nan, np.round(np.random.default_rng(6).lognormal(3, 2, 2000), 2)
    costs = Costs((0.0, 5.0, 1.0, 5.0), (0.0, 0.01, 1.0, -0.2))
    tables = {cut: BinaryTable(TABLE.edges, cut, 0.01, costs) for cut in (0.4, 0.7)}
    counted = tables[0.4].tally(score, label, amount=amount)
    moved = tables[0.4].at(counted, 0.7)
    direct = tables[0.7].metrics(tables[0.7].tally(score, label, amount=amount))
    assert len(moved) == 16
    for name, figure in moved.items():
        for part in ("value", "low", "high", "n"):
            assert getattr(figure, part)[0] == pytest.approx(getattr(direct[name], part)[0]), (name, part)
    assert moved["cost"].n[0] == 1995


def test_amounts_that_are_none_are_counted_and_left_out() -> None:
    table = BinaryTable(np.array([0.5]), amount=1.0)
    amount = np.array([np.nan, np.inf, -1.0, 2.0**41, 0.0, 3.0])
    tables = table.tally(np.full(6, 0.7), np.array([1, 1, 1, 1, 0, 1]), amount=amount)
    cells = table.cells(tables)
    assert cells["amount_missing"].tolist() == [4]
    assert cells["amount_rows"].sum() == 2
    assert table.metrics(tables)["precision_by_amount"].value[0] == 1
    with pytest.raises(ValueError, match="unit"):
        table.tally(np.full(6, 0.7), np.ones(6, np.int64))
    with pytest.raises(ValueError, match="unit"):
        TABLE.tally(np.full(6, 0.7), np.ones(6, np.int64), amount=amount)


def test_costs_without_amounts_rest_on_the_confusion_matrix() -> None:
    score, label = scored("rare", 500)
    table = BinaryTable(TABLE.edges, 0.4, costs=Costs((0.0, 1.0, 50.0, 1.0)))
    found = table.metrics(table.tally(score, label))["cost"]
    cost = np.array([0.0, 1, 50, 1])[2 * label + (score >= 0.4)]
    assert found.value[0] == pytest.approx(cost.mean(), abs=1e-12)
    assert found.n[0] == 500


def test_sums_in_bins_serve_calibration() -> None:
    score, label = scored("mild", 5000)
    bins = TABLE.by_bin(TABLE.tally(score, label))
    codes = np.searchsorted(TABLE.edges, score, side="right")
    unit = 2.0**-SCORE.bits
    for place in (0, 57, 120, 199):
        here = codes == place
        assert bins.n[0, place] == here.sum()
        assert bins.positives[0, place] == label[here].sum()
        assert bins.score_sum[0, place] * unit == pytest.approx(score[here].sum(), abs=1e-9 * max(here.sum(), 1))
        assert bins.score_square_sum[0, place] * unit == pytest.approx((score[here] ** 2).sum(), abs=1e-7)


def test_calibration_reads_the_sums_and_finds_the_same_brier_score() -> None:
    score, label = scored("mild", 5000)
    tables = TABLE.tally(score, label, group=np.arange(5000) % 3, groups=3)
    bins = ScoreBins.of_sums(*TABLE.by_bin(tables))
    # Σ(p - y)² = Σp² - 2·Σp over the positives + positives.
    assert bins.positive_score is not None
    square = (bins.score_sq - 2 * bins.positive_score + bins.positives).sum(axis=1) / bins.total
    assert square == pytest.approx(TABLE.metrics(tables)["brier"].value, abs=1e-8)
    assert square[0] == pytest.approx(oracle.brier_score_loss(label[::3], score[::3]), abs=1e-8)


def test_two_to_the_31_rows_do_not_overflow_and_more_than_a_table_holds_are_refused() -> None:
    weight = np.array([2**31, 2**31 - 1])
    table = BinaryTable(np.array([0.5]), amount=0.01)
    tables = table.tally(np.array([1.0, 0.0]), np.array([0, 1]), amount=np.full(2, 2.0**33), weight=weight)
    found = table.metrics(tables)
    assert found["log_loss"].value[0] == pytest.approx(-np.log(2.0**-52), rel=1e-12)
    assert found["brier"].value[0] == 1
    assert found["mean_amount"].value[0] == 2.0**33
    assert table.by_bin(tables).score_sum[0].tolist() == [0, 2**62]
    with pytest.raises(OverflowError, match="holds"):
        table.tally(np.array([1.0]), np.array([1]), amount=np.ones(1), weight=np.array([2**32]))
    with pytest.raises(OverflowError, match="holds"):
        table.metrics(2 * tables)
    with pytest.raises(ValueError, match="taken away"):
        table.metrics(-tables)


def test_wrong_input_is_refused() -> None:
    score = np.array([0.1, 0.2])
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        TABLE.tally(score, np.array([0, 2]))
    with pytest.raises(ValueError, match="label has shape"):
        TABLE.tally(score, np.array([0]))
    with pytest.raises(ValueError, match="group is not"):
        TABLE.tally(score, np.array([0, 1]), group=np.array([0, 2]), groups=2)
    with pytest.raises(ValueError, match="weight has shape"):
        TABLE.tally(score, np.array([0, 1]), weight=np.array([1]))
    with pytest.raises(ValueError, match="cells"):
        TABLE.metrics(np.zeros((1, 3), np.int64))
    with pytest.raises(ValueError, match="alpha"):
        TABLE.metrics(np.zeros((1, TABLE.size), np.int64), alpha=1.0)
    for edges in ([], [0.0, 0.5], [0.5, 0.5], [0.5, 1.1], [np.nan]):
        with pytest.raises(ValueError, match="edges"):
            BinaryTable(np.array(edges))
    with pytest.raises(ValueError, match="threshold"):
        BinaryTable(np.array([0.5]), decision=np.nan)
    with pytest.raises(ValueError, match="unit"):
        BinaryTable(np.array([0.5]), amount=0.0)
    with pytest.raises(ValueError, match="highest"):
        BinaryTable(np.array([0.5]), tops=(0.0,))
    with pytest.raises(ValueError, match="four finite"):
        Costs((0.0, 1.0, np.nan, 0.0))
    with pytest.raises(ValueError, match="no unit"):
        BinaryTable(np.array([0.5]), costs=Costs((0.0,) * 4, (0.0, 0.0, 1.0, 0.0)))


def test_the_identity_changes_with_what_the_cells_mean_and_with_nothing_else() -> None:
    edges = np.array([0.25, 0.5])
    table = BinaryTable(edges)
    others = [
        BinaryTable(edges[:1]),
        BinaryTable(edges, 0.4),
        BinaryTable(edges, None),
        BinaryTable(edges, amount=0.01),
    ]
    assert len({table.identity, *(other.identity for other in others)}) == 5
    assert BinaryTable(edges, costs=Costs((0.0, 1.0, 2.0, 3.0)), tops=(0.5,)).identity == table.identity
    for one in (*others, BinaryTable(edges, 0.1, 0.01, Costs((0.0, 1.0, 2.0, 3.0)), (0.2,))):
        back = BinaryTable.from_dict(one.to_dict())
        assert (back.identity, back.costs, back.tops) == (one.identity, one.costs, one.tops)
    assert len(set(table.names)) == table.size


@pytest.mark.parametrize("scores", [[], [0.5], [np.nan, np.inf], [0.0, 0.0], [1.0, 1.0]])
def test_a_fit_on_next_to_nothing_still_has_bins(scores: list[float]) -> None:
    table = BinaryTable.fit(np.array(scores), decision=None)
    assert len(table.edges) >= 199
