"""Requests and responses by the block: out of their batches, together as predictions, and as bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.config.model import StreamConfig
from monitor.decoding.halves import REQUEST, RESPONSE, has_own
from monitor.events import Batch, Column, Headers, IntArray, Records, Reject
from monitor.held import Origins, RowReason, row_reject

BoolArray: TypeAlias = NDArray[np.bool_]
Input: TypeAlias = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True)
class Raw:
    """The records that responses were decoded from, one a row; ``headers`` is empty where nobody reads headers."""

    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Headers]

    @classmethod
    def of(cls, batch: Batch, records: Records) -> Raw:
        """Return the records of a batch's rows."""
        if batch.sources is None:
            return cls(records.keys, records.values, records.headers)
        places = batch.sources.tolist()
        keys, values = [records.keys[at] for at in places], [records.values[at] for at in places]
        return cls(keys, values, [records.headers[at] for at in places] if records.headers else [])

    def take(self, index: IntArray) -> Raw:
        """Return the records of the rows at ``index``, in that order."""
        chosen = index.tolist()
        headers = [self.headers[row] for row in chosen] if self.headers else []
        return Raw([self.keys[row] for row in chosen], [self.values[row] for row in chosen], headers)


@dataclass(slots=True)
class Block:
    """Requests, or responses, in the order of their turns. A half's *slot* is ``start`` and its row."""

    batch: Batch
    reached: IntArray
    """Where the clock of its input stood after each half's record."""
    moments: IntArray
    """Log times, within what the log before each allows."""
    ranks: IntArray
    """Places of the inputs in the order of (topic, partition)."""
    stamped: BoolArray
    """Whether the broker wrote the log time."""
    raw: Raw | None
    """Of responses only."""
    start: int = 0
    taken: int = 0
    """So many halves have had their turn."""
    live: BoolArray = field(default_factory=lambda: np.zeros(0, np.bool_))
    """Halves that wait, for their turn or their partner."""
    stored: bool = False
    oldest: int = 0
    """No half of the block that waits for its partner is older."""

    def __len__(self) -> int:
        return len(self.batch)

    @classmethod
    def of(cls, batch: Batch, records: Records, rank: int, reached: IntArray, moments: IntArray) -> Block:
        """Return the halves of one batch.

        Parameters
        ----------
        rank
            Of its input.
        reached
            Where the clock of the input stands after each record.
        moments
            The log time of each record, bounded.
        """
        at = np.arange(len(batch)) if batch.sources is None else batch.sources
        return cls(
            batch=batch,
            reached=reached[at],
            moments=moments[at],
            ranks=np.full(len(batch), rank, np.int64),
            stamped=np.full(len(batch), records.broker_stamped),
            raw=Raw.of(batch, records) if batch.kind == RESPONSE else None,
        ).fresh(0)

    @property
    def kind(self) -> str:
        """``request`` or ``response``."""
        return self.batch.kind

    @property
    def numbers(self) -> IntArray:
        """Index of each row within its record."""
        return np.zeros(len(self), np.int64) if self.batch.numbers is None else self.batch.numbers

    def fresh(self, taken: int) -> Block:
        """Return the block, all of whose halves wait, so many of them for their partner."""
        self.taken, self.live = taken, np.ones(len(self), np.bool_)
        self.oldest = int(self.moments.min(initial=1 << 62))
        return self

    def due(self, limit: tuple[int, int] | None) -> int:
        """Return how many halves have their turn up to a clock and the rank of its input; all without a limit."""
        if limit is None:
            return len(self)
        first, last = np.searchsorted(self.reached, limit[0], "left"), np.searchsorted(self.reached, limit[0], "right")
        return int(first + np.searchsorted(self.ranks[first:last], limit[1], "right"))

    def take(self, index: IntArray) -> Block:
        """Return the halves at ``index``, in that order, as a block of their own."""
        return Block(
            batch=self.batch.take(index),
            reached=self.reached[index],
            moments=self.moments[index],
            ranks=self.ranks[index],
            stamped=self.stamped[index],
            raw=None if self.raw is None else self.raw.take(index),
        ).fresh(0)

    def reject(self, row: int, inputs: Sequence[Input], reason: RowReason) -> Reject:
        """Return what a response turns into when it is not counted."""
        if self.raw is None:
            raise ValueError("a request is no prediction")
        topic, partition = inputs[self.ranks[row]]
        headers = tuple(self.raw.headers[row]) if self.raw.headers else ()
        return row_reject(self.batch, row, reason, topic, partition, self.raw.keys[row], self.raw.values[row], headers)


