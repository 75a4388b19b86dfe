"""River itself, fed row by row: the oracle of the concept-drift detectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.concept.detector import Alarm
from detectors.concept.kinds import KINDS

NEVER: Final = 10**12

CASES: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("adwin", {}),
    ("adwin", {"delta": 0.05, "clock": 1}),
    ("adwin", {"delta": 0.3, "clock": 7, "max_buckets": 2, "min_window_length": 1, "grace_period": 3}),
    ("page_hinkley", {}),
    ("page_hinkley", {"threshold": 3.0, "min_instances": 5}),
    ("page_hinkley", {"threshold": 5.0, "mode": "up", "alpha": 1.0}),
    ("page_hinkley", {"threshold": 5.0, "mode": "down", "delta": 0.0}),
    ("ddm", {}),
    ("ddm", {"warm_start": 3, "warning_threshold": 1.0, "drift_threshold": 1.5}),
    ("eddm", {}),
    ("eddm", {"warm_start": 2, "alpha": 0.9, "beta": 0.8}),
    ("hddm_a", {}),
    ("hddm_a", {"two_sided_test": True, "drift_confidence": 0.05, "warning_confidence": 0.2}),
    ("hddm_w", {}),
    ("hddm_w", {"two_sided_test": True, "lambda_val": 0.3, "drift_confidence": 0.05, "warning_confidence": 0.2}),
    ("kswin", {}),
    ("kswin", {"alpha": 0.05, "seed": 7, "window_size": 24, "stat_size": 12}),
    ("fhddm", {}),
    ("fhddm", {"sliding_window_size": 12, "confidence_level": 0.05, "short_window_size": 5}),
    ("fhddm", {"sliding_window_size": 1, "confidence_level": 0.5}),
)
"""Every kind at its defaults and with parameters that make it nervous."""


def bare(kind: str, parameters: Mapping[str, Any], values: Iterable[float]) -> list[tuple[int, str]]:
    """Return index and level of the alarms of River's own detector, as it is; warnings where the zone is entered."""
    detector = KINDS[kind].river(**{**KINDS[kind].defaults, **parameters})
    return [found for index, x in enumerate(values) for found in _fed(detector, index, x)]


def guarded(kind: str, parameters: Mapping[str, Any], values: Sequence[float]) -> list[tuple[int, str]]:
    """Return the alarms of River's detector with its two defects put right from outside.

    FHDDM is fed successes. DDM's ``warm_start`` is put off, row by row, until there are as many errors.
    """
    if kind == "fhddm":
        return bare(kind, parameters, (1 - int(x) for x in values))
    if kind != "ddm":
        return bare(kind, parameters, values)
    detector = KINDS[kind].river(**parameters)
    wait, errors, alarms = detector.warm_start, 0.0, []
    for index, x in enumerate(values):
        errors = x if detector.drift_detected else errors + x
        detector.warm_start = wait if errors >= max(wait, 1) else NEVER
        alarms += _fed(detector, index, x)
    return alarms


def ours(alarms: Iterable[Alarm]) -> list[tuple[int, str]]:
    """Return index and level of our alarms."""
    return [(alarm.index, alarm.level) for alarm in alarms]


def errors(seed: int, rates: Sequence[float], length: int) -> NDArray[np.float64]:
    """Return seeded errors, so many rows at each rate."""
    chances = np.repeat(rates, length)
    return (np.random.default_rng(seed).random(len(chances)) < chances).astype(np.float64)


def _fed(detector: Any, index: int, x: float) -> list[tuple[int, str]]:
    warned = getattr(detector, "warning_detected", False) and not detector.drift_detected
    detector.update(x)
    if detector.drift_detected:
        return [(index, "drift")]
    return [(index, "warning")] if getattr(detector, "warning_detected", False) and not warned else []
