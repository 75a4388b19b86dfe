"""Defects of River's detectors, shown on River as it is, and gone from ours."""

from __future__ import annotations

import numpy as np
import pytest
from river import drift

from detectors.concept.detector import ConceptDetector
from tests.river import bare, errors, ours


def test_one_error_after_forty_good_rows_is_a_drift_to_river() -> None:
    values = [0.0] * 40 + [1.0]
    assert bare("ddm", {}, values) == [(40, "drift")]
    detector = ConceptDetector("ddm")
    assert detector.step(detector.initial(1), np.array(values))[1] == []


def test_rare_errors_alarm_rarely() -> None:
    detector = ConceptDetector("ddm")
    drifts = {"river": 0, "ours": 0}
    for seed in range(20):
        values = errors(seed, (0.005,), 5_000)
        drifts["ours"] += int(detector.step(detector.initial(1), values)[0].drifts[0])
        drifts["river"] += [level for _, level in bare("ddm", {}, values.tolist())].count("drift")
    assert drifts["river"] >= 20
    assert drifts["ours"] <= 2


def test_ddm_still_finds_a_rise_of_rare_errors() -> None:
    detector = ConceptDetector("ddm")
    _, alarms = detector.step(detector.initial(1), errors(3, (0.005, 0.05), 20_000))
    drifts = [alarm for alarm in alarms if alarm.level == "drift" and alarm.index >= 20_000]
    assert drifts[0].index < 21_500
    assert drifts[0].before < 0.01
    assert drifts[0].after > 1.5 * drifts[0].before


def test_ddm_is_river_s_once_there_are_enough_errors() -> None:
    for seed in range(20):
        values = np.concatenate([np.ones(31), errors(seed, (0.2, 0.4), 1000)])
        detector = ConceptDetector("ddm")
        found = ours(detector.step(detector.initial(1), values)[1])
        plain = bare("ddm", {}, values.tolist())
        first = next((place + 1 for place, (_, level) in enumerate(plain) if level == "drift"), len(plain))
        assert found[:first] == plain[:first]


@pytest.mark.parametrize("short", [None, 25])
def test_fhddm_of_river_sees_errors_only_when_they_end(short: int | None) -> None:
    worse, better = np.repeat([0.0, 1.0], 400), np.repeat([1.0, 0.0], 400)
    parameters = {"short_window_size": short}
    assert bare("fhddm", parameters, worse.tolist()) == []
    assert len(bare("fhddm", parameters, better.tolist())) == 1
    detector = ConceptDetector("fhddm", parameters)
    _, found = detector.step(detector.initial(1), worse)
    assert [(alarm.level, alarm.direction) for alarm in found] == [("drift", 1)]
    assert 400 <= found[0].index < 430
    assert detector.step(detector.initial(1), better)[1] == []


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e308])
@pytest.mark.parametrize("kind", ["adwin", "page_hinkley"])
def test_one_bad_value_blinds_river_for_good(kind: str, bad: float) -> None:
    before, after = errors(1, (0.1,), 500), errors(2, (0.9,), 3000)
    values = np.concatenate([before, [bad], after])
    if not (kind == "page_hinkley" and abs(bad) == 1e308):
        later = [index for index, _ in bare(kind, {}, values.tolist()) if index > 520]
        assert later == []
    detector = ConceptDetector(kind)
    states, found = detector.step(detector.initial(1), values)
    assert found[0].index < 700
    assert found[0].direction == 1
    assert states.refused.tolist() == [1]


@pytest.mark.parametrize(("kind", "parameters"), [("adwin", {}), ("page_hinkley", {})])
def test_river_does_not_tell_better_from_worse(kind: str, parameters: dict[str, float]) -> None:
    for rates, direction in (((0.1, 0.5), 1), ((0.5, 0.1), -1)):
        values = errors(4, rates, 1500)
        assert bare(kind, parameters, values.tolist())
        detector = ConceptDetector(kind, parameters)
        _, found = detector.step(detector.initial(1), values)
        assert found[0].direction == direction
        assert (found[0].after > found[0].before) == (direction > 0)


def test_river_s_windows_draw_other_samples_each_time_unless_told_a_seed() -> None:
    assert drift.KSWIN().seed is None
    assert ConceptDetector("kswin").parameters["seed"] == 1


CHANGES = {
    "adwin": {}, "page_hinkley": {}, "ddm": {}, "hddm_a": {}, "hddm_w": {}, "fhddm": {}, "kswin": {"alpha": 1e-4},
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGES)
def test_an_alarm_tells_what_changed_and_since_when(kind: str) -> None:
    values = errors(6, (0.1, 0.8), 1000)
    detector = ConceptDetector(kind, CHANGES[kind])
    states, found = detector.step(detector.initial(1), values)
    alarm = next(alarm for alarm in found if alarm.level == "drift")
    assert 1000 <= alarm.index < 1150
    assert alarm.direction == 1
    assert alarm.before < 0.15
    assert alarm.after > 1.5 * alarm.before
    assert alarm.rows == alarm.index + 1
    assert alarm.index - alarm.width >= 780
    assert states.drifts[0] == sum(alarm.level == "drift" for alarm in found)
    assert states.warnings[0] == sum(alarm.level == "warning" for alarm in found)


@pytest.mark.parametrize("kind", ["hddm_a", "hddm_w"])
def test_two_sided_tests_tell_falls(kind: str) -> None:
    detector = ConceptDetector(kind, {"two_sided_test": True})
    _, found = detector.step(detector.initial(1), errors(6, (0.8, 0.1), 1000))
    drifts = [alarm for alarm in found if alarm.level == "drift"]
    assert drifts[0].direction == -1
    assert drifts[0].before > 0.6 > drifts[0].after
    one_sided = ConceptDetector(kind)
    _, found = one_sided.step(one_sided.initial(1), errors(6, (0.8, 0.1), 1000))
    assert not [alarm for alarm in found if alarm.level == "drift" and alarm.index >= 1000]


def test_kswin_sees_spread_and_says_that_the_mean_is_the_same() -> None:
    detector = ConceptDetector("kswin")
    values = np.concatenate([np.tile([-0.1, 0.1], 75), np.tile([-5.0, 5.0], 75)])
    _, found = detector.step(detector.initial(1), values)
    assert found
    assert abs(found[0].before - found[0].after) < 1


def test_eddm_fires_when_errors_become_regular() -> None:
    values = np.concatenate([errors(1, (0.2,), 1000), np.tile([1.0, 0, 0, 0, 0, 0], 1000)])
    detector = ConceptDetector("eddm", {"alpha": 0.9, "beta": 0.85})
    _, found = detector.step(detector.initial(1), values)
    later = [alarm for alarm in found if alarm.level == "drift" and alarm.index > 1000]
    assert later
    assert later[0].after == pytest.approx(later[0].before, abs=0.02)
