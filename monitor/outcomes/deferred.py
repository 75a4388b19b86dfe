"""Judged rows that wait to be counted in slices, so that many are counted at once.

A label of last week touches a block of slices for each slicing, of an hour that nothing else touches. To rewrite these
blocks at every checkpoint would cost more than all the rest. So rows are kept as they came, in memory and in a journal
in the store, and counted together now and then. The sum is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.events import FloatArray, IntArray
from monitor.join.output import Joined
from monitor.join.payload import Payload, Rows, together
from monitor.keys import compose, prefix
from monitor.panes import Reader
from monitor.sealed import seal, unseal

JOURNAL: Final = b"Z"
LATE: Final = 4
"""Added to the kind of rows that reached the log long after their time."""
ENOUGH: Final = 400_000
"""Rows that are counted at the next checkpoint, however short they waited."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Labelled predictions, each with a sign, of equal length."""

    signs: IntArray
    kinds: IntArray
    """``RUNNING`` or ``MATURED``, of late rows with ``LATE`` added."""
    payloads: Rows
    labels: FloatArray

    def __len__(self) -> int:
        return len(self.signs)

    def take(self, rows: NDArray[np.bool_]) -> Pairs:
        """Return some of the rows."""
        return Pairs(self.signs[rows], self.kinds[rows], self.payloads[rows], self.labels[rows])

    @classmethod
    def of(cls, joined: Joined, payload: Payload, late: NDArray[np.bool_]) -> Pairs:
        """Return what of joined rows is needed to count them."""
        same = joined.payloads.dtype == payload.dtype
        rows = joined.payloads.copy() if same else np.zeros(len(joined), payload.dtype)
        for name in () if same else payload.fields:
            rows[name] = joined.payloads[name]
        return cls(joined.signs, joined.kinds + LATE * late, rows, joined.labels)

    @classmethod
    def together(cls, parts: Sequence[Pairs], payload: Payload) -> Pairs:
        """Return several as one."""
        none: IntArray = np.zeros(0, np.int64)
        return cls(
            np.concatenate([none, *(part.signs for part in parts)]),
            np.concatenate([none, *(part.kinds for part in parts)]),
            together([part.payloads for part in parts], payload.dtype),
            np.concatenate([np.zeros(0), *(part.labels for part in parts)]),
        )

    def to_bytes(self, payload: Payload) -> bytes:
        """Return bytes with a checksum, which say what the payload is."""
        columns = [self.signs.astype("<i1").tobytes(), self.kinds.astype("<i1").tobytes()]
        columns += [self.payloads.tobytes(), self.labels.astype("<f8").tobytes()]
        body = msgspec.msgpack.encode([payload.describe(), *columns])
        return seal(body)

    @classmethod
    def from_bytes(cls, data: bytes, payload: Payload) -> Pairs:
        """Return what ``to_bytes`` took apart, under the payload of now.

        Raises
        ------
        CorruptCountsError
            When the bytes are damaged.
        """
        body = unseal(data, "rows that wait to be counted are damaged")
        parts: list[Any] = msgspec.msgpack.decode(body)
        older = Payload.described(parts[0])
        signs, kinds = (np.frombuffer(part, "<i1").astype(np.int64) for part in parts[1:3])
        rows = np.frombuffer(parts[3], older.dtype)
        return cls(signs, kinds, payload.convert(rows, older), np.frombuffer(parts[4], "<f8").astype(np.float64))


@dataclass(slots=True)
class Deferred:
    """The rows that wait, and their journal; one entry a checkpoint."""

    payload: Payload
    number: int
    model: str
    rows: int = 0
    _waiting: list[Pairs] = field(default_factory=list)
    _fresh: list[Pairs] = field(default_factory=list)
    """Those of the waiting that are not in the store yet."""
    _stored: list[bytes] = field(default_factory=list)
    _done: list[bytes] = field(default_factory=list)
    _sequence: int = 0

    def load(self, store: Reader) -> None:
        """Take up what the store holds."""
        for key, data in store.scan(prefix(JOURNAL, self.number, self.model)):
            self._stored.append(key)
            pairs = Pairs.from_bytes(data, self.payload)
            self._waiting.append(pairs)
            self.rows += len(pairs)
        if self._stored:
            last = self._stored[-1]
            self._sequence = int.from_bytes(last[-8:], "big") - (1 << 63) + 1

    def add(self, joined: Joined, late: NDArray[np.bool_]) -> None:
        """Have rows wait."""
        pairs = Pairs.of(joined, self.payload, late)
        self._waiting.append(pairs)
        self._fresh.append(pairs)
        self.rows += len(pairs)

    def empty(self) -> Pairs:
        """Return all that waits; the journal of it goes with the next write."""
        pairs = Pairs.together(self._waiting, self.payload)
        self._waiting, self._fresh, self.rows = [], [], 0
        self._done += self._stored
        self._stored = []
        return pairs

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        puts = {}
        if self._fresh:
            pairs = Pairs.together(self._fresh, self.payload)
            puts[compose(JOURNAL, self.number, self.model, self._sequence)] = pairs.to_bytes(self.payload)
        return puts, list(self._done)

    def written(self) -> None:
        """Note that the changes are in the store."""
        if self._fresh:
            self._stored.append(compose(JOURNAL, self.number, self.model, self._sequence))
            self._sequence += 1
            self._fresh = []
        self._done = []
