"""NannyML: UnivariateDriftCalculator, fitted on the reference, over the window as one chunk."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]  # of the peer's environment
from nannyml import UnivariateDriftCalculator  # type: ignore[import-not-found]  # of the peer's environment

from benchmarks.peers.harness import SHOWN, Figures, main


class NannyML:
    """A fitted calculator. It offers no PSI."""

    def load(self, folder: Path) -> int:
        """Fit the calculator."""
        reference = pd.read_parquet(folder / "reference.parquet")
        self.window = pd.read_parquet(folder / "window.parquet")
        self.calculator = UnivariateDriftCalculator(
            column_names=list(reference.columns),
            continuous_methods=["kolmogorov_smirnov", "jensen_shannon"],
            categorical_methods=["jensen_shannon"],
            chunk_number=1,
        ).fit(reference)
        return len(self.window)

    def work(self) -> Figures:
        """Calculate one chunk."""
        found = self.calculator.calculate(self.window).filter(period="analysis").to_df()[SHOWN]
        return {
            "ks": float(found["kolmogorov_smirnov"]["value"].iloc[0]),
            "jensen_shannon_distance": float(found["jensen_shannon"]["value"].iloc[0]),
        }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    peer = NannyML()
    main(
        ("nannyml", "numpy", "pandas", "scipy"),
        "Jensen-Shannon distance, base 2 (20 columns) and KS (16, 10,000 bins of the reference); it has no PSI",
        peer.load,
        peer.work,
    )
