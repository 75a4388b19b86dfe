"""Ours and the classical rules on counts, on the rows that the peers read: tuned to one rate of false alarms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from scipy.special import chdtrc
from scipy.stats import kstwo

from benchmarks.detection.cells import Cell, Protocol
from benchmarks.detection.laws import EDGES, FloatArray
from benchmarks.detection.ours import Tolerance, watched
from benchmarks.detection.streams import Run
from detectors.evidence.engine import Engine

OURS: Final = "driftline"
OURS_ALL: Final = "driftline, nothing ignored"
_HOURS: Final = 24
Rule: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]
"""One figure for each window, from reference counts ``[R, K]`` and windows ``[R, T, K]``."""


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Runs as counts."""

    hours: FloatArray
    """Of the references, ``[D, 24, R, K]``."""
    windows: FloatArray
    """``[R, T, K]``."""

    @property
    def reference(self) -> FloatArray:
        """``[R, K]``."""
        return np.asarray(self.hours.sum(axis=(0, 1)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one method on one cell; a delay of ``None`` is a miss."""

    tuned: float
    tuned_rate: float
    quiet_windows: int
    default: float
    default_rate: float
    delays: list[int | None]
    default_delays: list[int | None]


def counted(cell: Cell, days: int, runs: Iterable[Run]) -> Counted:
    """Return the counts of runs in the cells of the law."""
    cells, slots = len(cell.law.before), days * _HOURS
    hours, windows = [], []
    for run in runs:
        coded = _codes(cell, run.reference)
        hour = np.arange(len(coded)) * slots // len(coded)
        hours.append(np.bincount(hour * cells + coded, minlength=slots * cells).reshape(days, _HOURS, cells))
        coded = _codes(cell, run.windows)
        window = np.arange(len(coded))[:, np.newaxis] * cells
        windows.append(np.bincount((window + coded).ravel(), minlength=len(coded) * cells).reshape(-1, cells))
    return Counted(np.stack(hours, axis=2).astype(np.float64), np.stack(windows).astype(np.float64))


def _codes(cell: Cell, values: FloatArray) -> np.ndarray:
    if cell.law.kind == "rate":
        return values.astype(np.int64)
    edges = np.exp(EDGES) if cell.scale == "log" else EDGES
    return np.searchsorted(edges, values)


@dataclass(frozen=True, slots=True, eq=False)
class Calm:
    """Runs without a change, and what our evidence came to in them."""

    counted: Counted
    paths: Mapping[Tolerance, FloatArray]


def calm_of(cell: Cell, protocol: Protocol, quiet: Counted) -> Calm:
    """Return the runs with our evidence in them, worked out once for all cells that share them."""
    tolerances: tuple[Tolerance, ...] = ("auto", "zero")
    return Calm(quiet, {each: _paths(_engine(cell, protocol, quiet, each), quiet.windows) for each in tolerances})


def evidence(cell: Cell, protocol: Protocol, tolerance: Tolerance, calm: Calm, changing: Counted) -> Outcome:
    """Return what comes of our evidence of a lone monitor, its threshold tuned and as promised (ln of the patience)."""
    promised = float(np.log(protocol.patience))
    paths = calm.paths[tolerance]
    tuned = _tuned(paths, protocol.patience)
    moving = _engine(cell, protocol, changing, tolerance)
    return Outcome(
        tuned=tuned,
        tuned_rate=_rate(paths, tuned),
        quiet_windows=int(paths.size),
        default=promised,
        default_rate=_rate(paths, promised),
        delays=_delays(moving, changing.windows, protocol, tuned),
        default_delays=_delays(moving, changing.windows, protocol, promised),
    )


def _engine(cell: Cell, protocol: Protocol, runs: Counted, tolerance: Tolerance) -> Engine:
    return watched(cell.law, runs.hours, 1, protocol.patience, tolerance).engine


def _paths(engine: Engine, windows: FloatArray) -> FloatArray:
    """Return the log evidence after each window if nothing ever starts afresh, ``[R, T]``."""
    state, start = engine.initial(), np.zeros(engine.monitors)
    found = np.empty(windows.shape[:2])
    for window in range(windows.shape[1]):
        state = engine.step(state, windows[:, window], start, window)
        found[:, window] = state.total
    return found


def _rate(paths: FloatArray, threshold: float) -> float:
    """Return false alarms a window: first ones over the windows up to them."""
    hit = paths > threshold
    first = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, paths.shape[1])
    return float(hit.any(axis=1).sum() / first.sum())


def _tuned(paths: FloatArray, patience: float) -> float:
    """Return the least threshold that is crossed once in ``patience`` windows at most."""
    candidates = np.unique(np.maximum.accumulate(paths, axis=1))
    low, high = -1, len(candidates) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _rate(paths, float(candidates[middle])) <= 1 / patience else (middle, high)
    return float(candidates[high])


def _delays(engine: Engine, windows: FloatArray, protocol: Protocol, threshold: float) -> list[int | None]:
    state, start = engine.initial(), np.zeros(engine.monitors)
    found = np.full(engine.monitors, np.nan)
    for window in range(windows.shape[1]):
        state = engine.step(state, windows[:, window], start, window)
        hit = state.total > threshold
        if window >= protocol.before:
            found = np.where(np.isnan(found) & hit, window - protocol.before + 1, found)
        if hit.any():
            state = state.put(np.flatnonzero(hit), engine.initial(int(hit.sum())))
    return [None if np.isnan(delay) else int(delay) for delay in found]


def psi(reference: FloatArray, windows: FloatArray) -> FloatArray:
    """Return the population stability index with half a row added to each cell."""
    cells = reference.shape[1]
    p = ((reference + 0.5) / (reference.sum(axis=1, keepdims=True) + cells / 2))[:, np.newaxis]
    q = (windows + 0.5) / (windows.sum(axis=2, keepdims=True) + cells / 2)
    return np.asarray(((q - p) * np.log(q / p)).sum(axis=2))


def less_chi_square(reference: FloatArray, windows: FloatArray) -> FloatArray:
    """Return less the p-value of the chi-square test; cells that neither has are dropped."""
    known, rows = reference.sum(axis=1)[:, np.newaxis], windows.sum(axis=2)
    apart = windows / rows[..., np.newaxis] - (reference / known)[:, np.newaxis]
    pooled = (windows + reference[:, np.newaxis]) / (rows + known)[..., np.newaxis]
    used = pooled > 0
    total = np.where(used, np.square(apart) / np.where(used, pooled, 1.0), 0.0).sum(axis=2)
    return -np.asarray(chdtrc(np.maximum(used.sum(axis=2) - 1.0, 1.0), total * rows * known / (rows + known)))


def less_kolmogorov(reference: FloatArray, windows: FloatArray) -> FloatArray:
    """Return less the p-value of the Kolmogorov-Smirnov distance at the edges."""
    known, rows = reference.sum(axis=1)[:, np.newaxis], windows.sum(axis=2)
    below = np.cumsum(reference, axis=1) / known
    distance = np.abs(np.cumsum(windows, axis=2) / rows[..., np.newaxis] - below[:, np.newaxis]).max(axis=2)
    return -np.asarray(kstwo.sf(distance, np.rint(rows * known / (rows + known))))


CLASSICAL: Final[dict[str, tuple[Rule, float]]] = {
    "PSI > .2": (psi, 0.2),
    "χ², p < .05": (less_chi_square, -0.05),
    "KS in bins, p < .05": (less_kolmogorov, -0.05),
}


def classical(rule: Rule, default: float, protocol: Protocol, quiet: Counted, changing: Counted) -> Outcome:
    """Return what comes of a rule that judges each window by itself, tuned and as it is commonly set."""
    calm = rule(quiet.reference, quiet.windows).ravel()
    tuned = float(np.sort(calm)[::-1][int(calm.size / protocol.patience)])
    moving = rule(changing.reference, changing.windows)[:, protocol.before :]
    return Outcome(
        tuned=tuned,
        tuned_rate=float((calm > tuned).mean()),
        quiet_windows=int(calm.size),
        default=default,
        default_rate=float((calm > default).mean()),
        delays=_first(moving > tuned),
        default_delays=_first(moving > default),
    )


def _first(hit: np.ndarray) -> list[int | None]:
    return [int(row.argmax()) + 1 if row.any() else None for row in hit]


def measured(cell: Cell, protocol: Protocol, calm: Calm, changing: Counted) -> dict[str, Outcome]:
    """Return what comes of ours and of the classical rules on runs without a change and with one."""
    found = {
        OURS: evidence(cell, protocol, "auto", calm, changing),
        OURS_ALL: evidence(cell, protocol, "zero", calm, changing),
    }
    for name, (rule, default) in CLASSICAL.items():
        if cell.law.kind == "number" or rule is not less_kolmogorov:
            found[name] = classical(rule, default, protocol, calm.counted, changing)
    return found
