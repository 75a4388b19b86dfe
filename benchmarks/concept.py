"""How often each concept-drift detector alarms for nothing, how late it finds a change, and how fast it is.

``python -m benchmarks.concept`` prints the figures that stand in ``detectors/concept/cards.py``.
"""

from __future__ import annotations

import time
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detectors.concept.cards import Measured
from detectors.concept.detector import ConceptDetector
from detectors.concept.kinds import KINDS

FloatArray: TypeAlias = NDArray[np.float64]

BEFORE: Final = 2_000
PATIENCE: Final = 6_000
LOW: Final = 0.02
RATE: Final = 0.2
SEED: Final = 20260101
_SLOW: Final = frozenset({"kswin"})


def measure(detector: ConceptDetector, streams: int, rows: int, seed: int = SEED) -> Measured:
    """Simulate a detector: so many streams a figure, those without a change so many rows long."""
    generator = np.random.default_rng(seed)
    low, high = (_false_alarms(detector, _errors(generator, np.full((streams, rows), rate))) for rate in (LOW, RATE))
    slow, fast = (
        _delays(detector, _errors(generator, np.tile(np.repeat([RATE, rate], [BEFORE, PATIENCE]), (streams, 1))))
        for rate in (0.3, 0.5)
    )
    return Measured(low, high, *slow, *fast)


def speed(kind: str, rows: int) -> float:
    """Return microseconds a row at an error rate of .2, the best of three."""
    detector = ConceptDetector(kind)
    values = _errors(np.random.default_rng(1), np.full(rows, RATE))
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        detector.step(detector.initial(1), values)
        best = min(best, time.perf_counter() - start)
    return best / rows * 1e6


def _errors(generator: np.random.Generator, rates: FloatArray) -> FloatArray:
    return (generator.random(rates.shape) < rates).astype(np.float64)


def _owners(streams: FloatArray) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(streams)), streams.shape[1])


def _false_alarms(detector: ConceptDetector, streams: FloatArray) -> float:
    states, _ = detector.step(detector.initial(len(streams)), streams.ravel(), _owners(streams))
    return float(states.drifts.sum() / streams.size * 100_000)


def _delays(detector: ConceptDetector, streams: FloatArray) -> tuple[float, float]:
    """Return the mean delay of the first rise found after the change, and the share of streams without one."""
    _, alarms = detector.step(detector.initial(len(streams)), streams.ravel(), _owners(streams))
    delays = np.full(len(streams), np.nan)
    for alarm in alarms:
        if alarm.level == "drift" and alarm.direction > 0 and alarm.rows > BEFORE and np.isnan(delays[alarm.monitor]):
            delays[alarm.monitor] = alarm.rows - BEFORE
    found = delays[~np.isnan(delays)]
    return float(found.mean()) if len(found) else np.nan, float(np.isnan(delays).mean())


def main() -> None:
    """Measure every kind at its defaults."""
    for kind in KINDS:
        slow = kind in _SLOW
        found = measure(ConceptDetector(kind), streams=20 if slow else 100, rows=20_000)
        print(f"{kind:13s} {found}  {speed(kind, 5_000 if slow else 200_000):.2f} us a row")


if __name__ == "__main__":
    main()
