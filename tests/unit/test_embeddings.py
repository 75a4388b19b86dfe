"""Vectors as columns: against scikit-learn and brute force."""

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
    names = ("cluster", "residual", "error", "scores", "fourier")
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
        *(np.concatenate([getattr(p, n) for p in parts]) for n in ("cluster", "residual", "error", "scores", "fourier"))
    )
    assert _equal(whole, joined)


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


@pytest.mark.parametrize("change", [{"weights": ""}, {"weights": "AAAA"}, {"bits": 11}, {"square": float("nan")}])
def test_damaged_fourier_features_are_refused(change: dict[str, object]) -> None:
    fields = Projection.fit(_cloud(200)).to_dict()
    with pytest.raises(ValueError, match=r".+"):
        Projection.from_dict({**fields, "fourier": {**fields["fourier"], **change}})


def test_a_projection_of_old_has_no_fourier_features() -> None:
    fields = Projection.fit(_cloud(200)).to_dict()
    old = Projection.from_dict({name: field for name, field in fields.items() if name != "fourier"})
    assert old.fourier is None
    assert old.project(_cloud(10)).fourier is None
    assert old.identity == Projection.fit(_cloud(200)).identity


def test_ugly_vectors_pass() -> None:
    projection = Projection.fit(np.vstack([_cloud(300), np.full((2, 12), np.nan)]))
    ugly = np.zeros((5, 12))
    ugly[0, 3], ugly[1, 0], ugly[2, 1], ugly[3] = np.nan, np.inf, -np.inf, 1e308
    found = projection.project(ugly)
    assert found.cluster.tolist()[:3] == [-1, -1, -1]
    assert np.isnan(found.residual[:3]).all()
    assert np.isnan(found.scores[:3]).all()
    assert found.fourier is not None
    assert found.fourier[:, 0].tolist() == [0, 0, 0, 1, 1]
    assert not found.fourier[:3].any()
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
