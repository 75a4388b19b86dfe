"""Requests and responses on their way to each other: together they are a prediction.

The halves of a pair have one id, stand in one partition, and lie no further apart than ``timeout`` by log time. A half
waits until a record of the same model and partition is later than that. All of it is decided record by record in the
order of the log, so batches and restarts make no difference. The prediction stands where the later half stands.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import numpy as np

from monitor.config.model import ModelConfig, StreamConfig
from monitor.decoding.halves import REQUEST, RESPONSE, has_own
from monitor.events import Batch, Column, IntArray
from monitor.keys import compose, parse, prefix
from monitor.panes import Reader

PAIRS: Final = b"q"
OUTCOMES: Final = ("paired", "unpaired_request", "unpaired_response", "duplicate", "overflow")
"""What becomes of halves; those that wait are the rest of ``seen``."""
SEEN: Final = "seen"
COUNTER: Final = "pair:"
"""Begins the names of the counters of halves."""
HALVES: Final = frozenset({REQUEST, RESPONSE})
_NEWEST: Final = ""
_NEVER: Final = -(1 << 62)


@dataclass(frozen=True, slots=True)
class _Half:
    kind: str
    batch: Batch
    row: int
    time: int
    """By the log."""
    stored: bool = False


@dataclass(slots=True)
class Pairs:
    """The halves of one model in one co-partition.

    Parameters
    ----------
    stream
        The model's predictions; they have ``pair``.
    """

    model: str
    stream: StreamConfig
    number: int = 0
    counters: Counter[str] = field(default_factory=Counter)
    """Rows since they were last taken over."""
    _waiting: dict[str, _Half] = field(default_factory=dict)
    _newest: int = _NEVER
    _oldest: int = 1 << 62
    """No half that waits is older."""
    _gone: list[bytes] = field(default_factory=list)
    _changed: bool = False

    @classmethod
    def load(cls, config: ModelConfig, number: int, reader: Reader) -> tuple[Pairs, int]:
        """Return the halves as they were last written, and how many of another mapping were left behind."""
        pairs = cls(config.name, config.predictions, number)
        lost = 0
        for key, data in reader.scan(prefix(PAIRS, number, config.name)):
            *_, identity, kind, name = parse(key)
            if identity != pairs.identity:
                lost += kind != _NEWEST
                pairs._gone.append(key)
            elif kind == _NEWEST:
                pairs._newest = msgspec.msgpack.decode(data)
            else:
                half = _decode(config.name, kind, name, msgspec.msgpack.decode(data))
                pairs._waiting[name] = half
                pairs._oldest = min(pairs._oldest, half.time)
        return pairs, lost

    @property
    def identity(self) -> str:
        """Hash of the mapping: halves that were read by another do not fit."""
        plain = self.stream.model_dump(mode="json", include={"map", "pair", "where", "feature_names", "score_names"})
        return hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=4).hexdigest()

    @property
    def waiting(self) -> int:
        """Halves that wait."""
        return len(self._waiting)

    def take(self, batches: Sequence[Batch]) -> Batch | None:
        """Return the predictions that these halves complete; all are of one run of records."""
        if not batches:
            return None
        completed: list[tuple[_Half, _Half]] = []
        self._changed = True
        for half in _in_order(batches):
            self.counters[SEEN] += 1
            self._newest = max(self._newest, half.time)
            found = self._partner(half)
            if found is not None:
                completed.append((found, half))
        self._expire()
        if not completed:
            return None
        self.counters["paired"] += 2 * len(completed)
        return self._predictions(completed)

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete; rows that wait are copied out of their batches."""
        puts: dict[bytes, bytes] = {}
        for name, half in self._waiting.items():
            if not half.stored:
                puts[self._key(half.kind, name)] = msgspec.msgpack.encode(_encode(half))
        if self._changed:
            puts[self._key(_NEWEST, "")] = msgspec.msgpack.encode(self._newest)
        return puts, [key for key in self._gone if key not in puts]

    def written(self) -> None:
        """Note that the changes are in the store."""
        fresh = [(name, half) for name, half in self._waiting.items() if not half.stored]
        if fresh:
            batch = _gather([half for _, half in fresh])
            for row, (name, half) in enumerate(fresh):
                self._waiting[name] = replace(half, batch=batch, row=row, stored=True)
        self._gone.clear()
        self._changed = False

    def _partner(self, half: _Half) -> _Half | None:
        """Return the half that this one completes; otherwise have it wait."""
        name, timeout = half.batch.ids[half.row], self._timeout
        other = self._waiting.get(name)
        if other is not None and self._newest - other.time > timeout:
            self._drop(name, f"unpaired_{other.kind}")
            other = None
        if other is None:
            self._wait(name, half)
            return None
        if other.kind == half.kind:
            self.counters["duplicate"] += 1
            return None
        if other.time - half.time > timeout:
            self.counters[f"unpaired_{half.kind}"] += 1
            return None
        self._drop(name)
        return other

    def _wait(self, name: str, half: _Half) -> None:
        pair = self.stream.pair
        if pair is not None and len(self._waiting) >= pair.max_pending:
            self._expire()
            if len(self._waiting) >= pair.max_pending:
                self.counters["overflow"] += 1
                return
        self._waiting[name] = half
        self._oldest = min(self._oldest, half.time)

    def _expire(self) -> None:
        """Let go of halves whose partner can no longer come."""
        if self._newest - self._oldest <= self._timeout:
            return
        old = [name for name, half in self._waiting.items() if self._newest - half.time > self._timeout]
        for name in old:
            self._drop(name, f"unpaired_{self._waiting[name].kind}")
        self._oldest = min((half.time for half in self._waiting.values()), default=1 << 62)

    def _drop(self, name: str, outcome: str = "") -> None:
        half = self._waiting.pop(name)
        if half.stored:
            self._gone.append(self._key(half.kind, name))
        if outcome:
            self.counters[outcome] += 1

    def _predictions(self, completed: Sequence[tuple[_Half, _Half]]) -> Batch:
        """Return the pairs as predictions, each where its later half stands."""
        later = _gather([half for _, half in completed])
        sides = {
            kind: _gather([one if one.kind == kind else other for one, other in completed])
            for kind in (REQUEST, RESPONSE)
        }
        request, response = sides[REQUEST], sides[RESPONSE]
        times = request.times if has_own(self.stream, "time", REQUEST) else response.times
        versions = request.versions if has_own(self.stream, "version", REQUEST) else response.versions
        looked = request.looked if request.looked is not None else response.looked
        return replace(
            later,
            kind="prediction",
            times=times,
            versions=versions,
            columns={**request.columns, **response.columns},
            bad={**request.bad, **response.bad},
            looked=looked,
        )

    def _key(self, kind: str, name: str) -> bytes:
        return compose(PAIRS, self.number, self.model, self.identity, kind, name)

    @property
    def _timeout(self) -> int:
        return 0 if self.stream.pair is None else self.stream.pair.timeout


