"""When the join must look at an entry again: ids by bucket of time, appended a checkpoint at a time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final

import numpy as np
from crc32c import crc32c

from monitor.events import IntArray
from monitor.join.identity import Ids
from monitor.keys import compose, parse, prefix
from monitor.store.port import CorruptStateError, StateReader

AGENDA: Final = b"A"
AT_ONCE: Final = 10_000
"""Ids after which to stop at the next bucket."""
_FORMAT: Final = 1
_ANYTHING: Final = -(1 << 63)


def encode_ids(ids: Ids) -> bytes:
    """Return ids as one blob: format, checksum, numbers."""
    body = ids.astype("<u8").tobytes()
    return bytes([_FORMAT]) + crc32c(body).to_bytes(4, "little") + body


def decode_ids(key: bytes, data: bytes) -> Ids:
    """Return the ids of a blob.

    Raises
    ------
    CorruptStateError
        When ``encode_ids`` cannot have made it.
    """
    if len(data) % 16 != 5 or data[0] != _FORMAT or crc32c(data[5:]) != int.from_bytes(data[1:5], "little"):
        raise CorruptStateError(key, "the list of what is due is damaged")
    return np.frombuffer(data, "<u8", offset=5).reshape(-1, 2)


class Agenda:
    """Ids by the bucket of time in which they are due; what was noted since the last write is in memory.

    An id may be due several times, and in vain: whoever is told decides by the entry itself.
    """

    def __init__(self, number: int, model: str, width: int, reader: StateReader) -> None:
        self.width = width
        self.at_once = AT_ONCE
        self.sequence = 0
        """Number of the next checkpoint's blobs."""
        self._number = number
        self._model = model
        self._reader = reader
        self._fresh: dict[int, list[Ids]] = {}
        self._next: list[int] = []
        """Heap of the buckets in memory; it may still hold some that are done."""
        self._done: list[bytes] = []
        self._tried: set[bytes] = set()
        """Keys that a write which failed may have left behind."""
        self._least: int | None = _ANYTHING
        """No bucket in the store that is still to be done lies before this one; ``None`` when there is none at all."""

    def note(self, times: IntArray, ids: Ids) -> None:
        """Note that ids are due once the watermark has passed these times."""
        if not len(times):
            return
        buckets = times // self.width
        first = int(buckets[0])
        if bool((buckets == first).all()):
            self._add(first, ids)
            return
        order = np.argsort(buckets, kind="stable")
        found, starts = np.unique(buckets[order], return_index=True)
        for bucket, part in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
            self._add(bucket, ids[part])

    def due(self, end: int) -> Iterator[tuple[int, Ids]]:
        """Yield what is due before ``end``, some buckets at a time: the last of them, and all their ids, each once.

        What was yielded is done; nothing may be noted before it.
        """
        stored = self._stored(end)
        ahead = next(stored, None)
        parts: list[Ids] = []
        while True:
            memory = self._earliest(end)
            if ahead is None and memory is None:
                break
            bucket = min(place for place in (memory, None if ahead is None else ahead[0]) if place is not None)
            parts += self._fresh.pop(bucket, [])
            while ahead is not None and ahead[0] == bucket:
                parts.append(decode_ids(*ahead[1:]))
                self._done.append(ahead[1])
                ahead = next(stored, None)
            if sum(map(len, parts)) >= self.at_once:
                yield bucket, _once(np.concatenate(parts))
                parts = []
        if parts:
            yield bucket, _once(np.concatenate(parts))

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        puts = {self._key(bucket): encode_ids(np.concatenate(parts)) for bucket, parts in self._fresh.items()}
        deletes = self._done + [key for key in self._tried if key not in puts]
        self._tried.update(puts)
        return puts, deletes

    def written(self) -> None:
        """Note that the changes are in the store."""
        if self._fresh:
            self.sequence += 1
            least = min(self._fresh)
            self._least = least if self._least is None else min(self._least, least)
        self._fresh.clear()
        self._next.clear()
        self._done.clear()
        self._tried.clear()

    def _add(self, bucket: int, ids: Ids) -> None:
        parts = self._fresh.get(bucket)
        if parts is None:
            self._fresh[bucket] = [ids]
            heapq.heappush(self._next, bucket)
        else:
            parts.append(ids)

    def _earliest(self, end: int) -> int | None:
        """Return the first bucket in memory, ``None`` when it does not lie before ``end``."""
        while self._next and self._next[0] not in self._fresh:
            heapq.heappop(self._next)
        return self._next[0] if self._next and self._next[0] < end else None

    def _key(self, bucket: int) -> bytes:
        return compose(AGENDA, self._number, self._model, bucket, self.sequence)

    def _stored(self, end: int) -> Iterator[tuple[int, bytes, bytes]]:
        if self._least is None or self._least >= end:
            return
        done = set(self._done)
        for key, data in self._reader.scan(prefix(AGENDA, self._number, self._model)):
            bucket: int = parse(key)[3]
            if key in done:
                continue
            self._least = bucket
            if bucket >= end:
                return
            yield bucket, key, data
        self._least = None


def _once(ids: Ids) -> Ids:
    """Return the ids, each once."""
    order = np.lexsort((ids[:, 1], ids[:, 0]))
    ids = ids[order]
    fresh = np.ones(len(ids), bool)
    fresh[1:] = (ids[1:] != ids[:-1]).any(axis=1)
    return ids[fresh]
