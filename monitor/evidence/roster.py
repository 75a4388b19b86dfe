"""The monitors of one fleet at one severity, their terms fixed when they were created.

A monitor goes on as long as its reference and parameters are the same. What others do, or what the budget is, changes
nothing: its part of alpha and its tolerance are remembered, not worked out again. Monitors that come later share a part
of alpha that was kept for them. A stream that was chosen among many has the part of one of these, whenever it comes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from detectors.evidence.tolerance import day_alpha
from detectors.fleet.monitor import Monitor, alpha_of_epoch
from monitor.events import DAY, FloatArray
from monitor.evidence.budget import ALPHA, Severity, weights_of
from monitor.evidence.season import by_slot
from monitor.evidence.stream import Stream
from monitor.evidence.terms import Asked, Terms, enough_days, terms_of

_FIELDS: Final = ("seasonal", "tolerance", "ratio", "floor", "dispersion", "directions", "days", "along")
_DIGEST: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Seat:
    """What was fixed when a monitor was created."""

    fingerprint: bytes
    alpha: float
    terms: Terms


@dataclass(slots=True)
class Roster:
    """Seats by stream; ``generation`` counts how often monitors were added."""

    seats: dict[str, Seat] = field(default_factory=dict)
    generation: int = 0
    fresh: list[str] = field(default_factory=list)
    """Names of the monitors that the last ``fit`` created in place of others."""

    def fit(self, streams: Sequence[Stream], asked: Asked, patience: float) -> None:
        """Have a seat for each of these streams and for no other.

        Parameters
        ----------
        streams
            Those that the severity listens to, of all versions.
        patience
            Of the fleet, in windows; new monitors choose their tolerance by it.
        """
        prints = {stream.key: fingerprint(stream, asked) for stream in streams}
        kept = {key: seat for key, seat in self.seats.items() if prints.get(key) == seat.fingerprint}
        new = [stream for stream in streams if stream.key not in kept]
        self.fresh = [stream.name for stream in new if stream.key in self.seats]
        self.seats = kept
        if not new:
            return
        self.generation += 1
        pool = float(alpha_of_epoch(np.array(ALPHA), np.array(float(self.generation))))
        for version in dict.fromkeys(stream.version for stream in new):
            part = [stream for stream in new if stream.version == version]
            weights = weights_of(part)
            shares = pool * weights / len({stream.version for stream in new})
            days = day_alpha(weights, patience, DAY / asked.length)
            for stream, alpha, day in zip(part, shares.tolist(), days.tolist(), strict=True):
                part_of_alpha = ALPHA / stream.among if stream.among else alpha
                if alpha > 0:
                    terms = terms_of(stream, asked, part_of_alpha, day)
                    self.seats[stream.key] = Seat(prints[stream.key], part_of_alpha, terms)

    def judged(self, streams: Sequence[Stream], severity: Severity) -> list[Stream]:
        """Return the streams that are judged: stable ones, and for pages those whose reference has a week."""
        found = []
        for stream in streams:
            seat = self.seats.get(stream.key)
            if seat is not None and seat.terms.is_stable and (severity.name != "page" or enough_days(seat.terms)):
                found.append(stream)
        return found

    def monitor(self, stream: Stream) -> Monitor:
        """Return the monitor of a stream that has a seat."""
        seat = self.seats[stream.key]
        return seat.terms.monitor(stream, seat.alpha)

    def state(self) -> dict[str, Any]:
        """Return plain values for the store; references are not among them."""
        return {
            "generation": self.generation,
            "seats": {
                key: [seat.fingerprint, seat.alpha, *(getattr(seat.terms, name) for name in _FIELDS)]
                for key, seat in self.seats.items()
            },
        }

    @classmethod
    def restore(cls, state: dict[str, Any], streams: Sequence[Stream], asked: Asked) -> Roster:
        """Return what ``state`` took apart; seats whose stream is not among these stay empty and are dropped."""
        known = {stream.key: stream for stream in streams}
        seats = {}
        for key, (digest, alpha, seasonal, *figures) in state["seats"].items():
            stream = known.get(key)
            if stream is None or fingerprint(stream, asked) != digest:
                # The seat is kept apart from its terms, so that the next fit sees that the monitor was another.
                seats[key] = Seat(b"", alpha, _NO_TERMS)
                continue
            reference = _reference(stream, asked, seasonal=seasonal)
            seats[key] = Seat(digest, alpha, Terms(reference, seasonal, *figures))
        return cls(seats, state["generation"])


_NO_TERMS: Final = Terms(np.zeros((1, 2)), False, None, 1.0, 0.0, 1.0, 1.0, 0)


def fingerprint(stream: Stream, asked: Asked) -> bytes:
    """Return a hash of all that decides what is counted, against what, and with which tolerance."""
    digest = hashlib.blake2b(digest_size=_DIGEST)
    words = (stream.meaning, stream.is_rate, stream.ordered, asked)
    digest.update(repr(words).encode())
    days = () if stream.own is None else (stream.own.days,)
    for array in (stream.reference, stream.past.days, stream.past.hours, *days):
        digest.update(b"-" if array is None else np.ascontiguousarray(array, "<i8").tobytes())
    return digest.digest()


def _reference(stream: Stream, asked: Asked, *, seasonal: bool) -> FloatArray:
    found = by_slot(stream, asked) if seasonal else None
    return stream.reference[np.newaxis].astype(np.float64) if found is None else found
