"""What the monitors of one column see and do not see, before anything happens: figures for an operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.evidence.ball import Ball
from detectors.evidence.bounded import Bounded
from detectors.evidence.dictionary import Kind as Bettor
from detectors.evidence.dictionary import Shape
from detectors.evidence.engine import Engine
from detectors.evidence.interval import Interval
from detectors.evidence.sensitivity import blind_rates, dead_zone, delays, smallest_found
from monitor.events import DAY
from monitor.evidence.budget import SeverityName
from monitor.evidence.copy import Copy
from monitor.evidence.stream import Stream
from monitor.evidence.terms import Terms
from monitor.evidence.watch import Watch

SHOWN: Final = (
    Shape(Bettor.MEAN, 0.1),
    Shape(Bettor.MEAN, 0.2),
    Shape(Bettor.MEAN, 0.4),
    Shape(Bettor.SPREAD, (1 - 2 * 0.125) ** -0.5),
    Shape(Bettor.RATE, 1.5),
    Shape(Bettor.RATE, 2.0),
    Shape(Bettor.RATE, 5.0),
    Shape(Bettor.RATE, 0.5),
)
"""Changes whose delays are told."""
SOON: Final = 7 * DAY
"""The smallest change is told that is found within a week."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One monitor at one severity."""

    stream: Stream
    terms: Terms
    severity: SeverityName
    rows: float
    """Rows of a window, as the reference has them."""
    log_threshold: float
    """Evidence at which it is alarmed alone, natural logarithm."""
    dead_zone: float | None
    """Population stability index below which a shape is blind; the widest of the slots. ``None`` for rates."""
    tolerated: tuple[float, float] | None
    """Rates between which a rate is blind, widest of the slots."""
    delays: tuple[tuple[Shape, float], ...]
    """Change → windows to an alarm; infinite if never."""
    smallest: float | None
    """Least population stability index of a shape that is found within a week."""
    mean: tuple[float, float] | None
    """Between which a mean, in standard deviations from the reference's, is not seen; widest of the slots. ``None``
    where the order of the cells means nothing."""


def _every(stream: Stream) -> bool:  # noqa: ARG001
    return True


def sights(watch: Watch, chosen: Callable[[Stream], bool] = _every) -> Iterator[Sight]:
    """Yield what the chosen monitors of a model see, in the order of the severities."""
    for copy in watch.copies.values():
        patience = watch.patience(copy.severity)
        weights = copy.weights
        for group in copy.fleet.groups:
            for row, place in enumerate(group.places.tolist()):
                stream = copy.streams[place]
                if not chosen(stream):
                    continue
                rows = rows_of(stream, watch.length)
                engine = group.engine.take(np.array([row]))
                yield _sight(copy, stream, engine, rows, float(weights[place]), patience, watch.length)


def rows_of(stream: Stream, length: int) -> float:
    """Return the rows of an evidence window, if there are as many as in the reference; 0 if it knows no days."""
    days = (stream.past if stream.own is None else stream.own).days.sum(axis=1)
    return float(np.median(days[days > 0])) * length / DAY if (days > 0).any() else 0.0


def _sight(
    copy: Copy, stream: Stream, engine: Engine, rows: float, weight: float, patience: float, length: int
) -> Sight:
    one, start = np.array([rows]), np.array([weight])
    soon = SOON / length
    found = delays(engine, one, start, patience)[0] if rows else np.full(len(engine.shapes), np.inf)
    null = engine.null
    zone, tolerated, smallest, mean = None, None, None, None
    if isinstance(null, Ball):
        zone = float(dead_zone(null).max())
        smallest = float(smallest_found(engine, one, start, patience, soon)[0]) if rows else None
        mean = _still(null) if isinstance(null, Bounded) and stream.ordered else None
    elif isinstance(null, Interval):
        low, high = blind_rates(null)
        tolerated = float(low.min()), float(high.max())
    told = [(shape, float(found[engine.shapes.index(shape)])) for shape in SHOWN if shape in engine.shapes]
    return Sight(
        stream=stream,
        terms=copy.roster.seats[stream.key].terms,
        severity=copy.severity.name,
        rows=rows,
        log_threshold=float(np.log(patience)),
        dead_zone=zone,
        tolerated=tolerated,
        delays=tuple(told),
        smallest=smallest,
        mean=mean,
    )


def _still(null: Bounded) -> tuple[float, float]:
    """Return the mean scores of one monitor that are tolerated, from the reference's own and in its deviations."""
    own = np.einsum("sk,sk->s", null.scores[:, 0, 0], null.shares[:, 0])
    spread = np.sqrt(np.einsum("sk,sk->s", np.square(null.scores[:, 0, 0] - own[:, np.newaxis]), null.shares[:, 0]))
    unit = np.where(spread > 0, spread, 1.0)
    return float(((null.low[:, 0, 0] - own) / unit).min()), float(((null.high[:, 0, 0] - own) / unit).max())
