"""Fleets in which a few monitors drift: who is found how soon, and how much of what is said is wrong."""

from __future__ import annotations

import numpy as np
from scipy.stats import false_discovery_control

from benchmarks.detection.cells import FleetCell, Protocol
from benchmarks.detection.laws import FloatArray
from benchmarks.detection.matched import less_chi_square
from benchmarks.detection.ours import hours_of_reference, watched
from benchmarks.detection.told import AFTER, BEFORE, Told, told
from detectors.fleet.decision import decide


def run(cell: FleetCell, protocol: Protocol, fleets: int, seed: int) -> dict[str, Told]:
    """Return what ours, Benjamini-Hochberg and Bonferroni say of the same windows."""
    rng = np.random.default_rng([seed, cell.monitors])
    count = fleets * cell.monitors
    drifted = np.tile(np.arange(cell.monitors) < cell.drifted, fleets)
    hours = hours_of_reference(cell.law, cell.reference, protocol.days, count, rng)
    found = watched(cell.law, hours, cell.monitors, protocol.shipped, "auto")
    reference = np.asarray(hours.sum(axis=(0, 1)))
    start = np.where(found.stable > 0, -np.log(cell.monitors), -np.inf)
    state = found.engine.initial()
    names = ("driftline", "χ² with Benjamini-Hochberg, 5 %", "χ² with Bonferroni, the same budget")
    alarms = {name: np.zeros((BEFORE + AFTER, count), bool) for name in names}
    for window in range(BEFORE + AFTER):
        laws = np.where((drifted & (window >= BEFORE))[:, np.newaxis], cell.law.after, cell.law.before)
        counts = rng.multinomial(cell.rows, laws).astype(float)
        state = found.engine.step(state, counts, start, window)
        ours = _decided(state.total, fleets, protocol.shipped)
        alarms[names[0]][window] = ours[0]
        state = state.put(np.flatnonzero(ours[1]), found.engine.initial(int(ours[1].sum())))
        p = -less_chi_square(reference, counts[:, np.newaxis])[:, 0].reshape(fleets, cell.monitors)
        alarms[names[1]][window] = (false_discovery_control(p, axis=1) <= 0.05).ravel()
        alarms[names[2]][window] = (p <= 1 / (protocol.shipped * cell.monitors)).ravel()
    return {name: told(alarms[name].reshape(-1, fleets, cell.monitors), drifted[: cell.monitors]) for name in names}


def _decided(total: FloatArray, fleets: int, patience: float) -> tuple[np.ndarray, np.ndarray]:
    decisions = [decide(part, patience) for part in total.reshape(fleets, -1)]
    return (
        np.concatenate([decision.alarmed for decision in decisions]),
        np.concatenate([decision.reset for decision in decisions]),
    )
