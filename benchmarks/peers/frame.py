"""The frame that every peer is given: 16 numeric and 4 categorical columns, some of them shifted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow has no type hints
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # the same
from numpy.random import Generator, default_rng

from benchmarks.peers.harness import SHOWN

SEED = 20


def write_frames(folder: Path, *, window: int = 1_000_000, reference: int = 1_000_000) -> None:
    """Write ``reference.parquet`` and ``window.parquet``.

    The window differs in three columns: a shifted amount, a wider spread, another mix of categories. Two columns miss
    1 % of their cells.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(_table(default_rng([SEED, 0]), reference, drift=False), folder / "reference.parquet")
    pq.write_table(_table(default_rng([SEED, 1]), window, drift=True), folder / "window.parquet")


def _table(rng: Generator, rows: int, *, drift: bool) -> pa.Table:
    columns: dict[str, object] = {SHOWN: rng.lognormal(3.05 if drift else 3.0, 1.0, rows)}
    columns |= {f"normal_{place}": rng.normal(place, 1.0 + place, rows) for place in range(6)}
    columns["normal_wider"] = rng.normal(0.0, 1.1 if drift else 1.0, rows)
    columns |= {f"uniform_{place}": rng.random(rows) for place in range(3)}
    columns |= {f"wait_{place}": rng.exponential(5.0, rows) for place in range(2)}
    columns["age"] = rng.integers(18, 90, rows).astype(np.float64)
    columns["visits"] = rng.poisson(4.0, rows).astype(np.float64)
    columns["balance"] = np.where(rng.random(rows) < 0.3, 0.0, rng.gamma(2.0, 100.0, rows))
    for name in ("normal_0", "wait_0"):
        column = columns[name]
        assert isinstance(column, np.ndarray)
        column[rng.random(rows) < 0.01] = np.nan
    for name, size in (("country", 40), ("device", 5), ("plan", 3), ("channel", 12)):
        columns[name] = _labels(rng, name, size, rows, tilt=0.1 if drift and name == "channel" else 0.0)
    return pa.table(columns)


def _labels(rng: Generator, name: str, size: int, rows: int, *, tilt: float) -> pa.Array:
    shares = 1.0 / np.arange(1, size + 1)
    shares[0] *= 1 - tilt
    codes = rng.choice(size, rows, p=shares / shares.sum())
    return pa.DictionaryArray.from_arrays(codes, [f"{name}_{place}" for place in range(size)]).cast(pa.string())
