"""Labels that name an entity and a time: each belongs to the entity's last prediction at or before that time.

Which prediction that is, is decided once, when the watermark has passed the label's join time by ``grace``: among those
of the entity whose join time is not later than that, nor further than ``wait`` from the label's. From then on no record
can come to change it, so it is a function of the set of records. The label then goes on under the prediction's id, as
if it had named it.

Of the predictions of one entity the 256 least by position within a quarter of ``wait`` are remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec
import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from monitor.events import MINUTE, FloatArray, IntArray
from monitor.join.chains import ORDER, POSITION, Chains
from monitor.join.clock import NEVER
from monitor.join.identity import Ids
from monitor.join.pages import PAGES, RUNS
from monitor.join.payload import Rows
from monitor.join.positions import Positions
from monitor.keys import compose, parse, prefix
from monitor.store.port import CorruptStateError, StateReader, StateStore

GRACE: Final = 5 * MINUTE
MOST: Final = 256
"""Predictions of one entity that are remembered within a quarter of ``wait``."""
WAITING: Final = b"W"
STATES: Final = b"B"
_FORMAT: Final = 2
_PREDICTION: Final = (("id", "<u8", (2,)), ("event", "<i8"), ("kept", "?"))
_LABEL: Final = np.dtype([("entity", "<u8", (2,)), ("as_of", "<i8"), *POSITION, ("value", "<f8"), ("retract", "?")])


class EntitiesChangedError(ValueError):
    """What is stored was remembered under other rules; ``drop_entities`` to start afresh."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Labels of one input whose prediction is known, in the order of their join times."""

    ids: Ids
    at: Positions
    values: FloatArray
    retract: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Worked:
    """What became of labels."""

    resolved: tuple[Resolved, ...] = ()
    orphans: int = 0
    """Labels whose entity had no prediction then."""
    unsampled: int = 0
    """Labels of a prediction that ``join.sample`` leaves out."""

    @property
    def labels(self) -> int:
        """How many labels there were in all."""
        return self.orphans + self.unsampled + sum(len(part.at) for part in self.resolved)