def _in_order(batches: Sequence[Batch]) -> Iterator[_Half]:
    """Yield the rows of several batches of one run of records in the order of the log."""
    places = [np.arange(len(batch)) if batch.sources is None else batch.sources for batch in batches]
    rows = [np.zeros(len(batch), np.int64) if batch.numbers is None else batch.numbers for batch in batches]
    side = np.repeat(np.arange(len(batches)), [len(batch) for batch in batches])
    own = np.concatenate([np.arange(len(batch)) for batch in batches])
    times = [batch.log_times.tolist() for batch in batches]
    for place in np.lexsort((side, np.concatenate(rows), np.concatenate(places))).tolist():
        batch, row = batches[side[place]], int(own[place])
        yield _Half(batch.kind, batch, row, times[side[place]][row])


def _gather(parts: Sequence[_Half]) -> Batch:
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


def _encode(half: _Half) -> dict[str, Any]:
    batch, row = half.batch, half.row
    return {
        "log_time": half.time,
        "time": int(batch.times[row]),
        "version": batch.versions[row],
        "offset": int(batch.offsets[row]),
        "number": None if batch.numbers is None else int(batch.numbers[row]),
        "columns": {name: c[row] if isinstance(c, list) else float(c[row]) for name, c in batch.columns.items()},
        "numeric": [name for name, column in batch.columns.items() if not isinstance(column, list)],
        "bad": [name for name, rows in batch.bad.items() if row in rows],
        "looked": None if batch.looked is None else batch.looked.get(row),
        "looks": batch.looked is not None,
    }


def _decode(model: str, kind: str, name: str, data: Mapping[str, Any]) -> _Half:
    numeric = set(data["numeric"])
    columns: dict[str, Column] = {
        column: np.array([value], np.float64) if column in numeric else [value]
        for column, value in data["columns"].items()
    }
    looked = {} if data["looked"] is None else {0: tuple(data["looked"])}
    batch = Batch(
        model=model,
        kind=REQUEST if kind == REQUEST else RESPONSE,
        ids=[name],
        versions=[data["version"]],
        times=np.array([data["time"]], np.int64),
        log_times=np.array([data["log_time"]], np.int64),
        offsets=np.array([data["offset"]], np.int64),
        columns=columns,
        bad={column: np.zeros(1, np.int64) for column in data["bad"]},
        looked=looked if data["looks"] else None,
        numbers=None if data["number"] is None else np.array([data["number"]], np.int64),
    )
    return _Half(kind, batch, 0, data["log_time"], stored=True)
