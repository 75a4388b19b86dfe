"""Corrections for many tests against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from detectors.correction import benjamini_hochberg, bonferroni
from detectors.samples import FloatArray

RNG = np.random.default_rng(4)


@pytest.mark.parametrize(
    "p_values",
    [RNG.random(1), RNG.random(50), RNG.random(200) ** 6, np.zeros(5), np.ones(5), np.repeat([0.2, 0.01], 4)],
)
@pytest.mark.parametrize("unknown", [0, 3])
def test_benjamini_hochberg_agrees_with_scipy_whatever_is_unknown(p_values: FloatArray, unknown: int) -> None:
    mixed = RNG.permutation(np.append(p_values, np.full(unknown, np.nan)))
    before = mixed.copy()
    adjusted = benjamini_hochberg(mixed)
    known = ~np.isnan(mixed)
    np.testing.assert_allclose(adjusted[known], false_discovery_control(mixed[known]), rtol=1e-12)
    assert np.isnan(adjusted[~known]).all()
    np.testing.assert_array_equal(mixed, before)


def test_bonferroni_counts_only_what_was_tested() -> None:
    assert bonferroni(np.array([0.01, 0.4, np.nan, 0.0])).tolist()[:2] == pytest.approx([0.03, 1.0])
    assert np.isnan(bonferroni(np.array([np.nan]))).all()


def test_nothing_to_correct() -> None:
    for correct in (benjamini_hochberg, bonferroni):
        assert correct(np.empty(0)).shape == (0,)
        assert np.isnan(correct(np.full(3, np.nan))).all()


def test_false_discoveries_stay_within_alpha_and_without_the_correction_they_do_not() -> None:
    rng = np.random.default_rng(9)
    p_values = rng.random((2_000, 40))
    p_values[:, :10] **= 8
    found = np.array([benjamini_hochberg(row) for row in p_values]) <= 0.1
    share = found[:, 10:].sum(axis=1) / np.maximum(found.sum(axis=1), 1)
    assert share.mean() <= 0.1
    plain = p_values <= 0.1
    assert (plain[:, 10:].sum(axis=1) / np.maximum(plain.sum(axis=1), 1)).mean() > 0.2
