"""The law of the Kolmogorov-Smirnov distance against SciPy's exact one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import smirnov
from scipy.stats import kstwo

from detectors.kolmogorov import critical_distance, tail_probability


@pytest.mark.parametrize("rows", [1, 2, 7, 40, 41, 60, 140, 141, 167, 300, 999, 1_000, 1_001, 5_000, 30_000])
def test_tails_agree_with_the_exact_law(rows: int) -> None:
    distances = np.linspace(0.0, 3.0, 61) / np.sqrt(rows)
    found = tail_probability(distances, np.full(61, float(rows)))
    tolerance = 4.5e-8 + (0.07 / rows**2 if rows > 40 else 0.0)
    np.testing.assert_allclose(found, kstwo.sf(distances, rows), rtol=0, atol=tolerance)


def test_the_expansion_is_exact_enough_relatively_too() -> None:
    for rows in (1_001, 20_000):
        for scaled in (1.5, 2.0, 3.0, 4.0):
            distance = scaled / np.sqrt(rows)
            found = tail_probability(np.array([distance]), np.array([float(rows)]))[0]
            assert found == pytest.approx(2 * smirnov(rows, distance), rel=6e-3)


def test_far_tails_and_endless_rows_are_finite_and_fall() -> None:
    distances = np.array([0.01, 0.05, 0.1, 0.3, 0.6, 0.9, 1.0])
    for rows in (1e4, 1e6, 1e12, 1e18):
        found = tail_probability(distances, np.full(7, rows))
        assert np.all((found >= 0) & (found <= 1))
        assert np.all(np.diff(found) <= 0)
    assert np.isnan(tail_probability(np.array([np.nan, 0.1]), np.array([5.0, np.nan]))).all()


@pytest.mark.parametrize("alpha", [0.8, 0.5, 0.3, 0.05, 0.025, 0.02, 0.01, 1e-4])
def test_critical_distances_invert_the_tail(alpha: float) -> None:
    rows = np.array([1.0, 12.0, 140.0, 141.0, 200.0, 500.0, 1_000.0, 1_001.0, 9_999.0, 1e6, 1e12])
    found = critical_distance(alpha, rows)
    np.testing.assert_allclose(tail_probability(found, rows), alpha, rtol=2e-3)
    np.testing.assert_allclose(tail_probability(found[6:], rows[6:]), alpha, rtol=1e-4)
    np.testing.assert_allclose(found[:9], kstwo.isf(alpha, rows[:9]), rtol=1e-4)
    np.testing.assert_allclose(found[6:9], kstwo.isf(alpha, rows[6:9]), rtol=3e-6)
    assert np.isnan(critical_distance(alpha, np.array([np.nan]))[0])
