"""Evidence of intervals and quantiles through the service: each prediction once, with the label known at its age."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from detectors.calibration.distribution import DistributionTable, Said
from monitor.events import DAY, HOUR
from monitor.evidence import matured
from monitor.evidence.learnt import Learnt
from monitor.outcomes.parts import RUNNING
from tests.evidence_labels import BEGIN, alarms, run, told, watch_of
from tests.evidence_numbers import HALF, Case, cases, configured, judged, logs

LEARNT = BEGIN + 6 * DAY
TIGHT = "{warn: {false_incidents: 1 per 100d, ignore_below: 0}}"
COVERAGE = "interval_coverage"


def wider(rng: random.Random, time: int, place: str, kind: str) -> tuple[tuple[int, float], ...]:
    """Return errors that are half as large again once a day has been judged."""
    return ((rng.randrange(2 * HOUR), rng.gauss(0, 1.5 if time >= LEARNT + DAY else 1)),)


@pytest.fixture(scope="module")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Case], list[str]]:
    """Return a stream whose intervals become too narrow, and what was told of it."""
    folder = tmp_path_factory.mktemp("drifting")
    found = cases(BEGIN, LEARNT + 2 * DAY, 30, 3, wider)
    pipeline = run(configured(folder), folder, logs(found, pause_every=500))
    first = {finding.column: (start, finding) for start, finding in reversed(alarms(pipeline))}
    start, finding = first[COVERAGE]
    assert LEARNT + DAY <= start <= LEARNT + DAY + 8 * HOUR
    assert finding.direction == -1
    assert "inside: " in finding.explanation
    return found, [repr(result) for result in told(pipeline)]


def test_batches_pauses_and_restarts_change_nothing(drifting: tuple[list[Case], list[str]], tmp_path: Path) -> None:
    found, words = drifting
    content = logs(found, pause_every=531)
    pipeline = run(configured(tmp_path), tmp_path, content, seed=1, rarely=random.Random(1), restart=random.Random(11))
    assert [repr(result) for result in told(pipeline)] == words


def test_intervals_that_hold_too_often_are_told(tmp_path: Path) -> None:
    def narrower(rng: random.Random, time: int, place: str, kind: str) -> tuple[tuple[int, float], ...]:
        return ((rng.randrange(2 * HOUR), rng.gauss(0, 0.5 if time >= LEARNT + DAY else 1)),)

    found = cases(BEGIN, LEARNT + 2 * DAY, 30, 3, narrower)
    pipeline = run(configured(tmp_path), tmp_path, logs(found, pause_every=500))
    assert {finding.direction for _, finding in alarms(pipeline) if finding.column == COVERAGE} == {1}


def slow_desk(rng: random.Random, time: int, place: str, kind: str) -> tuple[tuple[int, float], ...]:
    """Return errors of one law; from the third day on those outside are known late, and mostly taken back later."""
    error = rng.gauss(0, 1)
    if time < LEARNT + DAY or abs(error) <= HALF:
        return ((rng.randrange(HOUR), error),)
    again = ((6 * HOUR + rng.randrange(1, HOUR), 0.0),) if rng.random() < 0.9 else ()
    return ((rng.randrange(4 * HOUR, 6 * HOUR), error), *again)


def false_alarms(folder: Path) -> int:
    """Return the alarms of three days in which only labels came otherwise, at one allowed in 100 days."""
    found = cases(BEGIN, LEARNT + 4 * DAY, 25, 7, slow_desk)
    pipeline = run(configured(folder, alarms=TIGHT), folder, logs(found, pause_every=300))
    assert watch_of(pipeline).copies["warn"].meter.windows == 4 * 24
    return sum(finding.column == COVERAGE for _, finding in alarms(pipeline))


def test_labels_that_come_otherwise_keep_the_budget(tmp_path: Path) -> None:
    assert false_alarms(tmp_path) == 0


def test_labels_as_they_stand_later_break_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matured, "MATURED", RUNNING)
    assert false_alarms(tmp_path) > 0


def test_cells_are_what_brute_force_counts(tmp_path: Path) -> None:
    found = cases(BEGIN, BEGIN + 3 * DAY, 30, 5, slow_desk)
    learnt = BEGIN + 2 * DAY
    mapped = ", quantiles: {'0.1': value.l, '0.9': value.u}"
    pipeline = run(configured(tmp_path, learn="2d", mapped=mapped), tmp_path, logs(found))
    model, source = pipeline.assembly.models["m"], watch_of(pipeline).source
    vector = source.counts(model, learnt, learnt + HOUR)["1"]
    streams = {stream.name: stream for stream in source.streams(model, "1")}
    assert {name for name, stream in streams.items() if stream.kind == "calibration"} == {
        COVERAGE, "quantile_hits_0.1", "quantile_hits_0.9",
    }  # fmt: skip
    cells = {name: tuple(np.bincount(s.groups, vector[s.places], 2).tolist()) for name, s in streams.items()}
    assert cells[COVERAGE] == judged(found, learnt, learnt + HOUR)
    outside, inside = cells[COVERAGE]
    assert cells["quantile_hits_0.9"][0] + cells["quantile_hits_0.1"][1] == outside
    assert sum(cells["quantile_hits_0.1"]) == outside + inside
    assert tuple(streams[COVERAGE].reference.tolist()) == judged(found, BEGIN, learnt)


def test_rates_agree_with_the_figures_whatever_the_rows() -> None:
    rng = np.random.default_rng(1)
    table = DistributionTable(0.8, (0.1, 0.9), 1.0)
    for rows in (0, 1, 500):
        ugly = np.array([np.nan, np.inf, -np.inf, 0.0])
        outcome, low, high = (
            np.where(rng.random(rows) < 0.2, rng.choice(ugly, rows), rng.normal(0, 1, rows)) for _ in "abc"
        )
        said = Said(low, high, np.stack([low, high], axis=1))
        tables = table.tally(outcome, said, np.ones(rows, np.int64), rng.integers(0, 3, rows), 3)
        rates, figures = table.rates(tables), table.figures(tables)
        assert rates.shape == (3, 3, 2)
        for place, name in enumerate(table.rate_names):
            trials = rates[:, place].sum(axis=1)
            np.testing.assert_array_equal(trials, figures[name].n)
            some = trials > 0
            np.testing.assert_allclose(rates[some, place, 1] / trials[some], figures[name].value[some], rtol=1e-15)
    assert DistributionTable(None, (), 1.0, normal=True).rates(np.zeros((2, 22), np.int64)).shape == (2, 0, 2)


def test_what_was_learnt_before_there_were_claims_goes_on() -> None:
    learnt = Learnt("x", 3, BEGIN, BEGIN + 2 * HOUR, [np.array([6, 2, 4]), np.array([5, 5, 0])])
    wide = Learnt.from_bytes(learnt.to_bytes()).widened(5)
    assert wide.table.tolist() == [[6, 2, 4, 0, 0], [5, 5, 0, 0, 0]]
    assert (wide.begin, wide.end, wide.identity) == (learnt.begin, learnt.end, "x")
    assert wide.widened(3) is wide
