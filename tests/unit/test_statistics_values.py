"""Statistics against published figures, scipy and brute force, on random and on ugly counts."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

from detectors.bins import NumericBins
from detectors.chi2 import ChiSquare
from detectors.cramer_von_mises import CramerVonMises
from detectors.g_test import GTest
from detectors.hellinger import Hellinger
from detectors.jensen_shannon import JensenShannon
from detectors.ks import KolmogorovSmirnov
from detectors.l_infinity import LInfinity
from detectors.psi import PSI
from detectors.rate import Rate, wilson
from detectors.scores import WindowStatistic
from detectors.total_variation import TotalVariation
from detectors.wasserstein import Wasserstein
from detectors.weighted_chi2 import critical_value, tail_probability

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

REFERENCE = np.array([[100, 200, 300, 400]])
WINDOW = np.array([[30, 40, 70, 60]])
UGLY = [
    ([5, 0, 0], [0, 0, 7]),
    ([0, 3, 0, 9, 0], [0, 1, 0, 0, 0]),
    ([1, 1], [1, 1]),
    ([10**12, 1, 10**12], [1, 10**9, 10**6]),
    ([7, 7, 7, 7], [70, 70, 70, 70]),
    ([1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]),
    ([0, 0, 4], [0, 0, 9]),
    ([2, 5], [0, 3]),
]


def _pairs() -> list[tuple[IntArray, IntArray]]:
    rng = np.random.default_rng(11)
    pairs = [(np.array([r]), np.array([c])) for r, c in UGLY]
    for bins in (2, 3, 10, 40):
        shares = rng.dirichlet(np.full(bins, 0.5), size=2)
        pairs += [(rng.multinomial(10 * n, shares[:1]), rng.multinomial(n, shares[1:])) for n in (3, 50, 5000)]
    return pairs


def _ruben(x: float, weights: FloatArray) -> float:
    """Ruben (1962): a sum of chi-square tails with positive weights, exact but for rounding."""
    beta = weights.min()
    ratios = 1 - beta / weights
    terms = [float(np.prod(np.sqrt(beta / weights)))]
    powers = [0.0]
    total = terms[0] * stats.chi2.sf(x / beta, len(weights))
    for k in range(1, 1500):
        powers.append(float((ratios**k).sum()))
        terms.append(float(np.dot(powers[k:0:-1], terms)) / (2 * k))
        total += terms[k] * stats.chi2.sf(x / beta, len(weights) + 2 * k)
    assert sum(terms) == pytest.approx(1.0, abs=1e-13)
    return float(total)


@pytest.mark.parametrize(
    ("statistic", "value", "p_value"),
    [
        (PSI(pseudo_count=0), 0.05674899664194924, None),
        (JensenShannon(), 0.007063104720522809, None),
        (Hellinger(), 0.0841327310068598, None),
        (TotalVariation(), 0.1, None),
        (ChiSquare(), 9.54533128446172, 0.022853969648482055),
        (GTest(), 9.455653339060412, 0.02380784449577385),
        (KolmogorovSmirnov(), 0.1, float(stats.kstwo.sf(0.1, 167))),
        (Wasserstein(), 0.2, None),
        (LInfinity(), 0.1, None),
        (CramerVonMises(), 0.64236111, None),
    ],
)
def test_the_reference_values_hold(statistic: WindowStatistic, value: float, p_value: float | None) -> None:
    scores = statistic.score(REFERENCE, WINDOW)
    digits = 5e-9 if isinstance(statistic, CramerVonMises) else 1e-12
    assert scores.statistic[0] == pytest.approx(value, rel=0, abs=digits)
    if p_value is not None:
        assert scores.p_value[0] == pytest.approx(p_value, rel=0, abs=1e-12)


def test_derived_reference_values_hold() -> None:
    p, q = REFERENCE[0] / 1000, WINDOW[0] / 200
    forward, backward = stats.entropy(q, p), stats.entropy(p, q)
    assert forward == pytest.approx(0.02846788242023074, abs=1e-15)
    assert backward == pytest.approx(0.0282811142217185, abs=1e-15)
    psi = PSI(pseudo_count=0).score(REFERENCE, WINDOW)
    assert psi.statistic[0] == pytest.approx(forward + backward, abs=1e-14)
    assert psi.effect[0] == pytest.approx(0.05674899664194924 - 3 * 0.006, abs=1e-14)
    assert psi.p_value[0] == pytest.approx(stats.chi2.sf(0.05674899664194924 / 0.006, 3), abs=1e-12)
    assert psi.threshold[0] == pytest.approx(stats.chi2.isf(0.01, 3) * 0.006, abs=1e-12)
    distance = np.sqrt(JensenShannon().score(REFERENCE, WINDOW).statistic[0])
    assert distance == pytest.approx(0.08404227936296593, abs=1e-12)
    assert distance / np.sqrt(np.log(2)) == pytest.approx(0.10094506502834938, abs=1e-12)
    v = np.sqrt(ChiSquare().score(REFERENCE, WINDOW).statistic[0] / 1200)
    assert v == pytest.approx(0.08918768265321975, abs=1e-12)
    ks = KolmogorovSmirnov().score(REFERENCE, WINDOW)
    assert ks.p_value[0] == pytest.approx(0.06609219, abs=5e-9)


def test_the_cramer_von_mises_p_value_equals_the_exact_mixture() -> None:
    scores = CramerVonMises().score(REFERENCE, WINDOW)
    pooled = (REFERENCE + WINDOW)[0] / 1200
    cumulated = np.cumsum(pooled)
    matrix = (np.minimum.outer(cumulated, cumulated) - np.outer(cumulated, cumulated)) * np.sqrt(
        np.outer(pooled, pooled)
    )
    exact = _ruben(float(scores.statistic[0]), np.linalg.eigvalsh(matrix)[1:])
    assert exact == pytest.approx(0.0107, abs=5e-5)
    assert scores.p_value[0] == pytest.approx(exact, rel=1e-7)
    assert _ruben(float(scores.threshold[0]), np.linalg.eigvalsh(matrix)[1:]) == pytest.approx(0.01, rel=1e-6)


@pytest.mark.parametrize(("reference", "window"), _pairs())
@pytest.mark.parametrize(("statistic", "power"), [(ChiSquare(), 1.0), (GTest(), 0.0)])
def test_tables_agree_with_scipy(
    statistic: WindowStatistic, power: float, reference: IntArray, window: IntArray
) -> None:
    table = np.concatenate([reference, window]).astype(np.float64)
    expected = stats.chi2_contingency(table[:, table.sum(axis=0) > 0], correction=False, lambda_=power)
    scores = statistic.score(reference, window)
    assert scores.statistic[0] == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert scores.p_value[0] == pytest.approx(expected.pvalue, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(("reference", "window"), _pairs())
def test_distances_agree_with_scipy_and_brute_force(reference: IntArray, window: IntArray) -> None:
    p, q = reference[0] / reference.sum(), window[0] / window.sum()
    bins = range(len(p))
    places = np.arange(len(p), dtype=np.float64)
    below = [p[: k + 1].sum() for k in bins]
    above = [q[: k + 1].sum() for k in bins]
    rows, fresh = float(reference.sum()), float(window.sum())
    distance = np.nan_to_num(jensenshannon(p, q)) ** 2
    brute: list[tuple[WindowStatistic, float]] = [
        (JensenShannon(), distance),
        (TotalVariation(), sum(max(p[k] - q[k], 0.0) for k in bins)),
        (LInfinity(), max(abs(p[k] - q[k]) for k in bins)),
        (Hellinger(), np.sqrt(max(1 - sum(np.sqrt(p[k] * q[k]) for k in bins), 0.0))),
        (KolmogorovSmirnov(), max(abs(below[k] - above[k]) for k in bins)),
        (Wasserstein(), stats.wasserstein_distance(places, places, p, q)),
        (
            CramerVonMises(),
            rows
            * fresh
            / (rows + fresh) ** 2
            * sum((int(reference[0, k]) + int(window[0, k])) * (below[k] - above[k]) ** 2 for k in bins),
        ),
    ]
    for statistic, expected in brute:
        if isinstance(statistic, CramerVonMises) and len(p) > 32:
            continue
        tolerance = 3e-8 if isinstance(statistic, Hellinger) else 1e-9
        value = statistic.score(reference, window).statistic[0]
        assert value == pytest.approx(expected, rel=1e-9, abs=tolerance), statistic


@pytest.mark.parametrize(("reference", "window"), _pairs())
def test_psi_agrees_with_a_loop_over_smoothed_shares(reference: IntArray, window: IntArray) -> None:
    used = int((reference + window > 0).sum())
    total = 0.0
    for r, c in zip(reference[0].tolist(), window[0].tolist(), strict=True):
        p, q = (r + 0.5) / (reference.sum() + used / 2), (c + 0.5) / (window.sum() + used / 2)
        total += (q - p) * np.log(q / p) if r + c else 0.0
    assert PSI().score(reference, window).statistic[0] == pytest.approx(total, rel=1e-9, abs=1e-12)


def test_psi_without_pseudo_counts_is_infinite_where_a_bin_is_empty_on_one_side() -> None:
    scores = PSI(pseudo_count=0).score(np.array([[5, 5, 0], [5, 5, 0]]), np.array([[5, 5, 1], [4, 6, 0]]))
    assert np.isinf(scores.statistic[0])
    assert scores.p_value[0] == 0.0
    assert scores.statistic[1] == pytest.approx(0.1 * np.log(0.5 / 0.4) + 0.1 * np.log(0.6 / 0.5), rel=1e-12)


def test_wasserstein_takes_positions() -> None:
    rng = np.random.default_rng(5)
    reference, window = rng.integers(0, 90, (1, 12)), rng.integers(0, 40, (1, 12))
    positions = np.sort(rng.normal(size=(1, 12)))
    expected = stats.wasserstein_distance(positions[0], positions[0], reference[0], window[0])
    found = Wasserstein().score(reference, window, positions)
    assert found.statistic[0] == pytest.approx(expected, rel=1e-12)
    scaled = Wasserstein().score(reference, window, 10 * positions)
    for name in ("statistic", "effect", "low", "high", "threshold"):
        np.testing.assert_allclose(getattr(scaled, name), 10 * getattr(found, name), rtol=1e-12)


@pytest.mark.parametrize(("edges", "bins"), [("continuous", 256), ("continuous", 14), ("ties", 64)])
def test_binned_ks_is_below_the_raw_one_by_at_most_the_largest_bin(edges: str, bins: int) -> None:
    rng = np.random.default_rng(17)
    for shift in (0.0, 0.1, 1.0):
        raw, fresh = rng.normal(size=5000), rng.normal(shift, 1.2, size=700)
        if edges == "ties":
            raw, fresh = np.round(raw * 20), np.round(fresh * 20)
        fitted = NumericBins.fit(raw, bins, low=-1e9, high=1e9)
        counts = [np.bincount(fitted.code(v), minlength=fitted.size)[None, : fitted.size] for v in (raw, fresh)]
        binned = KolmogorovSmirnov().score(counts[0], counts[1]).statistic[0]
        exact = stats.ks_2samp(raw, fresh, method="asymp").statistic
        heaviest = max((c / c.sum()).max() for c in counts)
        assert exact - heaviest <= binned <= exact + 1e-12


@pytest.mark.parametrize(
    ("bad", "rows", "worse", "fresh"),
    [(10, 1000, 20, 200), (0, 500, 3, 100), (7, 7, 1, 9), (0, 5, 0, 5), (2, 100, 3, 5000), (495, 500, 90, 100)],
)
def test_rare_rates_agree_with_the_hypergeometric_law(bad: int, rows: int, worse: int, fresh: int) -> None:
    scores = Rate().score(np.array([[rows - bad, bad]]), np.array([[fresh - worse, worse]]))
    law = stats.hypergeom(rows + fresh, bad + worse, fresh)
    sides = (law.cdf(worse - 1), law.sf(worse))
    assert scores.p_value[0] == pytest.approx(min(2 * (min(sides) + law.pmf(worse) / 2), 1.0), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize(("bad", "rows", "worse", "fresh"), [(300, 1000, 80, 200), (50, 1000, 100, 900)])
def test_common_rates_agree_with_the_likelihood_ratio_test(bad: int, rows: int, worse: int, fresh: int) -> None:
    table = np.array([[rows - bad, bad], [fresh - worse, worse]])
    expected = stats.chi2_contingency(table, correction=False, lambda_=0.0)
    assert Rate().score(table[:1], table[1:]).p_value[0] == pytest.approx(expected.pvalue, abs=1e-12)


@pytest.mark.parametrize(("found", "rows"), [(20, 200), (0, 5), (9, 9), (1, 10**6)])
def test_wilsons_interval_agrees_with_scipy(found: int, rows: int) -> None:
    low, high = wilson(np.array([found / rows]), np.array([float(rows)]))
    interval = stats.binomtest(found, rows).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_newcombes_published_interval() -> None:
    # Newcombe (1998), table II, method 10: 56/70 - 48/80 gives 0.0524 to 0.3339.
    scores = Rate().score(np.array([[32, 48]]), np.array([[14, 56]]))
    assert (scores.low[0], scores.high[0]) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize("df", [1, 2, 3, 10, 31, 255])
def test_equal_weights_give_the_chi_square_tail(df: int) -> None:
    for level in (0.9, 0.5, 0.05, 0.01, 1e-3, 1e-6, 1e-9, 1e-12):
        x = stats.chi2.isf(level, df)
        tail = tail_probability(np.array([3.5 * x]), np.full((1, df), 3.5))[0]
        assert tail == pytest.approx(level, rel=1e-6 if df > 1 else 1e-3), (df, level)


def test_the_limiting_table_of_cramer_von_mises() -> None:
    # Anderson and Darling (1952), table 1.
    table = {0.11888: 0.5, 0.34730: 0.1, 0.46136: 0.05, 0.74346: 0.01, 1.16786: 0.001}
    weights = 1 / (np.pi * np.arange(1, 301)) ** 2
    rest = 1 / 6 - weights.sum()
    for x, expected in table.items():
        tail = tail_probability(np.array([x - rest]), weights[None, :])[0]
        assert tail == pytest.approx(expected, rel=2e-4)


def test_random_weights_agree_with_the_exact_mixture() -> None:
    rng = np.random.default_rng(23)
    for count in (2, 3, 6, 12):
        weights = rng.uniform(0.1, 1.0, count)
        for share in (0.5, 1.0, 2.0, 4.0):
            x = float(share * weights.sum())
            tail = tail_probability(np.array([x]), weights[None, :])[0]
            assert tail == pytest.approx(_ruben(x, weights), rel=1e-6, abs=1e-13)


def test_random_weights_agree_with_simulation() -> None:
    rng = np.random.default_rng(29)
    draws = rng.chisquare(1, size=(100_000, 8))
    for _ in range(5):
        weights = rng.exponential(size=8) ** 3
        sums = draws @ weights
        for level in (0.5, 0.05, 0.01):
            x = float(np.quantile(sums, 1 - level))
            tail = tail_probability(np.array([x]), weights[None, :])[0]
            assert abs(tail - level) < 4.5 * np.sqrt(level * (1 - level) / 100_000)


def test_tails_hold_on_both_sides_of_the_mean_and_at_the_ends() -> None:
    rng = np.random.default_rng(37)
    weights = rng.uniform(0.1, 4.0, size=(1, 32))
    mean = float(weights.sum())
    for share in (1e-3, 0.01, 0.1, 0.3, 0.6, 0.9, 1.1, 1.5):
        tail = tail_probability(np.array([share * mean]), weights)[0]
        assert tail == pytest.approx(_ruben(share * mean, weights[0]), rel=1e-6), share
    ends = np.array([-1.0, 0.0, 5e-324, 1e-30, 1e12, 1e300])
    assert tail_probability(ends, np.repeat(weights, 6, axis=0)).tolist() == [1, 1, 1, 1, 0, 0]


def test_critical_values_invert_the_tail() -> None:
    rng = np.random.default_rng(31)
    weights = rng.exponential(size=(50, 10)) ** 4
    weights[0, 1:] = 0.0
    weights[1, 2:] = 0.0
    for alpha in (0.2, 0.05, 0.01, 1e-4):
        critical = critical_value(alpha, weights)
        np.testing.assert_allclose(tail_probability(critical, weights), alpha, rtol=1e-6)
    assert critical_value(0.05, np.zeros((1, 3)))[0] == 0.0
