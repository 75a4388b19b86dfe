"""Bins: exact coding of every float, fits on ugly samples, exact storage."""

import json
from bisect import bisect_left
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.bins import EVIDENCE_QUANTILES, HUGE, CategoricalBins, NumericBins

FloatArray = NDArray[np.float64]

TINY = 5e-324
UGLY = [
    0.0, -0.0, TINY, -TINY, 1e-310, -1e-310, 2.2250738585072014e-308, 1.0, -1.0, 1e16, float(2**53), float(2**63),
    float(2**64), 1e299, -1e299, HUGE, -HUGE, np.nextafter(HUGE, np.inf), 1e308, -1e308, np.inf, -np.inf, np.nan,
]  # fmt: skip
finite = st.floats(-1e299, 1e299, allow_nan=False)
narrow = st.floats(-10, 10, allow_nan=False)
denormal = st.integers(-2000, 2000).map(lambda n: n * TINY)
close = st.integers(0, 3000).map(lambda n: 1.0 + n * 2.0**-52)
edge_lists = st.one_of(
    st.lists(finite, max_size=30),
    st.lists(narrow, max_size=300),
    st.lists(denormal, max_size=60),
    st.lists(close, max_size=60),
    st.lists(st.one_of(finite, denormal), max_size=60),
).map(lambda values: np.unique(np.array(values, np.float64) + 0.0))
samples = st.one_of(
    st.lists(finite, max_size=60),
    st.lists(denormal, max_size=60),
    st.lists(st.integers(-3, 3).map(float), max_size=80),
    st.lists(st.one_of(narrow, st.sampled_from(UGLY)), max_size=80),
).map(lambda values: np.array(values, np.float64))


def _probes(edges: FloatArray) -> FloatArray:
    sides = [edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf), -edges]
    with np.errstate(over="ignore"):
        sides.append((edges[1:] + edges[:-1]) / 2)
    return np.concatenate([*sides, np.array(UGLY)])


def _oracle(bins: NumericBins, value: float) -> int:
    if value != value:  # noqa: PLR0124
        return bins.quality["missing"]
    if abs(value) > HUGE:
        return bins.quality["bad"]
    if value < bins.low:
        return bins.quality["low"]
    if value > bins.high:
        return bins.quality["high"]
    return bisect_left(bins.edges.tolist(), value)


@given(edge_lists, st.lists(st.floats(), max_size=30), st.sampled_from([(-HUGE, HUGE), (-5.0, 5.0), (0.0, 0.0)]))
@settings(max_examples=150)
def test_codes_equal_binary_search(edges: FloatArray, more: list[float], ends: tuple[float, float]) -> None:
    bins = NumericBins.of_edges(edges, low=ends[0], high=ends[1])
    values = np.concatenate([_probes(edges), np.array(more, np.float64)])
    before = values.copy()
    assert bins.code(values).tolist() == [_oracle(bins, value) for value in values.tolist()]
    assert np.array_equal(values, before, equal_nan=True)
    assert bins.code(values[:1]).tolist() == [_oracle(bins, float(values[0]))]
    assert bins.code(np.empty(0)).tolist() == []


@given(edge_lists, st.lists(st.integers(0, 20), max_size=8))
@settings(max_examples=40)
def test_bad_rows_are_bad_whatever_their_value(edges: FloatArray, rows: list[int]) -> None:
    bins = NumericBins.of_edges(edges, low=-HUGE, high=HUGE)
    values = _probes(edges)
    codes = bins.code(values, np.array(rows, np.int64))
    plain = bins.code(values)
    for row in range(len(values)):
        assert codes[row] == (bins.quality["bad"] if row in rows else plain[row])


