"""What other libraries say of known rows: ``tests/golden/calibration-oracles.json``."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.calibration.table import CalibrationTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
GOLDEN: Final = Path(__file__).parent / "golden" / "calibration-oracles.json"


@cache
def oracles() -> dict[str, Any]:
    """Return the file; ``python -m benchmarks.peers.golden`` writes it."""
    found: dict[str, Any] = json.loads(GOLDEN.read_text())
    return found


def tally(table: CalibrationTable, score: FloatArray, label: FloatArray, groups: int = 1) -> IntArray:
    """Return one table for each of ``groups`` runs of equal length."""
    group = np.arange(len(score)) * groups // max(len(score), 1)
    return table.tally(score, label, np.ones(len(score), np.int64), group.astype(np.int64), groups)
