"""Stored states: checked, bounded, without pickle; steps over many monitors."""

from __future__ import annotations

import pickle
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from river._river_rust.drift import AdaptiveWindowing

from detectors.concept import adwin_window
from detectors.concept.detector import ConceptDetector
from detectors.concept.kernel import CorruptStateError, Memory
from detectors.concept.kinds import KINDS
from detectors.concept.states import OtherDetectorError, States
from tests.river import CASES, errors


def mended(body: bytes) -> bytes:
    """Return bytes with the checksum that fits."""
    return zlib.crc32(body).to_bytes(4, "big") + body


@pytest.mark.parametrize(("kind", "parameters"), CASES)
def test_states_go_on_from_their_bytes(kind: str, parameters: dict[str, Any]) -> None:
    values = errors(2, (0.1, 0.6, 0.2, 0.9), 60 if kind == "kswin" else 400)
    if not KINDS[kind].bits:
        values += np.random.default_rng(2).normal(0, 0.1, len(values))
    detector = ConceptDetector(kind, parameters)
    whole, alarms = detector.step(detector.initial(1), values)
    states, pieces = detector.initial(1), []
    for start in range(0, len(values), 37):
        states, found = detector.step(detector.unpack(detector.pack(states)), values[start : start + 37])
        pieces += [replace(alarm, index=start + alarm.index) for alarm in found]
    assert states == whole
    assert detector.pack(states) == detector.pack(whole)
    assert pieces == alarms
    assert alarms or (kind, parameters) == ("kswin", {})


class Boom:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (Path.touch, (Path("exploded"),))  # type: ignore[return-value]


