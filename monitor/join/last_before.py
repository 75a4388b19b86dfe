"""Labels that name an entity and a time: each belongs to the entity's last prediction at or before that time.

Which prediction that is, is decided once, when the watermark has passed the label's join time by ``grace``: among those
of the entity whose join time is not later than that, nor further than ``wait`` from the label's. From then on no record
can come to change it, so it is a function of the set of records. The label then goes on under the prediction's id, as
if it had named it.

Of the predictions of one entity the 256 least by position within a quarter of ``wait`` are remembered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any, Final

import msgspec
import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from monitor.events import MINUTE, FloatArray, IntArray
from monitor.join.agenda import AGENDA, Agenda
from monitor.join.clock import NEVER
from monitor.join.identity import Ids
from monitor.join.payload import Rows
from monitor.join.positions import Positions
from monitor.keys import compose, parse, prefix
from monitor.store.port import CorruptStateError, StateReader, StateStore

GRACE: Final = 5 * MINUTE
MOST: Final = 256
"""Predictions of one entity that are remembered within a quarter of ``wait``."""
ENTITIES: Final = b"V"
WAITING: Final = b"W"
STATES: Final = b"B"
_FORMAT: Final = 1
_PLACE: Final = (("time", "<i8"), ("offset", "<i8"), ("input", "<i4"), ("row", "<i4"))
_PREDICTION: Final = np.dtype([("id", "<u8", (2,)), ("event", "<i8"), *_PLACE, ("kept", "?")])
_LABEL: Final = np.dtype([("entity", "<u8", (2,)), ("as_of", "<i8"), *_PLACE, ("value", "<f8"), ("retract", "?")])
_ORDER: Final = ("time", "input", "offset", "row")
_SIZE: Final = _PREDICTION.itemsize
_ENTITY: Final = np.dtype([("tag", "u1"), ("key", ">u8"), ("tag2", "u1"), ("proof", ">u8")])
"""The last two parts of an entity's key, as ``compose`` has integers."""
_SIGN: Final = np.uint64(1 << 63)


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
    budget
        Entities that stay in memory between checkpoints.
    """

    def __init__(
        self, reader: StateReader, number: int, model: str, wait: int, grace: int = GRACE, budget: int = 200_000
    ) -> None:
        self.wait = wait
        self.grace = grace
        self.watermark = NEVER
        """Labels due before it are resolved; it moves by whole buckets."""
        self.overflow = 0
        """Predictions that were not remembered, since their entity had too many."""
        self._reader, self._number, self._model, self._budget = reader, number, model, budget
        self._key = compose(STATES, number, model)
        self._cell = max(1, wait // 4)
        self._width = max(1, min(MINUTE, wait // 256))
        self._expiry = Agenda(number, f"{model}/entities", self._width, reader)
        self._known: dict[bytes, bytes] = {}
        """Entity → its predictions as bytes, which are put together faster than arrays; read or written last."""
        self._fresh: dict[bytes, list[bytes]] = {}
        """Entity → predictions not among those yet."""
        self._dirty: set[bytes] = set()
        self._labels: dict[int, list[Rows]] = {}
        """Bucket → labels that are due in it."""
        self._new_labels: dict[int, list[Rows]] = {}
        self._stored: dict[int, list[bytes]] = {}
        self._done: list[bytes] = []
        self._sequence = 0
        self._tried: set[bytes] = set()
        self._changed = False
        self._load()

    def predictions(self, entities: Ids, ids: Ids, at: Positions, events: IntArray, kept: NDArray[np.bool_]) -> None:
        """Remember predictions of one input; ``events`` are their own times, ``kept`` whether they are sampled."""
        if not len(ids):
            return
        self._check(at)
        rows = np.zeros(len(ids), _PREDICTION)
        rows["id"], rows["event"], rows["kept"] = ids, events, kept
        _place(rows, at)
        order = np.lexsort((entities[:, 1], entities[:, 0]))
        rows, entities = rows[order], entities[order]
        borders = np.flatnonzero((np.diff(entities.astype("<u8"), axis=0) != 0).any(axis=1)) + 1
        firsts = np.concatenate([[0], borders])
        tokens = _tokens(entities[firsts])
        for token, body in zip(tokens, _split(rows, np.append(firsts, len(rows))), strict=True):
            self._fresh.setdefault(token, []).append(body)
        latest = np.maximum.reduceat(rows["time"], firsts)
        self._expiry.note(self._leaves(latest), entities[firsts])
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
        for _, entities in self._expiry.due(end):
            self._forget(entities)
        return worked

    @property
    def behind(self) -> int:
        """The time from which on labels may still be resolved: as far as the join may go."""
        return NEVER if self.watermark == NEVER else self.watermark - self.grace

    @property
    def in_memory(self) -> int:
        """Entities in memory."""
        return len(self._known.keys() | self._fresh.keys())

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        if not self._changed:
            return {}, []
        self._merge(list(self._fresh))
        puts, deletes = self._expiry.changes()
        dirty = list(self._dirty)
        for token, key in zip(dirty, self._entity_keys(dirty), strict=True):
            if self._known[token]:
                puts[key] = _seal(self._known[token])
            else:
                deletes.append(key)
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
            "overflow": self.overflow,
            "sequence": self._sequence + 1,
            "expiry": self._expiry.sequence + 1,
        }
        puts[self._key] = msgspec.msgpack.encode(state)
        return puts, deletes

    def written(self) -> None:
        """Note that the changes are in the store, and let go of what exceeds the budget."""
        if not self._changed:
            return
        self._expiry.written()
        for bucket in self._new_labels:
            self._stored.setdefault(bucket, []).append(self._waiting_key(bucket))
        self._new_labels.clear()
        self._sequence += 1
        for token in self._dirty:
            if not self._known[token]:
                del self._known[token]
        self._dirty.clear()
        self._done.clear()
        self._tried.clear()
        for token in list(islice(self._known, max(0, len(self._known) - self._budget))):
            del self._known[token]
        self._changed = False

    def _load(self) -> None:
        data = self._reader.get(self._key)
        if data is None:
            return
        state: dict[str, Any] = msgspec.msgpack.decode(data)
        if state["rules"] != [self.wait, self.grace]:
            raise EntitiesChangedError(f"the entities of {self._model} were remembered under other rules")
        self.watermark, self.overflow, self._sequence = state["watermark"], state["overflow"], state["sequence"]
        self._expiry.sequence = state["expiry"]
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
        labels = labels[np.lexsort([labels[name] for name in reversed(_ORDER)])]
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
        tokens = _tokens(labels["entity"])
        places = {token: place for place, token in enumerate(dict.fromkeys(tokens))}
        self._merge(list(places))
        found, lengths = self._rows(list(places))
        mine = np.array([places[token] for token in tokens], np.int64)
        owners = np.repeat(np.arange(len(labels)), lengths[mine])
        within = np.arange(len(owners)) - np.repeat(np.cumsum(lengths[mine]) - lengths[mine], lengths[mine])
        rows = found[(np.cumsum(lengths) - lengths)[mine][owners] + within]
        self._tidy(list(places))
        return rows, owners

    def _can(self, rows: Rows, labels: Rows) -> NDArray[np.bool_]:
        """Return which predictions may be those of the labels beside them."""
        near = np.abs(rows["time"] - labels["time"]) <= self.wait
        can: NDArray[np.bool_] = near & (rows["time"] <= labels["time"] + self.grace)
        return can & (rows["event"] <= labels["as_of"])

    def _rank(self, rows: Rows) -> list[IntArray]:
        """Return what decides which prediction is the last, the weightiest last."""
        return [rows[name] for name in (*reversed(_ORDER), "event")]

    def _merge(self, tokens: Sequence[bytes]) -> None:
        """Have all that is known of some entities in memory, with what is fresh."""
        lacking = [token for token in tokens if token not in self._known]
        keys = self._entity_keys(lacking)
        for token, key, data in zip(lacking, keys, self._reader.get_many(keys), strict=True):
            self._known[token] = b"" if data is None else _unseal(key, data, _PREDICTION)
        changed = [token for token in tokens if token in self._fresh]
        if not changed:
            return
        parts = [b"".join((self._known.pop(token), *self._fresh.pop(token))) for token in changed]
        owners = np.repeat(np.arange(len(changed)), [len(part) // _SIZE for part in parts])
        rows, owners = self._bounded(np.frombuffer(b"".join(parts), _PREDICTION), owners)
        borders = np.searchsorted(owners, np.arange(len(changed) + 1))
        self._known.update(zip(changed, _split(rows, borders), strict=True))
        self._dirty.update(changed)

    def _rows(self, tokens: Sequence[bytes]) -> tuple[Rows, IntArray]:
        """Return the predictions of some entities, one entity behind the other, and how many each has."""
        parts = [self._known[token] for token in tokens]
        lengths = np.array([len(part) for part in parts], np.int64) // _SIZE
        return np.frombuffer(b"".join(parts), _PREDICTION), lengths

    def _bounded(self, rows: Rows, owners: IntArray) -> tuple[Rows, IntArray]:
        """Return the predictions of some entities in order, within the bound on each quarter of ``wait``."""
        order = np.lexsort([*(rows[name] for name in reversed(_ORDER)), owners])
        rows, owners = rows[order], owners[order]
        cells = rows["time"] // self._cell
        starts = np.flatnonzero(np.concatenate([[True], (np.diff(cells) != 0) | (np.diff(owners) != 0)]))
        ranks = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
        self.overflow += int((ranks >= MOST).sum())
        return rows[ranks < MOST], owners[ranks < MOST]

    def _forget(self, entities: Ids) -> None:
        """Drop the predictions of some entities that are over."""
        tokens = _tokens(entities)
        self._merge(tokens)
        rows, lengths = self._rows(tokens)
        alive = self._leaves(rows["time"]) >= self.watermark
        owners = np.repeat(np.arange(len(tokens)), lengths)
        left = np.bincount(owners[alive], minlength=len(tokens))
        kept = _split(rows[alive], np.concatenate([[0], np.cumsum(left)]))
        for place in np.flatnonzero(left < lengths).tolist():
            self._known[tokens[place]] = kept[place]
            self._dirty.add(tokens[place])
        self._tidy(tokens)

    def _tidy(self, tokens: Sequence[bytes]) -> None:
        """Let go of entities of which nothing is known; those that a write has to delete stay until then."""
        for token in tokens:
            if token not in self._dirty and not self._known.get(token, b"x"):
                del self._known[token]

    def _entity_keys(self, tokens: Sequence[bytes]) -> list[bytes]:
        """Return the keys of entities in the store; the same as ``compose`` makes, in a tenth of the time."""
        parts = np.zeros(len(tokens), _ENTITY)
        signed = np.frombuffer(b"".join(tokens), "<u8").reshape(-1, 2) ^ _SIGN
        parts["tag"] = parts["tag2"] = 1
        parts["key"], parts["proof"] = signed[:, 0], signed[:, 1]
        data, head, size = parts.tobytes(), prefix(ENTITIES, self._number, self._model), _ENTITY.itemsize
        return [head + data[place : place + size] for place in range(0, len(data), size)]

    def _waiting_key(self, bucket: int) -> bytes:
        return compose(WAITING, self._number, self._model, bucket, self._sequence)


def drop_entities(store: StateStore, number: int, model: str) -> None:
    """Delete what is stored of a model's entities."""
    starts = [compose(namespace, number, model) for namespace in (ENTITIES, WAITING, STATES)]
    for start in (*starts, compose(AGENDA, number, f"{model}/entities")):
        while keys := [key for key, _ in islice(store.scan(start), 10_000)]:
            store.write({}, keys, sync=False)


