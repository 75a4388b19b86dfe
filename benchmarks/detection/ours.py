"""Our engine on many repetitions at once, on the terms that the service would set, beside the honest oracle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from benchmarks.detection.cells import Cell, Protocol
from benchmarks.detection.laws import FloatArray, Law
from detectors.evidence.ball import Ball
from detectors.evidence.engine import Engine, advance
from detectors.evidence.interval import Interval
from detectors.evidence.limits import SCORES
from detectors.evidence.null import log_bet
from detectors.evidence.sensitivity import dead_zone
from detectors.evidence.tolerance import day_alpha
from detectors.fleet.monitor import null_of
from monitor.events import HOUR
from monitor.evidence.season import Season
from monitor.evidence.stream import Past, Stream
from monitor.evidence.terms import Asked, terms_of

ALPHA: Final = 0.05
QUIET: Final = 50
"""Windows before the change in runs at shipped defaults; what starts earlier is lost by then."""
_HOURS: Final = 24
_CLOSED: Final = 1e-9
Tolerance = Literal["auto", "zero"]


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """Monitors of one column side by side, each with a reference of its own."""

    engine: Engine
    stable: FloatArray
    """1 where the service would judge the monitor, ``[R]``."""
    blind_below: FloatArray
    """Population stability index, ``[R]``."""
    tolerance: FloatArray
    """``[R]``; of rates, the ratio of odds."""


def hours_of_reference(law: Law, rows: int, days: int, count: int, rng: np.random.Generator) -> FloatArray:
    """Return references of so many rows, spread evenly over the hours of their days, ``[D, 24, R, K]``."""
    hours = days * _HOURS
    each = np.full(hours, rows // hours)
    each[rng.permutation(hours)[: rows % hours]] += 1
    drawn = rng.multinomial(np.repeat(each, count), law.before).reshape(days, _HOURS, count, -1)
    return drawn.astype(np.float64)


def watched(
    law: Law, hours: FloatArray, monitors: int, patience: float, tolerance: Tolerance, season: Season = "none"
) -> Watched:
    """Return the monitors that the service makes of references ``[D, 24, R, K]``, one of so many in their fleet.

    ``zero`` tolerates nothing but the reference's own uncertainty, and takes its rows to have one law.
    """
    alpha = ALPHA / monitors
    level = float(day_alpha(np.array([1 / monitors]), patience, _HOURS)[0])
    asked = Asked(HOUR, season, "auto", 0)
    made, stable, told = [], [], []
    for place in range(hours.shape[2]):
        stream = _stream(law, hours[:, :, place].astype(np.int64), place)
        terms = terms_of(stream, asked, alpha, level)
        monitor = terms.monitor(stream, alpha)
        if tolerance == "zero":
            ones = None if stream.is_rate else np.ones(SCORES + monitor.cells)
            monitor = type(monitor)(
                monitor.name, monitor.kind, monitor.reference, alpha, 0.0, 1.0, 0.0, ordered=monitor.ordered, along=ones
            )
        made.append(monitor)
        stable.append(float(terms.is_stable or tolerance == "zero"))
        told.append(monitor.ratio if stream.is_rate else monitor.tolerance)
    null = null_of(made)
    engine = Engine.of(null, np.array([monitor.ordered for monitor in made]))
    blind = dead_zone(null).max(axis=0) if isinstance(null, Ball) else blind_rate(null, law)
    return Watched(engine, np.array(stable), blind, np.array(told))


def blind_rate(null: Interval, law: Law) -> FloatArray:
    """Return the population stability index from the reference to the end of what is tolerated that lies this way."""
    rises = law.after[1] >= law.before[1]
    end = null.high[0] if rises else null.low[0]
    share = null.smooth[0, :, 1]
    with np.errstate(divide="ignore"):
        index = (end - share) * (np.log(end / share) - np.log((1 - end) / (1 - share)))
    return np.where(index > 0, index, 0.0)


def _stream(law: Law, hours: np.ndarray, place: int) -> Stream:
    days = hours.sum(axis=1)
    none = np.zeros(0, np.int64)
    past = Past(days, hours)
    return Stream(
        column=str(place),
        part="",
        version="",
        slice="",
        kind="features",
        is_rate=law.kind == "rate",
        reference=days.sum(axis=0),
        places=none,
        groups=none,
        past=past,
        meaning="",
        ordered=law.kind != "category",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Delays:
    """Windows from the change to the alarm, ``[R]``; NaN for what is not found in time."""

    ours: FloatArray
    oracle: FloatArray
    watched: Watched


def shipped(cell: Cell, protocol: Protocol, tolerance: Tolerance, count: int, seed: int) -> Delays:
    """Return delays of a lone drift in a fleet at shipped defaults.

    The honest oracle knows the law after the change, bets on nothing else, tolerates the same set, and shares budget
    and place in the fleet with us: the Shiryaev-Roberts procedure of q / p* with p* the tolerated law nearest to q.
    """
    rng = np.random.default_rng([seed, cell.rows, cell.reference])
    hours = hours_of_reference(cell.law, cell.reference, protocol.days, count, rng)
    found = watched(cell.law, hours, protocol.monitors, protocol.shipped, tolerance)
    judged = found.stable > 0
    start = np.where(judged, -np.log(protocol.monitors), -np.inf)
    bet, live = oracle_bet(found.engine, cell.law)
    state, held = found.engine.initial(), np.full(count, -np.inf)
    ours, oracle = np.full(count, np.nan), np.full(count, np.nan)
    goal = np.log(protocol.shipped) - _CLOSED
    for window in range(-QUIET, protocol.after):
        part = cell.course.part(window) if window >= 0 else 0.0
        counts = rng.multinomial(cell.rows, (1 - part) * cell.law.before + part * cell.law.after, count).astype(float)
        state = found.engine.step(state, counts, start, window + QUIET)
        held = np.where(live, advance(held, (counts * bet).sum(axis=1), start), -np.inf)
        alarmed = state.total >= goal
        if window < 0:
            state = state.put(np.flatnonzero(alarmed), found.engine.initial(int(alarmed.sum())))
            held = np.where(held >= goal, -np.inf, held)
            continue
        ours = np.where(np.isnan(ours) & alarmed, window + 1.0, ours)
        oracle = np.where(np.isnan(oracle) & (held >= goal), window + 1.0, oracle)
        if not (np.isnan(ours) | np.isnan(oracle)).any():
            break
    return Delays(ours, oracle, found)


def oracle_bet(engine: Engine, law: Law) -> tuple[FloatArray, FloatArray]:
    """Return the log bet ``[R, K]`` on the law after the change, and where it is one, ``[R]``."""
    laws = np.tile(law.after, (engine.monitors, 1, 1))
    nearest, _ = engine.null.project(laws, 0)
    bet = log_bet(laws, nearest)[:, 0]
    return bet, np.any(np.abs(bet) > _CLOSED, axis=1)