class LastBefore:
    """The predictions of every entity, and the labels that wait until theirs is known.

    Parameters
    ----------
    wait
        A label's prediction is no further from it by join time.
    grace
        How much later than its label a prediction may come.
    """

    def __init__(self, reader: StateReader, number: int, model: str, wait: int, grace: int = GRACE) -> None:
        self.wait = wait
        self.grace = grace
        self.watermark = NEVER
        """Labels due before it are resolved; it moves by whole buckets."""
        self._reader, self._number, self._model = reader, number, model
        self._key = compose(STATES, number, model)
        self._cell = max(1, wait // 4)
        self._width = max(1, min(MINUTE, wait // 256))
        self._chains = Chains(reader, number, f"{model}/entities", _PREDICTION, self._cell, MOST)
        self._labels: dict[int, list[Rows]] = {}
        """Bucket → labels that are due in it."""
        self._new_labels: dict[int, list[Rows]] = {}
        self._stored: dict[int, list[bytes]] = {}
        self._done: list[bytes] = []
        self._sequence = 0
        self._tried: set[bytes] = set()
        self._changed = False
        self._load()

    @property
    def overflow(self) -> int:
        """Predictions that were not remembered, since their entity had too many."""
        return self._chains.overflow

    def predictions(self, entities: Ids, ids: Ids, at: Positions, events: IntArray, kept: NDArray[np.bool_]) -> None:
        """Remember predictions of one input; ``events`` are their own times, ``kept`` whether they are sampled."""
        if not len(ids):
            return
        self._check(at)
        rows = self._chains.empty(entities)
        rows["id"], rows["event"], rows["kept"] = ids, events, kept
        _place(rows, at)
        self._chains.add(rows, self._leaves(at.times))
        self._changed = True

    def labels(
        self, entities: Ids, at: Positions, as_of: IntArray, values: FloatArray, retract: NDArray[np.bool_]
    ) -> None:
        """Have labels of one input wait until their predictions are known."""
        if not len(entities):
            return
        self._check(at)
        rows = np.zeros(len(entities), _LABEL)
        rows["entity"], rows["as_of"], rows["value"], rows["retract"] = entities, as_of, values, retract
        _place(rows, at)
        buckets = (rows["time"] + self.grace) // self._width
        for bucket in np.unique(buckets).tolist():
            part = rows[buckets == bucket]
            self._labels.setdefault(bucket, []).append(part)
            self._new_labels.setdefault(bucket, []).append(part)
        self._changed = True

    def advance(self, watermark: int) -> Worked:
        """Resolve the labels that are due, and forget the predictions that none can name any more."""
        end = watermark // self._width
        if watermark == NEVER or end * self._width <= self.watermark:
            return Worked()
        self._changed = True
        due = sorted(bucket for bucket in self._labels if bucket < end)
        parts = [part for bucket in due for part in self._labels.pop(bucket)]
        for bucket in due:
            self._new_labels.pop(bucket, None)
            self._done += self._stored.pop(bucket, [])
        worked = self._resolve(np.concatenate(parts)) if parts else Worked()
        self.watermark = end * self._width
        self._chains.expire(self.watermark)
        return worked

    @property
    def behind(self) -> int:
        """The time from which on labels may still be resolved: as far as the join may go."""
        return NEVER if self.watermark == NEVER else self.watermark - self.grace

    @property
    def entities(self) -> int:
        """Entities that are known; of each, memory holds where its newest prediction is."""
        return len(self._chains)

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        if not self._changed:
            return {}, []
        puts, deletes = self._chains.changes()
        fresh = {
            self._waiting_key(bucket): _seal(np.concatenate(parts).tobytes())
            for bucket, parts in self._new_labels.items()
        }
        deletes += self._done + [key for key in self._tried if key not in fresh]
        self._tried.update(fresh)
        puts.update(fresh)
        state = {
            "format": _FORMAT,
            "rules": [self.wait, self.grace],
            "watermark": self.watermark,
            "sequence": self._sequence + 1,
            "chains": self._chains.state(),
        }
        puts[self._key] = msgspec.msgpack.encode(state)
        return puts, deletes

    def written(self) -> None:
        """Note that the changes are in the store."""
        if not self._changed:
            return
        self._chains.written()
        for bucket in self._new_labels:
            self._stored.setdefault(bucket, []).append(self._waiting_key(bucket))
        self._new_labels.clear()
        self._sequence += 1
        self._done.clear()
        self._tried.clear()
        self._changed = False

    def _load(self) -> None:
        data = self._reader.get(self._key)
        if data is None:
            return
        state: dict[str, Any] = msgspec.msgpack.decode(data)
        if state["format"] != _FORMAT or state["rules"] != [self.wait, self.grace]:
            raise EntitiesChangedError(f"the entities of {self._model} were remembered under other rules")
        self.watermark, self._sequence = state["watermark"], state["sequence"]
        self._chains.load(state["chains"])
        for key, stored in self._reader.scan(prefix(WAITING, self._number, self._model)):
            bucket: int = parse(key)[3]
            self._labels.setdefault(bucket, []).append(np.frombuffer(_unseal(key, stored, _LABEL), _LABEL))
            self._stored.setdefault(bucket, []).append(key)

    def _check(self, at: Positions) -> None:
        if int(at.times.min()) < self.watermark:
            raise ValueError(f"join time {int(at.times.min())} lies before the watermark {self.watermark}")

    def _leaves(self, times: IntArray) -> IntArray:
        """Return the time after which no label can name predictions of these times, nor others displace them."""
        found: IntArray = times // self._cell * self._cell + self._cell + self.wait + self.grace
        return found

    def _resolve(self, labels: Rows) -> Worked:
        labels = labels[np.lexsort([labels[name] for name in reversed(ORDER)])]
        rows, owners = self._candidates(labels)
        can = np.flatnonzero(self._can(rows, labels[owners]))
        rows, owners = rows[can], owners[can]
        order = np.lexsort([*self._rank(rows), owners])
        last = order[np.flatnonzero(np.diff(owners[order], append=-1))]
        ids, sampled = np.zeros((len(labels), 2), np.uint64), np.zeros(len(labels), bool)
        ids[owners[last]], sampled[owners[last]] = rows["id"][last], rows["kept"][last]
        parts = []
        for number in np.unique(labels["input"][sampled]).tolist():
            mine = np.flatnonzero(sampled & (labels["input"] == number))
            chosen = labels[mine]
            at = Positions(number, chosen["time"], chosen["offset"], chosen["row"].astype(np.int64))
            parts.append(Resolved(ids[mine], at, chosen["value"], chosen["retract"]))
        return Worked(tuple(parts), len(labels) - len(last), len(last) - int(sampled.sum()))

    def _candidates(self, labels: Rows) -> tuple[Rows, IntArray]:
        """Return every prediction of every label's entity, beside the place of the label."""
        keys, mine = np.unique(labels["entity"][:, 0], return_inverse=True)
        found, whose = self._chains.of(keys)
        lengths = np.bincount(whose, minlength=len(keys))
        if int(lengths.max()) > MOST:
            counting = self._chains.counting(found)
            found, whose = found[counting], whose[counting]
            lengths = np.bincount(whose, minlength=len(keys))
        found = found[np.argsort(whose, kind="stable")]
        owners = np.repeat(np.arange(len(labels)), lengths[mine])
        within = np.arange(len(owners)) - np.repeat(np.cumsum(lengths[mine]) - lengths[mine], lengths[mine])
        rows = found[(np.cumsum(lengths) - lengths)[mine][owners] + within]
        own = np.flatnonzero(rows["proof"] == labels["entity"][owners, 1])
        return rows[own], owners[own]

    def _can(self, rows: Rows, labels: Rows) -> NDArray[np.bool_]:
        """Return which predictions may be those of the labels beside them."""
        near = np.abs(rows["time"] - labels["time"]) <= self.wait
        can: NDArray[np.bool_] = near & (rows["time"] <= labels["time"] + self.grace)
        return can & (rows["event"] <= labels["as_of"])

    def _rank(self, rows: Rows) -> list[IntArray]:
        """Return what decides which prediction is the last, the weightiest last."""
        return [rows[name] for name in (*reversed(ORDER), "event")]

    def _waiting_key(self, bucket: int) -> bytes:
        return compose(WAITING, self._number, self._model, bucket, self._sequence)


def drop_entities(store: StateStore, number: int, model: str) -> None:
    """Delete what is stored of a model's entities."""
    starts = [compose(namespace, number, model) for namespace in (WAITING, STATES)]
    for start in (*starts, *(compose(namespace, number, f"{model}/entities") for namespace in (PAGES, RUNS))):
        while keys := [key for key, _ in islice(store.scan(start), 10_000)]:
            store.write({}, keys, sync=False)


def _place(rows: Rows, at: Positions) -> None:
    columns: Mapping[str, Any] = {"time": at.times, "offset": at.offsets, "input": at.input, "row": at.rows}
    for name, column in columns.items():
        rows[name] = column


def _seal(body: bytes) -> bytes:
    """Return rows as bytes: format, checksum, rows."""
    return bytes([_FORMAT]) + crc32c(body).to_bytes(4, "little") + body


def _unseal(key: bytes, data: bytes, dtype: np.dtype[np.void]) -> bytes:
    if len(data) < 5 or (len(data) - 5) % dtype.itemsize or data[0] != _FORMAT:
        raise CorruptStateError(key, f"{len(data)} bytes are no rows of an entity")
    if crc32c(data[5:]) != int.from_bytes(data[1:5], "little"):
        raise CorruptStateError(key, "a checksum of an entity's rows does not match")
    return data[5:]
