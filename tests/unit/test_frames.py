"""What is drawn of a window is exact: every drawn bin is a sum of counted ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.bins import CategoricalBins, NumericBins
from monitor.frames import MOST_BINS, column_frame

GENERATOR = np.random.default_rng(11)


@pytest.mark.parametrize(
    "values",
    [
        GENERATOR.normal(size=20_000),
        GENERATOR.lognormal(3, 2, 20_000),
        np.where(GENERATOR.random(20_000) < 0.6, 0.0, GENERATOR.exponential(5, 20_000)),
        np.concatenate([GENERATOR.normal(size=5_000), [1e12, -1e12]]),
        GENERATOR.integers(0, 8, 5_000).astype(float),
        GENERATOR.integers(20, 81, 20_000).astype(float),
        np.full(100, 7.0),
        np.array([]),
    ],
)
def test_bins_of_numbers_are_folded_without_losing_a_row(values: np.ndarray) -> None:
    bins = NumericBins.fit(values, bins=256)
    codes = bins.code(np.concatenate([values, [np.nan, np.inf, -1e15, 1e15]]))
    counts = np.bincount(codes, minlength=bins.cells)
    frame, groups = column_frame(bins, counts, first=5)
    folded = np.bincount(groups, counts, minlength=frame.cells)
    assert len(groups) == bins.cells
    assert folded.sum() == counts.sum()
    assert folded[frame.bins :].tolist() == counts[bins.size :].tolist()
    assert frame.kinds == ("missing", "bad", "low", "high")
    assert frame.bins <= MOST_BINS
    assert len(frame.borders) == frame.bins + 1
    assert (np.diff(groups[: bins.size]) >= 0).all()
    if not frame.few:
        assert (np.diff(frame.borders) > 0).all()
        inner = np.array(frame.borders[1:-1])
        exact = np.array([int((values <= edge).sum()) for edge in inner])
        assert np.cumsum(folded[: frame.bins])[:-1].tolist() == exact.tolist()


def test_whole_numbers_are_drawn_as_even_as_they_are() -> None:
    values = np.repeat(np.arange(20.0, 81.0), 300)
    bins = NumericBins.fit(values, bins=256)
    counts = np.bincount(bins.code(values), minlength=bins.cells)
    frame, groups = column_frame(bins, counts, first=0)
    folded = np.bincount(groups, counts, minlength=frame.cells)[: frame.bins]
    density = folded / np.diff(frame.borders)
    assert frame.bins > 20
    assert density.max() / density.min() == pytest.approx(1.0)


@given(st.integers(0, 80))
def test_categories_keep_their_counts_and_the_rest_goes_together(size: int) -> None:
    bins = CategoricalBins(tuple(f"c{place}" for place in range(size)), frozenset({"rare"}))
    counts = np.arange(1, bins.cells + 1)
    frame, groups = column_frame(bins, counts, first=0)
    folded = np.bincount(groups, counts, minlength=frame.cells)
    shown = min(size, MOST_BINS - 1)
    assert frame.names == (*bins.categories[:shown], "(other)")
    assert folded[:shown].tolist() == counts[:shown].tolist()
    assert folded.sum() == counts.sum()
    assert folded[frame.bins :].tolist() == counts[bins.size :].tolist()
