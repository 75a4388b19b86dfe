"""What the statistics promise, by seeded simulation, and spoilt variants that fail the same test."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.special import xlogy

from detectors.noncentral import noncentrality_interval
from detectors.psi import PSI
from detectors.registry import STATISTICS, Entry
from detectors.scores import Scores

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

TAILS = np.array([0.01, 0.04, 0.05, *[0.1] * 8, 0.05, 0.04, 0.01])
EDGES = stats.norm.ppf(np.cumsum(TAILS)[:-1])
FLAT = np.full(10, 0.1)
RARE = np.array([0.9, 0.1])
CONSERVATIVE = {"ks", "wasserstein", "l_infinity"}
"""Their noise bands err on the quiet side; they say so."""


def _moved(shift: float, spread: float) -> FloatArray:
    return np.diff(np.concatenate([[0.0], stats.norm.cdf((EDGES - shift) / spread), [1.0]]))


def _draw(p: FloatArray, q: FloatArray, sizes: tuple[int, int], monitors: int, seed: int) -> tuple[IntArray, IntArray]:
    rng = np.random.default_rng(seed)
    return rng.multinomial(sizes[0], p, size=monitors), rng.multinomial(sizes[1], q, size=monitors)


def _too_often(events: BoolArray, level: float) -> bool:
    """Return whether so many events are no chance (4 standard errors) and more than the laws' stated error, 10 %."""
    return bool(events.mean() > 1.1 * level + 4 * np.sqrt(level * (1 - level) / len(events)))


def _too_rarely(events: BoolArray, level: float) -> bool:
    return bool(events.mean() < 0.85 * level - 4 * np.sqrt(level * (1 - level) / len(events)))


NULLS = [
    pytest.param(RARE, (2000, 500), id="rate"),
    pytest.param(FLAT, (10_000, 1000), id="ten bins"),
    pytest.param(TAILS, (20_000, 2000), id="fourteen bins"),
    pytest.param(TAILS, (2000, 200), id="sparse tails"),
]


def _fits(entry: Entry, shares: FloatArray) -> bool:
    return entry.fixed_bins in {None, len(shares)}


@pytest.mark.parametrize(("shares", "sizes"), NULLS)
@pytest.mark.parametrize("name", STATISTICS)
def test_without_drift_alarms_are_as_rare_as_alpha(name: str, shares: FloatArray, sizes: tuple[int, int]) -> None:
    entry = STATISTICS[name]
    if not _fits(entry, shares):
        return
    reference, window = _draw(shares, shares, sizes, 3000, seed=len(shares) + sizes[1])
    for alpha in (0.05, 0.01):
        scores = entry.make(alpha=alpha).score(reference, window)
        for events in (scores.p_value < alpha, scores.statistic > scores.threshold):
            assert not _too_often(events, alpha), events.mean()
            assert name in CONSERVATIVE or sizes[1] < 500 or not _too_rarely(events, alpha), events.mean()
        assert not _too_often(scores.low > 0, 0.05)


def _one_sample_band(reference: IntArray, window: IntArray) -> BoolArray:
    """Forget that the reference is a sample, too."""
    statistic = PSI().score(reference, window).statistic
    events: BoolArray = np.greater(statistic, stats.chi2.isf(0.05, window.shape[1] - 1) / window.sum(axis=1))
    return events


def _one_degree_short(reference: IntArray, window: IntArray) -> BoolArray:
    statistic = STATISTICS["chi2"].make().score(reference, window).statistic
    events: BoolArray = np.greater(statistic, stats.chi2.isf(0.05, window.shape[1] - 2))
    return events


def _equal_weights(reference: IntArray, window: IntArray) -> BoolArray:
    """Take the weights of the Cramér-von Mises law for equal."""
    statistic = STATISTICS["cramer_von_mises"].make().score(reference, window).statistic
    events: BoolArray = np.greater(statistic, statistic.mean() * stats.chi2.isf(0.05, 9) / 9)
    return events