def order_of(blocks: Sequence[Block], rows: Sequence[slice]) -> tuple[IntArray, IntArray]:
    """Return where halves of some blocks stand (block, row), in the order of their turns."""
    which = np.concatenate([np.full(part.stop - part.start, place) for place, part in enumerate(rows)])
    at = np.concatenate([np.arange(part.start, part.stop) for part in rows])
    if len(blocks) == 1:
        return which, at

    def key(columns: Sequence[IntArray]) -> IntArray:
        return np.concatenate([column[part] for column, part in zip(columns, rows, strict=True)])

    order = np.lexsort(
        (
            np.array([block.kind == RESPONSE for block in blocks])[which],
            key([block.numbers for block in blocks]),
            key([block.batch.offsets for block in blocks]),
            key([block.ranks for block in blocks]),
            key([block.reached for block in blocks]),
        )
    )
    return which[order], at[order]


def together(blocks: Sequence[Block]) -> Block:
    """Return the halves of blocks of one kind as one block, in the order of their turns."""
    which, rows = order_of(blocks, [slice(0, len(block)) for block in blocks])
    if len(blocks) == 1:
        return blocks[0]
    starts = np.cumsum([0, *(len(block) for block in blocks[:-1])])
    raws = [block.raw for block in blocks if block.raw is not None]
    whole = Block(
        batch=_together([block.batch for block in blocks]),
        reached=np.concatenate([block.reached for block in blocks]),
        moments=np.concatenate([block.moments for block in blocks]),
        ranks=np.concatenate([block.ranks for block in blocks]),
        stamped=np.concatenate([block.stamped for block in blocks]),
        raw=_raws(raws) if raws else None,
    )
    return whole.take(starts[which] + rows)


def _raws(raws: Sequence[Raw]) -> Raw:
    headers: list[Headers] = []
    if any(raw.headers for raw in raws):
        for raw in raws:
            headers += raw.headers or [()] * len(raw.keys)
    return Raw([key for raw in raws for key in raw.keys], [value for raw in raws for value in raw.values], headers)


