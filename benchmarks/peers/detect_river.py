"""River: ADWIN and Page-Hinkley on values and errors, DDM, HDDM and FHDDM on errors."""

from __future__ import annotations

from functools import partial
from typing import Any

from river import drift
from river.drift import binary

from benchmarks.peers.detection import Method, main, reading_on

BOTH = ("number", "rate")
SMALL = tuple(10.0 ** (-half / 2) for half in range(24, 0, -1))


class Inverted:
    """FHDDM alarms when its input's rate of ones falls; errors are told to it as ones that went right."""

    def __init__(self, confidence: float) -> None:
        self.detector = binary.FHDDM(confidence_level=confidence)
        self.drift_detected = False

    def update(self, value: float) -> None:
        """Read one error (1) or success (0)."""
        self.detector.update(not value)  # type: ignore[no-untyped-call]
        self.drift_detected = self.detector.drift_detected


def errors(make: Any) -> Any:
    """Return a maker of detectors that are told booleans."""

    class OfErrors:
        def __init__(self, parameter: float) -> None:
            self.detector = make(parameter)
            self.drift_detected = False

        def update(self, value: float) -> None:
            self.detector.update(bool(value))
            self.drift_detected = self.detector.drift_detected

    return OfErrors


def of_means(detector: Any, confidence: float) -> Any:
    """Return an HDDM whose warnings come five times sooner than its alarms, as they do at its defaults."""
    return detector(drift_confidence=confidence, warning_confidence=min(5 * confidence, 1.0))


METHODS = [
    Method(
        "River ADWIN",
        BOTH,
        0.002,
        alarms=reading_on(lambda delta: drift.ADWIN(delta=delta)),  # type: ignore[no-untyped-call]
        grid=SMALL,
        needs_reference=False,
    ),
    Method(
        "River Page-Hinkley",
        BOTH,
        50.0,
        alarms=reading_on(lambda threshold: drift.PageHinkley(threshold=threshold)),
        grid=tuple(float(50 * 1.3**step) for step in range(20, -8, -1)),
        needs_reference=False,
    ),
    Method(
        "River KSWIN",
        BOTH,
        0.005,
        alarms=reading_on(lambda a: drift.KSWIN(alpha=a)),
        grid=SMALL,
        most_rows=0,
        needs_reference=False,
    ),
    Method(
        "River DDM",
        ("rate",),
        3.0,
        alarms=reading_on(errors(lambda far: binary.DDM(warning_threshold=far - 1, drift_threshold=far))),
        grid=(12.0, 10.0, 8.0, 7.0, 6.0, 5.5, 5.0, 4.5, 4.0, 3.75, 3.5, 3.25, 3.0, 2.75, 2.5),
        needs_reference=False,
    ),
    Method(
        "River HDDM_A",
        ("rate",),
        0.001,
        alarms=reading_on(errors(partial(of_means, binary.HDDMA))),
        grid=SMALL,
        needs_reference=False,
        most_rows=100,
    ),
    Method(
        "River HDDM_W",
        ("rate",),
        0.001,
        alarms=reading_on(errors(partial(of_means, binary.HDDMW))),
        grid=SMALL,
        needs_reference=False,
        most_rows=100,
    ),
    Method("River FHDDM on 1 - x", ("rate",), 1e-6, alarms=reading_on(Inverted), grid=SMALL, needs_reference=False),
]

if __name__ == "__main__":
    main(("river",), METHODS)