def _one_side(reference: IntArray, window: IntArray) -> BoolArray:
    """Forget that a rate may fall as well as rise."""
    scores = STATISTICS["rate"].make(alpha=0.1).score(reference[:, :2], window[:, :2])
    events: BoolArray = np.greater(scores.statistic, scores.threshold)
    return events


def _luckiest_bin(reference: IntArray, window: IntArray) -> BoolArray:
    """Forget that the bin was chosen as the largest of ten."""
    p_value = STATISTICS["l_infinity"].make().score(reference, window).p_value
    events: BoolArray = np.less(1 - (1 - p_value) ** (1 / window.shape[1]), 0.05)
    return events


@pytest.mark.parametrize("spoilt", [_one_sample_band, _one_degree_short, _equal_weights, _one_side, _luckiest_bin])
def test_spoilt_bands_alarm_too_often(spoilt: Callable[[IntArray, IntArray], BoolArray]) -> None:
    reference, window = _draw(FLAT, FLAT, (1000, 1000), 3000, seed=5)
    assert _too_often(spoilt(reference, window), 0.05)


def test_one_degree_too_many_alarms_too_rarely() -> None:
    reference, window = _draw(FLAT, FLAT, (10_000, 1000), 3000, seed=6)
    statistic = STATISTICS["chi2"].make().score(reference, window).statistic
    assert not _too_rarely(stats.chi2.sf(statistic, 9) < 0.05, 0.05)
    assert _too_rarely(stats.chi2.sf(statistic, 11) < 0.05, 0.05)


@pytest.mark.parametrize(("bins", "sizes"), [(10, (1000, 1000)), (10, (10_000, 1000)), (14, (20_000, 500))])
def test_the_mean_of_psi_without_drift_is_what_the_effect_subtracts(bins: int, sizes: tuple[int, int]) -> None:
    shares = np.full(bins, 1 / bins)
    reference, window = _draw(shares, shares, sizes, 6000, seed=bins + sizes[1])
    scores = PSI(pseudo_count=0).score(reference, window)
    noise = (bins - 1) * (1 / sizes[0] + 1 / sizes[1])
    error = scores.statistic.std() / np.sqrt(len(window))
    assert abs(scores.statistic.mean() - noise) < 4 * error + 0.03 * noise
    assert abs(scores.effect.mean()) < 4 * error + 0.03 * noise
    one_sample = (bins - 1) / sizes[1]
    assert abs(scores.statistic.mean() - one_sample) > 4 * error or sizes[0] > 10 * sizes[1]


def _truth(p: FloatArray, q: FloatArray, sizes: tuple[int, int]) -> dict[str, float]:
    """Return the true effects; those of χ², G and Cramér-von Mises depend on the share of either sample."""
    below, above, middle = np.cumsum(p), np.cumsum(q), (p + q) / 2
    pooled = (sizes[0] * p + sizes[1] * q) / sum(sizes)
    product = sizes[0] * sizes[1] / sum(sizes) ** 2
    log_ratio = sizes[0] * xlogy(p, p / pooled).sum() + sizes[1] * xlogy(q, q / pooled).sum()
    return {
        "psi": float(((q - p) * np.log(q / p)).sum()),
        "ks": float(np.abs(below - above).max()),
        "jensen_shannon": float(xlogy(p, p / middle).sum() + xlogy(q, q / middle).sum()) / 2,
        "hellinger": float(np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2)),
        "wasserstein": float(np.abs(below - above).sum()),
        "chi2": float(np.sqrt(((p - q) ** 2 / pooled).sum() * product)),
        "g_test": float(np.sqrt(2 * log_ratio / sum(sizes))),
        "total_variation": float(np.abs(p - q).sum() / 2),
        "l_infinity": float(np.abs(p - q).max()),
        "cramer_von_mises": float((pooled * (below - above) ** 2).sum()),
        "rate": float(abs(p[-1] - q[-1])),
    }


