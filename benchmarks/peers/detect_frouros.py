"""Frouros: tests of each window, and its detectors of errors where windows are small (they are pure Python)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from frouros.detectors.concept_drift import (  # type: ignore[import-not-found]  # of the peer's environment
    ECDDWT,
    RDDM,
    ECDDWTConfig,
    RDDMConfig,
)
from frouros.detectors.data_drift import CVMTest, KSTest  # type: ignore[import-not-found]  # the same

from benchmarks.detection.cells import Cell
from benchmarks.detection.laws import FloatArray
from benchmarks.detection.streams import Run
from benchmarks.peers.detection import Alarmer, Method, Scorer, main


def testing(test: type) -> Callable[[Cell], Scorer]:
    """Return a scorer: less p-value, more drift."""

    def scorer(_: Cell) -> Scorer:
        def scores(run: Run, some: slice) -> FloatArray:
            detector = test()
            detector.fit(X=run.reference)
            return np.array([-float(detector.compare(X=values)[0].p_value) for values in run.windows[some]])

        return scores

    return scorer


def watching(make: Callable[[float], Any]) -> Callable[[Cell], Alarmer]:
    """Return the alarmer of a detector of errors; one that has alarmed is reset, as its documentation has it."""

    def alarmer(_: Cell) -> Alarmer:
        def alarms(run: Run, parameter: float) -> list[int]:
            detector, hits = make(parameter), []
            for window, values in enumerate(run.windows.astype(int).tolist()):
                alarmed = False
                for value in values:
                    detector.update(value=value)
                    if detector.drift:
                        alarmed = True
                        detector.reset()
                if alarmed:
                    hits.append(window)
            return hits

        return alarms

    return alarmer


METHODS = [
    Method("Frouros KS test", ("number",), -0.05, scores=testing(KSTest), most_rows=100),
    Method("Frouros CvM test", ("number",), -0.05, scores=testing(CVMTest), most_rows=100),
    Method(
        "Frouros RDDM",
        ("rate",),
        2.258,
        alarms=watching(lambda far: RDDM(config=RDDMConfig(warning_level=far * 0.785, drift_level=far))),
        grid=(8.0, 7.0, 6.0, 5.0, 4.5, 4.0, 3.5, 3.0, 2.75, 2.5, 2.258),
        needs_reference=False,
        most_rows=100,
    ),
    Method(
        "Frouros ECDD-WT",
        ("rate",),
        1000.0,
        alarms=watching(lambda runs: ECDDWT(config=ECDDWTConfig(average_run_length=int(runs)))),
        grid=(1000.0, 400.0, 100.0),
        needs_reference=False,
        quiet=10,
        most_rows=100,
    ),
]

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(("frouros",), METHODS)
