"""Rows that many keys have several of: written once, in pages, each knowing where the one before it of its key is.

In memory is only where the newest row of every key is. Rows are let go of a run at a time, the oldest first. Of one
key's rows within one cell of time only the least by position count; nothing depends on the order in which they came.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.events import IntArray
from monitor.join.entry import Position
from monitor.join.identity import Ids
from monitor.join.index import MISSING, Index, Keys
from monitor.join.page_codec import PAGE, PageCodec
from monitor.join.pages import Pages
from monitor.join.payload import Rows, together
from monitor.store.port import StateReader

POSITION: Final = (("time", "<i8"), ("offset", "<i8"), ("input", "<i4"), ("row", "<i4"))
ORDER: Final = ("time", "input", "offset", "row")
_LINK: Final = (("key", "<u8"), ("proof", "<u8"), ("before", "<i8"))
_NOWHERE: Final = -1
_BITS: Final = 10
_LONGEST: Final = (1 << _BITS) - 1
"""Beyond it a chain's length is not told."""
_LONG: Final = 64
"""Chains that are longer are kept in memory once they were followed."""
_KEPT: Final = 1_000_000
"""Rows of long chains that are kept in memory."""
_TAILS: Final = 100_000
"""Keys of which it is kept in memory how many rows their cells have."""
Tail: TypeAlias = "dict[tuple[int, int], tuple[int, Position | None]]"
"""Proof and cell → rows, and when these are as many as count, the position of the last one that does."""


@dataclass(frozen=True, slots=True)
class _Lived:
    """One run of rows in the store."""

    sequence: int
    first: int
    """Location of its first row."""
    rows: int
    leaves: int
    """Time after which none of its rows is needed."""


