"""The benchmark of detection measures what its cells say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from benchmarks.detection.cells import CELLS, read
from benchmarks.detection.laws import EDGES, changed, values
from benchmarks.detection.matched import OURS, _rate, _tuned, counted, less_chi_square
from benchmarks.detection.nulls import observe
from benchmarks.detection.ours import oracle_bet, shipped
from benchmarks.detection.series import f1
from benchmarks.detection.streams import quiet_runs
from benchmarks.detection.summary import Delay, beside, smallest


def test_every_cell_is_a_drift_of_a_size() -> None:
    for cell in read().cells:
        assert cell.law.before.sum() == pytest.approx(1)
        assert cell.law.after.sum() == pytest.approx(1)
        assert 0.001 < cell.law.index < 1


@pytest.mark.parametrize(("old", "new"), [("rare bin ×3", "zigzag ±20 %"), ("[[null]]", "[[null]]\n[[null]]\n" * 2)])
def test_cells_that_cannot_be_told_apart_are_refused(old: str, new: str, tmp_path: Path) -> None:
    path = tmp_path / "cells.toml"
    path.write_text(CELLS.read_text().replace(old, new, 1))
    with pytest.raises((ValueError, TypeError)):
        read(path)


@pytest.mark.parametrize("kind", ["mean", "bump", "zigzag", "tail"])
def test_values_have_the_shares_of_their_law(kind: str) -> None:
    law = changed(kind, 0.3)
    counts = np.bincount(np.searchsorted(EDGES, values(law, 200_000, np.random.default_rng(1))), minlength=14)
    assert (np.square(counts - 200_000 * law) / (200_000 * law)).sum() < 34.5  # χ², 13 degrees, one in a thousand


CELL = read().cells[1]
PROTOCOL = read().protocol


def test_ours_is_judged_on_the_terms_of_the_service_and_the_oracle_tolerates_the_same() -> None:
    found = shipped(CELL, PROTOCOL, "auto", 12, 1)
    engine = found.watched.engine
    bet, live = oracle_bet(engine, CELL.law)
    assert live.sum() >= 9  # the others tolerate the change
    nearest, _ = engine.null.project(np.tile(CELL.law.after, (12, 1, 1)), 0)
    at_edge = (np.exp(bet) * nearest[:, 0]).sum(axis=1)
    assert at_edge[live] == pytest.approx(1.0, abs=1e-9)
    judged = found.watched.blind_below < CELL.law.index / 2
    assert judged.sum() >= 9
    assert np.all(found.oracle[judged] <= found.ours[judged] + 2)
    assert np.nanmin(found.oracle) >= 1


def test_the_same_rows_are_counted_that_the_peers_read() -> None:
    runs = list(quiet_runs(CELL, 2))
    found = counted(CELL, PROTOCOL.days, runs)
    assert found.windows.shape == (2, 400, 14)
    assert np.array_equal(found.reference[1], np.histogram(runs[1].reference, [-np.inf, *EDGES, np.inf])[0])
    assert np.array_equal(found.windows[0, 7], np.histogram(runs[0].windows[7], [-np.inf, *EDGES, np.inf])[0])
    (again,) = quiet_runs(CELL, 1)
    assert np.array_equal(again.windows, runs[0].windows)
    assert not np.array_equal(runs[0].reference, runs[1].reference)


def test_p_values_of_counts_equal_scipys() -> None:
    rng = np.random.default_rng(3)
    reference, windows = rng.integers(1, 90, (2, 5)).astype(float), rng.integers(1, 90, (2, 3, 5)).astype(float)
    windows[0, 0, 2] = reference[0, 2] = 0
    found = less_chi_square(reference, windows)
    for place in range(2):
        for window in range(3):
            table = np.stack([reference[place], windows[place, window]])
            expected = chi2_contingency(table[:, table.sum(axis=0) > 0], correction=False).pvalue
            assert -found[place, window] == pytest.approx(expected, rel=1e-9)


def test_a_threshold_is_tuned_to_the_rate() -> None:
    paths = np.random.default_rng(4).normal(size=(50, 200))
    tuned = _tuned(paths, 100.0)
    assert _rate(paths, tuned) <= 0.01
    assert _rate(paths, np.nextafter(tuned, -9) - 0.01) > 0.009


def test_f1_is_that_of_the_paper() -> None:
    marks = [[10, 50], [52], []]
    assert f1([], marks) == pytest.approx(2 * (1 + (1 / 3 + 1 / 2 + 1) / 3) ** -1 * (1 / 3 + 1 / 2 + 1) / 3, rel=1e-9)
    assert f1([10, 51], marks) == pytest.approx(1.0)
    assert f1([10, 51, 90], marks) == pytest.approx(2 * 0.75 / 1.75)
    assert f1([51, 53], [[50]]) < f1([51], [[50]]) == 1.0


def test_misses_count_as_the_last_window_and_chance_is_a_tie() -> None:
    assert Delay.of([1, None]).mean == 50.5
    assert Delay.of([1, None]).missed == 0.5
    few = {OURS: {"delays": [1, 2, 3] * 9}, "other": {"delays": [2, 3, 2] * 9}}
    many = {OURS: {"delays": [9, 9, 9] * 9}, "other": {"delays": [2, 3, 2] * 9}}
    nobody, sooner = smallest({"a": few}, OURS)
    assert (nobody.found, nobody.kept, sooner.kept) == ("100 %: 0 won, 1 tied, 0 lost", True, False)
    nobody, sooner = smallest({"b": many}, OURS)
    assert nobody.found == "0 %: 0 won, 0 tied, 1 lost (b: 9.0, other 2.3)"
    assert not nobody.kept
    assert not sooner.kept
    better = {OURS: many["other"], "other": many[OURS]}
    assert [mark.kept for mark in smallest({"a": better, "b": few}, OURS)] == [True, True]


def test_blindness_leaves_a_repetition_out() -> None:
    one = {"index": 0.1, "blind": [0.01, 0.09, 0.01], "judged": [1, 1, 0], "ours": [4, 100, 9], "oracle": [2, 90, 9]}
    found = beside(one, 1.5)
    assert (found.count, found.ratio, found.missed) == (1, 0.5, 0)


@pytest.mark.parametrize("kind", ["iid", "sessions", "rate edge"])
def test_nulls_keep_the_promise(kind: str) -> None:
    (cell,) = [one for one in read().nulls if one.kind == kind][:1]
    assert observe(cell, PROTOCOL, "auto", 1, 40, 1).kept


def test_days_that_differ_do_not_keep_it_without_tolerance() -> None:
    (cell,) = [one for one in read().nulls if one.kind == "dispersed"]
    found = observe(cell, PROTOCOL, "zero", 1, 72, 1)
    assert not found.kept
    assert found.interval[0] > 1
