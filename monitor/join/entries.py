"""The entries of one join: where each is, those in memory as rows of one array, the others in the store."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np

from monitor.events import IntArray
from monitor.join.codec import Codec, leaving, row_dtype
from monitor.join.entry import Entry
from monitor.join.identity import Ids
from monitor.join.index import MISSING, Index, Keys
from monitor.join.page_codec import PAGE
from monitor.join.pages import Pages
from monitor.join.payload import Payload, Rows, together
from monitor.join.rules import Rules
from monitor.keys import compose, parse, prefix
from monitor.store.port import StateReader

ABSENT: Final = -1
RICH: Final = -2
"""An entry that does not fit into a row."""
ENTRIES: Final = b"X"
LEAST: Final = 1024
"""Rows that there is always room for."""
_BESIDE: Final = 25
"""Bytes that a row in memory takes beside itself."""
_STORED: Final = -3
"""A row at location n of the store is -3 - n in the index."""
_TOKEN: Final = struct.Struct("<qq")


@dataclass(frozen=True, slots=True)
class Found:
    """Rows, and the ids of richer entries."""

    rows: Rows
    rich: Ids


def rows_within(memory: int, payload: Payload) -> int:
    """Return how many entries that carry such payloads fit into so many bytes."""
    return memory // (row_dtype(payload).itemsize + _BESIDE)


class Entries:
    """Entries by id.

    The index tells for every id whether there is an entry, so that looking up one that is not there never reads the
    store. Rows that changed stay in memory until they are written; of the others the latest ``budget`` do.

    Two ids that agree in the first half of their hash are *crowded*: all entries of that half are rich from then on.
    """

    def __init__(self, codec: Codec, rules: Rules, reader: StateReader, number: int, model: str, budget: int) -> None:
        self.codec = codec
        self.rules = rules
        self.budget = budget
        self.index = Index()
        self._pages = Pages(reader, number, model, codec)
        self._reader = reader
        self._number = number
        self._model = model
        self._rich: dict[bytes, Entry] = {}
        self._dirty_rich: set[bytes] = set()
        self._stored_rich: set[bytes] = set()
        self._gone: set[bytes] = set()
        self._others: set[int] = set()
        """Keys that are no rows any more since the last write."""
        self._crowded: set[int] = set()
        self._writing: IntArray = np.zeros(0, np.int64)
        self._clock = 0
        self._empty_rows()

    def __len__(self) -> int:
        return len(self._used()) + len(self._rich)

    def find(self, ids: Ids) -> IntArray:
        """Return the row of each id, ``ABSENT`` or ``RICH``; rows in the store are read into memory."""
        found = self.index.find(ids[:, 0])
        stored = np.flatnonzero((found <= _STORED) & (found != MISSING))
        if len(stored):
            keys, first = np.unique(ids[stored, 0], return_index=True)
            locations = _STORED - found[stored[first]]
            slots = self._enter(self._pages.fetch(locations))
            self._locations[slots] = locations
            self.index.put(keys, slots)
            found[stored] = self.index.find(ids[stored, 0])
        found[found == MISSING] = ABSENT
        here = np.flatnonzero(found >= 0)
        strange = here[self.rows["proof"][found[here]] != ids[here, 1]]
        for slot in np.unique(found[strange]).tolist():
            self._crowd(slot)
            found[found == slot] = RICH
        return found

    def look(self, ids: Ids) -> Found:
        """Return the entries that there are, without keeping in memory what is in the store."""
        found = self.index.find(ids[:, 0])
        here, stored = found >= 0, (found <= _STORED) & (found != MISSING)
        rows = together([self.rows[found[here]], self._pages.fetch(_STORED - found[stored])], self.codec.dtype)
        proofs = np.concatenate([ids[here, 1], ids[stored, 1]])
        known = rows["proof"] == proofs
        return Found(rows if bool(known.all()) else rows[known], ids[found == RICH])

    def create(self, ids: Ids, rows: Rows) -> None:
        """Enter new rows; the ids must be absent and differ from each other in their first half."""
        rows["key"], rows["proof"] = ids[:, 0], ids[:, 1]
        slots = self._enter(rows)
        self._dirty[slots] = True
        self.index.put(ids[:, 0], slots)

    def touch(self, slots: IntArray) -> None:
        """Note that rows changed."""
        self._dirty[slots] = True

    def remove(self, keys: Keys) -> None:
        """Remove entries that are rows, by the first halves of their ids."""
        found = self.index.find(keys)
        slots = found[found >= 0]
        known = self._locations[slots]
        # what it was when it was stored may be needed for longer than what it became
        changed = slots[self._dirty[slots] & (known >= 0)]
        self._others.update(self.rows["key"][changed].tolist())
        self._pages.kill(np.concatenate([_STORED - found[found <= _STORED], known[known >= 0]]))
        self._leave(slots)
        self.index.remove(keys)

    def entry(self, id_: Ids) -> Entry:
        """Return the entry of one id, shape (1, 2), empty when there is none; ``put`` it back when it changed."""
        slot = self._slot(id_)
        if slot >= 0:
            return self.codec.to_entry(self.rows[slot])
        token = id_.tobytes()
        if slot == RICH and not self._read_rich(token):
            # another id of the same first half is the rich one
            self._crowded.add(int(id_[0, 0]))
            return Entry()
        return self._rich[token] if slot == RICH else Entry()

    def put(self, id_: Ids, entry: Entry) -> None:
        """Enter the entry of one id in place of what there was; an empty one is removed."""
        slot, key = self._slot(id_), int(id_[0, 0])
        row = None if key in self._crowded else self.codec.to_row(entry, self.rules)
        if slot >= 0:
            if row is not None:
                row["key"], row["proof"] = id_[:, 0], id_[:, 1]
                self.rows[slot] = row[0]
                self._dirty[slot] = True
                return
            self._no_row(slot)
        token = id_.tobytes()
        if row is None and (entry.sessions or entry.labels):
            self._keep_rich(token, entry)
            if slot == ABSENT:
                self._others.add(key)
                self.index.put(id_[:, 0], np.array([RICH]))
            return
        self._drop_rich(token)
        if key not in self._crowded:
            self.index.remove(id_[:, 0])
            if row is not None and (entry.sessions or entry.labels):
                self.create(id_, row)

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        slots = np.flatnonzero(self._dirty)
        leaves = leaving(self.rows[slots], self.rules)
        order = np.argsort(leaves, kind="stable")
        self._writing = slots[order]
        others = np.array(sorted(self._others), np.uint64)
        puts, deletes = self._pages.changes(self.rows[self._writing], leaves[order], others)
        for token in self._dirty_rich:
            puts[self._rich_key(token)] = self.codec.encode_rich(self._rich[token])
        # also a write that fails may be there
        self._stored_rich |= self._dirty_rich
        return puts, deletes + [self._rich_key(token) for token in self._gone]

    def written(self) -> None:
        """Note that the changes are in the store, and let go of what exceeds the budget."""
        slots, locations = self._writing, self._pages.written()
        older = self._locations[slots]
        self._locations[slots] = locations
        self._dirty[slots] = False
        self._writing = slots[:0]
        self._pages.kill(older[older >= 0])
        self._dirty_rich.clear()
        self._gone.clear()
        self._others.clear()
        self._evict()

    def state(self) -> dict[str, Any]:
        """Return plain values for the store; call it after ``changes``."""
        return {"pages": self._pages.state(), "crowded": sorted(self._crowded)}

    def load(self, state: dict[str, Any], watermark: int) -> None:
        """Find out where every entry is."""
        for _, run in self._pages.load(state["pages"]):
            alive = run.leaves >= watermark
            self.index.remove(np.unique(np.concatenate([run.others, run.keys[~alive]])))
            self.index.put(run.keys[alive], _STORED - (run.first * PAGE + np.flatnonzero(alive)))
        self._pages.loaded(_STORED - self.index.items()[1])
        rich = [parse(key)[3] for key, _ in self._reader.scan(prefix(ENTRIES, self._number, self._model))]
        self._crowded = set(state["crowded"])
        keys = np.array(rich, np.int64).view(np.uint64)
        keys = np.union1d(keys, np.array(sorted(self._crowded), np.uint64))
        self.index.put(keys, np.full(len(keys), RICH))

    def _slot(self, id_: Ids) -> int:
        """Return what ``find`` does, for one id."""
        found = self.index.get(int(id_[0, 0]))
        if found == RICH or (found >= 0 and self.rows[found]["proof"] == id_[0, 1]):
            return found
        return ABSENT if found == MISSING else int(self.find(id_)[0])

    def _enter(self, rows: Rows) -> IntArray:
        while self._room < len(rows):
            self._grow()
        self._room -= len(rows)
        slots = self._free[self._room : self._room + len(rows)].copy()
        self.rows[slots] = rows
        self._ages[slots] = np.arange(self._clock, self._clock + len(rows))
        self._clock += len(rows)
        return slots

    def _leave(self, slots: IntArray) -> None:
        self._free[self._room : self._room + len(slots)] = slots
        self._room += len(slots)
        self._dirty[slots] = False
        self._locations[slots] = MISSING
        self._ages[slots] = -1

    def _used(self) -> IntArray:
        used: IntArray = np.flatnonzero(self._ages >= 0)
        return used

    def _no_row(self, slot: int) -> None:
        """Take a row out of memory and store; its key is a rich entry's from now on."""
        slots = np.array([slot])
        locations = self._locations[slots]
        self._pages.kill(locations[locations >= 0])
        key = self.rows["key"][slots]
        self._leave(slots)
        self._others.add(int(key[0]))
        self.index.put(key, np.array([RICH]))

    def _crowd(self, slot: int) -> None:
        """Make a row rich, since another id has the same first half."""
        row = self.rows[slot]
        token = np.array([row["key"], row["proof"]], "<u8").tobytes()
        self._keep_rich(token, self.codec.to_entry(row))
        self._crowded.add(int(row["key"]))
        self._no_row(slot)

    def _keep_rich(self, token: bytes, entry: Entry) -> None:
        self._rich[token] = entry
        self._dirty_rich.add(token)
        if token in self._gone:
            self._gone.discard(token)
            self._stored_rich.add(token)

    def _read_rich(self, token: bytes) -> bool:
        """Have a rich entry in memory; return whether there is one."""
        if token in self._rich:
            return True
        key = self._rich_key(token)
        data = None if token in self._gone else self._reader.get(key)
        if data is None:
            return False
        self._rich[token] = self.codec.decode_rich(key, data)
        self._stored_rich.add(token)
        return True

    def _drop_rich(self, token: bytes) -> None:
        self._rich.pop(token, None)
        self._dirty_rich.discard(token)
        if token in self._stored_rich:
            self._stored_rich.discard(token)
            self._gone.add(token)

    def _evict(self) -> None:
        rich = len(self._rich) - self.budget // 4
        for token in list(islice(self._rich, max(0, rich))):
            del self._rich[token]
            self._stored_rich.discard(token)
        used = self._used()
        excess = len(used) + len(self._rich) - self.budget
        if excess > 0:
            slots = used[np.argpartition(self._ages[used], excess - 1)[:excess]]
            self.index.put(self.rows["key"][slots], _STORED - self._locations[slots])
            self._leave(slots)
        if len(self.rows) > 4 * max(LEAST, len(used)):
            self._shrink()

    def _empty_rows(self) -> None:
        self.rows = self.codec.empty(0)
        self._ages = np.zeros(0, np.int64)
        self._dirty = np.zeros(0, bool)
        self._locations = np.zeros(0, np.int64)
        self._free = np.zeros(0, np.int64)
        self._room = 0

    def _grow(self) -> None:
        size, more = len(self.rows), max(LEAST, len(self.rows))
        # memory that nothing was written to is not resident, so only what is used is copied
        rows = self.codec.empty(size + more)
        plain = np.dtype((np.void, rows.itemsize))
        rows.view(plain)[:size] = self.rows.view(plain)
        self.rows = rows
        self._ages = np.concatenate([self._ages, np.full(more, -1)])
        self._dirty = np.concatenate([self._dirty, np.zeros(more, bool)])
        self._locations = np.concatenate([self._locations, np.full(more, MISSING)])
        self._free = np.concatenate([self._free[: self._room], np.arange(size, size + more), np.zeros(size, np.int64)])
        self._room += more

    def _shrink(self) -> None:
        """Move the rows together after a burst; all are clean."""
        used = self._used()
        used = used[np.argsort(self._ages[used])]
        rows, locations = self.rows[used], self._locations[used]
        self._empty_rows()
        slots = self._enter(rows)
        self._locations[slots] = locations
        self.index.put(rows["key"], slots)

    def _rich_key(self, token: bytes) -> bytes:
        return compose(ENTRIES, self._number, self._model, *_TOKEN.unpack(token))
