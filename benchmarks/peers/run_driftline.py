"""Ours: code and tally the frame in buffers, as the service does, then PSI, KS and Jensen-Shannon from the counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow has no type hints
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # the same

from benchmarks.peers.harness import SHOWN, Figures, main
from detectors.bins import CategoricalBins, FloatArray, IntArray, NumericBins
from detectors.counts import merge_bins
from detectors.registry import statistic
from detectors.scores import Scores
from monitor.layout import Layout
from monitor.rows import ENOUGH

Column = FloatArray | list[str | None]


class Counting:
    """Bins and counts of a reference, and a window to hold against them."""

    def load(self, folder: Path) -> int:
        """Fit the bins and count the reference."""
        reference = read(folder / "reference.parquet")
        self.window = read(folder / "window.parquet")
        self.bins = {name: _bins(column) for name, column in reference.items()}
        self.layout = Layout(self.bins)
        self.reference = self.count(reference)
        return len(next(iter(self.window.values())))

    def count(self, frame: dict[str, Column]) -> IntArray:
        """Return the counts of a frame, buffer by buffer."""
        rows = len(next(iter(frame.values())))
        total = np.zeros(self.layout.size, np.int64)
        one_pane = np.zeros(ENOUGH, np.int64)
        for start in range(0, rows, ENOUGH):
            part = {name: column[start : start + ENOUGH] for name, column in frame.items()}
            total += self.layout.tally(part, {}, one_pane[: min(ENOUGH, rows - start)], 1)[0]
        return total

    def work(self) -> Figures:
        """Count the window and compare every column."""
        counts = self.count(self.window)
        numeric = [name for name, bins in self.bins.items() if isinstance(bins, NumericBins)]
        shapes = {
            "psi": list(self.bins),
            "jensen_shannon": list(self.bins),
            "ks": numeric,
        }
        return {kind: self._compare(kind, names, counts) for kind, names in shapes.items()}

    def _compare(self, kind: str, names: Sequence[str], counts: IntArray) -> float:
        """Score the columns, those of equally many bins at once; return the shown one's statistic."""
        fine = kind == "ks"
        pairs = {name: (self._shape(name, self.reference, fine), self._shape(name, counts, fine)) for name in names}
        shown = float("nan")
        for bins in {len(reference) for reference, _ in pairs.values()}:
            same = [name for name in names if len(pairs[name][0]) == bins]
            scores: Scores = statistic(kind).score(
                np.stack([pairs[name][0] for name in same]), np.stack([pairs[name][1] for name in same])
            )
            if SHOWN in same:
                shown = float(scores.statistic[same.index(SHOWN)])
        return shown

    def _shape(self, name: str, counts: IntArray, fine: bool) -> IntArray:
        bins = self.bins[name]
        start = self.layout.spans[name][0]
        cells = counts[start : start + bins.size]
        return cells if fine else merge_bins(cells[np.newaxis, :], bins.evidence)[0]


def read(path: Path) -> dict[str, Column]:
    """Return a frame as what decoding makes: float64 arrays and lists of text; equal texts share one object.

    The peers get theirs so from pandas.
    """
    table = pq.read_table(path)
    return {
        name: column.to_numpy() if pa.types.is_floating(column.type) else _shared(column.to_pylist())
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _shared(texts: list[str | None]) -> list[str | None]:
    known: dict[str | None, str | None] = {}
    return [known.setdefault(text, text) for text in texts]


def _bins(column: Column) -> NumericBins | CategoricalBins:
    return CategoricalBins.fit(column) if isinstance(column, list) else NumericBins.fit(column)


if __name__ == "__main__":
    counting = Counting()
    main(
        ("driftline", "numpy", "scipy"),
        "PSI and Jensen-Shannon (20 columns) and KS (16), each with p-value, noise band and interval, on exact counts "
        "in bins of the reference",
        counting.load,
        counting.work,
    )
