"""Fleets in which nothing drifts, at shipped defaults: incidents counted against the promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.signal import lfilter
from scipy.stats import chi2, poisson

from benchmarks.detection.cells import NullCell, Protocol
from benchmarks.detection.laws import EDGES, FloatArray, Law, gaussian
from benchmarks.detection.ours import Tolerance, Watched, hours_of_reference, watched
from detectors.evidence.ball import Ball
from detectors.evidence.interval import Interval
from monitor.evidence.season import Season
from tests.unit.evidence_simulation import Draw, Trial, boundary, even

_HOURS: Final = 24
_SPAN: Final = 14.0
Made = tuple[FloatArray, Callable[[Watched], Draw], Law]
"""Reference counts ``[D, 24, R, K]``, what draws windows, and the law (its kind and cells)."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Incidents of all fleets together."""

    incidents: int
    promised: float
    windows: int
    judged: float
    """Share of monitors that the service would judge; the others are shown only."""

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval (Garwood) of observed over promised."""
        low = chi2.ppf(0.025, 2 * self.incidents) / 2 if self.incidents else 0.0
        return float(low / self.promised), float(chi2.ppf(0.975, 2 * self.incidents + 2) / 2 / self.promised)

    @property
    def kept(self) -> bool:
        """Whether so many incidents or more are within chance of the promise, at one in a thousand."""
        return bool(poisson.sf(self.incidents - 1, self.promised) >= 1e-3)


def observe(cell: NullCell, protocol: Protocol, tolerance: Tolerance, fleets: int, windows: int, seed: int) -> Observed:
    """Return the incidents of so many fleets in so many windows."""
    rng = np.random.default_rng([seed, len(cell.name), cell.rows])
    monitors = protocol.monitors
    hours, drawing, law = _MAKERS[cell.kind](cell, protocol, fleets * monitors, rng)
    season: Season = "hour_of_day" if cell.kind == "seasonal" else "none"
    found = watched(law, hours, monitors, protocol.shipped, tolerance, season)
    draw = drawing(found)
    judged = (found.stable > 0)[:, np.newaxis]
    trial = Trial(
        engine=found.engine,
        draw=lambda window, generator: np.where(judged, draw(window, generator), 0.0),
        fleets=fleets,
        windows=windows,
        patience=protocol.shipped,
        weights=even(monitors),
        seed=seed,
        slots=found.engine.slots,
    )
    outcome = trial.run()
    return Observed(int(outcome.incidents.sum()), outcome.bound, fleets * windows, float(found.stable.mean()))


def _plain() -> Law:
    return Law("number", gaussian(), gaussian())


def _moved(means: FloatArray) -> FloatArray:
    """Return shares of Gaussians with these means, ``[..., 14]``."""
    return np.asarray(np.stack([gaussian(float(mean)) for mean in means.ravel()]).reshape(*means.shape, -1))


def _iid(cell: NullCell, protocol: Protocol, count: int, rng: np.random.Generator) -> Made:
    hours = hours_of_reference(_plain(), cell.reference, protocol.days, count, rng)
    return hours, lambda _: lambda _, fresh: fresh.multinomial(cell.rows, gaussian(), count).astype(float), _plain()


def _dispersed(cell: NullCell, protocol: Protocol, count: int, rng: np.random.Generator) -> Made:
    each = cell.reference // (protocol.days * _HOURS)
    laws = _moved(rng.normal(0, cell.size, (protocol.days, count)))
    hours = rng.multinomial(each, np.repeat(laws[:, np.newaxis], _HOURS, axis=1)).astype(float)
    today: list[FloatArray] = []

    def draw(window: int, fresh: np.random.Generator) -> FloatArray:
        if window % _HOURS == 0:
            today[:] = [_moved(fresh.normal(0, cell.size, count))]
        return fresh.multinomial(cell.rows, today[0]).astype(float)

    return hours, lambda _: draw, _plain()


def _seasonal(cell: NullCell, protocol: Protocol, count: int, rng: np.random.Generator) -> Made:
    each = cell.reference // (protocol.days * _HOURS)
    laws = _moved(cell.size * np.sin(2 * np.pi * np.arange(_HOURS) / _HOURS))
    hours = rng.multinomial(each, np.broadcast_to(laws[:, np.newaxis], (protocol.days, _HOURS, count, 14)))
    return (
        hours.astype(float),
        lambda _: lambda window, fresh: fresh.multinomial(cell.rows, laws[window % _HOURS], count).astype(float),
        _plain(),
    )


def _sessions(cell: NullCell, protocol: Protocol, count: int, rng: np.random.Generator) -> Made:
    each, weight = int(cell.size), 1.0 if cell.kind == "sessions" else cell.size
    hours = weight * hours_of_reference(_plain(), cell.reference // each, protocol.days, count, rng)

    def draw(_: int, fresh: np.random.Generator) -> FloatArray:
        return weight * fresh.multinomial(cell.rows // each, gaussian(), count).astype(float)

    return hours, lambda _: draw, _plain()


def _counts(values: FloatArray) -> FloatArray:
    """Return the counts ``[J, 14]`` of values ``[J, n]``."""
    coded = np.searchsorted(EDGES, values) + 14 * np.arange(len(values))[:, np.newaxis]
    return np.bincount(coded.ravel(), minlength=14 * len(values)).reshape(-1, 14).astype(np.float64)


def _by_hour(values: FloatArray, days: int) -> FloatArray:
    """Return references ``[J, N]`` as counts ``[D, 24, J, 14]``."""
    parts = np.array_split(values, days * _HOURS, axis=1)
    return np.stack([_counts(part) for part in parts]).reshape(days, _HOURS, len(values), 14)


def _correlated(cell: NullCell, protocol: Protocol, count: int, rng: np.random.Generator) -> Made:
    fleets = count // protocol.monitors

    def rows(number: int, fresh: np.random.Generator) -> FloatArray:
        shared = np.repeat(fresh.standard_normal((fleets, number), np.float32), protocol.monitors, axis=0)
        own = fresh.standard_normal((count, number), np.float32)
        return np.asarray(np.sqrt(cell.size) * shared + np.sqrt(1 - cell.size) * own, np.float64)

    hours = _by_hour(rows(cell.reference, rng), protocol.days)
    return hours, lambda _: lambda _, fresh: _counts(rows(cell.rows, fresh)), _plain()


def _autocorrelated(cell: NullCell, protocol: Protocol, count: int, rng: np.random.Generator) -> Made:
    def rows(number: int, fresh: np.random.Generator) -> FloatArray:
        noise = fresh.standard_normal((count, number))
        noise[:, 1:] *= np.sqrt(1 - cell.size**2)
        return np.asarray(lfilter([1.0], [1.0, -cell.size], noise, axis=1), np.float64)

    hours = _by_hour(rows(cell.reference, rng), protocol.days)
    return hours, lambda _: lambda _, fresh: _counts(rows(cell.rows, fresh)), _plain()


def _edge(cell: NullCell, protocol: Protocol, count: int, rng: np.random.Generator) -> Made:
    hours, _, law = _iid(cell, protocol, count, rng)

    def drawing(found: Watched) -> Draw:
        null = found.engine.null
        assert isinstance(null, Ball)
        ways = [boundary(null, rng) for _ in range(1 if cell.kind == "edge" else 6)]

        def draw(window: int, fresh: np.random.Generator) -> FloatArray:
            part = 1.0 if cell.kind == "edge" else abs(np.sin(window / _SPAN))
            mixed = part * ways[window % len(ways)] + (1 - part) * null.shares[0]
            return fresh.multinomial(cell.rows, mixed / mixed.sum(axis=1, keepdims=True)).astype(float)

        return draw

    return hours, drawing, law


def _rate_edge(cell: NullCell, protocol: Protocol, count: int, rng: np.random.Generator) -> Made:
    share = np.array([1 - cell.size, cell.size])
    law = Law("rate", share, share)
    hours = hours_of_reference(law, cell.reference, protocol.days, count, rng)

    def drawing(found: Watched) -> Draw:
        null = found.engine.null
        assert isinstance(null, Interval)
        ends = np.stack([1 - null.high[0], null.high[0]], axis=1)
        return lambda _, fresh: fresh.multinomial(cell.rows, ends).astype(float)

    return hours, drawing, law


_MAKERS: Final[dict[str, Callable[[NullCell, Protocol, int, np.random.Generator], Made]]] = {
    "iid": _iid,
    "dispersed": _dispersed,
    "correlated": _correlated,
    "seasonal": _seasonal,
    "pooled": _seasonal,
    "sessions": _sessions,
    "raw sessions": _sessions,
    "autocorrelated": _autocorrelated,
    "edge": _edge,
    "moving": _edge,
    "rate edge": _rate_edge,
}
