"""Ours: count the Arrow table that Parquet is read into, then PSI, KS and Jensen-Shannon from the counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow has no type hints
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # the same

from benchmarks.peers.harness import SHOWN, Figures, main
from detectors.bins import CategoricalBins, IntArray, NumericBins
from detectors.counts import merge_bins
from detectors.registry import statistic
from detectors.scores import Scores
from monitor.reference.arrow import tally


class Counting:
    """Bins and counts of a reference, and a window to hold against them."""

    def load(self, folder: Path) -> int:
        """Fit the bins and count the reference."""
        reference = pq.read_table(folder / "reference.parquet")
        self.window = pq.read_table(folder / "window.parquet")
        self.bins = {name: _bins(reference[name]) for name in reference.column_names}
        self.reference = self._shapes(self.count(reference))
        return int(self.window.num_rows)

    def count(self, frame: Any) -> dict[str, IntArray]:
        """Return the counts of an Arrow table, column by column."""
        return {name: tally(bins, frame[name]) for name, bins in self.bins.items()}

    def work(self) -> Figures:
        """Count the window and compare every column."""
        window = self._shapes(self.count(self.window))
        numeric = [name for name, bins in self.bins.items() if isinstance(bins, NumericBins)]
        names = {"psi": list(self.bins), "jensen_shannon": list(self.bins), "ks": numeric}
        return {kind: self._compare(kind, names[kind], window) for kind in names}

    def _shapes(self, counts: dict[str, IntArray]) -> dict[str, dict[str, IntArray]]:
        """Return the evidence vector and the fine counts of every column, quality left out."""
        fine = {name: counts[name][: bins.size] for name, bins in self.bins.items()}
        coarse = {name: merge_bins(cells[np.newaxis, :], self.bins[name].evidence)[0] for name, cells in fine.items()}
        return {"psi": coarse, "jensen_shannon": coarse, "ks": fine}

    def _compare(self, kind: str, names: Sequence[str], window: dict[str, dict[str, IntArray]]) -> float:
        """Score the columns, those of equally many bins at once; return the shown one's statistic."""
        before, now = self.reference[kind], window[kind]
        shown = float("nan")
        for bins in {len(before[name]) for name in names}:
            same = [name for name in names if len(before[name]) == bins]
            scores: Scores = statistic(kind).score(
                np.stack([before[name] for name in same]), np.stack([now[name] for name in same])
            )
            if SHOWN in same:
                shown = float(scores.statistic[same.index(SHOWN)])
        return shown


def _bins(column: Any) -> NumericBins | CategoricalBins:
    if pa.types.is_floating(column.type):
        return NumericBins.fit(column.to_numpy())
    return CategoricalBins.fit(column.to_pylist())


if __name__ == "__main__":
    counting = Counting()
    main(
        ("driftline", "numpy", "scipy"),
        "PSI and Jensen-Shannon (20 columns) and KS (16), each with p-value, noise band and interval, on exact counts "
        "in bins of the reference",
        counting.load,
        counting.work,
    )
