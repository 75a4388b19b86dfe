"""The law of sparse bins: exact where it can be enumerated, and what it mends."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from scipy import stats

from detectors.hellinger import Hellinger
from detectors.jensen_shannon import JensenShannon
from detectors.psi import PSI
from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores, WindowStatistic
from detectors.sparse import SparseCells, null_moments


def _square(counts: FloatArray, before: FloatArray, monitors: IntArray) -> FloatArray:
    return (counts - 3 * before) ** 2


@pytest.mark.parametrize("turned", [False, True])
def test_cells_follow_the_hypergeometric_law(turned: bool) -> None:
    reference, window = np.array([[4_000, 30, 2, 0]]), np.array([[350, 1, 3, 0]])
    samples = Samples.of(*((window, reference) if turned else (reference, window)))
    sparse = SparseCells.of(samples)
    assert sparse.cells.tolist() == [1, 2]
    for place, cell in enumerate(sparse.cells):
        total = int((reference + window)[0, cell])
        law = stats.hypergeom(4386, total, 354)
        counts = (sparse.reference if turned else sparse.window)[place]
        rest = (sparse.window if turned else sparse.reference)[place]
        possible = sparse.weights[place] > 0
        assert counts[possible].tolist() == list(range(np.count_nonzero(possible)))
        assert np.array_equal((counts + rest)[possible], np.full(np.count_nonzero(possible), total))
        np.testing.assert_allclose(sparse.weights[place][possible], law.pmf(counts[possible]), rtol=1e-9, atol=1e-15)
        mean, variance, covariance = sparse.moments(_square)
        values = (counts - 3 * rest if not turned else rest - 3 * counts) ** 2
        weights = sparse.weights[place]
        seen = sparse.window[place]
        assert mean[place] == pytest.approx(weights @ values)
        assert variance[place] == pytest.approx(weights @ values**2 - (weights @ values) ** 2)
        assert covariance[place] == pytest.approx(weights @ (values * seen) - (weights @ values) * (weights @ seen))


def test_the_mean_of_a_sum_over_cells_is_exact() -> None:
    reference, window = np.array([[5, 3, 4]]), np.array([[2, 3, 1]])
    totals = (reference + window)[0]
    drawn = int(window.sum())
    expected = ways = 0.0
    for counts in product(*(range(total + 1) for total in totals)):
        if sum(counts) == drawn:
            weight = np.prod([comb(int(total), count) for total, count in zip(totals, counts, strict=True)])
            figure = sum((count - 3 * (total - count)) ** 2 for total, count in zip(totals, counts, strict=True))
            expected, ways = expected + weight * figure, ways + weight
    mean, _ = null_moments(Samples.of(reference, window), np.ones(1), _square)
    assert mean[0] == pytest.approx(expected / ways)


def test_without_sparse_cells_the_moments_are_those_of_chi_square() -> None:
    reference, window = np.array([[900, 700, 0, 800]]), np.array([[300, 250, 0, 210]])
    mean, variance = null_moments(Samples.of(reference, window), np.full(1, 0.25), _square)
    assert (mean[0], variance[0]) == pytest.approx((2 * 0.25, 4 * 0.25**2))


@pytest.mark.parametrize("figure", [PSI(), JensenShannon(), Hellinger()])
def test_quiet_windows_alarm_as_often_as_they_should_with_four_rows_a_bin(figure: WindowStatistic) -> None:
    scores = _quiet(figure)
    assert np.mean(scores.p_value < 0.05) == pytest.approx(0.05, abs=0.017)
    assert np.mean(scores.statistic > scores.threshold) == pytest.approx(0.01, abs=0.008)


@pytest.mark.parametrize(("figure", "scale"), [(PSI(), 1.0), (JensenShannon(), 0.125), (Hellinger(), 0.125)])
def test_the_plain_chi_square_law_would_be_wrong_there(figure: WindowStatistic, scale: float) -> None:
    scores = _quiet(figure)
    square = scores.statistic**2 if isinstance(figure, Hellinger) else scores.statistic
    plain = np.mean(stats.chi2.sf(square / (scale * (1 / 400 + 1 / 20_000)), 99) < 0.05)
    assert not 0.033 <= plain <= 0.067


def _quiet(figure: WindowStatistic) -> Scores:
    rng = np.random.default_rng(8)
    shares = np.full(100, 0.01)
    return figure.score(rng.multinomial(20_000, shares, 2_000), rng.multinomial(400, shares, 2_000))


def test_empty_monitors_have_no_sparse_cells() -> None:
    samples = Samples.of(np.array([[1, 2], [0, 0]]), np.array([[0, 0], [3, 4]]))
    assert len(SparseCells.of(samples).cells) == 0
