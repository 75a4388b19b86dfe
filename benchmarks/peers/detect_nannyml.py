"""NannyML: univariate drift of chunks, each a window, against thresholds made of the reference's chunks."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import numpy as np
import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]  # of the peer's environment
from nannyml import UnivariateDriftCalculator  # type: ignore[import-not-found]  # of the peer's environment

from benchmarks.detection.cells import Cell
from benchmarks.detection.laws import FloatArray
from benchmarks.detection.streams import Run
from benchmarks.peers.detection import Method, Scorer, main


def by(name: str) -> Callable[[Cell], Scorer]:
    """Return a scorer: by how many of its own standard deviations a window is beyond the mean of the reference's.

    NannyML's threshold is 3 of them. So the figure that is tuned is the multiplier that it lets one set.
    """

    def scorer(cell: Cell) -> Scorer:
        text = cell.law.kind == "rate"
        made: list[tuple[Run, UnivariateDriftCalculator]] = []

        def scores(run: Run, some: slice) -> FloatArray:
            if not made or made[0][0] is not run:
                calculator = _calculator(name, cell.rows, text=text).fit(_frame(run.reference, text=text))
                made[:] = [(run, calculator)]
            result = made[0][1].calculate(_frame(run.windows[some].ravel(), text=text))
            reference, value = (
                result.filter(period=period).to_df()["x"][name]["value"].to_numpy()
                for period in ("reference", "analysis")
            )
            spread = float(np.nanstd(reference))
            return np.asarray((value - np.nanmean(reference)) / max(spread, 1e-12), np.float64)

        return scores

    return scorer


def _calculator(name: str, rows: int, *, text: bool) -> UnivariateDriftCalculator:
    methods = {"categorical_methods": [name]} if text else {"continuous_methods": [name]}
    return UnivariateDriftCalculator(
        column_names=["x"], treat_as_categorical=["x"] if text else [], chunk_size=rows, **methods
    )


def _frame(values: FloatArray, *, text: bool) -> pd.DataFrame:
    return pd.DataFrame({"x": pd.Series(values.astype(int)).astype(str) if text else values})


METHODS = [
    Method("NannyML Jensen-Shannon", ("number", "rate"), 3.0, scores=by("jensen_shannon")),
    Method("NannyML Wasserstein", ("number",), 3.0, scores=by("wasserstein")),
]

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(("nannyml",), METHODS)
