"""What is drawn of a window is exact: every drawn bin is a sum of counted ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.bins import CategoricalBins, NumericBins
from monitor.config.types import parse_moment
from monitor.events import DAY, HOUR
from monitor.frames import MOST_BINS, column_frame
from tests.traffic import MONDAY, configured, items, run, times

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


def test_the_view_holds_the_counts_of_the_rows_in_the_window(tmp_path: Path) -> None:
    config = configured(tmp_path)
    log = items(times(MONDAY, MONDAY + 2 * DAY, seed=3))
    pipeline = run(config, tmp_path, {0: log})
    rows = [json.loads(item.value) for item in log if item.value is not None]
    shown = [view for view in pipeline.evaluator.latest.values() if view.result.n and not view.result.slice]
    shown = [view for view in shown if view.result.window != "evidence"]
    assert shown
    for view in shown:
        result, frame, counts = view.result, view.frame, view.counts
        assert frame is not None
        assert counts is not None
        inside = [row for row in rows if result.start <= parse_moment(row["ts"]) < result.end]
        assert len(inside) == result.n
        for column in frame.columns.values():
            assert column.of(counts).sum() == result.n
        score = frame.columns["score"]
        told = np.array([row["score"] for row in inside if isinstance(row.get("score"), float)])
        wanted = [int((told <= border).sum()) for border in score.borders[1:-1]]
        assert np.cumsum(score.of(counts)[: score.bins])[:-1].tolist() == wanted
    pipeline.close()


def test_a_share_follows_from_its_finding_and_the_reference(tmp_path: Path) -> None:
    config = configured(tmp_path)
    windows = config.models[0].windows
    assert windows is not None
    windows["daily"] = windows["daily"].model_copy(update={"min_samples": 5})
    pipeline = run(config, tmp_path, {0: items(times(MONDAY, MONDAY + 2 * DAY + HOUR, seed=4))})
    compared = 0
    for view in pipeline.evaluator.latest.values():
        for finding in view.result.findings:
            kind = finding.detector.removesuffix("_rate")
            if kind == finding.detector or finding.status == "insufficient" or view.frame is None:
                continue
            drawn = view.frame.rates[finding.column, kind] + (finding.direction or 1) * finding.statistic
            assert drawn == pytest.approx(view.quality[finding.column, kind], abs=1e-12)
            compared += 1
    assert compared > 3
    pipeline.close()