@pytest.mark.parametrize(
    "load", [KINDS["adwin"].river(), KINDS["ddm"].river(), Boom()], ids=["adwin", "ddm", "hostile"]
)
def test_pickles_are_refused(load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps(load)
    sound = ConceptDetector("adwin").pack(ConceptDetector("adwin").initial(1))
    for hostile in (data, mended(data), mended(sound[4:-1] + data)):
        with pytest.raises(CorruptStateError):
            ConceptDetector("adwin").unpack(hostile)
    assert list(tmp_path.iterdir()) == []


def test_another_detector_s_states_are_told_apart() -> None:
    data = ConceptDetector("adwin").pack(ConceptDetector("adwin").initial(2))
    with pytest.raises(OtherDetectorError, match=r"delta=0\.002.*delta=0\.01"):
        ConceptDetector("adwin", {"delta": 0.01}).unpack(data)
    with pytest.raises(OtherDetectorError, match="page_hinkley"):
        ConceptDetector("page_hinkley").unpack(data)
    assert len(ConceptDetector("adwin").unpack(data)) == 2


def test_a_later_format_is_refused() -> None:
    data = bytearray(ConceptDetector("ddm").pack(ConceptDetector("ddm").initial(1)))
    data[7] += 1
    with pytest.raises(CorruptStateError, match="no states of format 1"):
        ConceptDetector("ddm").unpack(mended(bytes(data[4:])))


@pytest.mark.parametrize(
    ("kind", "memory"),
    [
        ("ddm", Memory((1.0,) * 8)),
        ("ddm", Memory((1.0, 2.0, 0.5, 0.0, np.inf, 0.0, 0.0, 0.0, 0.0))),
        ("ddm", Memory((40.0, 20.0, 1.5, 0.0, np.inf, 0.0, 0.0, 0.0, 0.0))),
        ("ddm", Memory((40.0, 20.0, 0.5, 0.0, 0.6, 0.5, 0.0, 0.0, 0.0))),
        ("ddm", Memory((np.nan,) * 9)),
        ("eddm", Memory((40.5, 20.0, 30.0, 2.0, 1.0, 0.0, -1.0, 0.0, 0.0))),
        ("hddm_a", Memory((40.0, 0.5, 0.0, 50.0, 0.5, 0.0, 0.0))),
        ("hddm_a", Memory((40.0, 0.5, 0.0, 0.0, 0.5, 0.0, 0.0))),
        ("hddm_w", Memory((1.0, 0.5, 0.5, 0.0) + (0.5, 0.5, 0.5, 2.0, 0.5, 0.5) * 2)),
        ("page_hinkley", Memory((9.0, 0.5, 4.0, 0.1, np.inf, 0.0, 0.0, 0.1, 0.2, 3.0, 1.0))),
        ("fhddm", Memory((100.0, 0.5, 0.0), bytes(13))),
        ("fhddm", Memory((9.0, 0.5, 0.0), bytes(1))),
        ("kswin", Memory((), b"")),
        ("kswin", Memory((), bytes(2496) + (625).to_bytes(4, "little"))),
        ("kswin", Memory((), bytes(2500) + np.array([np.inf]).tobytes())),
        ("kswin", Memory((), bytes(2500 + 800))),
        ("adwin", Memory((1.0, 0.0, 3.0, 0.0), np.array([1.0] + [0.0] * 12).tobytes())),
        ("adwin", Memory((1.0, 0.0, 7.0, 0.0), np.array([7.0] + [0.0] * 12).tobytes())),
        ("adwin", Memory((1.0, 0.0, 1.0, 32.0), np.array([1.0] + [0.0] * 12).tobytes())),
        ("adwin", Memory((1.0, 0.0, 1.0, 0.0), np.array([1.0, 1.0, 9.0] + [0.0] * 10).tobytes())),
        ("adwin", Memory((1.0, 0.0, 1.0, 0.0), np.array([1.0, np.nan] + [0.0] * 11).tobytes())),
        ("adwin", Memory((1.0, 0.0, 1.0, 0.0), bytes(7))),
        ("adwin", Memory((1.0, 0.0, 0.0, 0.0), bytes(104 * 60))),
    ],
)
def test_memories_that_no_stream_leaves_are_refused(kind: str, memory: Memory) -> None:
    detector = ConceptDetector(kind)
    new = detector.initial(1)
    data = detector.pack(States((memory,), new.rows, new.refused, new.drifts, new.warnings))
    with pytest.raises(CorruptStateError):
        detector.unpack(data)


@pytest.mark.parametrize(("kind", "parameters"), CASES)
def test_the_size_of_a_state_is_bounded_and_told(kind: str, parameters: dict[str, Any]) -> None:
    detector = ConceptDetector(kind, parameters)
    states = detector.initial(3)
    sizes = [states.size]
    for seed in range(4):
        length = 150 if kind == "kswin" else 4000
        states, _ = detector.step(states, errors(seed, (0.1,), length), np.arange(length) % 3)
        sizes.append(states.size)
    assert max(sizes) <= 3 * detector.largest_state
    if kind not in {"adwin", "kswin", "fhddm"}:
        assert set(sizes) == {sizes[0]}
    overhead = len(detector.pack(states)) - states.size
    assert overhead == 16 + len(detector.identity) + 3 * (4 * 8 + 4)


def test_adwin_grows_with_the_logarithm() -> None:
    detector = ConceptDetector("adwin")
    states, sizes = detector.initial(1), []
    for power in range(8):
        states, _ = detector.step(states, np.resize([0.0, 1.0], 1000 * 2**power))
        sizes.append(states.size)
    assert states.rows[0] == 255_000
    assert np.diff(sizes).max() <= 3 * 104
    assert sizes[-1] <= detector.largest_state < 6000


def test_monitors_do_not_mix() -> None:
    generator = np.random.default_rng(8)
    owners = generator.integers(0, 5, 3000)
    values = (generator.random(3000) < np.where(np.arange(3000) < 1500, 0.1, 0.7)).astype(np.float64)
    for kind in sorted(set(KINDS) - {"kswin"}):
        detector = ConceptDetector(kind)
        states, found = detector.step(detector.initial(6), values, owners)
        assert [alarm.index for alarm in found] == sorted(alarm.index for alarm in found)
        assert states.rows.tolist() == [*np.bincount(owners).tolist(), 0]
        for monitor in range(5):
            places = np.flatnonzero(owners == monitor)
            alone, alarms = detector.step(detector.initial(1), values[places])
            assert alone == states.take([monitor])
            mine = [(alarm.index, alarm.level) for alarm in found if alarm.monitor == monitor]
            assert mine == [(int(places[alarm.index]), alarm.level) for alarm in alarms]
        assert States.joined([states.take([place]) for place in range(6)]) == states


def test_a_step_leaves_what_it_was_given() -> None:
    detector = ConceptDetector("adwin")
    first, _ = detector.step(detector.initial(2), np.array([1.0, 0.0, np.nan]), np.array([0, 1, 1]))
    kept, values = detector.pack(first), np.ones(500)
    detector.step(first, values)
    assert detector.pack(first) == kept
    assert first.refused.tolist() == [0, 1]
    assert (values == 1).all()


def test_nothing_changes_nothing() -> None:
    for kind in KINDS:
        detector = ConceptDetector(kind)
        for monitors in (0, 1, 3):
            states, found = detector.step(detector.initial(monitors), np.empty(0))
            assert states == detector.initial(monitors) == detector.unpack(detector.pack(states))
            assert found == []


def test_a_monitor_can_start_anew() -> None:
    detector = ConceptDetector("ddm")
    states, _ = detector.step(detector.initial(2), errors(1, (0.3,), 400), np.arange(400) % 2)
    again = detector.restarted(states, [1])
    assert again.memories == (states.memories[0], detector.initial(1).memories[0])
    assert again.rows.tolist() == [200, 200]


@pytest.mark.parametrize("owners", [[0], [0, 2], [-1, 0]])
def test_values_need_an_owner(owners: list[int]) -> None:
    detector = ConceptDetector("ddm")
    with pytest.raises(ValueError, match="of 2 monitors"):
        detector.step(detector.initial(2), np.zeros(2), np.array(owners))


def test_a_changed_river_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Longer:
        def __init__(self, *parameters: Any) -> None:
            self.inner = AdaptiveWindowing(*parameters)
            self.update = self.inner.update

        def __getstate__(self) -> bytes:
            return self.inner.__getstate__() + b"\0"

    monkeypatch.setattr(adwin_window, "AdaptiveWindowing", Longer)
    window = adwin_window.Window(0.002, 32, 5, 5, 10)
    window.update(1.0)
    with pytest.raises(RuntimeError, match="another way"):
        window.remember()
