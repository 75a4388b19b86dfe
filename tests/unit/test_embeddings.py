"""Vectors as columns, and vectors compared whole: against scikit-learn and brute force."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from detectors.bins import NumericBins
from detectors.chi2 import ChiSquare
from detectors.embeddings.grid import MOST_SIZE, Grid
from detectors.embeddings.kmeans import fit_centroids, nearest
from detectors.embeddings.mmd import BANDWIDTHS, FourierFeatures
from detectors.embeddings.projection import Projected, Projection

Rows = NDArray[np.float64]


def _cloud(rows: int, size: int = 12, seed: int = 0, *, centres: int = 5) -> Rows:
    rng = np.random.default_rng(seed)
    places = np.random.default_rng(99).normal(size=(centres, size)) * 4
    spread = np.linspace(2.0, 0.2, size)
    return places[rng.integers(centres, size=rows)] + rng.normal(size=(rows, size)) * spread


def test_centroids_are_as_good_as_those_of_scikit_learn() -> None:
    for seed in range(2):
        rows = _cloud(800, seed=seed, centres=8)
        theirs = KMeans(16, n_init=1, random_state=seed).fit(rows).inertia_
        ours = nearest(rows, fit_centroids(rows, 16))[1].sum()
        assert ours <= 1.1 * theirs


def test_centroids_are_the_means_of_their_rows_and_the_first_has_most() -> None:
    rows = _cloud(800)
    centroids = fit_centroids(rows, 9)
    labels, distances = nearest(rows, centroids)
    brute = cdist(rows, centroids)
    assert np.array_equal(labels, brute.argmin(axis=1))
    assert np.allclose(distances, brute.min(axis=1) ** 2, atol=1e-9)
    assert np.allclose(centroids, [rows[labels == place].mean(axis=0) for place in range(9)], atol=1e-9)
    assert np.all(np.diff(np.bincount(labels)) <= 0)


def test_fewer_distinct_rows_than_clusters_make_fewer_clusters() -> None:
    assert len(fit_centroids(np.ones((50, 3)), 8)) == 1
    assert len(fit_centroids(np.repeat(np.eye(3), 40, axis=0), 8)) == 3
    with pytest.raises(ValueError, match="clusters"):
        fit_centroids(np.empty((0, 2)), 3)


def test_scores_and_reconstruction_error_equal_those_of_scikit_learn() -> None:
    rows, new = _cloud(2000), _cloud(300, seed=5)
    ours = Projection.fit(rows, axes=4).project(new)
    pca = PCA(4).fit(rows)
    theirs = pca.transform(new)
    signs = np.sign((ours.scores * theirs).sum(axis=0))
    size = np.abs(new).max()
    assert np.abs(ours.scores - theirs * signs).max() < 1e-4 * size
    left = np.linalg.norm(new - pca.inverse_transform(theirs), axis=1)
    assert np.abs(ours.error - left).max() < 1e-3 * size


def test_residual_is_the_distance_to_the_nearest_centroid() -> None:
    rows = _cloud(2000)
    projection = Projection.fit(rows, clusters=6)
    found = projection.project(rows)
    centroids = projection.centroids * projection.grid.step + projection.grid.centre
    brute = cdist(rows, centroids)
    assert np.array_equal(found.cluster, brute.argmin(axis=1))
    assert np.abs(found.residual - brute.min(axis=1)).max() < 1e-4 * np.abs(rows).max()


def _equal(one: Projected, other: Projected) -> bool:
    names = ("cluster", "residual", "error", "scores")
    return all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in names)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 400), max_size=6), st.integers(0, 1000))
def test_a_row_gives_the_same_in_whatever_batch_it_comes(cuts: list[int], seed: int) -> None:
    projection = _FITTED
    rows = _cloud(400, 96, seed)
    whole = projection.project(rows)
    places = [0, *sorted(set(cuts)), 400]
    parts = [projection.project(rows[a:b]) for a, b in pairwise(places)]
    joined = Projected(
        *(np.concatenate([getattr(p, n) for p in parts]) for n in ("cluster", "residual", "error", "scores"))
    )
    assert _equal(whole, joined)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=4), st.integers(0, 1000))
def test_sums_of_features_merge_exactly(cuts: list[int], seed: int) -> None:
    rows = _cloud(300, 12, seed)
    whole = _FEATURES.sums(rows)
    places = [0, *sorted(cuts), 300]
    parts = [_FEATURES.sums(rows[a:b]) for a, b in pairwise(places)]
    merged = parts[-1]
    for part in parts[:-1]:
        merged = merged + part
    assert merged.n == whole.n
    assert np.array_equal(merged.sums, whole.sums)


def test_a_projection_survives_its_file() -> None:
    projection = Projection.fit(_cloud(500))
    again = Projection.from_dict(json.loads(json.dumps(projection.to_dict())))
    assert again.identity == projection.identity
    assert _equal(again.project(_cloud(100, seed=2)), projection.project(_cloud(100, seed=2)))
    assert Projection.fit(_cloud(500)).identity == projection.identity
    assert Projection.fit(_cloud(500, seed=1)).identity != projection.identity


@pytest.mark.parametrize(
    "change",
    [{"size": 5}, {"step": 0.0}, {"step": float("nan")}, {"centroids": ""}, {"axes": "!"}, {"size": MOST_SIZE + 1}],
)
def test_damaged_fields_are_refused(change: dict[str, object]) -> None:
    fields = Projection.fit(_cloud(200)).to_dict()
    with pytest.raises(ValueError, match=r".+"):
        Projection.from_dict({**fields, **change})


def test_ugly_vectors_pass() -> None:
    projection = Projection.fit(np.vstack([_cloud(300), np.full((2, 12), np.nan)]))
    ugly = np.zeros((5, 12))
    ugly[0, 3], ugly[1, 0], ugly[2, 1], ugly[3] = np.nan, np.inf, -np.inf, 1e308
    found = projection.project(ugly)
    assert found.cluster.tolist()[:3] == [-1, -1, -1]
    assert np.isnan(found.residual[:3]).all()
    assert np.isnan(found.scores[:3]).all()
    assert np.isfinite(found.residual[3:]).all()
    assert found.residual[3] > 5 * found.residual[4]
    assert len(projection.project(np.empty((0, 12))).cluster) == 0
    with pytest.raises(ValueError, match="12 numbers"):
        projection.project(np.zeros((3, 11)))


@pytest.mark.parametrize("rows", [np.empty((0, 3)), np.full((4, 2), np.nan), np.full((2, 2), 1e200), np.zeros(4)])
def test_vectors_that_cannot_be_fitted_are_refused(rows: Rows) -> None:
    with pytest.raises(ValueError, match=r"vectors|numbers"):
        Projection.fit(rows)


def test_one_row_and_equal_rows_are_fitted() -> None:
    for rows in (np.ones((1, 4)), np.ones((100, 4)), np.full((50, 1), 1e140)):
        projection = Projection.fit(rows)
        found = projection.project(rows)
        assert projection.axes.shape == (0, rows.shape[1])
        assert not found.cluster.any()
        assert not found.residual.any()


def test_the_grid_stays_exact_for_the_longest_vector() -> None:
    grid = Grid(np.zeros(MOST_SIZE), 1.0)
    row = grid.place(np.full((1, MOST_SIZE), -1e300))
    centroid = np.full((1, MOST_SIZE), 2.0**17)
    exact = MOST_SIZE * (2**20 + 2**17) ** 2
    assert exact < 2**53
    assert int(nearest(row, centroid)[1][0]) == exact


def test_fourier_features_estimate_the_brute_force_discrepancy() -> None:
    one, other = _cloud(300), _cloud(200, seed=3) + 0.4
    found = []
    for seed in range(30):
        features = FourierFeatures.fit(one, frequencies=129, seed=seed)
        gap = features.sums(one).mean - features.sums(other).mean
        found.append(gap @ gap)
    distances = cdist(one, one)
    width = np.median(distances[np.triu_indices(300, 1)])

    def kernel(a: Rows, b: Rows) -> float:
        squares = cdist(a, b, "sqeuclidean")
        return float(np.mean([np.exp(-squares / (2 * (m * width) ** 2)) for m in BANDWIDTHS]))

    brute = kernel(one, one) + kernel(other, other) - 2 * kernel(one, other)
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert error < 0.1 * brute
    assert abs(np.mean(found) - brute) < 4 * error


def test_discrepancy_without_drift_is_zero_on_average_and_keeps_its_level() -> None:
    whole = _cloud(4000, 20)
    features = FourierFeatures.fit(whole, frequencies=129)
    reference = features.sums(whole)
    quiet = [features.compare(reference, features.sums(_cloud(200, 20, seed))) for seed in range(1000, 1200)]
    squared = np.array([one.squared for one in quiet])
    assert abs(squared.mean()) < 4 * squared.std() / 14
    share = np.mean([one.p_value < 0.05 for one in quiet])
    assert 0.02 < share < 0.09
    moved = features.compare(reference, features.sums(_cloud(200, 20, 7) + 1.0))
    assert moved.p_value < 1e-6
    assert moved.squared > 5 * squared.std()


def test_discrepancy_needs_two_rows_and_survives_equal_ones() -> None:
    rows = _cloud(100)
    features = FourierFeatures.fit(rows)
    whole = features.sums(rows)
    assert np.isnan(features.compare(whole, features.sums(rows[:1])).squared)
    assert np.isnan(features.compare(whole, features.sums(np.full((9, 12), np.nan))).p_value)
    constant = FourierFeatures.fit(np.ones((50, 3)))
    same = constant.sums(np.ones((50, 3)))
    assert constant.compare(same, same).p_value == 1.0
    assert constant.compare(same, constant.sums(np.ones((50, 3)) + 1)).p_value < 1e-9


_SIZE, _FIT, _WINDOW, _REPEATS = 64, 600, 6_000, 24


def _false_alarms(*, apart: bool) -> float:
    """Return how often a quiet window has p < .05 by its residuals; the fit's own rows are counted unless ``apart``."""
    rng = np.random.default_rng(11)
    alarms = []
    for _ in range(_REPEATS):
        fit, other, window = (rng.normal(size=(n, _SIZE)) for n in (_FIT, _FIT, _WINDOW))
        projection = Projection.fit(fit)
        bins = NumericBins.fit(projection.project(fit).residual, 14)
        counted = other if apart else fit
        counts = [_evidence(bins, projection.project(rows).residual) for rows in (counted, window)]
        alarms.append(float(ChiSquare().score(counts[0][np.newaxis], counts[1][np.newaxis]).p_value[0]) < 0.05)
    return float(np.mean(alarms))


def _evidence(bins: NumericBins, values: Rows) -> NDArray[np.int64]:
    return np.bincount(np.searchsorted(bins.edges, values), minlength=bins.size).astype(np.int64)


def test_counting_apart_from_the_fit_keeps_the_level() -> None:
    assert _false_alarms(apart=True) < 0.2


def test_counting_the_rows_of_the_fit_breaks_it() -> None:
    assert _false_alarms(apart=False) > 0.5


_FITTED = Projection.fit(_cloud(1500, 96))
_FEATURES = FourierFeatures.fit(_cloud(500), frequencies=64)
