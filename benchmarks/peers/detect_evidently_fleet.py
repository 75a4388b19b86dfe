"""Evidently in a fleet: its KS test of every column and window, under Benjamini-Hochberg at 5 %.

It reads rows, so of the fleets in ``cells.toml`` only the one of a hundred columns is run; a thousand take it seconds a
window.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Final

os.environ["DO_NOT_TRACK"] = "1"

import numpy as np
import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]  # of the peer's environment
from evidently.legacy.calculations.stattests.registry import get_stattest  # type: ignore[import-not-found]  # the same
from evidently.legacy.core import ColumnType  # type: ignore[import-not-found]  # of the peer's environment
from scipy.stats import false_discovery_control

from benchmarks.detection.cells import FleetCell, read
from benchmarks.detection.laws import values
from benchmarks.detection.streams import SEED
from benchmarks.detection.told import AFTER, BEFORE, told

MOST: Final = 100
FLEETS: Final = 3
LEVEL: Final = 0.05
NAME: Final = "Evidently KS with Benjamini-Hochberg, 5 %"


def run(cell: FleetCell, fleets: int) -> dict[str, float]:
    """Return what is said of so many fleets."""
    rng = np.random.default_rng([SEED, cell.monitors, 1])
    alarms = np.zeros((BEFORE + AFTER, fleets, cell.monitors), bool)
    drifted = np.arange(cell.monitors) < cell.drifted
    for fleet in range(fleets):
        p = np.array([_column(cell, bool(drifts), rng) for drifts in drifted])
        alarms[:, fleet] = false_discovery_control(p, axis=0).T <= LEVEL
    return asdict(told(alarms, drifted))


def _column(cell: FleetCell, drifts: bool, rng: np.random.Generator) -> list[float]:
    """Return the p-value of every window of one column."""
    reference = pd.Series(rng.standard_normal(cell.reference))
    found = []
    for window in range(BEFORE + AFTER):
        changed = drifts and window >= BEFORE
        rows = values(cell.law.after, cell.rows, rng) if changed else rng.standard_normal(cell.rows)
        current = pd.Series(rows)
        test = get_stattest(reference, current, ColumnType.Numerical, "ks")
        found.append(float(test(reference, current, ColumnType.Numerical, None).drift_score))
    return found


def main() -> None:
    """Run the fleets and write what came out to the file that the command line names."""
    out, fewer = Path(sys.argv[1]), int(sys.argv[2])
    began = time.process_time()
    found = {cell.name: run(cell, max(1, FLEETS // fewer)) for cell in read().fleets if cell.monitors <= MOST}
    spent = time.process_time() - began
    kept = {"versions": {"evidently": version("evidently")}, "seconds": round(spent, 1), "method": NAME, "found": found}
    out.write_text(json.dumps(kept))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
