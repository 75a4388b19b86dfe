"""What peers would say: their documented formulas, worked by hand or by scipy on the values themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from river import drift
from scipy import stats
from scipy.spatial.distance import jensenshannon

from detectors.compat.clouds import sagemaker, vertex
from detectors.compat.column import Column, FloatArray, IntArray, Verdict
from detectors.compat.evidently import evidently
from detectors.compat.figures import chi_square_of_tables, cramers_v, ks, wasserstein
from detectors.compat.libraries import alibi, deepchecks, whylogs
from detectors.compat.nannyml import doane, nannyml
from detectors.compat.registry import PEERS
from detectors.compat.river import river
from detectors.concept.adwin_window import Window
from monitor.config.load import load
from monitor.events import DAY
from tests.evidence_service import BEGIN, configured, logs, rows, run

VALUES = np.round(np.linspace(-3, 3, 61), 6)
R, C = np.array([100, 200, 300, 400]), np.array([30, 40, 70, 60])


def drawn(rows_: int, mean: float, seed: int) -> IntArray:
    """Return counts at ``VALUES`` of a rounded, cut normal."""
    raw = np.clip(np.round(np.random.default_rng(seed).normal(mean, 1, rows_), 1), -3, 3)
    return np.bincount(np.round((raw + 3) * 10).astype(int), minlength=61)


def raw(counts: IntArray) -> FloatArray:
    return np.repeat(VALUES, counts)


@pytest.mark.parametrize(("before", "now"), [(800, 300), (9000, 400), (40_000, 12_000)])
def test_figures_are_scipys_on_the_values(before: int, now: int) -> None:
    column = Column(drawn(before, 0.0, 1), drawn(now, 0.1, 2), VALUES)
    oracle = stats.ks_2samp(raw(column.reference), raw(column.window))
    distance, p_value = ks(column)
    assert distance == pytest.approx(oracle.statistic, abs=1e-12)
    assert p_value == pytest.approx(oracle.pvalue, rel=1e-6)
    expected = stats.wasserstein_distance(raw(column.reference), raw(column.window))
    assert wasserstein(column) == pytest.approx(expected, rel=1e-9)


def test_evidently_tests_small_references_and_measures_large_ones() -> None:
    small = Column(drawn(900, 0.0, 1), drawn(500, 0.3, 2), VALUES)
    verdict = evidently(small)
    assert verdict.statistic == "ks"
    assert verdict.p_value == pytest.approx(stats.ks_2samp(raw(small.reference), raw(small.window)).pvalue)
    assert verdict.drifted
    large = Column(drawn(5000, 0.0, 1), drawn(500, 0.3, 2), VALUES)
    verdict = evidently(large)
    values = raw(large.reference)
    expected = stats.wasserstein_distance(values, raw(large.window)) / np.std(values)
    assert verdict.statistic == "wasserstein"
    assert verdict.value == pytest.approx(expected, rel=1e-9)
    assert (verdict.threshold, verdict.drifted) == (0.1, True)
    few = evidently(Column(R * 5, C, np.arange(4.0)))
    assert few.statistic == "jensenshannon", "a number of four values is a category"


def test_evidently_on_categories() -> None:
    small = evidently(Column(R, C))
    oracle = stats.chisquare(C, R / R.sum() * C.sum())
    assert small.statistic == "chisquare"
    assert small.value == pytest.approx(oracle.statistic)
    assert small.p_value == pytest.approx(oracle.pvalue)
    large = evidently(Column(R * 5, C))
    assert large.value == pytest.approx(jensenshannon(R / 1000, C / 200), rel=1e-9)
    assert large.value == pytest.approx(0.08404227936296593, abs=1e-12)
    unseen = evidently(Column(np.array([50, 50, 0]), np.array([50, 40, 10])))
    assert (unseen.p_value, unseen.drifted) == (0.0, True)
    two = evidently(Column(np.array([60, 40]), np.array([30, 70])))
    p, q, pooled = 0.6, 0.3, 90 / 200
    z = (p - q) / np.sqrt(pooled * (1 - pooled) * 2 / 100)
    assert two.statistic == "z"
    assert two.value == pytest.approx(z)
    assert two.p_value == pytest.approx(2 * stats.norm.sf(z))


def test_nannyml_by_hand() -> None:
    before, now = drawn(5000, 0.0, 1), drawn(800, 0.4, 2)
    edges = np.histogram_bin_edges(raw(before), bins="doane")
    p = np.histogram(raw(before), edges)[0] / 5000
    q = np.histogram(raw(now), edges)[0] / 800
    verdict = nannyml(Column(before, now, VALUES))
    assert verdict.value == pytest.approx(jensenshannon(p, q, base=2), rel=1e-6)
    assert verdict.drifted
    assert not nannyml(Column(before, drawn(500, 0.0, 5), VALUES)).drifted
    assert int(doane(VALUES, before).max()) + 1 == len(edges) - 1


def test_nannyml_counts_what_lies_outside_of_the_reference() -> None:
    before, now = np.array([0, 50, 50, 0]), np.array([0, 40, 40, 20])
    verdict = nannyml(Column(before, now, np.arange(4.0)))
    groups = doane(np.arange(4.0), before)
    assert groups[[0, 3]].tolist() == [-1, -1]
    assert verdict.value == pytest.approx(jensenshannon([0.5, 0.5, 0], [0.4, 0.4, 0.2], base=2), rel=1e-9)


def test_nannyml_thresholds_follow_the_size_of_chunks() -> None:
    """Mean and spread of the distance of a tenth of the rows, against a simulation of its own."""
    counts = np.array([500, 300, 150, 50])
    rng = np.random.default_rng(9)
    chunks = [jensenshannon(counts / 1000, rng.multinomial(100, counts / 1000) / 100, base=2) for _ in range(4000)]
    threshold = nannyml(Column(counts, counts)).threshold
    assert np.mean(chunks) < threshold < np.mean(chunks) + 6 * np.std(chunks)


def test_sagemaker_takes_chance_off_as_deequ_does() -> None:
    column = Column(R, C, np.arange(4.0))
    by_hand = 0.1 - 1.8 * np.sqrt(1200 / 200_000)
    assert sagemaker(column).value == pytest.approx(max(by_hand, 0.0))
    far = sagemaker(Column(np.array([1000, 0]), np.array([0, 1000]), np.arange(2.0)))
    assert far.value == pytest.approx(1 - 1.8 * np.sqrt(2000 / 1e6))
    assert far.drifted
    category = sagemaker(Column(R, C))
    assert category.statistic == "LInfinity"
    assert category.value == pytest.approx(0.1)


def test_vertex_measures_in_bits() -> None:
    assert vertex(Column(R, C)).value == pytest.approx(0.1)
    number = Column(drawn(4000, 0.0, 1), drawn(4000, 2.5, 2), VALUES)
    both = np.concatenate([raw(number.reference), raw(number.window)])
    edges = np.linspace(both.min(), both.max(), 11)
    p, q = (np.histogram(raw(part), edges)[0] / 4000 for part in (number.reference, number.window))
    verdict = vertex(number)
    assert verdict.value == pytest.approx(jensenshannon(p, q, base=2) ** 2, rel=1e-6)
    assert (verdict.threshold, verdict.drifted) == (0.3, True)


def test_deepchecks_has_other_thresholds_for_predictions() -> None:
    column = Column(drawn(2000, 0.0, 1), drawn(2000, 0.45, 2), VALUES)
    value = ks(column)[0]
    assert 0.15 < value < 0.2
    assert not deepchecks(column).drifted
    assert deepchecks(Column(column.reference, column.window, VALUES, of_model=True)).drifted


def test_cramers_v_without_its_bias() -> None:
    """Bergsma's formula, by hand: χ² 9.5453, n 1200."""
    phi = 9.54533128446172 / 1200 - 3 / 1199
    expected = np.sqrt(phi / min(4 - 9 / 1199 - 1, 2 - 1 / 1199 - 1))
    assert cramers_v(Column(R, C)) == pytest.approx(expected, rel=1e-9)
    assert cramers_v(Column(R, R // 10)) == 0.0


def test_alibi_shares_its_level_over_the_columns() -> None:
    alone, among = alibi(Column(R, C)), alibi(Column(R, C, columns=10))
    assert alone.p_value == pytest.approx(0.022853969648482055)
    assert (alone.drifted, among.drifted) == (True, False)
    assert among.threshold == pytest.approx(0.005)
    assert chi_square_of_tables(Column(R, C))[0] == pytest.approx(9.54533128446172)


def borders(rows_: int) -> list[int]:
    """Return how many of the newest rows ADWIN's cuts leave on their side, once it has read so many."""
    window = Window(0.002, rows_ + 1, 5, 5, 10)
    for _ in range(rows_):
        window.update(0.0)
    cells = np.frombuffer(window.remember().window, "<f8").reshape(-1, 13)
    newest = np.repeat(2.0 ** np.arange(len(cells)), cells[:, 0].astype(int))
    return [int(size) for size in np.cumsum(newest)]


@pytest.mark.parametrize("total", [512, 1_000, 4_096])
def test_river_alarms_where_its_adwin_does(total: int) -> None:
    now = next(size for size in borders(total) if size >= max(5, total // 20))
    counts = np.array([total - now, 0]), np.array([0, now])

    def alarms(step: float) -> bool:
        make: Any = drift.ADWIN
        detector = make(clock=total)
        found = False
        for value in [0.0] * (total - now) + [step] * now:
            detector.update(value)
            found = found or detector.drift_detected
        return found

    # Means of two constants differ by what River can just tell, found by halving.
    low, high = 0.0, 1e6
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if alarms(middle) else (middle, high)
    for step, expected in ((high * (1 - 1e-6), False), (high * (1 + 1e-6), True)):
        verdict = river(Column(*counts, np.array([0.0, step])))
        assert verdict.drifted is expected
        assert verdict.value == pytest.approx(step)
    assert verdict.threshold == pytest.approx(high, rel=1e-5)


def test_river_reads_categories_as_ones_among_zeros() -> None:
    before, now = np.array([5_000, 3_000, 2_000]), np.array([450, 250, 300])
    each = []
    for cell in range(3):
        was, is_ = (np.array([part.sum() - part[cell], part[cell]]) for part in (before, now))
        each.append(river(Column(was, is_, np.arange(2.0))))
    told = river(Column(before, now))
    assert told == max(each, key=lambda one: one.value - one.threshold)
    assert told.drifted
    assert not river(Column(np.array([4, 0]), np.array([0, 900]))).drifted


def test_whylogs_knows_a_lesser_degree() -> None:
    likely = whylogs(Column(R, C))
    possible = whylogs(Column(R, np.array([25, 45, 70, 60])))
    assert likely.drifted
    assert not likely.warned
    assert 0.05 < possible.p_value < 0.15
    assert possible.warned


UGLY = {
    "one row": (np.array([1, 0]), np.array([0, 1])),
    "constant": (np.array([500]), np.array([20])),
    "all moved": (np.array([900, 0, 0]), np.array([0, 0, 40])),
    "huge": (np.array([10**12, 2 * 10**12]), np.array([10**12, 10**12])),
    "one against many": (np.array([1, 0, 0]), np.array([10, 20, 30])),
}


@pytest.mark.parametrize("peer", sorted(PEERS))
@pytest.mark.parametrize("case", sorted(UGLY))
@pytest.mark.parametrize("numeric", [True, False])
def test_ugly_columns_have_a_verdict(peer: str, case: str, numeric: bool) -> None:
    before, now = UGLY[case]
    verdict: Verdict = PEERS[peer](Column(before, now, np.arange(float(len(before))) if numeric else None))
    assert verdict.value >= 0 or verdict.statistic == "z"
    assert not np.isnan(verdict.value)
    assert isinstance(bool(verdict.drifted), bool)


@pytest.mark.parametrize("peer", sorted(PEERS))
def test_the_same_rows_are_no_drift_and_others_are(peer: str) -> None:
    before = drawn(5000, 0.0, 1)
    assert not PEERS[peer](Column(before, before, VALUES)).drifted
    assert PEERS[peer](Column(before, drawn(2000, 2.5, 2), VALUES)).drifted
    assert not PEERS[peer](Column(R * 10, R * 10)).drifted
    assert PEERS[peer](Column(R * 10, R[::-1] * 10)).drifted


def test_the_service_tells_peers_beside_ours(tmp_path: Path) -> None:
    def higher(value: dict[str, object], time: int) -> None:
        features = value["f"]
        assert isinstance(features, dict)
        features["b"] += 0.6

    config = configured(tmp_path, more=f"    compat: [{', '.join(PEERS)}]", days=3)
    assert set(load(tmp_path / "driftline.yaml", {}).models[0].compat) == set(PEERS)
    pipeline = run(config, tmp_path, logs(rows(BEGIN, BEGIN + DAY // 4, 400, 3, higher)))
    results = [one for one in pipeline.assembly.history.results(None, None) if one.window == "hourly" and one.n > 100]
    found = {(f.column, f.detector): f for f in results[1].findings}
    assert found["b", "evidently:wasserstein"].status == "drift"
    assert found["b", "evidently:wasserstein"].statistic == pytest.approx(0.6, abs=0.15)
    assert found["a", "evidently:wasserstein"].statistic < 0.3
    assert found["c", "sagemaker:LInfinity"].status == "ok"
    assert "in drift below" in found["b", "alibi:ks"].explanation
    assert found["(dataset)", "evidently:drift_share"].statistic == pytest.approx(1 / 4, abs=0.26)
    assert {name.partition(":")[0] for _, name in found if ":" in name} == set(PEERS)
    assert ("score", "psi") in found
