"""The same alarms at the same rows as River, fed row by row, on ordinary and on ugly streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from river import stats
from scipy.stats import ks_2samp

from detectors.concept.detector import ConceptDetector
from detectors.concept.kinds import KINDS
from detectors.concept.kswin import _critical, _distances
from tests.river import CASES, bare, errors, guarded, ours

FloatArray = NDArray[np.float64]

RATES = (0.2, 0.6, 0.05, 0.0, 0.3, 1.0, 0.5, 0.45)


def alarms(kind: str, parameters: Mapping[str, Any], values: FloatArray) -> list[tuple[int, str]]:
    detector = ConceptDetector(kind, parameters)
    return ours(detector.step(detector.initial(1), values)[1])


@pytest.mark.parametrize(("kind", "parameters"), CASES)
def test_errors(kind: str, parameters: dict[str, Any]) -> None:
    length = 100 if kind == "kswin" else 500
    total = 0
    for seed in range(1 if kind == "kswin" else 2):
        values = errors(seed, RATES, length)
        expected = guarded(kind, parameters, values.tolist())
        assert alarms(kind, parameters, values) == expected
        total += len(expected)
    assert total > 0, "a test without an alarm proves little"


@pytest.mark.parametrize(("kind", "parameters"), [case for case in CASES if not KINDS[case[0]].bits])
def test_losses(kind: str, parameters: dict[str, Any]) -> None:
    generator = np.random.default_rng(3)
    length = 60 if kind == "kswin" else 400
    parts = [generator.normal(mean, spread, length) for mean, spread in ((0, 1), (2, 1), (2, 5), (-3, 0.1))]
    tied = np.round(np.concatenate(parts))
    long_tail = generator.pareto(1.1, 4 * length)
    for part in (np.concatenate(parts), tied, np.abs(tied) * 1e-300, tied * 1e12, long_tail):
        values = part.astype(np.float64)
        assert alarms(kind, parameters, values) == guarded(kind, parameters, values.tolist())


@pytest.mark.parametrize("kind", ["hddm_a", "hddm_w"])
def test_a_drift_on_one_side_outranks_a_warning_on_the_other(kind: str) -> None:
    parameters = {"two_sided_test": True, "drift_confidence": 0.2, "warning_confidence": 0.9}
    for seed in (5, 9, 11, 13, 14, 29, 41):
        values = errors(seed, np.random.default_rng(seed).random(8).tolist(), 30)
        assert alarms(kind, parameters, values) == guarded(kind, parameters, values.tolist())
    generator = np.random.default_rng(13)
    rates = np.repeat(generator.random(8), 30)
    for _ in range(60):
        values = (generator.random(240) < generator.permutation(rates)).astype(np.float64)
        assert alarms(kind, parameters, values) == guarded(kind, parameters, values.tolist())


UGLY: dict[str, FloatArray] = {
    "empty": np.empty(0),
    "one success": np.zeros(1),
    "one error": np.ones(1),
    "no error": np.zeros(400),
    "errors only": np.ones(400),
    "every other row": np.tile([0.0, 1.0], 300),
    "every fifth row": np.tile([1.0, 0, 0, 0, 0], 200),
    "one error at the end": np.repeat([0.0, 1.0], [400, 1]),
    "good, then bad": np.repeat([0.0, 1.0], 300),
    "bad, then good": np.repeat([1.0, 0.0], 300),
    "minus zero": np.tile([-0.0, 1.0, 0.0], 100),
}


@pytest.mark.parametrize(("kind", "parameters"), CASES)
def test_ugly_streams(kind: str, parameters: dict[str, Any]) -> None:
    for name, stream in UGLY.items():
        values = stream[:150] if kind == "kswin" else stream
        assert alarms(kind, parameters, values) == guarded(kind, parameters, values.tolist()), name


@pytest.mark.parametrize(("kind", "parameters"), CASES)
def test_what_the_guard_refuses_might_as_well_not_be_there(kind: str, parameters: dict[str, Any]) -> None:
    clean = errors(1, RATES[:3], 60 if kind == "kswin" else 500)
    places = np.sort(np.random.default_rng(2).choice(len(clean), 25, replace=False))
    bad = np.resize([np.nan, np.inf, -np.inf, 1e308, -1e308, 1.1e15], len(places))
    dirty = np.insert(clean, places, bad)
    detector = ConceptDetector(kind, parameters)
    states, found = detector.step(detector.initial(1), dirty)
    kept = np.flatnonzero(np.abs(dirty) <= 1)
    expected = [(int(kept[index]), level) for index, level in guarded(kind, parameters, clean.tolist())]
    assert ours(found) == expected
    assert (states.refused[0], states.rows[0]) == (25, len(clean))
    assert [alarm.rows for alarm in found] == [int(np.searchsorted(kept, alarm.index)) + 1 for alarm in found]


NUMBERS: dict[str, Callable[[Any], dict[str, float]]] = {
    "adwin": lambda river: {"total": river.total, "variance": river.variance, "width": river.width},
    "page_hinkley": lambda river: {
        "mean": river._x_mean.get(),
        "rise": river._sum_increase,
        "least": river._min_increase,
        "fall": river._sum_decrease,
        "most": river._max_decrease,
    },
    "ddm": lambda river: {"rate": river._p.get(), "least": river._ps_min},
    "eddm": lambda river: {
        "mean": river._error_distances.mean.get(),
        "squares": river._error_distances._S,
        "most": river._p2s_prime_max,
    },
    "hddm_a": lambda river: {
        "mean": river._z.get(),
        "low_rows": river._x_min.n,
        "low_mean": river._x_min.get(),
        "high_rows": river._x_max.n,
        "high_mean": river._x_max.get(),
    },
    "hddm_w": lambda river: {
        "mean": river._total.ewma,
        "weight": river._total.ibc,
        "rise_least": river._incr_cutpoint,
        "rise_before": river._s1_incr.ewma,
        "rise_after": river._s2_incr.ewma,
        "rise_after_weight": river._s2_incr.ibc,
        "fall_least": -river._decr_cutpoint,
        "fall_before": river._s1_decr.ewma,
        "fall_after": river._s2_decr.ewma,
    },
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_the_numbers_behind_the_alarms_are_river_s_to_the_bit(kind: str) -> None:
    parameters: dict[str, Any] = {"two_sided_test": True} if kind.startswith("hddm") else {}
    parameters |= {"drift_confidence": 1e-300} if parameters else {}
    values = np.concatenate([np.ones(35), errors(6, (0.3, 0.32, 0.31), 400)])
    detector, river = ConceptDetector(kind, parameters), KINDS[kind].river(**parameters)
    states = detector.initial(1)
    for start in range(0, len(values), 5):
        states, found = detector.step(states, values[start : start + 5])
        for x in values[start : start + 5].tolist():
            river.update(x)
        if any(alarm.level == "drift" for alarm in found):
            river._reset()
            states, _ = detector.step(detector.initial(1), np.empty(0))
            continue
        mine = dict(zip(detector.kernel.fields, states.memories[0].numbers, strict=True))
        expected = NUMBERS[kind](river)
        assert {name: mine[name] for name in expected} == expected


def test_adwin_over_many_rows() -> None:
    values = errors(9, (0.02, 0.021, 0.03, 0.02), 60_000)
    found = alarms("adwin", {}, values)
    assert found == bare("adwin", {}, values.tolist())
    assert found


def test_the_weighted_mean_is_the_one_that_river_has() -> None:
    mean, value = stats.EWMean(0.05), None
    for x in errors(1, (0.3,), 500).tolist():
        mean.update(x)
        value = x if value is None else 0.05 * x + (1 - 0.05) * value
        assert mean.get() == value


@pytest.mark.filterwarnings("ignore:ks_2samp. Exact calculation unsuccessful:RuntimeWarning")
@pytest.mark.parametrize(
    ("size", "alpha"), [(1, 0.5), (2, 0.5), (5, 0.05), (12, 0.05), (30, 0.005), (64, 1e-6), (25, 0.9)]
)
def test_the_least_distance_that_is_a_drift(size: int, alpha: float) -> None:
    generator = np.random.default_rng(4)
    first = np.round(generator.normal(0, 2, (300, size)))
    second = np.round(generator.normal(generator.uniform(0, 4, (300, 1)), 2, (300, size)))
    tests = [ks_2samp(a, b) for a, b in zip(first, second, strict=True)]
    assert _distances(first, second).tolist() == [round(test.statistic * size) for test in tests]
    drifts = [bool(test.pvalue <= alpha and test.statistic > 0.1) for test in tests]
    assert (_distances(first, second) >= _critical(size, alpha)).tolist() == drifts


def test_the_largest_samples_need_no_approximation() -> None:
    assert _critical(5000, 0.005) == 501
    least = _critical(1000, 1e-6)
    steps = np.arange(1000)
    assert ks_2samp(steps, steps + least).pvalue <= 1e-6 < ks_2samp(steps, steps + least - 1).pvalue