class Slots:
    """Finds halves by their slots."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks
        self._starts = np.array([block.start for block in blocks], np.int64)

    def find(self, slots: IntArray) -> tuple[IntArray, IntArray]:
        """Return in which block each half stands, and its row there."""
        which = np.searchsorted(self._starts, slots, "right") - 1
        return which, slots - self._starts[which]

    def groups(self, which: IntArray) -> Iterator[tuple[Block, IntArray]]:
        """Yield each block that is named, and where."""
        if len(self.blocks) == 1 or not len(which):
            yield from [(block, np.arange(len(which))) for block in self.blocks if len(which)]
            return
        order = np.argsort(which, kind="stable")
        found, first = np.unique(which[order], return_index=True)
        for place, rows in zip(found.tolist(), np.split(order, first[1:]), strict=True):
            yield self.blocks[place], rows

    def of(self, slots: IntArray, name: str) -> NDArray[Any]:
        """Return one value a half: ``ranks``, ``moments``, ``stamped`` or ``reached``."""
        which, rows = self.find(slots)
        found: NDArray[Any] = np.zeros(len(slots), np.bool_ if name == "stamped" else np.int64)
        for block, places in self.groups(which):
            found[places] = getattr(block, name)[rows[places]]
        return found

    def responses(self, slots: IntArray) -> BoolArray:
        """Return whether each half is a response."""
        which, _ = self.find(slots)
        return np.array([block.kind == RESPONSE for block in self.blocks], np.bool_)[which]

    def drop(self, slots: IntArray) -> None:
        """Note that halves wait no longer."""
        which, rows = self.find(slots)
        for block, places in self.groups(which):
            block.live[rows[places]] = False

    def gather(self, slots: IntArray) -> Batch:
        """Return halves of one kind as one batch, in this order."""
        which, rows = self.find(slots)
        parts, order = [], []
        for block, places in self.groups(which):
            parts.append(block.batch.take(rows[places]))
            order.append(places)
        whole = parts[0] if len(parts) == 1 else _together(parts)
        return whole if len(parts) == 1 else whole.take(np.argsort(np.concatenate(order)))

    def reject(self, slots: IntArray, inputs: Sequence[Input], row: int, reason: RowReason) -> Reject:
        """Return what the response at one of the slots turns into when it is not counted."""
        which, rows = self.find(slots[row : row + 1])
        block = self.blocks[int(which[0])]
        return block.reject(int(rows[0]), inputs, reason)


@dataclass(frozen=True, slots=True)
class Paired:
    """Predictions whose responses are of one partition, in the order in which they count."""

    partition: int
    batch: Batch
    moments: IntArray
    """The later log time of the two halves."""
    stamped: bool
    origins: Origins


def predictions_of(
    stream: StreamConfig, slots: Slots, inputs: Sequence[Input], requests: IntArray, responses: IntArray
) -> list[Paired]:
    """Return pairs of halves as predictions, each where its response stands.

    They are given by partition; those of one partition keep their order.

    Parameters
    ----------
    inputs
        The inputs by rank.
    requests, responses
        Slots of the halves of each pair.
    """
    if not len(requests):
        return []
    partitions = np.array([partition for _, partition in inputs], np.int64)[slots.of(responses, "ranks")]
    stamped = slots.of(responses, "stamped")
    found: list[Paired] = []
    for partition in np.unique(partitions).tolist():
        rows = np.flatnonzero(partitions == partition)
        runs = np.split(rows, np.flatnonzero(np.diff(stamped[rows])) + 1)
        found += [_predictions(stream, slots, inputs, requests[run], responses[run]) for run in runs]
    return found


def _predictions(
    stream: StreamConfig, slots: Slots, inputs: Sequence[Input], requests: IntArray, responses: IntArray
) -> Paired:
    request, response = slots.gather(requests), slots.gather(responses)
    batch = replace(
        response,
        kind="prediction",
        times=request.times if has_own(stream, "time", REQUEST) else response.times,
        versions=request.versions if has_own(stream, "version", REQUEST) else response.versions,
        columns={**request.columns, **response.columns},
        bad={**request.bad, **response.bad},
        looked=request.looked if request.looked is not None else response.looked,
        sources=np.arange(len(responses)),
    )
    moments = np.maximum(slots.of(requests, "moments"), slots.of(responses, "moments"))
    (rank,) = slots.of(responses[:1], "ranks").tolist()
    stamped = bool(slots.of(responses[:1], "stamped")[0])
    return Paired(inputs[rank][1], batch, moments, stamped, Origins(partial(slots.reject, responses, inputs)))


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


_INTEGER: Final = np.dtype("<i8")
_FLOAT: Final = np.dtype("<f8")


def encode(block: Block, inputs: Sequence[Input]) -> bytes:
    """Return a block as bytes, without which of its halves wait and for what."""
    batch, raw = block.batch, block.raw
    return msgspec.msgpack.encode(
        {
            "kind": batch.kind,
            "ids": batch.ids,
            "versions": batch.versions,
            "inputs": list(inputs),
            "stamped": np.packbits(block.stamped).tobytes(),
            **{name: _plain(column) for name, column in _integers(block).items()},
            "numbers": None if batch.numbers is None else _plain(batch.numbers),
            "columns": {
                name: column if isinstance(column, list) else np.asarray(column, _FLOAT).tobytes()
                for name, column in batch.columns.items()
            },
            "bad": {name: _plain(rows) for name, rows in batch.bad.items()},
            "looked": None if batch.looked is None else dict(batch.looked),
            "raw": None if raw is None else [raw.keys, raw.values, raw.headers],
        }
    )


def decode(model: str, data: bytes, ranks: Mapping[Input, int]) -> Block:
    """Return the block that ``encode`` took apart; all its halves wait for their turn.

    Parameters
    ----------
    ranks
        The inputs' places now.
    """
    plain: dict[str, Any] = msgspec.msgpack.decode(data)
    size = len(plain["ids"])
    columns: dict[str, Column] = {
        name: column if isinstance(column, list) else np.frombuffer(column, _FLOAT).astype(np.float64)
        for name, column in plain["columns"].items()
    }
    batch = Batch(
        model=model,
        kind=REQUEST if plain["kind"] == REQUEST else RESPONSE,
        ids=plain["ids"],
        versions=plain["versions"],
        times=_array(plain["times"]),
        log_times=_array(plain["log_times"]),
        offsets=_array(plain["offsets"]),
        columns=columns,
        bad={name: _array(rows) for name, rows in plain["bad"].items()},
        looked=None if plain["looked"] is None else {row: tuple(said) for row, said in plain["looked"].items()},
        numbers=None if plain["numbers"] is None else _array(plain["numbers"]),
    )
    now = np.array([ranks[topic, partition] for topic, partition in plain["inputs"]], np.int64)
    return Block(
        batch=batch,
        reached=_array(plain["reached"]),
        moments=_array(plain["moments"]),
        ranks=now[_array(plain["ranks"])],
        stamped=np.unpackbits(np.frombuffer(plain["stamped"], np.uint8), count=size).astype(np.bool_),
        raw=None if plain["raw"] is None else _raw(*plain["raw"]),
        stored=True,
    ).fresh(0)


def inputs_of(data: bytes) -> list[Input]:
    """Return the inputs that a block was written with."""
    return [(topic, partition) for topic, partition in msgspec.msgpack.decode(data, type=_Inputs).inputs]


class _Inputs(msgspec.Struct):
    inputs: list[tuple[str, int]]


def _integers(block: Block) -> dict[str, IntArray]:
    batch = block.batch
    return {
        "times": batch.times,
        "log_times": batch.log_times,
        "offsets": batch.offsets,
        "reached": block.reached,
        "moments": block.moments,
        "ranks": block.ranks,
    }


def _plain(column: IntArray) -> bytes:
    return np.asarray(column, _INTEGER).tobytes()


def _array(data: bytes) -> IntArray:
    return np.frombuffer(data, _INTEGER).astype(np.int64)


def _raw(keys: list[bytes | None], values: list[bytes | None], headers: list[list[list[Any]]]) -> Raw:
    return Raw(keys, values, [tuple((name, value) for name, value in row) for row in headers])