@given(samples, st.sampled_from([2, 14, 256]), st.lists(narrow, max_size=3))
@settings(max_examples=150)
def test_any_sample_gives_bins_that_hold_it(values: FloatArray, size: int, cuts: list[float]) -> None:
    bins = NumericBins.fit(values, size, cuts=cuts)
    kept = values[np.abs(values) <= HUGE]
    codes = bins.code(values)
    assert all(code < bins.size for code in codes[np.abs(values) <= HUGE])
    assert codes.tolist() == [_oracle(bins, value) for value in values.tolist()]
    assert set(np.array(cuts) + 0.0) <= set(bins.edges.tolist())
    groups = bins.evidence
    assert len(groups) == bins.size
    assert groups[0] == 0
    assert set(np.diff(groups).tolist()) <= {0, 1}
    assert groups[-1] < 14 + len(cuts)
    distinct, mass = np.unique(kept + 0.0, return_counts=True)
    if len(distinct) > 20:
        for heavy in distinct[mass > 2 * len(kept) / size]:
            code = int(bins.code(np.array([heavy]))[0])
            assert {float(v) + 0.0 for v in kept if bins.code(np.array([v]))[0] == code} == {float(heavy)}


@given(st.lists(narrow, min_size=21, max_size=120, unique=True), st.sampled_from([14, 64, 256]))
@settings(max_examples=60)
def test_evidence_bins_are_sums_of_fine_ones(values: list[float], size: int) -> None:
    sample = np.sort(np.array(values) + 0.0)
    bins = NumericBins.fit(sample, size)
    places = [max(int(np.ceil(share * len(sample))) - 1, 0) for share in EVIDENCE_QUANTILES]
    wanted = {float(sample[place]) for place in places} - {float(sample[-1])}
    assert wanted <= set(bins.edges.tolist())
    ends = {float(bins.edges[k]) for k in np.flatnonzero(np.diff(bins.evidence))}
    capped = float(sample[-1]) in {float(sample[place]) for place in places}
    assert ends == wanted | ({float(bins.edges[-1])} if capped else set())


@pytest.mark.parametrize(
    ("values", "size"),
    [
        ([], 1), ([3.0], 1), ([3.0] * 50, 1), ([np.nan] * 9, 1), ([np.inf, -np.inf], 1), ([1.0, 2.0] * 9, 2),
        ([-0.0, 0.0], 1), ([-1e299, 1e299], 2), ([0.0, TINY], 2), ([float(n) for n in range(20)] * 3, 20),
    ],
)  # fmt: skip
def test_few_values_get_a_bin_each(values: list[float], size: int) -> None:
    sample = np.array(values, np.float64)
    bins = NumericBins.fit(sample)
    assert bins.size == size
    kept = {value + 0.0 for value in values if abs(value) <= HUGE}
    assert len({int(code) for code in bins.code(np.array(sorted(kept)))}) == len(kept)


def test_equal_masses_and_the_fourteen_evidence_bins() -> None:
    sample = np.random.default_rng(3).normal(size=20_000)
    bins = NumericBins.fit(sample)
    counts = np.bincount(bins.code(sample), minlength=bins.size)[: bins.size]
    assert 256 <= bins.size <= 256 + len(EVIDENCE_QUANTILES)
    assert counts.max() <= 80
    merged = np.bincount(bins.evidence, weights=counts) / len(sample)
    np.testing.assert_allclose(np.cumsum(merged)[:-1], EVIDENCE_QUANTILES, atol=1e-4)


@given(edge_lists, st.integers(0, 10**6))
@settings(max_examples=60)
def test_storage_is_exact_and_any_other_edge_another_identity(edges: FloatArray, pick: int) -> None:
    bins = NumericBins.of_edges(edges, low=-1e300, high=1e300)
    back = NumericBins.from_dict(json.loads(json.dumps(bins.to_dict())))
    assert back.edges.tobytes() == bins.edges.tobytes()
    assert (back.low, back.high, back.identity) == (bins.low, bins.high, bins.identity)
    assert np.array_equal(back.evidence, bins.evidence)
    others = [NumericBins.of_edges(edges, low=-1e299, high=1e300), NumericBins.of_edges(edges, low=-1e300, high=0.0)]
    if len(edges):
        place = pick % len(edges)
        moved = edges.copy()
        moved[place] = np.nextafter(moved[place], np.inf)
        others.append(NumericBins.of_edges(np.delete(edges, place), low=-1e300, high=1e300))
        if len(np.unique(moved)) == len(moved):
            others.append(NumericBins.of_edges(moved, low=-1e300, high=1e300))
    assert bins.identity not in {other.identity for other in others}


