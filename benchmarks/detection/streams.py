"""Rows that every method reads: the same ones for ours and for the peers."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.detection.cells import Cell, Protocol
from benchmarks.detection.laws import FloatArray, values

SEED: Final = 20261121
QUIET: Final = 400
"""Windows of a run in which nothing changes, on which methods are tuned."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One repetition."""

    reference: FloatArray
    """Values, ``[N]``; 0 and 1 of a rate."""
    windows: FloatArray
    """Values, ``[T, n]``."""


def quiet_key(cell: Cell) -> str:
    """Return what cells with the same law before the change have in common."""
    rare = f"{cell.law.before[-1]:.3f}" if cell.law.kind == "rate" else cell.scale
    return f"{cell.law.kind} {rare}, {cell.rows} rows, reference {cell.reference}, {cell.baseline}"


def quiet_runs(cell: Cell, runs: int) -> Iterator[Run]:
    """Yield runs without a change, each with a reference of its own."""
    for number in range(runs):
        rng = _generator(f"quiet {quiet_key(cell)}", number)
        reference = _draw(cell, cell.law.before, cell.reference, rng)
        yield Run(reference, _draw(cell, cell.law.before, QUIET * cell.rows, rng).reshape(QUIET, cell.rows))


def changing_runs(cell: Cell, protocol: Protocol, runs: int) -> Iterator[Run]:
    """Yield runs that change after ``protocol.before`` windows."""
    for number in range(runs):
        rng = _generator(cell.key, number)
        reference = _draw(cell, cell.law.before, cell.reference, rng)
        windows = np.empty((protocol.before + protocol.after, cell.rows))
        quiet = _draw(cell, cell.law.before, protocol.before * cell.rows, rng)
        windows[: protocol.before] = quiet.reshape(protocol.before, cell.rows)
        for after in range(protocol.after):
            part = cell.course.part(after)
            law = (1 - part) * cell.law.before + part * cell.law.after
            windows[protocol.before + after] = _draw(cell, law, cell.rows, rng)
        yield Run(reference, windows)


def _generator(name: str, number: int) -> np.random.Generator:
    return np.random.default_rng([SEED, zlib.crc32(name.encode()), number])


def _draw(cell: Cell, law: FloatArray, rows: int, rng: np.random.Generator) -> FloatArray:
    if cell.law.kind == "rate":
        return np.asarray(rng.random(rows) < law[1], np.float64)
    plain = rng.standard_normal(rows) if law is cell.law.before else values(law, rows, rng)
    return np.asarray(np.exp(plain), np.float64) if cell.scale == "log" else plain
