"""Evidently: a Report of one ValueDrift a column and statistic, thresholds and bins as they come."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

os.environ["DO_NOT_TRACK"] = "1"

import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]  # of the peer's environment
from evidently import Dataset, Report  # type: ignore[import-not-found]  # of the peer's environment
from evidently.metrics import ValueDrift  # type: ignore[import-not-found]  # of the peer's environment

from benchmarks.peers.harness import SHOWN, Figures, main


class Evidently:
    """Two data sets; Evidently keeps no state of the reference, so every report reads it anew."""

    def load(self, folder: Path) -> int:
        """Read both frames."""
        self.reference = pd.read_parquet(folder / "reference.parquet")
        self.window = pd.read_parquet(folder / "window.parquet")
        return len(self.window)

    def work(self) -> Figures:
        """Run one report."""
        numeric = set(self.window.select_dtypes("number").columns)
        metrics = [
            ValueDrift(column=name, method=method)
            for name in self.window.columns
            for method in ("psi", "jensenshannon", *(("ks",) if name in numeric else ()))
        ]
        reference = Dataset.from_pandas(self.reference)
        run = Report(metrics).run(Dataset.from_pandas(self.window), reference)
        names = {"psi": "psi", "ks": "ks_p_value", "jensenshannon": "jensen_shannon_distance"}
        found = {}
        for metric in run.dict()["metrics"]:
            config = metric["config"]
            if config["column"] == SHOWN:
                found[names[config["method"]]] = float(metric["value"])
        return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    peer = Evidently()
    main(
        ("evidently", "numpy", "pandas", "scipy"),
        "PSI and Jensen-Shannon distance (20 columns) and the KS p-value (16), on the raw rows, bins made anew "
        "from both frames",
        peer.load,
        peer.work,
    )
