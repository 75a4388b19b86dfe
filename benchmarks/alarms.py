"""Section (d): what evidence costs, how often it is wrong, how soon it is right."""

from __future__ import annotations

import resource
import time
from dataclasses import replace
from statistics import median
from typing import Final

import numpy as np

from benchmarks.report import Section, table
from detectors.evidence.null import FloatArray
from detectors.evidence.sensitivity import expected_delay
from detectors.fleet.codec import to_bytes
from detectors.fleet.fleet import Fleet
from detectors.fleet.monitor import Monitor
from tests.unit.evidence_cases import gaussian, shape_engine
from tests.unit.evidence_simulation import Draw, Trial, boundary, even, references

SIZES: Final = (1_000, 10_000, 100_000)
GOALS: Final = {1_000: "20 ms", 100_000: "2 s"}
LIMITS: Final = {1_000: 0.020, 100_000: 2.0}
_MONITORS: Final = 1000
_PATIENCE: Final = 720.0
_MOST: Final = 100


def run() -> Section:
    """Measure all three."""
    return Section("d", "Alarms", f"{costs()}\n\n{false_incidents()}\n\n{delays()}")


def costs() -> str:
    """Return the table of costs."""
    rows = []
    for size in SIZES:
        built, step, held = timed(size)
        goal = f"{GOALS[size]}, {'met' if step <= LIMITS[size] else 'not met'}" if size in GOALS else ""
        per_monitor = f"{1e6 * step / size:.1f} µs"
        rows.append([f"{size:,}", f"{1e3 * step:,.1f} ms", per_monitor, goal, f"{held:,.0f} B", f"{built:.1f} s"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    head = ["monitors of 14 bins", "a window", "each", "goal", "state of each", "once, at the start"]
    return (
        "One fleet on one core, `Fleet.step` whole: bets, evidence, decision; median of seven windows of 1,000 rows in "
        f"which nothing drifts.\n\n{table(head, rows)}\n\nThe process held {peak:,.0f} MiB at most."
    )


def timed(size: int) -> tuple[float, float, float]:
    """Return seconds to build a fleet, seconds a window and bytes a monitor."""
    rng = np.random.default_rng(1)
    counts = references(20_000, size, rng)
    begin = time.perf_counter()
    fleet = Fleet.of([Monitor(str(place), "shape", row, alpha=0.05 / size) for place, row in enumerate(counts)])
    state = fleet.initial()
    built = time.perf_counter() - begin
    weights, took = even(size), []
    for window in range(8):
        drawn = rng.multinomial(1000, gaussian(), size).ravel()
        begin = time.perf_counter()
        state, _ = fleet.step(state, drawn, weights, 1000.0, window)
        took.append(time.perf_counter() - begin)
    return built, median(took[1:]), len(to_bytes(fleet, state)) / size


def false_incidents(fleets: int = 3000) -> str:
    """Return the table of false incidents, each as counted and as allowed, for about so many monitors."""
    rows = []
    for size, count in ((1, fleets), (50, -(-fleets // 50))):
        engine = shape_engine(references(5000, size * count, np.random.default_rng(2)), alpha=0.05 / size, tolerance=0)
        quiet = Trial(engine, windows_of(np.tile(gaussian(), (size * count, 1))), count, 300, 100.0, even(size))
        trials = {"the law of the reference": quiet}
        for seed in range(5):
            laws = boundary(engine.null, np.random.default_rng(seed))  # type: ignore[arg-type]
            trials[f"the edge of what is tolerated, {seed + 1}"] = replace(quiet, draw=windows_of(laws))
        exact = shape_engine(engine.null.shares[0] * 1e12, alpha=0.05 / size, tolerance=0)
        trials["the reference taken for the truth (must fail)"] = replace(quiet, engine=exact, windows=50)
        for name, trial in trials.items():
            found = trial.run()
            rows.append([f"{size}", name, f"{found.incidents.sum():,}", f"{found.bound:,.0f}", _kept(kept=found.kept)])
    head = ["monitors a fleet", "windows come from", "false incidents", "allowed", ""]
    return (
        "Fleets with a patience of 100 windows and no tolerance, references of 5,000 rows, windows of 500.\n\n"
        f"{table(head, rows)}"
    )


def windows_of(laws: FloatArray) -> Draw:
    """Return windows of 500 rows of laws ``[J, K]``."""
    return lambda _, rng: rng.multinomial(500, laws).astype(np.float64)


def delays(runs: int = 200) -> str:
    """Return the table of delays beside what could be reached if both laws were known."""
    bump = 0.95 * gaussian() + 0.05 * np.eye(14)[6]
    zigzag = gaussian() * (1 + 0.2 * (-1.0) ** np.arange(14))
    laws = {
        "mean +.1 sd": gaussian(0.1),
        "mean +.2 sd": gaussian(0.2),
        "sd ×1.1": gaussian(0, 1.1),
        "one bin +5 points": bump,
        "zigzag ±20 %": zigzag / zigzag.sum(),
        "mean +.5 sd": gaussian(0.5),
    }
    rows = []
    for name, law in laws.items():
        index = float(((law - gaussian()) * np.log(law / gaussian())).sum())
        gain = 1000 * float((law * np.log(law / gaussian())).sum())
        limit = float(expected_delay(np.array([gain]), np.array([_MONITORS * _PATIENCE]))[0])
        found = [
            _delay(law, reference, tolerance, runs) for tolerance in (0.0, 0.01) for reference in (20_000, 200_000)
        ]
        rows.append([name, f"{index:.4f}", f"{limit:.1f}", *found])
    head = ["drift", "PSI", "limit", "N = 20k", "N = 200k", "N = 20k, PSI .01 tolerated", "N = 200k, PSI .01 tolerated"]
    return (
        f"Mean windows of 1,000 rows to the alarm of a lone drift among {_MONITORS:,} monitors with a patience of "
        f"{_PATIENCE:g} windows, and the share missed within {_MOST}. The limit knows both laws.\n\n{table(head, rows)}"
    )


def _delay(law: FloatArray, rows: int, tolerance: float, runs: int) -> str:
    rng = np.random.default_rng(3)
    engine = shape_engine(references(rows, runs, rng), alpha=0.05 / _MONITORS, tolerance=tolerance)
    state, found = engine.initial(), np.full(runs, np.nan)
    for window in range(_MOST):
        drawn = rng.multinomial(1000, law, runs).astype(float)
        state = engine.step(state, drawn, np.full(runs, -np.log(_MONITORS)), window)
        found = np.where(np.isnan(found) & (state.total >= np.log(_PATIENCE)), window + 1.0, found)
        if not np.isnan(found).any():
            break
    missed = float(np.isnan(found).mean())
    mean = "" if missed == 1 else f"{np.nanmean(found):.1f}"
    return f"{mean}{f' ({missed:.0%} missed)' if missed else ''}".strip()


def _kept(*, kept: bool) -> str:
    return "kept" if kept else "not kept"
