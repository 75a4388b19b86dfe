"""Vectors compared whole: against brute force on raw rows, by simulation, and with what must break it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from detectors.embeddings import mmd
from detectors.embeddings.fourier import BANDWIDTHS, UNIT, FourierFeatures
from detectors.embeddings.grid import MOST_SIZE, Grid
from detectors.embeddings.mmd import discrepancy

Rows = NDArray[np.float64]
Sums = NDArray[np.int64]
Summing = Callable[[Rows], Sums]


def cloud(rows: int, size: int = 12, seed: int = 0, *, centres: int = 5) -> Rows:
    rng = np.random.default_rng(seed)
    places = np.random.default_rng(99).normal(size=(centres, size)) * 4
    return places[rng.integers(centres, size=rows)] + rng.normal(size=(rows, size)) * np.linspace(2.0, 0.2, size)


def fitted(rows: Rows, **options: int) -> tuple[FourierFeatures, Summing]:
    grid = Grid.of(rows)
    features = FourierFeatures.fit(grid.place(rows), **options)
    return features, lambda cells: features.code(grid.place(cells)).sum(axis=0).astype(np.int64)


def kernel(one: Rows, other: Rows, width: float) -> float:
    squares = cdist(one, other, "sqeuclidean")
    return float(np.mean([np.exp(-squares / (2 * (m * width) ** 2)) for m in BANDWIDTHS]))


def brute_force(one: Rows, other: Rows) -> float:
    distances = cdist(one, one)
    width = float(np.median(distances[np.triu_indices(len(one), 1)]))
    return kernel(one, one, width) + kernel(other, other, width) - 2 * kernel(one, other, width)


@pytest.mark.parametrize("shift", [0.0, 0.4, 2.0])
def test_the_statistic_estimates_the_brute_force_discrepancy(shift: float) -> None:
    one, other = cloud(300), cloud(200, seed=3) + shift
    found = []
    for seed in range(30):
        features, sums = fitted(one, frequencies=129, seed=seed)
        found.append(discrepancy(features, sums(one), sums(other)).statistic)
    brute, error = brute_force(one, other), float(np.std(found, ddof=1) / np.sqrt(len(found)))
    assert error < 0.1 * brute
    assert abs(np.mean(found) - brute) < 4 * error


def test_one_fit_of_usual_size_is_near_it() -> None:
    one = cloud(600)
    for shift in (1.0, 2.0, 4.0):
        features, sums = fitted(one)
        other = cloud(500, seed=3) + shift
        assert discrepancy(features, sums(one), sums(other)).statistic == pytest.approx(
            brute_force(one, other), rel=0.25
        )


def test_features_are_the_cosines_of_the_phases() -> None:
    placed = Grid.of(cloud(200)).place(cloud(50, seed=4))
    features = FourierFeatures.fit(placed)
    phases = placed @ features.weights.T * (2 * np.pi / 2.0**features.bits)
    exact = np.concatenate([np.cos(phases), np.sin(phases)], axis=1) / np.sqrt(len(features.weights))
    found = features.features(placed)
    assert np.abs(found - exact).max() < 2 * np.pi / 2**12 / 8
    assert np.allclose((found**2).sum(axis=1), 1.0, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 300), max_size=5), st.permutations(range(6)), st.integers(0, 1000))
def test_sums_are_equal_however_rows_are_cut_and_ordered(cuts: list[int], order: list[int], seed: int) -> None:
    rows = cloud(300, 12, seed)
    whole = _SUMS(rows)
    places = [0, *sorted(set(cuts)), 300]
    parts = [_SUMS(rows[a:b]) for a, b in pairwise(places)]
    assert np.array_equal(sum((parts[place] for place in order if place < len(parts)), np.zeros_like(whole)), whole)
    assert whole[0] == 300
    assert whole.min() >= 0


def test_the_longest_and_farthest_vectors_stay_exact() -> None:
    grid = Grid(np.zeros(MOST_SIZE), 1.0)
    signs = np.where(np.arange(MOST_SIZE) % 2, 1.0, -1.0)
    features = FourierFeatures(np.stack([signs, np.ones(MOST_SIZE)]) * 32767, 15, 0.1)
    placed = grid.place(np.stack([signs * 1e300, np.full(MOST_SIZE, -1e300), signs]))
    near = np.clip(placed, -699_051, 699_051)
    exact = [[sum(int(a) * int(b) for a, b in zip(row, w, strict=True)) for w in features.weights] for row in near]
    assert max(abs(phase) for row in exact for phase in row) < 2**53
    turns = np.array([[(phase >> 3) % 4096 / 4096 for phase in row] for row in exact])
    assert np.abs(features.features(placed)[:, :2] * np.sqrt(2) - np.cos(2 * np.pi * turns)).max() < 1e-6


def test_ugly_clouds() -> None:
    features, sums = fitted(cloud(100))
    whole = sums(cloud(100))
    for few in (cloud(0), cloud(1)):
        assert np.isnan(discrepancy(features, whole, sums(few)).statistic)
        assert np.isnan(discrepancy(features, sums(few), whole).p_value)
    same = discrepancy(features, whole, whole)
    assert same.statistic == same.low == 0
    assert same.effect < 0
    assert same.p_value == pytest.approx(1.0)
    huge = discrepancy(features, whole * (1 << 24), whole * (1 << 25))
    assert huge.statistic == 0
    far = discrepancy(features, whole, sums(np.full((50, 12), 1e150)))
    assert far.p_value < 1e-9
    assert far.low > 0.2
    with pytest.raises(ValueError, match="no rows"):
        FourierFeatures.fit(np.empty((0, 3)))


def test_vectors_that_are_all_equal() -> None:
    features, sums = fitted(np.ones((50, 3)))
    same = sums(np.ones((50, 3)))
    assert discrepancy(features, same, sums(np.ones((9, 3)))).p_value == 1.0
    other = discrepancy(features, same, sums(np.ones((9, 3)) + 5))
    assert other.p_value == 0.0
    assert other.statistic > other.threshold
    assert other.low > 0.1


_REPEATS, _ROWS = 400, 150


def beyond_the_band(alpha: float) -> float:
    """Return how often a quiet window exceeds its band; fit, reference and window have rows of their own."""
    features, sums = fitted(cloud(3000, 20))
    beyond = []
    for seed in range(_REPEATS):
        reference, window = sums(cloud(2 * _ROWS, 20, 2 * seed + 100)), sums(cloud(_ROWS, 20, 2 * seed + 101))
        found = discrepancy(features, reference, window, alpha=alpha)
        assert (found.statistic > found.threshold) == (found.p_value < alpha)
        beyond.append(found.statistic > found.threshold)
    return float(np.mean(beyond))


def test_without_drift_the_band_is_exceeded_as_often_as_it_says() -> None:
    assert 0.025 < beyond_the_band(0.05) < 0.08
    assert beyond_the_band(0.01) < 0.025


@pytest.mark.parametrize("broken", ["no_reference", "half_the_spread"])
def test_the_simulation_finds_a_broken_band(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = mmd._Noise.of

    def wrong(trace: float, square: float, s: float) -> mmd._Noise:
        return right(trace, square, s - 1 / (2 * _ROWS)) if broken == "no_reference" else right(trace / 2, square, s)

    monkeypatch.setattr(mmd._Noise, "of", wrong)
    assert beyond_the_band(0.05) > 0.08


def moved(rows: int, seed: int, share: float) -> Rows:
    """Return vectors a share of which is of a kind that the reference does not know."""
    cells = cloud(rows, 20, seed)
    cells[: int(np.random.default_rng(seed).binomial(rows, share))] += 6.0
    return cells


def coverage(share: float) -> float:
    features, sums = fitted(cloud(3000, 20))
    truth = discrepancy(features, sums(cloud(30_000, 20, 1)), sums(moved(30_000, 2, share))).effect
    held = []
    for seed in range(120):
        found = discrepancy(features, sums(cloud(600, 20, 2 * seed + 100)), sums(moved(300, 2 * seed + 101, share)))
        held.append(found.low <= max(truth, 0.0) <= found.high)
    return float(np.mean(held))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_the_interval_holds_what_many_rows_say(share: float) -> None:
    assert coverage(share) > 0.92


def test_an_interval_that_forgets_the_drift_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmd, "_NORMAL", mmd._NORMAL / 4)
    assert coverage(0.5) < 0.9


def test_the_effect_is_about_the_square_of_the_share_of_a_new_kind() -> None:
    features, sums = fitted(cloud(3000, 20))
    reference = sums(cloud(20_000, 20, 5))
    for share in (0.1, 0.25, 0.5):
        found = discrepancy(features, reference, sums(moved(20_000, 6, share)))
        assert 0.7 * share < np.sqrt(found.effect) < 1.4 * share


def test_units_leave_room_for_every_row() -> None:
    assert UNIT.bits + 1 + 32 <= 53


_FEATURES, _SUMS = fitted(cloud(500))
