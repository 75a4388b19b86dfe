"""The demo's stream: thirty quiet days of a loan scorer, then six changes, as the records of two topics."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property, lru_cache, partial
from heapq import heappop, heappush
from itertools import takewhile
from operator import attrgetter
from typing import Final, NamedTuple
from zlib import crc32

import msgspec
import numpy as np
from numpy.random import Generator

from monitor.demo.applicants import Applicants, applicants, rng_of
from monitor.demo.injections import (
    DAYS_OF_CHANGE,
    Injection,
    change_chance,
    change_features,
    change_inputs,
    change_scores,
    injections,
)
from monitor.demo.scorer import THRESHOLD, Scorer, default_chance
from monitor.events import DAY, HOUR, MINUTE, SECOND, FloatArray, IntArray

MODEL: Final = "loan-scorer"
PARTITIONS: Final = 4
START: Final = 1_780_272_000_000_000
"""Monday, 2026-06-01T00:00:00Z."""
LATENESS: Final = 5 * MINUTE
"""Nothing but the few late records comes further behind than this."""
LATE_SHARE: Final = 0.002
REFERENCE_DAYS: Final = 28
LABEL_DAYS: Final = 14
"""Labels are told of for so long after the last application."""
_TRAINING_DAY: Final = -500
_TRAINING_ROWS: Final = 10_000
_PROMPT: Final = 2 * SECOND
_SLOW_SHARE: Final = 0.03
_SLOWEST: Final = 3 * MINUTE
_POISON_EVERY: Final = 3
"""Days between two records that cannot be read."""
_POISON: Final = (
    b'{"prediction_id": "loan-broken", "ts": "2026-0',
    b'{"prediction_id": "loan-latin-\xff", "ts"',
    b'{"ts": "2026-06-01T00:00:00.000Z", "model": "loan-scorer", "score": 0.5}',
    b'{"prediction_id": "loan-when", "ts": "yesterday", "model": "loan-scorer", "score": 0.5}',
)


class DemoRecord(NamedTuple):
    """One record of the topic."""

    partition: int
    timestamp: int
    """When it was written, in microseconds; never decreases."""
    key: bytes
    value: bytes


class DemoLabel(NamedTuple):
    """What became of one loan."""

    time: int
    """When it became known, in microseconds; never decreases."""
    id: str
    label: int
    """1 when it defaulted."""


class _Features(msgspec.Struct):
    salary: float
    commission: float
    age: int
    elevel: str
    car: str
    zipcode: str
    hvalue: float | None
    hyears: int
    loan: float


class _Entry(msgspec.Struct):
    prediction_id: str
    ts: str
    model: str
    model_version: str
    features: _Features
    score: float
    prediction: int
    latency_ms: float


class DemoStream:
    """A stream of scored loan applications that is the same whenever it has the same seed.

    Parameters
    ----------
    seed
        What everything random follows from.
    quiet_days
        Days before the first change.
    rows_per_day
        Mean number of applications a day.

    Notes
    -----
    The features are those of River's Agrawal generator, the scores those of a logistic regression fitted on other rows
    of it. Records come slightly out of order; two in a thousand come one to six hours late; every third day has one
    that cannot be read. Days are made one at a time, when they are asked for.
    """

    def __init__(self, seed: int = 7, *, quiet_days: int = 30, rows_per_day: int = 5_000) -> None:
        self.seed = seed
        self.start = START
        self.days = quiet_days + DAYS_OF_CHANGE
        self.end = START + self.days * DAY
        self.rows_per_day = rows_per_day
        self.injections: tuple[Injection, ...] = injections(START, quiet_days)
        self._day = lru_cache(maxsize=4)(self._make_day)

    def __reduce__(self) -> tuple[partial[DemoStream], tuple[int]]:
        """Pickle the stream as what makes it."""
        make = partial(DemoStream, quiet_days=self.days - DAYS_OF_CHANGE, rows_per_day=self.rows_per_day)
        return make, (self.seed,)

    @cached_property
    def scorer(self) -> Scorer:
        """The model, fitted on rows of its own."""
        training = applicants(self.seed, _TRAINING_DAY, _TRAINING_ROWS, START)
        chance = default_chance(training.columns)
        drawn = rng_of(self.seed, _TRAINING_DAY, 1).random(len(training)) < chance
        return Scorer.fit(training, drawn.astype(np.float64))

    @cached_property
    def sizes(self) -> IntArray:
        """Applications of each day."""
        return rng_of(self.seed, 0, 9).poisson(self.rows_per_day, self.days)

    @property
    def poison(self) -> int:
        """Records that cannot be read."""
        return len(range(0, self.days, _POISON_EVERY))

    def __len__(self) -> int:
        """Return the number of records, those that cannot be read included."""
        return int(self.sizes.sum()) + self.poison

    def reference_rows(self, rows: int = 21_000) -> Iterator[bytes]:
        """Yield held-out rows of the four weeks before the stream begins, in event-time order, as JSON."""
        for day in range(REFERENCE_DAYS):
            size = rows * (day + 1) // REFERENCE_DAYS - rows * day // REFERENCE_DAYS
            yield from self._values(self._day(day - REFERENCE_DAYS, size), day - REFERENCE_DAYS)

    def records(self) -> Iterator[DemoRecord]:
        """Yield every record in the order of the log."""
        waiting: list[DemoRecord] = []
        for day in range(self.days):
            waiting += self._written(day)
            waiting.sort(key=attrgetter("timestamp"))
            cut = bisect_left(waiting, self.start + (day + 1) * DAY, key=attrgetter("timestamp"))
            yield from waiting[:cut]
            del waiting[:cut]
        yield from waiting

    def labels(self) -> Iterator[DemoLabel]:
        """Yield what became of the loans, as it becomes known: half within two days, nearly all within two weeks."""
        last = self.end + LABEL_DAYS * DAY
        yield from takewhile(lambda label: label.time < last, self._labels())

    def _labels(self) -> Iterator[DemoLabel]:
        waiting: list[DemoLabel] = []
        for day in range(self.days):
            while waiting and waiting[0].time < self.start + day * DAY:
                yield heappop(waiting)
            today = self._day(day, int(self.sizes[day]))
            rng = rng_of(self.seed, day, 4)
            chance = default_chance(today.columns)
            for change in self.injections:
                chance = change_chance(change, today.columns, chance, change.rows(today.times))
            defaults = rng.random(len(today)) < chance
            known = today.times + (rng.lognormal(np.log(2 * DAY), 0.8, len(today)) // 1000).astype(np.int64) * 1000
            for place, (time, label) in enumerate(zip(known.tolist(), defaults.tolist(), strict=True)):
                heappush(waiting, DemoLabel(time, _name(day, place), int(label)))
        while waiting:
            yield heappop(waiting)

    def _make_day(self, day: int, rows: int) -> Applicants:
        """Return the applicants of one day, changes made."""
        today = applicants(self.seed, day, rows, self.start + day * DAY)
        rng = rng_of(self.seed, day, 2)
        for change in self.injections:
            change_features(change, today.columns, change.rows(today.times), rng)
        return today

    def _values(self, today: Applicants, day: int) -> list[bytes]:
        rng = rng_of(self.seed, day, 3)
        scores = self._scores(today, rng)
        latency = np.round(rng.lognormal(np.log(12.0), 0.4, len(today)), 2)
        stamps = np.datetime_as_string(today.times.astype("M8[us]").astype("M8[ms]"), timezone="UTC")
        encode = msgspec.json.Encoder().encode
        return [
            encode(_Entry(_name(day, place), stamp, MODEL, "1", features, score, int(score >= THRESHOLD), milliseconds))
            for place, (stamp, features, score, milliseconds) in enumerate(
                zip(stamps.tolist(), _features(today), scores.tolist(), latency.tolist(), strict=True)
            )
        ]

    def _scores(self, today: Applicants, rng: Generator) -> FloatArray:
        inputs = today.columns
        for change in self.injections:
            inputs = dict(change_inputs(change, inputs, change.rows(today.times), rng))
        scores = self.scorer.score(inputs)
        for change in self.injections:
            scores = change_scores(change, scores, change.rows(today.times))
        return scores

    def _written(self, day: int) -> list[DemoRecord]:
        today = self._day(day, int(self.sizes[day]))
        rng = rng_of(self.seed, day, 5)
        written = today.times + _delays(rng, len(today))
        records = []
        for place, (value, time) in enumerate(zip(self._values(today, day), written.tolist(), strict=True)):
            key = _name(day, place).encode()
            records.append(DemoRecord(crc32(key) % PARTITIONS, time, key, value))
        if day % _POISON_EVERY == 0:
            number = day // _POISON_EVERY
            time = self.start + day * DAY + int(rng.integers(DAY // 1000)) * 1000
            records.append(DemoRecord(number % PARTITIONS, time, b"poison-%d" % number, _POISON[number % len(_POISON)]))
        return records


def _delays(rng: Generator, rows: int) -> IntArray:
    """Return how long each record takes to reach the log: mostly seconds, some minutes, few hours."""
    delays = np.minimum(rng.exponential(_PROMPT, rows), _SLOWEST)
    slow = rng.random(rows) < _SLOW_SHARE
    delays[slow] = rng.uniform(0, _SLOWEST, rows)[slow]
    late = rng.random(rows) < LATE_SHARE
    delays[late] = rng.uniform(HOUR, 6 * HOUR, rows)[late]
    return (delays // 1000).astype(np.int64) * 1000


def _features(today: Applicants) -> Iterator[_Features]:
    columns = today.columns
    hvalue = [None if value != value else value for value in np.round(columns["hvalue"], 2).tolist()]  # noqa: PLR0124
    return map(
        _Features,
        np.round(columns["salary"], 2).tolist(),
        np.round(columns["commission"], 2).tolist(),
        columns["age"].astype(np.int64).tolist(),
        [f"level_{value}" for value in columns["elevel"].astype(np.int64).tolist()],
        [f"car_{value}" for value in columns["car"].astype(np.int64).tolist()],
        [f"zip_{value}" for value in columns["zipcode"].astype(np.int64).tolist()],
        hvalue,
        columns["hyears"].astype(np.int64).tolist(),
        np.round(columns["loan"], 2).tolist(),
    )


def _name(day: int, place: int) -> str:
    return f"loan-{REFERENCE_DAYS + day:03d}-{place:05d}"
