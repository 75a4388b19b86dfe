"""Requests and responses row by row: out of their batches, together as predictions, and as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import msgspec
import numpy as np

from monitor.config.model import StreamConfig
from monitor.decoding.halves import REQUEST, RESPONSE, has_own
from monitor.events import Batch, Column, IntArray, Records, Reject
from monitor.held import Origins, RowReason, reject_of, reworded

Place: TypeAlias = tuple[int, str, int, int, int, str]
"""Where a half stands among all: the clock of its input, topic, partition, offset, row of its record, kind."""


@dataclass(frozen=True, slots=True)
class Half:
    """A request or a response."""

    kind: str
    batch: Batch
    row: int
    time: int
    """By the log, within what the log before it allows."""
    place: Place
    stamped: bool
    """Whether the broker wrote the log time."""
    origin: Records | Reject | None
    """What a response was decoded from, or what it turns into when its time is denied; a request has none."""
    stored: bool = False

    def __lt__(self, other: Half) -> bool:
        """Whether the turn of this half comes before that of another."""
        return self.place < other.place

    @property
    def name(self) -> str:
        """The id."""
        return self.batch.ids[self.row]

    @property
    def partition(self) -> int:
        """The partition of its input."""
        return self.place[2]

    def reject(self, reason: RowReason) -> Reject:
        """Return what a response turns into when it is not counted."""
        if isinstance(self.origin, Reject):
            return reworded(self.origin, reason)
        if self.origin is None:
            raise ValueError("a request is no prediction")
        return reject_of(self.batch, self.row, self.origin, reason)


@dataclass(frozen=True, slots=True)
class Paired:
    """Predictions whose responses are of one partition, in the order in which they count."""

    partition: int
    batch: Batch
    moments: IntArray
    """The later log time of the two halves."""
    stamped: bool
    origins: Origins


def halves_of(batch: Batch, records: Records, reached: IntArray, times: IntArray) -> Iterator[Half]:
    """Yield the rows of a batch of halves.

    Parameters
    ----------
    reached
        Where the clock of the input stands after each record.
    times
        The log time of each record, bounded.
    """
    size = len(batch)
    sources = list(range(size)) if batch.sources is None else batch.sources.tolist()
    numbers = [0] * size if batch.numbers is None else batch.numbers.tolist()
    keys, at, offsets = reached.tolist(), times.tolist(), batch.offsets.tolist()
    origin = records if batch.kind == RESPONSE else None
    topic, partition, stamped, kind = records.topic, records.partition, records.broker_stamped, batch.kind
    for row, (source, number, offset) in enumerate(zip(sources, numbers, offsets, strict=True)):
        place = (keys[source], topic, partition, offset, number, kind)
        yield Half(kind, batch, row, at[source], place, stamped, origin)


def predictions_of(stream: StreamConfig, pairs: Sequence[tuple[Half, Half]]) -> list[Paired]:
    """Return pairs of halves as predictions, each where its response stands.

    They are given by partition; those of one partition keep their order.
    """
    both = [(one, other) if one.kind == REQUEST else (other, one) for one, other in pairs]
    runs: list[list[tuple[Half, Half]]] = []
    latest: dict[int, list[tuple[Half, Half]]] = {}
    for pair in both:
        run = latest.get(pair[1].partition)
        if run is None or run[0][1].stamped != pair[1].stamped:
            run = latest[pair[1].partition] = []
            runs.append(run)
        run.append(pair)
    return [_predictions(stream, run) for run in runs]


def _predictions(stream: StreamConfig, run: Sequence[tuple[Half, Half]]) -> Paired:
    request, response = gather([one for one, _ in run]), gather([other for _, other in run])
    first = run[0][1]
    batch = replace(
        response,
        kind="prediction",
        times=request.times if has_own(stream, "time", REQUEST) else response.times,
        versions=request.versions if has_own(stream, "version", REQUEST) else response.versions,
        columns={**request.columns, **response.columns},
        bad={**request.bad, **response.bad},
        looked=request.looked if request.looked is not None else response.looked,
        sources=np.arange(len(run)),
    )
    moments = np.array([max(one.time, other.time) for one, other in run], np.int64)
    return Paired(first.partition, batch, moments, first.stamped, Origins([other.reject for _, other in run]))


def gather(parts: Sequence[Half]) -> Batch:
    """Return these rows as one batch, in this order."""
    number = {id(half.batch): half.batch for half in parts}
    places: dict[int, list[int]] = {key: [] for key in number}
    for place, half in enumerate(parts):
        places[id(half.batch)].append(place)
    taken = [number[key].take(np.array([parts[place].row for place in rows])) for key, rows in places.items()]
    order = np.argsort(np.concatenate([np.array(rows, np.int64) for rows in places.values()]))
    return (taken[0] if len(taken) == 1 else _together(taken)).take(order)


def _together(batches: Sequence[Batch]) -> Batch:
    names = sorted({name for batch in batches for name in batch.columns})
    starts = np.cumsum([0, *(len(batch) for batch in batches[:-1])]).tolist()
    bad: dict[str, IntArray] = {}
    for name in sorted({name for batch in batches for name in batch.bad}):
        marks = [batch.bad[name] + start for batch, start in zip(batches, starts, strict=True) if name in batch.bad]
        bad[name] = np.concatenate(marks)
    looked: dict[int, tuple[str, ...]] = {}
    for batch, start in zip(batches, starts, strict=True):
        looked |= {row + start: fields for row, fields in (batch.looked or {}).items()}
    return Batch(
        model=batches[0].model,
        kind=batches[0].kind,
        ids=[name for batch in batches for name in batch.ids],
        versions=[version for batch in batches for version in batch.versions],
        times=np.concatenate([batch.times for batch in batches]),
        log_times=np.concatenate([batch.log_times for batch in batches]),
        offsets=np.concatenate([batch.offsets for batch in batches]),
        columns={name: _column(name, batches) for name in names},
        bad=bad,
        looked=None if all(batch.looked is None for batch in batches) else looked,
        sources=np.concatenate([_or_zeros(batch.sources, len(batch)) for batch in batches]),
        numbers=None
        if all(batch.numbers is None for batch in batches)
        else np.concatenate([_or_zeros(batch.numbers, len(batch)) for batch in batches]),
    )


def _or_zeros(values: IntArray | None, rows: int) -> IntArray:
    return np.zeros(rows, np.int64) if values is None else values


def _column(name: str, batches: Sequence[Batch]) -> Column:
    parts = [batch.columns.get(name) for batch in batches]
    if any(isinstance(part, list) for part in parts):
        texts: list[str | None] = []
        for part, batch in zip(parts, batches, strict=True):
            texts += part if isinstance(part, list) else [None] * len(batch)
        return texts
    numbers = [
        part if isinstance(part, np.ndarray) else np.full(len(batch), np.nan)
        for part, batch in zip(parts, batches, strict=True)
    ]
    return np.concatenate(numbers)


def encode(half: Half) -> bytes:
    """Return a half as bytes; the id is among them, the place is in the key."""
    batch, row = half.batch, half.row
    reject = None if half.kind == REQUEST else half.reject("future_time")
    plain = {
        "id": half.name,
        "reached": half.place[0],
        "moment": half.time,
        "stamped": half.stamped,
        "log_time": int(batch.log_times[row]),
        "time": int(batch.times[row]),
        "version": batch.versions[row],
        "number": None if batch.numbers is None else int(batch.numbers[row]),
        "columns": {name: c[row] if isinstance(c, list) else float(c[row]) for name, c in batch.columns.items()},
        "numeric": [name for name, column in batch.columns.items() if not isinstance(column, list)],
        "bad": [name for name, rows in batch.bad.items() if row in rows],
        "looked": None if batch.looked is None else batch.looked.get(row),
        "looks": batch.looked is not None,
        "reject": None if reject is None else msgspec.to_builtins(reject, builtin_types=(bytes,)),
    }
    return msgspec.msgpack.encode(plain)


def decode(model: str, topic: str, partition: int, offset: int, number: int, kind: str, data: bytes) -> Half:
    """Return the half that ``encode`` took apart."""
    plain: dict[str, Any] = msgspec.msgpack.decode(data)
    numeric = set(plain["numeric"])
    columns: dict[str, Column] = {
        column: np.array([value], np.float64) if column in numeric else [value]
        for column, value in plain["columns"].items()
    }
    batch = Batch(
        model=model,
        kind=REQUEST if kind == REQUEST else RESPONSE,
        ids=[plain["id"]],
        versions=[plain["version"]],
        times=np.array([plain["time"]], np.int64),
        log_times=np.array([plain["log_time"]], np.int64),
        offsets=np.array([offset], np.int64),
        columns=columns,
        bad={column: np.zeros(1, np.int64) for column in plain["bad"]},
        looked=_looked(plain) if plain["looks"] else None,
        numbers=None if plain["number"] is None else np.array([plain["number"]], np.int64),
    )
    place = (plain["reached"], topic, partition, offset, number, kind)
    origin = None if plain["reject"] is None else msgspec.convert(plain["reject"], Reject)
    return Half(kind, batch, 0, plain["moment"], place, plain["stamped"], origin, stored=True)


def _looked(plain: Mapping[str, Any]) -> dict[int, tuple[str, ...]]:
    return {} if plain["looked"] is None else {0: tuple(plain["looked"])}
