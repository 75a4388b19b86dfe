"""Evidently: its default test of every window, by the size of the reference, and KS whatever the size."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

os.environ["DO_NOT_TRACK"] = "1"

import numpy as np
import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]  # of the peer's environment
from evidently.legacy.calculations.stattests.registry import get_stattest  # type: ignore[import-not-found]  # the same
from evidently.legacy.core import ColumnType  # type: ignore[import-not-found]  # of the peer's environment

from benchmarks.detection.cells import Cell
from benchmarks.detection.laws import FloatArray
from benchmarks.detection.streams import Run
from benchmarks.peers.detection import Method, Scorer, main


def by(name: str | None) -> Callable[[Cell], Scorer]:
    """Return a scorer that asks for a test by name, or for the default one."""

    def scorer(cell: Cell) -> Scorer:
        kind = ColumnType.Numerical if cell.law.kind == "number" else ColumnType.Categorical

        def scores(run: Run, some: slice) -> FloatArray:
            reference = pd.Series(run.reference)
            found = []
            for values in run.windows[some]:
                current = pd.Series(values)
                test = get_stattest(reference, current, kind, name)
                figure = test(reference, current, kind, None).drift_score
                found.append(-figure if of_p_values(test.display_name) else figure)
            return np.array(found)

        return scores

    return scorer


def of_p_values(display: str) -> bool:
    """Return whether a test tells a p-value, which is small when there is a drift."""
    return "p_value" in display


def default(cell: Cell) -> float:
    """Return Evidently's threshold: p < .05 up to 1,000 rows of reference, a distance of .1 beyond."""
    return -0.05 if cell.reference <= 1000 else 0.1


METHODS = [
    Method("Evidently's default test", ("number", "rate"), default, scores=by(None), quiet=10),
    Method("Evidently KS", ("number",), -0.05, scores=by("ks"), quiet=10),
]

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(("evidently",), METHODS)
