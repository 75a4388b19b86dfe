"""Concept drift: River is the oracle, cuts and restarts change nothing, merging packs is merging panes."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.concept.ddm import DDM
from detectors.concept.detector import Alarm, ConceptDetector
from detectors.concept.kernel import Change, CorruptStateError, Memory
from detectors.concept.kinds import KINDS
from detectors.concept.kswin import KSWIN
from detectors.concept.order import order
from detectors.concept.rows import CorruptRowsError, Rows
from detectors.concept.states import OtherDetectorError, States
from tests.river import CASES, guarded, ours

FloatArray = NDArray[np.float64]

QUICK = [case for case in CASES if case[0] != "kswin"]
cases = st.sampled_from(QUICK)
pieces = st.lists(st.tuples(st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.5, 0.9, 1.0]), st.integers(1, 250)), max_size=6)
seeds = st.integers(0, 2**32 - 1)
wild = st.floats(-1e15, 1e15) | st.floats(-3, 3) | st.sampled_from([0.0, 1.0, 0.5, 1e-300])


def stream(parts: Sequence[tuple[float, int]], seed: int) -> FloatArray:
    chances = np.repeat([rate for rate, _ in parts], [length for _, length in parts])
    return (np.random.default_rng(seed).random(len(chances)) < chances).astype(np.float64)


def fed(detector: ConceptDetector, values: FloatArray, cuts: Sequence[int], stored: bool) -> tuple[States, list[Any]]:
    """Feed values cut at some places, perhaps through bytes each time; return the states and all of each alarm."""
    states, found = detector.initial(1), []
    borders = [0, *sorted({cut % (len(values) + 1) for cut in cuts}), len(values)]
    for start, end in pairwise(borders):
        states = detector.unpack(detector.pack(states)) if stored else states
        states, alarms = detector.step(states, values[start:end])
        found += [_told(alarm, start) for alarm in alarms]
    return states, found


def _told(alarm: Alarm, start: int) -> tuple[Any, ...]:
    return (alarm.index + start, alarm.rows, alarm.level, alarm.direction, alarm.before, alarm.after, alarm.width)


@given(cases, pieces, seeds)
@settings(max_examples=70, deadline=None)
def test_errors_give_river_s_alarms(
    case: tuple[str, dict[str, Any]], parts: list[tuple[float, int]], seed: int
) -> None:
    kind, parameters = case
    values, detector = stream(parts, seed), ConceptDetector(kind, parameters)
    assert ours(detector.step(detector.initial(1), values)[1]) == guarded(kind, parameters, values.tolist())


@given(
    st.sampled_from([case for case in QUICK if not KINDS[case[0]].bits]),
    st.lists(wild, max_size=60),
    st.lists(wild, max_size=60),
    st.integers(1, 12),
)
@settings(max_examples=80, deadline=None)
def test_losses_give_river_s_alarms(
    case: tuple[str, dict[str, Any]], first: list[float], second: list[float], times: int
) -> None:
    kind, parameters = case
    values, detector = np.array(first * times + second * times), ConceptDetector(kind, parameters)
    assert ours(detector.step(detector.initial(1), values)[1]) == guarded(kind, parameters, values.tolist())


@given(st.lists(st.integers(0, 3), min_size=24, max_size=80), st.integers(0, 5), st.sampled_from([0.005, 0.05, 0.3]))
@settings(max_examples=25, deadline=None)
def test_kswin_gives_river_s_alarms(values: list[int], seed: int, alpha: float) -> None:
    parameters = {"window_size": 20, "stat_size": 8, "seed": seed, "alpha": alpha}
    detector = ConceptDetector("kswin", parameters)
    _, found = detector.step(detector.initial(1), np.array(values, np.float64))
    assert ours(found) == guarded("kswin", parameters, [float(x) for x in values])


@given(st.sampled_from(CASES), pieces, seeds, st.lists(st.integers(0, 2000), max_size=5), st.booleans())
@settings(max_examples=100, deadline=None)
def test_cuts_and_restarts_change_nothing(
    case: tuple[str, dict[str, Any]], parts: list[tuple[float, int]], seed: int, cuts: list[int], stored: bool
) -> None:
    kind, parameters = case
    values = stream(parts, seed)[: 200 if kind == "kswin" else None]
    generator = np.random.default_rng(seed)
    if not KINDS[kind].bits and seed % 2:
        values = values + generator.normal(size=len(values))
    values[generator.random(len(values)) < 0.02] = np.nan
    detector = ConceptDetector(kind, parameters)
    assert fed(detector, values, cuts, stored) == fed(detector, values, [], False)


@dataclass(frozen=True, slots=True)
class Forgetful(DDM):
    """The mutant that loses its minimum whenever a step ends."""

    def run(self, memory: Memory, values: list[float]) -> tuple[Memory, list[Change]]:
        after, changes = DDM.run(self, memory, values)
        return Memory((*after.numbers[:4], math.inf, *after.numbers[5:])), changes


@dataclass(frozen=True, slots=True)
class Reseeded(KSWIN):
    """The mutant whose generator starts anew with every step."""

    def run(self, memory: Memory, values: list[float]) -> tuple[Memory, list[Change]]:
        after, changes = KSWIN.run(self, memory, values)
        return Memory((), self.initial().window + after.window[2500:]), changes


@pytest.mark.parametrize(("kind", "mutant"), [("ddm", Forgetful), ("kswin", Reseeded)])
def test_a_detector_that_forgets_would_not_pass(kind: str, mutant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    values = stream([(0.3, 200), (0.1, 200), (0.4, 400)], 5)
    cuts = list(range(0, 800, 50))
    honest = ConceptDetector(kind, {"alpha": 0.2} if kind == "kswin" else {})
    assert fed(honest, values, cuts, True) == fed(honest, values, [], False)
    entry = KINDS[kind]
    monkeypatch.setitem(KINDS, kind, type(entry)(mutant, entry.river, entry.bits, entry.warns, entry.ranges))
    assert fed(honest, values, cuts, False)[1] != fed(honest, values, [], False)[1]


@given(cases, pieces, seeds, st.data())
@settings(max_examples=70, deadline=None)
def test_damage_is_always_noticed(
    case: tuple[str, dict[str, Any]], parts: list[tuple[float, int]], seed: int, data: st.DataObject
) -> None:
    detector = ConceptDetector(*case)
    whole = detector.pack(detector.step(detector.initial(1), stream(parts, seed))[0])
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    for damaged in (bytes(flipped), cut, whole + b"\0"):
        with pytest.raises(CorruptStateError):
            detector.unpack(damaged)


@given(st.sampled_from(CASES), pieces, seeds, st.data())
@settings(max_examples=120, deadline=None)
def test_forged_states_are_refused_or_harmless(
    case: tuple[str, dict[str, Any]], parts: list[tuple[float, int]], seed: int, data: st.DataObject
) -> None:
    """Bytes whose checksum was mended: nothing but the two errors, and no crash later."""
    detector = ConceptDetector(*case)
    values = stream(parts, seed)[:150]
    forged = bytearray(detector.pack(detector.step(detector.initial(1), values)[0])[4:])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(forged) - 1))
        forged[place] = data.draw(st.integers(0, 255))
    try:
        states = detector.unpack(zlib.crc32(forged).to_bytes(4, "big") + bytes(forged))
    except (CorruptStateError, OtherDetectorError):
        return
    after, _ = detector.step(states, stream([(0.5, 60), (1.0, 60), (0.0, 60)], seed))
    assert after.size <= detector.largest_state


times = st.integers(-5, 5) | st.integers(-(2**63), 2**63 - 1)
hashes = st.integers(0, 2**64 - 1) | st.integers(0, 3)
rows = st.lists(st.tuples(times, hashes, wild | st.just(math.nan)), max_size=8)


def packed(parts: list[tuple[int, int, float]], bound: int, bits: bool) -> Rows:
    """Return rows; bits are made of losses by their sign."""
    times = np.array([time for time, _, _ in parts], np.int64)
    hashes = np.array([key for _, key, _ in parts], np.uint64)
    values = np.array([value for _, _, value in parts], np.float64)
    return Rows.of(
        times, hashes, np.where(np.isnan(values), values, values > 0) if bits else values, bound=bound, bits=bits
    )


@given(rows, rows, rows, st.integers(1, 8), st.booleans())
@settings(max_examples=60, deadline=None)
def test_rows_are_a_commutative_monoid(
    first: list[tuple[int, int, float]],
    second: list[tuple[int, int, float]],
    third: list[tuple[int, int, float]],
    bound: int,
    bits: bool,
) -> None:
    a, b, c = (packed(part, bound, bits) for part in (first, second, third))
    assert a + b == b + a
    assert (a + b) + c == a + (b + c) == packed(third + first + second, bound, bits)
    assert a + Rows.empty(bound, bits) == a
    whole = a + b + c
    assert len(whole) == min(whole.seen, bound)
    assert whole.seen + whole.refused == len(first) + len(second) + len(third)


@given(rows, st.integers(1, 8), st.booleans())
@settings(max_examples=60, deadline=None)
def test_rows_keep_the_defined_order_and_come_back_from_bytes(
    parts: list[tuple[int, int, float]], bound: int, bits: bool
) -> None:
    kept = packed(parts, bound, bits)
    assert order(kept.log_times, kept.hashes, kept.values).tolist() == list(range(len(kept)))
    data = kept.to_bytes()
    assert Rows.from_bytes(data) == kept
    assert Rows.from_bytes(data).to_bytes() == data
    assert len(data) <= Rows.largest(bound)


@given(rows, st.booleans(), st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_rows_are_always_noticed(parts: list[tuple[int, int, float]], bits: bool, data: st.DataObject) -> None:
    whole = packed(parts, 8, bits).to_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    for damaged in (bytes(flipped), whole[: data.draw(st.integers(0, len(whole) - 1))], whole + b"\0"):
        with pytest.raises(CorruptRowsError):
            Rows.from_bytes(damaged)


@given(rows, st.booleans(), st.data())
@settings(max_examples=100, deadline=None)
def test_forged_rows_are_refused_or_are_rows(
    parts: list[tuple[int, int, float]], bits: bool, data: st.DataObject
) -> None:
    forged = bytearray(packed(parts, 8, bits).to_bytes()[4:])
    for _ in range(data.draw(st.integers(1, 3))):
        forged[data.draw(st.integers(0, len(forged) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = Rows.from_bytes(zlib.crc32(forged).to_bytes(4, "big") + bytes(forged))
    except CorruptRowsError:
        return
    assert found + Rows.empty(found.bound, found.bits) == found


def test_first_come_first_kept_would_not_pass() -> None:
    """The mutant sample, the rows that came first, depends on what was merged when."""
    parts = [[(place, 7919 * place % 101, float(place))] for place in range(30)]
    forward, backward = Rows.empty(5, False), Rows.empty(5, False)
    first: list[float] = []
    last: list[float] = []
    for part in parts:
        forward, first = forward + packed(part, 5, False), [*first, part[0][2]][:5]
    for part in reversed(parts):
        backward, last = backward + packed(part, 5, False), [*last, part[0][2]][:5]
    assert forward == backward
    assert sorted(first) != sorted(last)
