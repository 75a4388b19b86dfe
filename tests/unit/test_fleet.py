"""A fleet's life: alarm, what moved and since when, worse, recovery; budgets, weights, slots, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from detectors.evidence.dictionary import Kind
from detectors.evidence.null import FloatArray
from detectors.fleet import group, provisional
from detectors.fleet.alarm import Change, Report
from detectors.fleet.budget import patience, start_weights
from detectors.fleet.codec import carried, from_bytes, to_bytes
from detectors.fleet.decision import decide
from detectors.fleet.fleet import Fleet
from detectors.fleet.monitor import Monitor
from detectors.fleet.state import FleetState, Mode
from tests.unit.evidence_cases import gaussian

ROWS = 1000


def feature(name: str = "age", rows: int = 50_000, **parameters: Any) -> Monitor:
    return Monitor(name, "shape", np.round(gaussian() * rows), alpha=0.001, **parameters)


def missing(name: str = "missing", rows: int = 50_000, share: float = 0.005, **parameters: Any) -> Monitor:
    hits = round(rows * share)
    return Monitor(name, "rate", np.array([rows - hits, hits], float), alpha=0.001, **parameters)


def steps(
    fleet: Fleet,
    laws: list[FloatArray],
    state: FleetState | None = None,
    first: int = 0,
    seed: int = 1,
    rows: int = ROWS,
) -> Iterator[tuple[FleetState, Report]]:
    """Feed a fleet of one monitor one window of each law."""
    rng = np.random.default_rng(seed)
    state = fleet.initial() if state is None else state
    for window, law in enumerate(laws, first):
        counts = rng.multinomial(rows, law).astype(float)
        state, report = fleet.step(state, counts, np.ones(1), 700.0, window, window % 4)
        yield state, report


def changes(reports: list[Report]) -> list[tuple[int, Change]]:
    return [(report.window, alarm.change) for report in reports for alarm in report.alarms]


def test_an_alarm_says_what_moved_and_since_when() -> None:
    fleet = Fleet.of([feature()])
    reports = [report for _, report in steps(fleet, [gaussian()] * 30 + [gaussian(0.4)] * 3)]
    (alarm,) = [alarm for report in reports for alarm in report.alarms]
    assert alarm.window == 30
    assert alarm.onset == 30
    assert alarm.change == Change.DRIFT
    assert (alarm.shape.kind, alarm.shape.size) == (Kind.MEAN, 0.4)
    assert alarm.describe().startswith("mean +0.4 sd (")
    assert alarm.log_evidence >= alarm.log_threshold == pytest.approx(np.log(700))


@pytest.mark.parametrize(
    ("law", "kind", "size"),
    [
        (gaussian(-0.4), Kind.MEAN, -0.4),
        (gaussian(0, 1.41), Kind.SPREAD, 2**0.5),
        (0.6 * gaussian() + 0.4 * np.eye(14)[3], Kind.SPIKE, 0.4),
    ],
)
def test_shapes_are_recognised(law: FloatArray, kind: Kind, size: float) -> None:
    fleet = Fleet.of([feature()])
    alarm = next(alarm for _, report in steps(fleet, [law] * 9) for alarm in report.alarms)
    assert alarm.shape.kind == kind
    assert alarm.shape.size == pytest.approx(size)
    if kind == Kind.SPIKE:
        assert alarm.shape.cell == alarm.cell == 3
        assert alarm.describe(tuple("abcdefghijklmn")).startswith("spike of 40% in d (d: ")


def test_a_slow_onset_is_dated_before_the_alarm() -> None:
    fleet = Fleet.of([feature()])
    reports = [report for _, report in steps(fleet, [gaussian()] * 20 + [gaussian(0.19)] * 20)]
    (alarm,) = [alarm for report in reports for alarm in report.alarms if alarm.change == Change.DRIFT]
    assert 21 < alarm.window < 35
    assert 19 <= alarm.onset <= 22


def test_rates_alarm_in_both_directions() -> None:
    for share, word in ((0.02, "up"), (0.0, "down")):
        monitor = missing(share=0.005 if share else 0.05)
        law = np.array([1 - share, share])
        (alarm, *_) = [a for _, report in steps(Fleet.of([monitor]), [law] * 9) for a in report.alarms]
        assert alarm.describe(("present", "missing")).startswith(word)
        assert alarm.window <= 3


def test_rates_do_not_alarm_within_the_ratio() -> None:
    law = np.array([0.9945, 0.0055])
    assert not [a for _, report in steps(Fleet.of([missing()]), [law] * 200) for a in report.alarms]


def test_a_monitor_that_gets_worse_says_so_once_more() -> None:
    fleet = Fleet.of([feature()])
    laws = [gaussian(0.4)] * 12 + [gaussian(0.9)] * 12
    reports = [report for _, report in steps(fleet, laws)]
    assert changes(reports) == [(0, Change.DRIFT), (12, Change.WORSE)]
    modes = [int(report.mode[0]) for report in reports]
    assert modes[:4] == [Mode.SETTLING] * 3 + [Mode.DRIFTED]
    assert modes[12:16] == [Mode.SETTLING] * 3 + [Mode.DRIFTED]


def test_the_effect_rests_on_rows_after_the_alarm() -> None:
    fleet = Fleet.of([feature()])
    reports = [report for _, report in steps(fleet, [gaussian()] * 5 + [gaussian(0.5)] * 60)]
    assert np.isnan([report.effect[0] for report in reports[:6]]).all()
    later = reports[6:]
    truth = float(((gaussian(0.5) - gaussian()) * np.log(gaussian(0.5) / gaussian())).sum())
    covered = np.mean([report.low[0] <= truth <= report.high[0] for report in later])
    assert covered > 0.85
    assert np.mean([report.effect[0] for report in later]) == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize("rows", [200, 1000, 20_000])
def test_a_monitor_recovers_and_is_watched_from_scratch(rows: int) -> None:
    fleet = Fleet.of([feature()])
    run = list(steps(fleet, [gaussian(0.6)] * 10 + [gaussian()] * 120, rows=rows))
    reports, state = [report for _, report in run], run[-1][0]
    recovered = [report.window for report in reports if report.recovered[0]]
    assert len(recovered) == 1
    assert recovered[0] >= 12
    assert int(reports[-1].mode[0]) == Mode.WATCHING
    assert not [item for item in changes(reports) if item[0] > recovered[0]]
    assert all(item[1] in {Change.DRIFT, Change.EASING} for item in changes(reports))
    again = [report for _, report in steps(fleet, [gaussian(0.6)] * 5, state, first=200, rows=rows)]
    assert changes(again)[0][1] == Change.DRIFT


def test_rates_recover_too() -> None:
    fleet = Fleet.of([missing()])
    laws = [np.array([0.95, 0.05])] * 6 + [np.array([0.995, 0.005])] * 60
    reports = [report for _, report in steps(fleet, laws)]
    assert changes(reports)[0] == (0, Change.DRIFT)
    assert sum(report.recovered[0] for report in reports) == 1
    assert reports[3].low[0] < 0.05 < reports[3].high[0]


def test_a_drift_that_stays_never_recovers_and_is_told_once() -> None:
    fleet = Fleet.of([feature()])
    reports = [report for _, report in steps(fleet, [gaussian(0.4)] * 300)]
    assert changes(reports) == [(0, Change.DRIFT)]
    assert not any(report.recovered[0] for report in reports)


def test_slots_see_what_one_reference_cannot() -> None:
    cycle = [gaussian(mean) for mean in (-0.3, 0.0, 0.3, 0.0)]
    seasonal = feature(rows=1).reference
    assert seasonal.shape == (1, 14)
    fleet = Fleet.of([Monitor("age", "shape", np.round(np.array(cycle) * 20_000), alpha=0.001)])
    pooled = Fleet.of([Monitor("age", "shape", np.round(sum(cycle) * 20_000), alpha=0.001)])
    quiet = [cycle[window % 4] for window in range(160)]
    assert not changes([report for _, report in steps(fleet, quiet)])
    assert changes([report for _, report in steps(pooled, quiet)])
    moved = [gaussian(mean) for mean in (0.3, 0.6, 0.9, 0.6)]
    laws = quiet[:40] + [moved[window % 4] for window in range(80)] + quiet[:80]
    reports = [report for _, report in steps(fleet, laws)]
    assert [item for item in changes(reports) if item[1] != Change.EASING] == [(40, Change.DRIFT)]
    assert sum(report.recovered[0] for report in reports) == 1


def test_patience_and_weights_change_without_losing_evidence() -> None:
    fleet = Fleet.of([feature("a"), feature("b")])
    counts = np.tile(np.round(gaussian(0.19) * ROWS), 2)
    state, _ = fleet.step(fleet.initial(), counts, np.array([0.5, 0.5]), 1e9, 0)
    held = state.groups[0].evidence.total
    state, report = fleet.step(state, np.zeros(28), np.array([0.0, 1.0]), 1e9, 1)
    assert np.array_equal(report.log_evidence, held)
    for window in range(2, 12):
        state, report = fleet.step(state, counts, np.array([0.1, 0.9]), 1e9, window)
    assert not report.alarms
    _, report = fleet.step(state, np.zeros(28), np.array([0.1, 0.9]), 10.0, 12)
    assert {alarm.monitor for alarm in report.alarms} == {0, 1}


def test_a_diffuse_drift_resets_only_its_suspects() -> None:
    log = np.log(np.array([40.0, 35.0, 30.0, 1.0, 1.0]))
    decision = decide(log, 100.0)
    assert decision.incident
    assert not decision.alarmed.any()
    assert decision.suspects.tolist() == [True, True, True, False, False]


def test_an_accepted_drift_is_a_new_reference_and_restarts_nobody_else() -> None:
    fleet = Fleet.of([feature("a"), feature("b")])
    counts = np.concatenate([np.round(gaussian(0.5) * ROWS), np.round(gaussian(0.1) * ROWS)])
    state = fleet.initial()
    for window in range(6):
        state, _ = fleet.step(state, counts, np.array([0.5, 0.5]), 1e3, window)
    accepted = Monitor("a", "shape", np.round(gaussian(0.5) * 6000), alpha=0.001, epoch=2)
    other = Fleet.of([accepted, fleet.monitors[1]])
    moved, known = carried(fleet, state, other)
    assert known.tolist() == [False, True]
    for window in range(6, 30):
        moved, report = other.step(moved, counts, np.array([0.5, 0.5]), 1e3, window)
        assert not [alarm for alarm in report.alarms if alarm.monitor == 0]


def test_huge_counts_and_empty_fleets_are_no_trouble() -> None:
    fleet = Fleet.of([feature(rows=10**12), missing(rows=10**12)])
    state = fleet.initial()
    for window, factor in enumerate((10**12, 1, 10**9)):
        counts = np.concatenate([np.round(gaussian() * factor), np.round([0.995 * factor, 0.005 * factor])])
        state, report = fleet.step(state, counts, np.array([0.5, 0.5]), 1e3, window)
        assert np.isfinite(report.log_evidence).all()
        assert not report.alarms
    nobody = Fleet.of([])
    state, report = nobody.step(nobody.initial(), np.zeros(0), np.zeros(0), 10.0, 0)
    assert not report.incident
    assert from_bytes(nobody, to_bytes(nobody, state))[1].shape == (0,)


def test_a_monitor_without_reference_rows_never_alarms() -> None:
    fleet = Fleet.of([feature(rows=0), missing(rows=0)])
    state = fleet.initial()
    for window in range(50):
        counts = np.concatenate([np.round(gaussian(1.0) * ROWS), [0.0, ROWS]])
        state, report = fleet.step(state, counts, np.array([0.5, 0.5]), 20.0, window)
        assert not report.incident


def test_constant_columns_and_single_rows() -> None:
    constant = Monitor("c", "shape", np.array([5000.0, 0.0, 0.0]), alpha=0.01)
    fleet = Fleet.of([constant])
    state = fleet.initial()
    for window in range(300):
        state, report = fleet.step(state, np.array([float(window % 2), 0.0, 0.0]), np.ones(1), 50.0, window)
        assert not report.incident
    state, report = fleet.step(state, np.array([0.0, 500.0, 0.0]), np.ones(1), 50.0, 300)
    assert report.alarms[0].cell == 1


@pytest.mark.parametrize(
    ("counts", "weights", "message"),
    [
        (np.zeros(13), np.ones(1), "14 cells"),
        (np.zeros(14), np.ones(2), "weights of shape"),
        (np.zeros(14), np.full(1, 1.1), "1 at most"),
        (np.zeros(14), np.full(1, -0.1), "1 at most"),
        (np.zeros(14), np.full(1, np.nan), "1 at most"),
        (np.full(14, -1.0), np.ones(1), "not negative"),
        (np.full(14, np.nan), np.ones(1), "finite"),
        (np.full(14, np.inf), np.ones(1), "finite"),
    ],
)
def test_what_is_no_window_is_refused(counts: FloatArray, weights: FloatArray, message: str) -> None:
    fleet = Fleet.of([feature()])
    with pytest.raises(ValueError, match=message):
        fleet.step(fleet.initial(), counts, weights, 100.0, 0)


def test_wrong_slots_patience_and_names_are_refused() -> None:
    seasonal = Monitor("age", "shape", np.ones((4, 3)) * 100, alpha=0.01)
    fleet = Fleet.of([seasonal])
    for slot in (-1, 4):
        with pytest.raises(ValueError, match="no slot"):
            fleet.step(fleet.initial(), np.zeros(3), np.ones(1), 100.0, 0, slot)
    for bad in (0.5, float("nan")):
        with pytest.raises(ValueError, match="patience"):
            fleet.step(fleet.initial(), np.zeros(3), np.ones(1), bad, 0)
    with pytest.raises(ValueError, match="one name"):
        Fleet.of([feature(), feature()])


@pytest.mark.parametrize(
    "parameters",
    [
        {"reference": np.array([1.0])},
        {"reference": np.array([1.0, -1.0])},
        {"reference": np.array([1.0, np.nan])},
        {"kind": "rate", "reference": np.ones(3)},
        {"alpha": 0.0},
        {"alpha": float("nan")},
        {"tolerance": -0.1},
        {"ratio": 0.9},
        {"dispersion": 0.5},
        {"epoch": 0},
    ],
)
def test_monitors_that_make_no_sense_are_refused(parameters: dict[str, Any]) -> None:
    good: dict[str, Any] = {"name": "x", "kind": "shape", "reference": np.ones(3), "alpha": 0.01}
    Monitor(**good)
    with pytest.raises(ValueError, match="x"):
        Monitor(**{**good, **parameters})


def test_budgets() -> None:
    assert patience(1, period=365 * 24, window=0.25, share=0.5) == 70080
    assert start_weights([]).shape == (0,)
    for wrong in ([-1.0, 2.0], [0.0, 0.0], [np.inf, 1.0]):
        with pytest.raises(ValueError, match="importance"):
            start_weights(wrong)
    with pytest.raises(ValueError, match="no budget"):
        patience(100, period=10, window=1)
    with pytest.raises(ValueError, match="positive"):
        patience(0, period=10, window=1)


def drifted_fleet() -> tuple[int, int]:
    """Return alarms and further alarms of forty monitors that drift alike and then stay."""
    size = 40
    rng = np.random.default_rng(5)
    references = rng.multinomial(20_000, gaussian(), size).astype(float)
    fleet = Fleet.of(
        [Monitor(f"m{j}", "shape", row, alpha=0.05 / size, tolerance=0.0) for j, row in enumerate(references)]
    )
    state, found = fleet.initial(), []
    for window in range(60):
        counts = rng.multinomial(ROWS, gaussian(0.4), size).astype(float).ravel()
        state, report = fleet.step(state, counts, np.full(size, 1 / size), 200.0, window)
        found += [alarm.change for alarm in report.alarms]
    return found.count(Change.DRIFT), len(found) - found.count(Change.DRIFT)


def test_drifts_that_stay_raise_one_alarm_each() -> None:
    assert drifted_fleet() == (40, 0)


def test_provisional_references_that_are_taken_for_the_truth_raise_more(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = provisional.transported
    monkeypatch.setattr(group, "transported", lambda *parts: 1e6 * honest(*parts))
    first, further = drifted_fleet()
    assert first == 40
    assert further > 40
