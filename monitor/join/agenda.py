"""When the join must look at an entry again: ids by bucket of time, appended a checkpoint at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from crc32c import crc32c

from monitor.events import IntArray
from monitor.keys import compose, parse, prefix
from monitor.store.port import CorruptStateError, StateReader

AGENDA: Final = b"A"
_FORMAT: Final = 1
_ANYTHING: Final = -(1 << 63)


def encode_names(names: Sequence[bytes]) -> bytes:
    """Return names as one blob: format, checksum, number, lengths, bytes."""
    lengths = np.fromiter(map(len, names), np.dtype("<u4"), len(names))
    body = len(names).to_bytes(4, "little") + lengths.tobytes() + b"".join(names)
    return bytes([_FORMAT]) + crc32c(body).to_bytes(4, "little") + body


def decode_names(key: bytes, data: bytes) -> list[bytes]:
    """Return the names of a blob.

    Raises
    ------
    CorruptStateError
        When ``encode_names`` cannot have made it.
    """
    if len(data) < 9 or data[0] != _FORMAT or crc32c(data[5:]) != int.from_bytes(data[1:5], "little"):
        raise CorruptStateError(key, "the list of what is due is damaged")
    number = int.from_bytes(data[5:9], "little")
    start = 9 + 4 * number
    lengths = np.frombuffer(data, "<u4", number, 9)
    places = [start, *(np.cumsum(lengths, dtype=np.int64) + start).tolist()]
    if places[-1] != len(data):
        raise CorruptStateError(key, "the list of what is due is not as long as it says")
    return [data[first:last] for first, last in pairwise(places)]


class Agenda:
    """Names by the bucket of time in which they are due; what was noted since the last write is in memory.

    A name may be due several times, and in vain: whoever is told decides by the entry itself.
    """

    def __init__(self, number: int, model: str, width: int, reader: StateReader) -> None:
        self.width = width
        self.sequence = 0
        """Number of the next checkpoint's blobs."""
        self.fresh = 0
        """Names in memory."""
        self._number = number
        self._model = model
        self._reader = reader
        self._fresh: dict[int, list[bytes]] = {}
        self._done: list[bytes] = []
        self._least: int | None = _ANYTHING
        """No bucket in the store that is still to be done lies before this one; ``None`` when there is none at all."""

    def note(self, times: IntArray, names: Sequence[bytes]) -> None:
        """Note that names are due once the watermark has passed these times."""
        if not len(times):
            return
        buckets = times // self.width
        self.fresh += len(names)
        first = int(buckets[0])
        if bool((buckets == first).all()):
            self._fresh.setdefault(first, []).extend(names)
            return
        order = np.argsort(buckets, kind="stable")
        found, starts = np.unique(buckets[order], return_index=True)
        ends = [*starts[1:].tolist(), len(names)]
        places = order.tolist()
        for bucket, start, end in zip(found.tolist(), starts.tolist(), ends, strict=True):
            self._fresh.setdefault(bucket, []).extend([names[place] for place in places[start:end]])

    def due(self, end: int) -> Iterator[tuple[int, list[bytes]]]:
        """Yield every bucket before ``end`` that has names, with them, each once; a bucket that was yielded is done.

        Nothing may be noted before the bucket that was yielded last.
        """
        stored = self._stored(end)
        ahead = next(stored, None)
        while True:
            memory = min((bucket for bucket in self._fresh if bucket < end), default=None)
            if ahead is None and memory is None:
                return
            bucket = min(place for place in (memory, None if ahead is None else ahead[0]) if place is not None)
            names: dict[bytes, None] = {}
            while ahead is not None and ahead[0] == bucket:
                names.update(dict.fromkeys(decode_names(*ahead[1:])))
                self._done.append(ahead[1])
                ahead = next(stored, None)
            fresh = self._fresh.pop(bucket, [])
            self.fresh -= len(fresh)
            names.update(dict.fromkeys(fresh))
            yield bucket, list(names)

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        puts = {self._key(bucket): encode_names(names) for bucket, names in self._fresh.items()}
        return puts, list(self._done)

    def written(self) -> None:
        """Note that the changes are in the store."""
        if self._fresh:
            self.sequence += 1
            least = min(self._fresh)
            self._least = least if self._least is None else min(self._least, least)
        self._fresh.clear()
        self._done.clear()
        self.fresh = 0

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
