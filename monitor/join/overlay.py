"""Entries in memory: those that changed since the last write, and as many of the latest others as fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.events import IntArray
from monitor.join.codec import Codec
from monitor.join.entry import Entry
from monitor.join.payload import Rows
from monitor.join.rules import Rules
from monitor.store.port import StateReader

ABSENT: Final = -1
RICH: Final = -2
LEAST: Final = 1024
"""Rows that there is always room for."""


@dataclass(frozen=True, slots=True)
class Found:
    """Entries of some names: rows, each with its name, and the names of the richer ones."""

    names: list[bytes]
    rows: Rows
    rich: list[bytes]


class Overlay:
    """The entries of one join by name, over those in the store.

    Almost all are rows of one array; the few that do not fit into a row are objects. What is clean leaves memory once
    there are more than ``budget`` entries, the oldest first; what is dirty stays until it is written.
    """

    def __init__(self, codec: Codec, rules: Rules, reader: StateReader, head: bytes, budget: int) -> None:
        self.codec = codec
        self.rules = rules
        self.budget = budget
        self.rows: Rows = codec.empty(LEAST)
        self._reader = reader
        self._head = head
        self._slots: dict[bytes, int] = {}
        self._rich: dict[bytes, Entry] = {}
        self._dirty_rich: set[bytes] = set()
        self._stored_rich: set[bytes] = set()
        self._gone: set[bytes] = set()
        self._names: list[bytes] = [b""] * LEAST
        self._dirty = np.zeros(LEAST, bool)
        self._stored = np.zeros(LEAST, bool)
        self._free: list[int] = list(range(LEAST))

    def __len__(self) -> int:
        return len(self._slots)

    def find(self, names: Sequence[bytes]) -> IntArray:
        """Return the row of each name, ``ABSENT`` or ``RICH``; what is only in the store is read into memory."""
        get = self._slots.get
        slots = np.array([get(name, ABSENT) for name in names], np.int64)
        missing = np.flatnonzero(slots == ABSENT)
        if len(missing) and self._load(list(dict.fromkeys(names[place] for place in missing.tolist()))):
            slots[missing] = [get(names[place], ABSENT) for place in missing.tolist()]
        return slots

    def look(self, names: Sequence[bytes]) -> Found:
        """Return entries as ``find`` does, without keeping in memory what is in a row of the store."""
        get = self._slots.get
        slots = [get(name, ABSENT) for name in names]
        here = [slot for slot in slots if slot >= 0]
        rich = [name for name, slot in zip(names, slots, strict=True) if slot == RICH]
        found, rows, others = self._read([name for name, slot in zip(names, slots, strict=True) if slot == ABSENT])
        for name, entry in others.items():
            self._keep_rich(name, entry, stored=True)
        known = [self._names[slot] for slot in here]
        return Found(known + found, np.concatenate([self.rows[here], rows]), rich + list(others))

    def create(self, names: Sequence[bytes], rows: Rows) -> None:
        """Enter new rows; the names must be absent and unlike each other."""
        slots = self._enter(names, rows)
        self._dirty[slots] = True
        self._stored[slots] = False
        if self._gone:
            again = self._gone.intersection(names)
            if again:
                self._stored[[self._slots[name] for name in again]] = True
                self._gone -= again

    def touch(self, slots: IntArray) -> None:
        """Note that rows changed."""
        self._dirty[slots] = True

    def entry(self, name: bytes) -> Entry:
        """Return one entry as an object, an empty one when there is none; ``put`` it back when it changed."""
        slot = int(self.find([name])[0])
        if slot == RICH:
            return self._rich[name]
        return Entry() if slot == ABSENT else self.codec.to_entry(self.rows[slot])

    def put(self, name: bytes, entry: Entry) -> None:
        """Enter an entry in place of what there was; an empty one is removed."""
        stored = self._take_out(name) or name in self._gone
        if not entry.sessions and not entry.labels:
            if stored:
                self._gone.add(name)
            return
        self._gone.discard(name)
        row = self.codec.to_row(entry, self.rules)
        if row is None:
            self._keep_rich(name, entry, stored=stored)
            self._dirty_rich.add(name)
            return
        slots = self._enter([name], row)
        self._dirty[slots] = True
        self._stored[slots] = stored

    def remove(self, names: Iterable[bytes]) -> None:
        """Remove entries, in memory or only in the store."""
        for name in names:
            known = name in self._slots
            if self._take_out(name) or not known:
                self._gone.add(name)

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        dirty = np.flatnonzero(self._dirty)
        head = self._head
        keys = [head + self._names[slot] for slot in dirty.tolist()]
        puts = dict(zip(keys, self.codec.encode_rows(self.rows[dirty]), strict=True))
        for name in self._dirty_rich:
            puts[head + name] = self.codec.encode_rich(self._rich[name])
        return puts, [head + name for name in self._gone]

    def written(self) -> None:
        """Note that the changes are in the store, and let go of what exceeds the budget."""
        self._stored |= self._dirty
        self._dirty[:] = False
        self._stored_rich |= self._dirty_rich
        self._dirty_rich.clear()
        self._gone.clear()
        needed = len(self._slots)
        for name in list(islice(self._slots, max(0, needed - self.budget))):
            self._take_out(name)
        if len(self._names) > 4 * max(LEAST, needed):
            self._shrink()

    def _read(self, names: list[bytes]) -> tuple[list[bytes], Rows, dict[bytes, Entry]]:
        """Return what the store has of some names: names and rows, and richer entries."""
        wanted = [name for name in names if name not in self._gone] if self._gone else names
        keys = [self._head + name for name in wanted]
        found: list[tuple[bytes, bytes, bytes]] = [
            (name, key, value)
            for name, key, value in zip(wanted, keys, self._reader.get_many(keys), strict=True)
            if value is not None
        ]
        rows, places, rich = self.codec.decode([key for _, key, _ in found], [value for *_, value in found])
        return [found[place][0] for place in places], rows, {found[place][0]: entry for place, entry in rich.items()}

    def _load(self, names: list[bytes]) -> bool:
        found, rows, rich = self._read(names)
        for name, entry in rich.items():
            self._keep_rich(name, entry, stored=True)
        if found:
            slots = self._enter(found, rows)
            self._dirty[slots] = False
            self._stored[slots] = True
        return bool(found or rich)

    def _enter(self, names: Sequence[bytes], rows: Rows) -> NDArray[np.int64]:
        while len(self._free) < len(names):
            self._grow()
        first = len(self._free) - len(names)
        chosen = self._free[first:]
        del self._free[first:]
        slots = np.array(chosen, np.int64)
        self.rows[slots] = rows
        self._slots.update(zip(names, chosen, strict=True))
        own = self._names
        for slot, name in zip(chosen, names, strict=True):
            own[slot] = name
        return slots

    def _keep_rich(self, name: bytes, entry: Entry, *, stored: bool) -> None:
        self._slots[name] = RICH
        self._rich[name] = entry
        if stored:
            self._stored_rich.add(name)

    def _take_out(self, name: bytes) -> bool:
        """Remove a name from memory; return whether the store has it."""
        slot = self._slots.pop(name, ABSENT)
        if slot == ABSENT:
            return False
        if slot == RICH:
            del self._rich[name]
            self._dirty_rich.discard(name)
            stored = name in self._stored_rich
            self._stored_rich.discard(name)
            return stored
        stored = bool(self._stored[slot])
        self._dirty[slot] = self._stored[slot] = False
        self._names[slot] = b""
        self._free.append(slot)
        return stored

    def _grow(self) -> None:
        size = len(self._names)
        self.rows = np.concatenate([self.rows, self.codec.empty(size)])
        self._dirty = np.concatenate([self._dirty, np.zeros(size, bool)])
        self._stored = np.concatenate([self._stored, np.zeros(size, bool)])
        self._names.extend([b""] * size)
        self._free.extend(range(size, 2 * size))

    def _shrink(self) -> None:
        """Move the rows together after a burst; all are clean."""
        names = [name for name, slot in self._slots.items() if slot >= 0]
        rows = self.rows[[self._slots[name] for name in names]]
        self.rows, self._names = self.codec.empty(LEAST), [b""] * LEAST
        self._dirty, self._stored = np.zeros(LEAST, bool), np.zeros(LEAST, bool)
        self._free = list(range(LEAST))
        slots = self._enter(names, rows)
        self._stored[slots] = True
