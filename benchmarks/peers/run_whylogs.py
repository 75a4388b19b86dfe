"""whylogs: profile the window, then its drift scores against a profile of the reference."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

os.environ["WHYLOGS_NO_ANALYTICS"] = "True"

import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]  # of the peer's environment
import whylogs as why  # type: ignore[import-not-found]  # of the peer's environment
from whylogs.viz.drift.column_drift_algorithms import (  # type: ignore[import-not-found]  # the same
    calculate_drift_scores,
)

from benchmarks.peers.harness import SHOWN, Figures, main


class Whylogs:
    """A profile of the reference. It offers neither PSI nor Jensen-Shannon."""

    def load(self, folder: Path) -> int:
        """Profile the reference."""
        self.reference = why.log(pandas=pd.read_parquet(folder / "reference.parquet")).profile().view()
        self.window = pd.read_parquet(folder / "window.parquet")
        return len(self.window)

    def work(self) -> Figures:
        """Profile the window and score every column."""
        profile = why.log(pandas=self.window).profile().view()
        scores = calculate_drift_scores(target_view=profile, reference_view=self.reference)
        shown = scores[SHOWN] or {}
        return {"ks_p_value": float(shown["pvalue"]), "ks": float(shown["statistic"] or "nan")}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    peer = Whylogs()
    main(
        ("whylogs", "numpy", "pandas", "scipy"),
        "KS (16 columns) from KLL sketches and chi-square (4); it has neither PSI nor Jensen-Shannon",
        peer.load,
        peer.work,
    )