class Chains:
    """Rows by key.

    Parameters
    ----------
    fields
        What a row has beside its key and its position.
    cell
        Width of the cells of time.
    most
        Rows of one key that count within a cell.
    """

    def __init__(
        self, reader: StateReader, number: int, model: str, fields: tuple[Any, ...], cell: int, most: int
    ) -> None:
        self.overflow = 0
        """Rows that do not count, since their key had too many."""
        self._cell, self._most = cell, most
        self._codec = PageCodec([np.dtype([*_LINK, *POSITION, *fields])])
        self._pages = Pages(reader, number, model, self._codec)
        self._index = Index()
        self._fresh: list[Rows] = []
        self._leaves: list[IntArray] = []
        self._runs: deque[_Lived] = deque()
        self._long: dict[int, tuple[Rows, IntArray]] = {}
        """Key → its rows and their locations, where these are many."""
        self._tails: dict[int, Tail] = {}
        """Key → what its cells have, where its chain is longer than a cell may be."""
        self._over = 0
        """No row comes any more of the cells before this one."""

    def __len__(self) -> int:
        return len(self._index)

    def empty(self, ids: Ids) -> Rows:
        """Return rows of these ids that hold nothing else yet."""
        rows = self._codec.empty(len(ids))
        rows["key"], rows["proof"] = ids[:, 0], ids[:, 1]
        return rows

    def add(self, rows: Rows, leaves: IntArray) -> None:
        """Take rows in; ``leaves`` says after which time each is no longer needed."""
        keys, inverse, sizes = np.unique(rows["key"], return_inverse=True, return_counts=True)
        found = self._index.find(keys)
        length = np.where(found == MISSING, 0, found & _LONGEST) + sizes
        if bool((length > self._most).any()):
            kept = self._bound(rows, (length > self._most)[inverse])
            rows, leaves = rows[kept], leaves[kept]
            if not len(rows):
                return
            keys, inverse, sizes = np.unique(rows["key"], return_inverse=True, return_counts=True)
            found = self._index.find(keys)
            length = np.where(found == MISSING, 0, found & _LONGEST) + sizes
        locations = self._pages.next + sum(map(len, self._fresh)) + np.arange(len(rows))
        order = np.argsort(inverse, kind="stable")
        ends = np.cumsum(sizes)
        before = np.empty(len(rows), np.int64)
        before[1:] = locations[order[:-1]]
        before[ends - sizes] = np.where(found == MISSING, _NOWHERE, found >> _BITS)
        rows["before"][order] = before
        self._index.put(keys, locations[order[ends - 1]] << _BITS | np.minimum(length, _LONGEST))
        self._fresh.append(rows)
        self._leaves.append(leaves)
        self._lengthen(keys, rows, locations)

    def of(self, keys: Keys) -> tuple[Rows, IntArray]:
        """Return the rows of some keys that differ from each other, and which key's each is; ids may share a key."""
        found = self._index.find(keys)
        at = np.where(found == MISSING, _NOWHERE, found >> _BITS)
        owners = np.arange(len(keys))
        parts = [(self._codec.empty(0), at[:0], owners[:0])]
        if self._long:
            for place, key in enumerate(keys.tolist()):
                if key in self._long:
                    rows, locations = self._long[key]
                    parts.append((rows, locations, np.full(len(rows), place)))
                    at[place] = _NOWHERE
        first, steps = self._first, 0
        while len(alive := np.flatnonzero(at >= first)):
            at, owners = at[alive], owners[alive]
            rows = self._fetch(at)
            parts.append((rows, at, owners))
            at = rows["before"]
            steps += 1
        every, places, mine = zip(*parts, strict=True)
        rows, owners = together(every, self._codec.dtype), np.concatenate(mine)
        if steps > _LONG:
            self._keep(keys, rows, np.concatenate(places), owners)
        return rows, owners

    def counting(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which of some rows count, when these are all that their keys have."""
        cells = rows["time"] // self._cell
        order = np.lexsort([*(rows[name] for name in reversed(ORDER)), cells, rows["proof"], rows["key"]])
        fresh = np.zeros(len(rows), bool)
        fresh[:1] = True
        for column in (rows["key"], rows["proof"], cells):
            fresh[1:] |= column[order][1:] != column[order][:-1]
        starts = np.flatnonzero(fresh)
        ranks = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
        counts = np.zeros(len(rows), bool)
        counts[order] = ranks < self._most
        return counts

    def expire(self, watermark: int) -> None:
        """Let go of the oldest runs, as far as nothing in them is needed any more; no row before it comes again."""
        if watermark // self._cell > self._over:
            self._over = watermark // self._cell
            for key, tail in self._tails.items():
                self._tails[key] = {place: found for place, found in tail.items() if place[1] >= self._over}
        if not self._runs or self._runs[0].leaves >= watermark:
            return
        while self._runs and self._runs[0].leaves < watermark:
            run = self._runs.popleft()
            self._pages.kill(np.arange(run.first, run.first + run.rows))
            keys = np.unique(self._pages.run(run.sequence).keys)
            newest = self._index.find(keys)
            gone = keys[(newest != MISSING) & (newest >> _BITS < run.first + run.rows)]
            self._index.remove(gone)
            for key in gone.tolist() if self._tails else ():
                self._tails.pop(key, None)
        for key, (rows, locations) in list(self._long.items()):
            alive = locations >= self._first
            self._long[key] = rows[alive], locations[alive]
            if not bool(alive.any()):
                del self._long[key]

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        leaves = np.concatenate([np.zeros(0, np.int64), *self._leaves])
        return self._pages.changes(self._recent(), leaves, np.zeros(0, np.uint64))

    def written(self) -> None:
        """Note that the changes are in the store."""
        sequence, rows = self._pages.sequence, len(self._recent())
        locations = self._pages.written()
        if rows:
            last = max(int(leaves.max()) for leaves in self._leaves)
            self._runs.append(_Lived(sequence, int(locations[0]), rows, last))
        self._fresh.clear()
        self._leaves.clear()

    def state(self) -> list[int]:
        """Return plain values for the store; call it after ``changes``."""
        return [*self._pages.state(), self.overflow]

    def load(self, state: list[int]) -> None:
        """Find out where the newest row of every key is."""
        *pages, self.overflow = state
        alive = [np.zeros(0, np.int64)]
        for sequence, run in self._pages.load(pages):
            locations = run.first * PAGE + np.arange(len(run.keys))
            keys, last, sizes = np.unique(run.keys[::-1], return_index=True, return_counts=True)
            found = self._index.find(keys)
            length = np.minimum(np.where(found == MISSING, 0, found & _LONGEST) + sizes, _LONGEST)
            self._index.put(keys, locations[::-1][last] << _BITS | length)
            self._runs.append(_Lived(sequence, int(locations[0]), len(locations), int(run.leaves.max())))
            alive.append(locations)
        self._pages.loaded(np.concatenate(alive))

    @property
    def _first(self) -> int:
        """Location of the oldest row there is."""
        return self._runs[0].first if self._runs else self._pages.next

    def _recent(self) -> Rows:
        """Return the rows that are not written yet."""
        if len(self._fresh) > 1:
            self._fresh = [together(self._fresh, self._codec.dtype)]
        return self._fresh[0] if self._fresh else self._codec.empty(0)

    def _fetch(self, at: IntArray) -> Rows:
        stored = at < self._pages.next
        if bool(stored.all()):
            return self._pages.fetch(at)
        rows = self._codec.empty(len(at))
        rows[~stored] = self._recent()[at[~stored] - self._pages.next]
        if bool(stored.any()):
            rows[stored] = self._pages.fetch(at[stored])
        return rows

    def _bound(self, rows: Rows, long: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which of some new rows to keep, and count those that do not count, the new ones or others."""
        kept = np.ones(len(rows), bool)
        groups: dict[int, dict[tuple[int, int], list[int]]] = {}
        mine = np.flatnonzero(long)
        cells = (rows["time"][mine] // self._cell).tolist()
        names = zip(mine.tolist(), rows["key"][mine].tolist(), rows["proof"][mine].tolist(), cells, strict=True)
        for place, key, proof, cell in names:
            groups.setdefault(key, {}).setdefault((proof, cell), []).append(place)
        unknown = []
        for key, parts in groups.items():
            tail = self._tails.get(key)
            if tail is None or not self._fits(rows, parts, tail, kept):
                unknown.append(key)
        if unknown:
            self._follow(rows, np.array(sorted(unknown), np.uint64), groups, kept)
        return kept

    def _fits(self, rows: Rows, parts: dict[tuple[int, int], list[int]], tail: Tail, kept: NDArray[np.bool_]) -> bool:
        """Decide about new rows of a key by what its cells have; return whether that was enough."""
        after, beyond = dict(tail), []
        for name, places in parts.items():
            count, last = tail.get(name, (0, None))
            if last is None and count + len(places) <= self._most:
                after[name] = count + len(places), None
            elif last is not None and all(_position(rows[place]) > last for place in places):
                beyond += places
            else:
                return False
        tail.update(after)
        kept[beyond] = False
        self.overflow += len(beyond)
        return True

    def _follow(
        self, rows: Rows, keys: Keys, groups: dict[int, dict[tuple[int, int], list[int]]], kept: NDArray[np.bool_]
    ) -> None:
        """Decide about new rows of some keys by all the rows that these have."""
        known, owners = self.of(keys)
        found, length = self._index.find(keys), np.bincount(owners, minlength=len(keys))
        there = found != MISSING
        self._index.put(keys[there], (found >> _BITS << _BITS | np.minimum(length, _LONGEST))[there])
        mine = np.array([place for key in keys.tolist() for part in groups[key].values() for place in part], np.int64)
        every = together([known, rows[mine]], self._codec.dtype)
        counts = self.counting(every)
        self.overflow += int((~counts).sum()) - int((~self.counting(known)).sum())
        kept[mine] = counts[len(known) :]
        stays = np.flatnonzero(counts | (np.arange(len(every)) < len(known)))
        stays = stays[np.argsort(every["key"][stays], kind="stable")]
        borders = np.searchsorted(every["key"][stays], keys)
        if len(self._tails) + len(keys) > _TAILS:
            self._tails.clear()
        for key, own in zip(keys.tolist(), np.split(stays, borders[1:]), strict=True):
            if len(own) > self._most:
                self._tails[key] = self._tail(every[own], counts[own])
            else:
                self._tails.pop(key, None)

    def _tail(self, rows: Rows, counts: NDArray[np.bool_]) -> Tail:
        """Return what the cells of one key have."""
        names = list(zip(rows["proof"].tolist(), (rows["time"] // self._cell).tolist(), strict=True))
        numbers = Counter(names)
        last: dict[tuple[int, int], Position] = {}
        for place in np.flatnonzero(counts).tolist():
            last[names[place]] = max(last.get(names[place], _position(rows[place])), _position(rows[place]))
        return {
            name: (number, last[name] if number >= self._most else None)
            for name, number in numbers.items()
            if name[1] >= self._over
        }

    def _keep(self, keys: Keys, rows: Rows, locations: IntArray, owners: IntArray) -> None:
        """Have long chains in memory, the latest of them."""
        for place in np.flatnonzero(np.bincount(owners) > _LONG).tolist():
            mine = owners == place
            self._long[int(keys[place])] = rows[mine], locations[mine]
        while sum(len(places) for _, places in self._long.values()) > _KEPT:
            del self._long[next(iter(self._long))]

    def _lengthen(self, keys: Keys, rows: Rows, locations: IntArray) -> None:
        """Add new rows to the chains that are in memory."""
        for key in [key for key in keys.tolist() if key in self._long] if self._long else ():
            known, places = self._long[key]
            mine = rows["key"] == np.uint64(key)
            grown = together([known, rows[mine]], self._codec.dtype)
            self._long[key] = grown, np.concatenate([places, locations[mine]])


def _position(row: Any) -> Position:
    return int(row["time"]), int(row["input"]), int(row["offset"]), int(row["row"])
