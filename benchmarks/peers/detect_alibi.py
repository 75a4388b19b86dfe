"""Alibi Detect: its online Cramér-von Mises and Fisher detectors, row by row.

Its thresholds come from bootstraps that must outnumber the rows between false alarms. At 1,000 windows of 100 rows
these would be some 10⁶ streams; so its statistic is read after each row, and the threshold of the statistic is tuned on
the same quiet runs as all others'. At its defaults it has the least run length that its bootstraps allow.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from alibi_detect.cd import CVMDriftOnline, FETDriftOnline  # type: ignore[import-not-found]  # of its environment

from benchmarks.detection.cells import Cell
from benchmarks.detection.laws import FloatArray
from benchmarks.detection.streams import Run
from benchmarks.peers.detection import Method, Scorer, main

ERT: Final = 150.0
"""Rows between two false alarms, as in the project's own examples."""
BOOTSTRAPS: Final = 1000
SPANS: Final = (50, 100)


def streaming(make: Callable[[FloatArray], Any]) -> Callable[[Cell], Scorer]:
    """Return a scorer: the largest ratio of statistic to threshold of any row and span of a window."""

    def scorer(cell: Cell) -> Scorer:
        made: list[tuple[Run, FloatArray]] = []

        def scores(run: Run, some: slice) -> FloatArray:
            if not made or made[0][0] is not run:
                windows = run.windows.astype(int) if cell.law.kind == "rate" else run.windows
                made[:] = [(run, _ratios(make(run.reference), windows))]
            return made[0][1][some]

        return scores

    return scorer


def _ratios(detector: Any, windows: FloatArray) -> FloatArray:
    found = np.full(len(windows), -np.inf)
    for window, values in enumerate(windows):
        for value in values.tolist():
            told = detector.predict(value)["data"]
            ratio = np.max(np.asarray(told["test_stat"]) / np.asarray(told["threshold"]))
            found[window] = max(found[window], float(ratio)) if np.isfinite(ratio) else found[window]
    return found


def of_values(reference: FloatArray) -> CVMDriftOnline:
    """Return the detector of numbers."""
    np.random.seed(1)  # noqa: NPY002 - the peer draws its bootstraps from the global generator
    return CVMDriftOnline(reference, ERT, list(SPANS), n_bootstraps=BOOTSTRAPS, verbose=False)


def of_errors(reference: FloatArray) -> FETDriftOnline:
    """Return the detector of zeros and ones."""
    np.random.seed(1)  # noqa: NPY002 - the same
    return FETDriftOnline(
        reference.astype(int), ERT, list(SPANS), n_bootstraps=BOOTSTRAPS, alternative="greater", verbose=False
    )


METHODS = [
    Method("Alibi Detect Fisher online", ("rate",), 1.0, streaming(of_errors), quiet=3, runs=4, most_rows=100),
    Method(
        "Alibi Detect CvM online",
        ("number",),
        1.0,
        streaming(of_values),
        quiet=3,
        runs=3,
        most_rows=100,
        most_reference=500,
    ),
]

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(("alibi-detect",), METHODS)
