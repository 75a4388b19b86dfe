"""How every peer's detectors are run on the cells: tuned to one rate of false alarms, and at their defaults.

It runs in the peers' environments, so it imports only what stands on numpy and scipy. A script of a peer lists its
methods and calls ``main``; one process a peer.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks.detection.cells import Cell, Protocol, read
from benchmarks.detection.laws import FloatArray
from benchmarks.detection.streams import QUIET, Run, changing_runs, quiet_key, quiet_runs

Scorer: TypeAlias = Callable[[Run, slice], FloatArray]
"""One figure for each of some windows; the larger, the more of a drift."""
Alarmer: TypeAlias = Callable[[Run, float], Sequence[int]]
"""Windows in which a detector with this parameter alarms, over the whole run; it starts afresh by its own rule."""
_AT_ONCE = 10


@dataclass(frozen=True)
class Method:
    """One detector of a peer."""

    name: str
    kinds: tuple[str, ...]
    """Kinds of columns that it reads."""
    default: float | Callable[[Cell], float]
    """Threshold or parameter that it comes with."""
    scores: Callable[[Cell], Scorer] | None = None
    """For one that judges each window by itself."""
    alarms: Callable[[Cell], Alarmer] | None = None
    """For one that reads on and on."""
    grid: tuple[float, ...] = ()
    """Its parameters, from the strictest on."""
    quiet: int = 20
    """Runs on which it is tuned."""
    runs: int = 16
    """Runs in which it is to find the change."""
    needs_reference: bool = True
    """Without one, a method is tuned once for all sizes of it."""
    most_rows: int = 1_000
    """Windows of more rows take too long."""
    most_reference: int = 20_000


@dataclass
class Found:
    """What came of one method on one cell. A delay of ``None`` is a miss."""

    method: str
    cell: str
    tuned: float | None = None
    tuned_rate: float | None = None
    """False alarms a window at the tuned parameter."""
    quiet_windows: int = 0
    default: float = 0.0
    default_rate: float = 0.0
    delays: list[int | None] = field(default_factory=list)
    default_delays: list[int | None] = field(default_factory=list)
    seconds: float = 0.0
    not_run: str = ""


@dataclass(frozen=True)
class Tuning:
    """What the runs without a change say of a method."""

    parameter: float | None
    rate: float
    windows: int
    default_rate: float


def main(packages: Sequence[str], methods: Sequence[Method]) -> None:
    """Run methods on all cells and write what came out to the file that the command line names.

    The second argument is how many times fewer runs there are. What the file already has is not run again.
    """
    out, fewer = Path(sys.argv[1]), int(sys.argv[2])
    plan = read()
    found: list[dict[str, Any]] = json.loads(out.read_text())["found"] if out.exists() else []
    done = {(one["method"], one["cell"]) for one in found}
    for method in methods:
        tunings: dict[str, Tuning] = {}
        for cell in sorted(plan.cells, key=lambda cell: cell.rows):
            if cell.peers and cell.law.kind in method.kinds and (method.name, cell.key) not in done:
                one = _one(method, cell, plan.protocol, tunings, fewer)
                found.append(asdict(one))
                sys.stderr.write(f"{method.name}, {cell.key}: {one.seconds:.1f} s {one.not_run}\n")
                _write(out, packages, found)


def _write(out: Path, packages: Sequence[str], found: list[dict[str, Any]]) -> None:
    out.write_text(json.dumps({"versions": {name: version(name) for name in packages}, "found": found}))


def _one(method: Method, cell: Cell, protocol: Protocol, tunings: dict[str, Tuning], fewer: int) -> Found:
    default = method.default(cell) if callable(method.default) else method.default
    found = Found(method.name, cell.key, default=default)
    if cell.rows > method.most_rows or cell.reference > method.most_reference:
        found.not_run = "too slow"
        return found
    began = time.process_time()
    key = quiet_key(cell) if method.needs_reference else f"{cell.law.before.tolist()} {cell.rows} {cell.scale}"
    if key not in tunings:
        tunings[key] = tuned(method, cell, protocol, default, max(method.quiet // fewer, 2))
    known = tunings[key]
    found.tuned, found.tuned_rate = known.parameter, known.rate
    found.quiet_windows, found.default_rate = known.windows, known.default_rate
    for run in changing_runs(cell, protocol, max(method.runs // fewer, 3)):
        wanted = [default] if known.parameter is None else [default, known.parameter]
        told = delays(method, cell, protocol, run, wanted)
        found.default_delays.append(told[0])
        if known.parameter is not None:
            found.delays.append(told[1])
    found.seconds = time.process_time() - began
    return found


def tuned(method: Method, cell: Cell, protocol: Protocol, default: float, runs: int) -> Tuning:
    """Return the laxest parameter that alarms once in ``protocol.patience`` windows at most while nothing changes."""
    windows, most = runs * QUIET, 1 / protocol.patience
    if method.scores is not None:
        scorer = method.scores(cell)
        scores = np.concatenate([scorer(run, slice(None)) for run in quiet_runs(cell, runs)])
        ranked = np.sort(scores)[::-1]
        threshold = float(ranked[int(windows * most)])
        return Tuning(threshold, float((scores > threshold).mean()), windows, float((scores > default).mean()))
    assert method.alarms is not None
    alarmer = method.alarms(cell)

    def rate(parameter: float) -> float:
        return sum(len(alarmer(run, parameter)) for run in quiet_runs(cell, runs)) / windows

    low, high, rates = -1, len(method.grid), {}
    while high - low > 1:
        middle = (low + high) // 2
        rates[middle] = rate(method.grid[middle])
        low, high = (middle, high) if rates[middle] <= most else (low, middle)
    parameter = method.grid[low] if low >= 0 else None
    return Tuning(parameter, rates.get(low, float("nan")), windows, rate(default))


def delays(method: Method, cell: Cell, protocol: Protocol, run: Run, parameters: Sequence[float]) -> list[int | None]:
    """Return the windows from the change to the first alarm after it, for each parameter."""
    if method.scores is not None:
        return _by_windows(method.scores(cell), protocol, run, parameters)
    assert method.alarms is not None
    alarmer = method.alarms(cell)
    found: list[int | None] = []
    for parameter in parameters:
        after = [window for window in alarmer(run, parameter) if window >= protocol.before]
        found.append(after[0] - protocol.before + 1 if after else None)
    return found


def _by_windows(scorer: Scorer, protocol: Protocol, run: Run, parameters: Sequence[float]) -> list[int | None]:
    found: list[int | None] = [None] * len(parameters)
    end = protocol.before + protocol.after
    for first in range(protocol.before, end, _AT_ONCE):
        scores = scorer(run, slice(first, min(first + _AT_ONCE, end)))
        for place, threshold in enumerate(parameters):
            hits = np.flatnonzero(scores > threshold)
            if found[place] is None and len(hits):
                found[place] = first - protocol.before + int(hits[0]) + 1
        if None not in found:
            break
    return found


def reading_on(make: Callable[[float], Any]) -> Callable[[Cell], Alarmer]:
    """Return the alarmer of a detector with ``update(value)`` and ``drift_detected``."""

    def alarmer(_: Cell) -> Alarmer:
        def alarms(run: Run, parameter: float) -> list[int]:
            detector, hits = make(parameter), []
            for window, values in enumerate(run.windows.tolist()):
                alarmed = False
                for value in values:
                    detector.update(value)
                    alarmed |= detector.drift_detected
                if alarmed:
                    hits.append(window)
            return hits

        return alarms

    return alarmer
