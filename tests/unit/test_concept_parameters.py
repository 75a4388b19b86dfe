"""Parameters have River's names and defaults; whatever is wrong is told, all at once."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from typing import Any

import pytest

from detectors.concept.cards import CARDS
from detectors.concept.detector import ConceptDetector
from detectors.concept.kinds import KINDS
from detectors.concept.parameters import ParameterError, Problem, complete


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_defaults_are_river_s(kind: str) -> None:
    signature = inspect.signature(KINDS[kind].river).parameters
    expected = {name: parameter.default for name, parameter in signature.items() if name != "window"}
    expected |= {"seed": 1} if kind == "kswin" else {}
    assert complete(kind, {}) == expected
    assert set(KINDS[kind].ranges) == set(expected)
    assert ConceptDetector(kind).parameters == expected


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_have_the_same_defaults(kind: str) -> None:
    kernel: Any = KINDS[kind].make
    own = {field.name: field.default for field in fields(kernel) if field.default is not MISSING}
    assert own == complete(kind, {})


def test_every_kind_has_a_card() -> None:
    assert list(CARDS) == list(KINDS)


def problems(kind: str, given: dict[str, Any]) -> list[Problem]:
    with pytest.raises(ParameterError) as caught:
        ConceptDetector(kind, given)
    assert caught.value.kind == kind
    assert isinstance(caught.value, ValueError)
    for problem in caught.value.problems:
        assert str(problem) in str(caught.value)
    return list(caught.value.problems)


def test_a_kind_that_does_not_exist() -> None:
    assert problems("adwim", {}) == [Problem("", "no such kind", "did you mean adwin?")]
    assert problems("HDDMA", {})[0].hint == "did you mean hddm_a?"
    assert "known here: adwin, page_hinkley" in problems("?", {})[0].hint


def test_everything_is_told_at_once() -> None:
    found = problems("adwin", {"detla": 0.1, "clock": 0, "grace_period": 2.5, "delta": True})
    assert {problem.name for problem in found} == {"detla", "clock", "grace_period", "delta"}
    assert next(problem.hint for problem in found if problem.name == "detla") == "did you mean delta?"


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("adwin", {"delta": 0}, "delta: 0 is not more than 0 and less than 1"),
        ("adwin", {"delta": 1.0}, "delta: 1.0 is not more than 0 and less than 1"),
        ("adwin", {"delta": float("nan")}, "delta: nan is not a number"),
        ("adwin", {"max_buckets": 0}, "max_buckets: 0 is not from 1 to 1000"),
        ("page_hinkley", {"mode": "Up"}, "mode: 'Up' is none of up, down, both"),
        ("page_hinkley", {"threshold": "50"}, "threshold: '50' is not a number"),
        ("page_hinkley", {"delta": -0.1}, "delta: -0.1 is not at least 0 and at most 1e+15"),
        ("ddm", {"warm_start": -1}, "warm_start: -1 is not from 0 to 1000000000"),
        ("ddm", {"warning_threshold": 0.9}, "warning_threshold: 0.9 is not at least 1 and at most 1e+06"),
        ("ddm", {"warning_threshold": 4}, "warning_threshold: 4 is above drift_threshold, 3.0"),
        ("eddm", {"alpha": 0.8}, "beta: 0.9 is above alpha, 0.8"),
        ("hddm_a", {"two_sided_test": 1}, "two_sided_test: 1 is none of true, false"),
        ("hddm_w", {"warning_confidence": 0.0001}, "drift_confidence: 0.001 is above warning_confidence, 0.0001"),
        ("kswin", {"stat_size": 51}, "stat_size: 2 times 51 is above window_size, 100"),
        ("kswin", {"seed": None}, "seed: None is not a whole number"),
        ("kswin", {"window": [1.0]}, "window: is a state of River's, not a parameter; it cannot be configured"),
        ("fhddm", {"short_window_size": 101}, "short_window_size: 101 is above sliding_window_size, 100"),
    ],
)
def test_ranges(kind: str, given: dict[str, Any], says: str) -> None:
    assert [str(problem) for problem in problems(kind, given)] == [says]


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("adwin", {"delta": 1e-300, "clock": 1, "max_buckets": 1, "min_window_length": 1, "grace_period": 0}),
        ("ddm", {"warm_start": 0, "warning_threshold": 1, "drift_threshold": 1}),
        ("eddm", {"warm_start": 0, "alpha": 0.5, "beta": 0.5}),
        ("kswin", {"window_size": 2, "stat_size": 1, "alpha": 0.999}),
        ("fhddm", {"sliding_window_size": 1, "short_window_size": 1}),
        ("hddm_w", {"lambda_val": 0.999, "drift_confidence": 0.5, "warning_confidence": 0.5}),
        ("page_hinkley", {"threshold": 0, "min_instances": 0, "alpha": 1, "delta": 0}),
    ],
)
def test_the_ends_of_the_ranges_work(kind: str, given: dict[str, Any]) -> None:
    from tests.river import errors, guarded, ours  # noqa: PLC0415

    values = errors(5, (0.3, 0.7, 0.0, 1.0), 60)
    detector = ConceptDetector(kind, given)
    assert ours(detector.step(detector.initial(1), values)[1]) == guarded(kind, given, values.tolist())
