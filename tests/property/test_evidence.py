"""Laws of the alarm engine: order, split, monitors that come and go, bytes, windows without rows."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.evidence.null import FloatArray
from detectors.fleet.alarm import Report
from detectors.fleet.codec import CorruptEvidenceError, carried, from_bytes, to_bytes
from detectors.fleet.decision import decide
from detectors.fleet.fleet import Fleet
from detectors.fleet.monitor import Monitor
from detectors.fleet.state import FleetState

WINDOWS = 8
PATIENCE = 200.0


def monitor(rng: np.random.Generator, place: int) -> Monitor:
    """Return a monitor of some kind, size and number of slots; zero cells and few rows included."""
    cells, slots = int(rng.integers(2, 6)), int(rng.choice([1, 1, 3]))
    kind: Any = "rate" if cells == 2 and rng.random() < 0.7 else "shape"
    law = rng.dirichlet(np.full(cells, 0.8))
    reference = rng.multinomial(int(10 ** rng.uniform(1, 5)), law, slots).astype(np.float64)
    return Monitor(
        f"m{place}",
        kind,
        reference,
        alpha=0.01,
        tolerance=float(rng.choice([0, 0.01])),
        ordered=bool(rng.random() < 0.7),
    )


def windows(rng: np.random.Generator, monitors: list[Monitor]) -> list[FloatArray]:
    """Return counts for each window and monitor: quiet at first, drifting later, some without rows, some soft."""
    out = []
    for window in range(WINDOWS):
        parts = []
        for place, one in enumerate(monitors):
            law = (one.reference[0] + 0.5) / (one.reference[0] + 0.5).sum()
            if window > 3 and place % 2:
                law = law[::-1]
            rows = int(rng.choice([0, 1, 40, 2000]))
            soft = 1 / 3 if place % 3 == 2 else 1.0
            parts.append(rng.multinomial(rows, law) * soft)
        out.append(np.concatenate(parts))
    return out


def run(
    fleet: Fleet, state: FleetState, counts: list[FloatArray], weight: float, first: int = 0
) -> tuple[FleetState, list[Report]]:
    reports = []
    weights = np.full(len(fleet.monitors), weight)
    for window, part in enumerate(counts, first):
        state, report = fleet.step(state, part, weights, PATIENCE, window, slot=window % 3)
        reports.append(report)
    return state, reports


def evidence_of(fleet: Fleet, state: FleetState) -> dict[str, tuple[bytes, ...]]:
    """Return every number of each monitor's state, as bytes."""
    found = {}
    for group, held in zip(fleet.groups, state.groups, strict=True):
        for row, one in enumerate(group.monitors):
            arrays = [getattr(part, f.name)[row] for part in (held.evidence, held.follow_up) for f in fields(part)]
            found[one.name] = tuple(array.tobytes() for array in arrays)
    return found


def alone(monitors: list[Monitor], counts: list[FloatArray], chosen: list[int]) -> list[FloatArray]:
    ends = np.cumsum([0, *(one.cells for one in monitors)])
    return [np.concatenate([part[ends[place] : ends[place + 1]] for place in chosen]) for part in counts]


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.randoms(use_true_random=False))
@settings(max_examples=12, deadline=None)
def test_the_order_of_monitors_does_not_matter(seed: int, size: int, random: Any) -> None:
    rng = np.random.default_rng(seed)
    monitors = [monitor(rng, place) for place in range(size)]
    counts = windows(rng, monitors)
    order = list(range(size))
    random.shuffle(order)
    one, other = Fleet.of(monitors), Fleet.of([monitors[place] for place in order])
    state, reports = run(one, one.initial(), counts, 1 / size)
    shuffled, others = run(other, other.initial(), alone(monitors, counts, order), 1 / size)
    assert evidence_of(one, state) == evidence_of(other, shuffled)
    for report, mixed in zip(reports, others, strict=True):
        assert np.array_equal(report.log_evidence[order], mixed.log_evidence)
        assert np.array_equal(report.effect[order], mixed.effect, equal_nan=True)
        assert {replace(a, monitor=order.index(a.monitor)) for a in report.alarms} == set(mixed.alarms)


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.data())
@settings(max_examples=12, deadline=None)
def test_a_monitor_alone_gathers_the_same_evidence_to_the_bit(seed: int, size: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    monitors = [monitor(rng, place) for place in range(size)]
    counts = windows(rng, monitors)[:4]
    chosen = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=size - 1)))
    whole, part = Fleet.of(monitors), Fleet.of([monitors[place] for place in chosen])
    quiet = 1e-30
    state, _ = run(whole, whole.initial(), counts, quiet)
    smaller, _ = run(part, part.initial(), alone(monitors, counts, chosen), quiet)
    everything = evidence_of(whole, state)
    assert evidence_of(part, smaller) == {monitors[place].name: everything[monitors[place].name] for place in chosen}


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, WINDOWS - 1), st.booleans())
@settings(max_examples=12, deadline=None)
def test_a_stop_anywhere_changes_nothing(seed: int, size: int, stop: int, through_bytes: bool) -> None:
    rng = np.random.default_rng(seed)
    monitors = [monitor(rng, place) for place in range(size)]
    counts = windows(rng, monitors)
    fleet = Fleet.of(monitors)
    state, reports = run(fleet, fleet.initial(), counts, 1 / size)
    middle, _ = run(fleet, fleet.initial(), counts[:stop], 1 / size)
    again = Fleet.of(monitors)
    if through_bytes:
        data = to_bytes(fleet, middle)
        middle, known = from_bytes(again, data)
        assert to_bytes(again, middle) == data
    else:
        middle, known = carried(fleet, middle, again)
    assert known.all()
    resumed, later = run(again, middle, counts[stop:], 1 / size, first=stop)
    assert evidence_of(again, resumed) == evidence_of(fleet, state)
    assert [report.alarms for report in later] == [report.alarms for report in reports[stop:]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(0, 5))