def _tokens(entities: Ids) -> list[bytes]:
    """Return each id as 16 bytes."""
    data = entities.astype("<u8").tobytes()
    return [data[place : place + 16] for place in range(0, len(data), 16)]


def _place(rows: Rows, at: Positions) -> None:
    columns: Mapping[str, Any] = {"time": at.times, "offset": at.offsets, "input": at.input, "row": at.rows}
    for name, column in columns.items():
        rows[name] = column


def _split(rows: Rows, borders: IntArray) -> list[bytes]:
    """Return the rows between any two neighbouring borders as bytes."""
    data = rows.tobytes()
    places = (borders * rows.dtype.itemsize).tolist()
    return [data[first:last] for first, last in pairwise(places)]


def _seal(body: bytes) -> bytes:
    """Return rows as bytes: format, checksum, rows."""
    return bytes([_FORMAT]) + crc32c(body).to_bytes(4, "little") + body


def _unseal(key: bytes, data: bytes, dtype: np.dtype[np.void]) -> bytes:
    if len(data) < 5 or (len(data) - 5) % dtype.itemsize or data[0] != _FORMAT:
        raise CorruptStateError(key, f"{len(data)} bytes are no rows of an entity")
    if crc32c(data[5:]) != int.from_bytes(data[1:5], "little"):
        raise CorruptStateError(key, "a checksum of an entity's rows does not match")
    return data[5:]