@pytest.mark.parametrize("edges", [[1.0, 1.0], [2.0, 1.0], [np.nan], [np.inf], [0.0, -0.0]])
def test_edges_that_are_no_edges_are_refused(edges: list[float]) -> None:
    with pytest.raises(ValueError, match="strictly increasing"):
        NumericBins.of_edges(edges, low=0.0, high=1.0)
    with pytest.raises(ValueError, match="groups of evidence"):
        NumericBins(np.array([1.0]), 0.0, 1.0, np.array([0]))


words = st.lists(st.one_of(st.none(), st.sampled_from("abcdefgh"), st.text(max_size=3)), max_size=60)


@given(words, words, st.integers(0, 5), st.sampled_from([0.0, 0.1, 0.5]))
@settings(max_examples=150)
def test_categories_are_those_a_loop_finds(
    seen: list[str | None], fresh: list[str | None], top: int, least: float
) -> None:
    bins = CategoricalBins.fit(seen, top_k=top, min_share=least)
    counts = Counter(value for value in seen if value is not None)
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    kept = [name for name in ranked[:top] if counts[name] >= least * counts.total()]
    assert list(bins.categories) == kept
    assert bins.rare == set(counts) - set(kept)
    expected = []
    for value in fresh + seen:
        if value is None:
            expected.append(len(kept) + 1)
        elif value in kept:
            expected.append(kept.index(value))
        else:
            expected.append(len(kept) if value in counts else len(kept) + 3)
    assert bins.code(fresh + seen).tolist() == expected
    if expected:
        assert bins.code(fresh + seen, np.array([0]))[0] == bins.quality["bad"] == len(kept) + 2
    assert bins.cells == len(kept) + 4
    back = CategoricalBins.from_dict(json.loads(json.dumps(bins.to_dict())))
    assert (back, back.identity) == (back, bins.identity)
    assert (back.categories, back.rare) == (bins.categories, bins.rare)
    assert CategoricalBins((*bins.categories, "\0new"), bins.rare).identity != bins.identity
    assert CategoricalBins(bins.categories, bins.rare | {"\0new"}).identity != bins.identity


def test_the_list_of_rare_values_is_bounded() -> None:
    bins = CategoricalBins.fit(["a"] * 30_000 + [str(n) for n in range(20_000)])
    assert bins.categories == ("a",)
    assert len(bins.rare) == 10_000


def test_what_lies_outside_the_range_has_no_say_in_the_edges() -> None:
    inside = np.random.default_rng(5).normal(size=5_000)
    sample = np.concatenate([inside, np.full(2_000, -999.0)])
    bins = NumericBins.fit(sample, low=-10.0, high=10.0)
    assert bins.edges.tolist() == NumericBins.fit(inside).edges.tolist()
    assert np.count_nonzero(bins.code(sample) == bins.quality["low"]) == 2_000


def test_a_heavy_value_is_an_evidence_bin_of_its_own() -> None:
    rng = np.random.default_rng(6)
    sample = np.where(rng.random(20_000) < 0.5, 0.0, rng.normal(size=20_000))
    bins = NumericBins.fit(sample)
    groups = bins.evidence[bins.code(sample)]
    alone = groups == bins.evidence[bins.code(np.zeros(1))[0]]
    assert np.array_equal(alone, sample == 0.0)
    assert groups.max() < 14


def test_neighbouring_floats_are_told_apart() -> None:
    one, two, three = 1.0, float(np.nextafter(1.0, 2.0)), float(np.nextafter(np.nextafter(1.0, 2.0), 2.0))
    bins = NumericBins.fit(np.array([one, two, three]))
    assert bins.code(np.array([one, two, three])).tolist() == [0, 1, 2]