@settings(max_examples=12, deadline=None)
def test_monitors_come_and_go_without_touching_the_others(seed: int, kept: int, gone: int) -> None:
    rng = np.random.default_rng(seed)
    monitors = [monitor(rng, place) for place in range(kept + gone)]
    fleet = Fleet.of(monitors)
    state, _ = run(fleet, fleet.initial(), windows(rng, monitors), 1 / 20)
    changed = replace(monitors[0], epoch=2)
    stay = monitors[1:kept]
    new = [monitor(rng, 100), changed]
    other = Fleet.of([new[0], *stay, new[1]])
    moved, known = carried(fleet, state, other)
    assert known.tolist() == [False, *([True] * len(stay)), False]
    before, after = evidence_of(fleet, state), evidence_of(other, moved)
    fresh = evidence_of(other, other.initial())
    assert all(after[one.name] == before[one.name] for one in stay)
    assert all(after[one.name] == fresh[one.name] for one in new)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_a_window_without_rows_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    monitors = [monitor(rng, place) for place in range(4)]
    fleet = Fleet.of(monitors)
    state, _ = run(fleet, fleet.initial(), windows(rng, monitors), 0.25)
    after, report = fleet.step(state, np.zeros(fleet.offsets[-1]), np.full(4, 0.25), 1e12, 99)
    assert evidence_of(fleet, after) == evidence_of(fleet, state)
    assert not report.alarms
    assert np.isnan(report.effect).all()


@given(st.integers(0, 2**32 - 1), st.data())
@settings(max_examples=40, deadline=None)
def test_damage_is_found(seed: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    monitors = [monitor(rng, place) for place in range(2)]
    fleet = Fleet.of(monitors)
    whole = to_bytes(fleet, fleet.initial())
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[place] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(flipped), whole[:place]):
        with pytest.raises(CorruptEvidenceError):
            from_bytes(fleet, damaged)


@given(
    st.lists(st.floats(-50, 50) | st.just(-np.inf), max_size=12),
    st.floats(1, 1e6),
)
@settings(max_examples=80)
def test_the_decision_equals_its_definition(logs: list[float], patience: float) -> None:
    log_evidence = np.array(logs)
    decision = decide(log_evidence, patience)
    evidence = sorted(np.exp(log_evidence), reverse=True)
    ranks = [r for r, value in enumerate(evidence, 1) if value >= patience / r * (1 - 1e-11)]
    assert decision.alarmed.sum() == max(ranks, default=0)
    assert decision.incident == (sum(evidence) >= patience * (1 - 1e-11))
    if decision.alarmed.any():
        assert log_evidence[decision.alarmed].min() >= log_evidence[~decision.alarmed].max(initial=-np.inf)
    held = float(np.exp(log_evidence[decision.reset]).sum())
    assert held >= patience * (1 - 1e-9) or not decision.incident
    if decision.suspects.any():
        assert not decision.alarmed.any()
        least = np.exp(log_evidence[decision.suspects]).min()
        assert held - least < patience
