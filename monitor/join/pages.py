"""Rows in the store: written once, a run of pages at each checkpoint, and deleted page by page when all of it is dead.

A row never changes in place; what changed is written again with the next run. Beside its pages a run keeps the key and
the leaving time of each row, so that a later process can tell where the latest row of every key is. Of a key the latest
run speaks; hence runs are forgotten in their order, none before those that it may overrule.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from crc32c import crc32c

from monitor.events import IntArray
from monitor.join.codec import PAGE, Codec
from monitor.join.index import Keys
from monitor.join.payload import Rows
from monitor.keys import compose, parse, prefix
from monitor.store.port import CorruptStateError, StateReader

PAGES: Final = b"J"
RUNS: Final = b"I"
_FORMAT: Final = 1
_AT_ONCE: Final = 256
"""Pages that are read and taken apart at once: about a megabyte, so that they are still in the processor's cache."""
_SIGN: Final = np.uint64(1 << 63)
_NUMBER: Final = struct.Struct(">BQ")
"""A number as the last part of a key; the same as ``compose`` makes, in a third of the time."""
_HEAD: Final = struct.Struct("<BIqII")


@dataclass(frozen=True, slots=True)
class Run:
    """What one checkpoint wrote."""

    first: int
    """Number of its first page."""
    keys: Keys
    leaves: IntArray
    """Time after which each row is no longer needed."""
    others: Keys
    """Keys that no longer are, or never were, rows."""

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return -(-len(self.keys) // PAGE)

    def encode(self) -> bytes:
        """Return the run as bytes."""
        body = self.keys.astype("<u8").tobytes() + self.leaves.astype("<i8").tobytes()
        body += self.others.astype("<u8").tobytes()
        numbers = struct.pack("<qII", self.first, len(self.keys), len(self.others))
        return _HEAD.pack(_FORMAT, crc32c(body, crc32c(numbers)), self.first, len(self.keys), len(self.others)) + body

    @classmethod
    def decode(cls, key: bytes, data: bytes) -> Run:
        """Return the run that ``encode`` took apart.

        Raises
        ------
        CorruptStateError
            When these are not its bytes.
        """
        if len(data) < _HEAD.size:
            raise CorruptStateError(key, f"{len(data)} bytes are too few for a run of entries")
        form, check, first, rows, others = _HEAD.unpack_from(data)
        if form != _FORMAT or crc32c(data[_HEAD.size :], crc32c(data[5 : _HEAD.size])) != check:
            raise CorruptStateError(key, "a run's checksum does not match")
        start = _HEAD.size + 8 * rows
        return cls(
            first,
            np.frombuffer(data, "<u8", rows, _HEAD.size),
            np.frombuffer(data, "<i8", rows, start),
            np.frombuffer(data, "<u8", others, start + 8 * rows),
        )


class Pages:
    """The stored rows of one join, by *location*: the number of the page times its size, plus the row."""

    def __init__(self, reader: StateReader, number: int, model: str, codec: Codec) -> None:
        self._reader = reader
        self._number = number
        self._model = model
        self._codec = codec
        self._head = prefix(PAGES, number, model)
        self._sequence = 0
        self._first = self._next = 0
        self._live: IntArray = np.zeros(0, np.int64)
        """Rows alive by page, from page ``_first`` on."""
        self._runs: deque[tuple[int, int, int]] = deque()
        """Number, first page, pages."""
        self._dead: list[bytes] = []
        self._run: Run | None = None
        self._tried = 0
        """Pages from ``_next`` on that a write which failed may have left behind, and a run."""

    def fetch(self, locations: IntArray) -> Rows:
        """Return rows by their locations.

        Raises
        ------
        CorruptStateError
            When a page is damaged or missing.
        """
        order = np.argsort(locations, kind="stable")
        pages = locations[order] // PAGE
        fresh = np.diff(pages, prepend=-1) != 0
        keys, owners = self._keys(pages[fresh]), np.cumsum(fresh) - 1
        found = self._codec.empty(len(locations))
        borders = np.searchsorted(owners, np.arange(0, len(keys) + _AT_ONCE, _AT_ONCE)).tolist()
        for first, (start, end) in zip(range(0, len(keys), _AT_ONCE), pairwise(borders), strict=True):
            some, mine = keys[first : first + _AT_ONCE], order[start:end]
            found[mine] = self._codec.decode_pages(
                some, self._read(some), owners[start:end] - first, locations[mine] % PAGE
            )
        return found

    def _read(self, keys: Sequence[bytes]) -> list[bytes]:
        pages: list[bytes] = []
        for key, data in zip(keys, self._reader.get_many(keys), strict=True):
            if data is None:
                raise CorruptStateError(key, "a page of entries is missing")
            pages.append(data)
        return pages

    def kill(self, locations: IntArray) -> None:
        """Note that rows are dead; each may die once."""
        if not len(locations):
            return
        numbers, rows = np.unique(locations // PAGE - self._first, return_counts=True)
        self._live[numbers] -= rows
        empty = numbers[self._live[numbers] == 0] + self._first
        self._dead.extend(self._key(page) for page in empty.tolist())

    def changes(self, rows: Rows, leaves: IntArray, others: Keys) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete so that these rows are the latest of their keys."""
        self._forget()
        puts: dict[bytes, bytes] = {}
        run = self._run = Run(self._next, rows["key"], leaves, others) if len(rows) or len(others) else None
        made = 0 if run is None else run.pages
        deletes = self._dead + [self._key(self._next + place) for place in range(made, self._tried)]
        if run is not None:
            pages = self._codec.encode_pages(rows) if len(rows) else []
            puts = {self._key(run.first + place): page for place, page in enumerate(pages)}
            puts[self._run_key(self._sequence)] = run.encode()
        else:
            deletes.append(self._run_key(self._sequence))
        self._tried = max(self._tried, made)
        return puts, deletes

    def written(self) -> IntArray:
        """Note that the changes are in the store; return the locations of the rows."""
        self._dead.clear()
        self._tried = 0
        run = self._run
        if run is None:
            return np.zeros(0, np.int64)
        self._runs.append((self._sequence, run.first, run.pages))
        self._sequence += 1
        self._next += run.pages
        live = np.full(run.pages, PAGE, np.int64)
        if len(run.keys) % PAGE:
            live[-1] = len(run.keys) % PAGE
        self._live = np.concatenate([self._live, live])
        self._run = None
        return run.first * PAGE + np.arange(len(run.keys))

    def load(self, state: list[int]) -> Iterator[Run]:
        """Yield all runs in their order; call ``loaded`` afterwards."""
        self._sequence, self._next = state
        for key, data in self._reader.scan(prefix(RUNS, self._number, self._model)):
            run = Run.decode(key, data)
            self._runs.append((parse(key)[3], run.first, run.pages))
            yield run

    def loaded(self, alive: IntArray) -> None:
        """Take over which locations are alive; pages without any are deleted with the next write."""
        self._first = self._runs[0][1] if self._runs else self._next
        self._live = np.bincount(alive // PAGE - self._first, minlength=self._next - self._first).astype(np.int64)
        self._dead = [self._key(page + self._first) for page in np.flatnonzero(self._live == 0).tolist()]

    def state(self) -> list[int]:
        """Return plain values for the store, as of after the next write."""
        if self._run is None:
            return [self._sequence, self._next]
        return [self._sequence + 1, self._next + self._run.pages]

    def _forget(self) -> None:
        """Delete the oldest runs that have no row alive."""
        while self._runs:
            sequence, first, pages = self._runs[0]
            if self._live[first - self._first : first - self._first + pages].any():
                break
            self._runs.popleft()
            self._dead.append(self._run_key(sequence))
        first = self._runs[0][1] if self._runs else self._next
        self._live = self._live[first - self._first :]
        self._first = first

    def _key(self, page: int) -> bytes:
        return self._head + _NUMBER.pack(1, page + (1 << 63))

    def _keys(self, pages: IntArray) -> list[bytes]:
        """Return what ``_key`` does, for many."""
        head, data = self._head + b"\x01", (pages.astype(np.uint64) | _SIGN).astype(">u8").tobytes()
        return [head + data[place : place + 8] for place in range(0, len(data), 8)]

    def _run_key(self, sequence: int) -> bytes:
        return compose(RUNS, self._number, self._model, sequence)