DRIFTS = [
    pytest.param(RARE, np.array([0.88, 0.12]), (2000, 500), id="small rate"),
    pytest.param(RARE, np.array([0.8, 0.2]), (2000, 500), id="double rate"),
    pytest.param(TAILS, _moved(0.05, 1.0), (10_000, 1000), id="small shift"),
    pytest.param(TAILS, _moved(0.2, 1.0), (10_000, 1000), id="shift"),
    pytest.param(TAILS, _moved(0.2, 1.0), (2000, 200), id="shift in few rows"),
    pytest.param(TAILS, _moved(0.5, 1.0), (10_000, 1000), id="large shift"),
    pytest.param(TAILS, _moved(0.0, 1.3), (10_000, 1000), id="spread"),
]


def _covered(scores: Scores, truth: float) -> float:
    return float(((scores.low <= truth + 1e-12) & (truth - 1e-12 <= scores.high)).mean())


@pytest.mark.parametrize(("p", "q", "sizes"), DRIFTS)
@pytest.mark.parametrize("name", STATISTICS)
def test_intervals_cover_the_true_effect(name: str, p: FloatArray, q: FloatArray, sizes: tuple[int, int]) -> None:
    entry = STATISTICS[name]
    if not _fits(entry, p):
        return
    reference, window = _draw(p, q, sizes, 2000, seed=41)
    scores = entry.make().score(reference, window)
    assert _covered(scores, _truth(p, q, sizes)[name]) >= 0.93 - 4 * np.sqrt(0.93 * 0.07 / 2000)


def _shifted(scores: Scores, by: FloatArray) -> Scores:
    return Scores(
        scores.statistic, scores.effect, scores.low + by, scores.high + by, scores.p_value, scores.threshold,
        scores.n, scores.direction,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["psi", "jensen_shannon", "hellinger", "g_test"])
def test_intervals_without_the_correction_for_chance_do_not_cover(name: str) -> None:
    p, q, sizes = TAILS, _moved(0.05, 1.0), (10_000, 1000)
    reference, window = _draw(p, q, sizes, 2000, seed=41)
    scores = STATISTICS[name].make().score(reference, window)
    bias = np.maximum(scores.statistic if name != "g_test" else np.sqrt(scores.statistic / 11_000), 0) - scores.effect
    assert _covered(_shifted(scores, bias), _truth(p, q, sizes)[name]) < 0.9


def test_half_an_interval_does_not_cover() -> None:
    p, q, sizes = TAILS, _moved(0.5, 1.0), (10_000, 1000)
    reference, window = _draw(p, q, sizes, 2000, seed=41)
    for name in set(STATISTICS) - {"rate"}:
        scores = STATISTICS[name].make().score(reference, window)
        middle, half = (scores.low + scores.high) / 2, (scores.high - scores.low) / 4
        narrow = Scores(
            scores.statistic, scores.effect, middle - half, middle + half, scores.p_value, scores.threshold,
            scores.n, scores.direction,
        )  # fmt: skip
        assert _covered(narrow, _truth(p, q, sizes)[name]) < 0.9, name


@pytest.mark.parametrize(("df", "most"), [(1, 0.057), (3, 0.037), (9, 0.03), (31, 0.03)])
def test_noncentrality_intervals_against_the_exact_law(df: int, most: float) -> None:
    true = np.array([0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0, 1000.0, 1e5])
    freedom = np.full(len(true), float(df))
    for side in (0, 1):
        lowest, highest = np.zeros(len(true)), true * 3 + 20 * df + 40
        for _ in range(80):
            middle = (lowest + highest) / 2
            beyond = noncentrality_interval(middle, freedom)[side] > true
            lowest, highest = np.where(beyond, lowest, middle), np.where(beyond, middle, highest)
        above = stats.ncx2.sf(highest, df, np.maximum(true, 1e-9))
        assert (above if side == 0 else 1 - above).max() <= most


def test_noncentrality_intervals_at_the_ends() -> None:
    figures, freedom = np.array([np.nan, 0.0, 5.0, 1e15]), np.array([3.0, 3.0, 0.0, 9.0])
    low, high = noncentrality_interval(figures, freedom)
    assert np.isnan([low[0], high[0]]).all()
    assert low[1:3].tolist() == [0.0, 0.0]
    assert high[2] == 0.0
    assert low[3] == pytest.approx(1e15, rel=1e-6)
    assert high[3] == pytest.approx(1e15, rel=1e-6)
