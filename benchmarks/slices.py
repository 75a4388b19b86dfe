"""Section (s): what a thousand slices cost, when rows are counted and when labels judge them.

The same rows twice, without slices and with four slicings of 250 values each: counting their columns, score, flag and
slices into panes; and what predictions carry, what labels make of it, and counting that in slices. Processor time.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from benchmarks.report import Section, table
from detectors.bins import CategoricalBins, NumericBins
from monitor.assembly import build_model
from monitor.config.model import ModelConfig
from monitor.config.resolve import resolve_model
from monitor.config.root import DefaultsConfig
from monitor.events import HOUR, Batch
from monitor.join.output import LABEL, MATURED, RUNNING, Joined
from monitor.model import Model
from monitor.outcomes import ModelOutcomes, outcomes_of
from monitor.store.memory import MemoryStore

BATCH: Final = 10_000
COLUMNS: Final = 4
VALUES: Final = 248
"""Named values of a column; with the others and the missing ones there are 250 slices."""
NUMBERS: Final = 16
_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor time a row, microseconds."""

    counting: float
    outcomes: float


def model_of(*, sliced: bool) -> Model:
    """Return a model that counts 16 numbers, four categories of 248 values each and a score."""
    plain: dict[str, Any] = {
        "name": "m", "positive_class": "1", "decision": "score >= 0.5", "labels": {"topic": "l"},
        "predictions": {"topic": "p", "map": {"score": "value.score"}},
        "slices": [{"by": [f"c{place}"], "top_k": VALUES} for place in range(COLUMNS)] if sliced else [],
    }  # fmt: skip
    model = build_model(resolve_model(ModelConfig(**plain), DefaultsConfig()), Path())
    edges = np.linspace(0.004, 0.996, 255)
    numbers = {f"n{place}": NumericBins.of_edges(edges, low=0.0, high=1.0) for place in range(NUMBERS)}
    names = CategoricalBins(tuple(f"v{value}" for value in range(VALUES)))
    model.relayout({"score": numbers["n0"], **numbers, **{f"c{place}": names for place in range(COLUMNS)}})
    return model


def batch_of(first: int, rng: np.random.Generator) -> Batch:
    """Return rows of one hour."""
    rows = np.arange(first, first + BATCH)
    columns: dict[str, Any] = {name: rng.random(BATCH) for name in ("score", *(f"n{n}" for n in range(NUMBERS)))}
    for place in range(COLUMNS):
        columns[f"c{place}"] = [f"v{value}" for value in rng.integers(0, VALUES + 20, BATCH).tolist()]
    times = 1000 * HOUR + rows
    return Batch("m", "prediction", [str(row) for row in rows.tolist()], ["1"] * BATCH, times, times, rows, columns)


def cost_of(rows: int, *, sliced: bool) -> Cost:
    """Return what rows cost: the median of a few rounds."""
    model = model_of(sliced=sliced)
    rng = np.random.default_rng(1)
    batches = [batch_of(first, rng) for first in range(0, rows, BATCH)]
    truths = [rng.integers(0, 2, BATCH).astype(np.float64) for _ in batches]
    group = np.zeros(BATCH, np.int64)
    counting, outcomes = [], []
    for _ in range(_ROUNDS):
        start = time.process_time()
        for batch in batches:
            prepared = model.prepare(model.derive(batch))
            model.layout.tally(prepared.columns, prepared.bad, group, 1)
        counting.append(time.process_time() - start)
        judged = outcomes_of(model, MemoryStore())
        start = time.process_time()
        for batch, truth in zip(batches, truths, strict=True):
            _judge(judged, batch, truth)
        judged.settle()
        judged.changes()
        outcomes.append(time.process_time() - start)
    return Cost(1e6 * median(counting) / rows, 1e6 * median(outcomes) / rows)


def _judge(outcomes: ModelOutcomes, batch: Batch, truth: Any) -> None:
    """Pack predictions; take each as it is known and as it is judged for good."""
    rows = outcomes.pack(batch)
    ones, none = np.ones(len(batch), np.int64), np.zeros(len(batch), np.uint64)
    for kind in (RUNNING, MATURED):
        outcomes.take(Joined(ones, ones * kind, ones * LABEL, batch.times, rows, truth, ones * 0, none))


def run(rows: int = 500_000) -> Section:
    """Measure with and without slices."""
    plain, sliced = cost_of(rows, sliced=False), cost_of(rows, sliced=True)
    lines = [
        [name, f"{before:.2f}", f"{after:.2f}", f"{after / before:.2f} ×", "met" if after <= 2 * before else "not met"]
        for name, before, after in (
            ("counting rows", plain.counting, sliced.counting),
            ("judging by labels", plain.outcomes, sliced.outcomes),
            ("both", plain.counting + plain.outcomes, sliced.counting + sliced.outcomes),
        )
    ]
    head = ["µs a row", "no slices", "1,000 slices", "ratio", "goal: 2 ×"]
    text = (
        f"{rows:,} rows of {NUMBERS} numbers, {COLUMNS} categories and a score; {COLUMNS} slicings of {VALUES + 2} "
        "values each. Every row is predicted, labelled and judged once. Processor time of one thread."
    )
    return Section("s", "A thousand slices", f"{text}\n\n{table(head, lines)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    print(run(parser.parse_args().rows).body)
