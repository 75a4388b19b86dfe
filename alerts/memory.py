"""All alerts, in memory as they stand in the store, and what of them is still to be written."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
import structlog

from alerts.entry import Entry
from alerts.outbox import encode_told
from alerts.routing import Group
from alerts.seal import BrokenSealError, seal, unseal
from alerts.week import Slot

log = structlog.get_logger(__name__)
_ENTRY: Final = msgspec.msgpack.Decoder(Entry)
_SLOT: Final = msgspec.msgpack.Decoder(Slot)
_ENCODER: Final = msgspec.msgpack.Encoder()


class GroupState:
    """A group, its alerts that fire, and when it is looked at next."""

    __slots__ = ("due", "group", "looked_at", "members")

    def __init__(self, group: Group, due: int | None = None) -> None:
        self.group = group
        self.due = due
        self.looked_at: int | None = None
        self.members: set[str] = set()


class Memory:
    """What the engine knows. ``load`` reads it, changes mark what they touch, ``save`` writes that."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.slots: dict[str, dict[int, Slot]] = {}
        self.fronts: dict[str, int] = {}
        """Kind, model, version and window → end of the latest window that was told."""
        self.models: dict[str, int] = {}
        """Model → when it was first heard of."""
        self.meta: dict[str, int | str] = {}
        self._changed: set[str] = set()
        self._slots: set[tuple[str, int]] = set()
        self._fronts: set[str] = set()
        self._models: set[str] = set()
        self._meta: set[str] = set()

    @classmethod
    def load(cls, connection: sqlite3.Connection) -> Memory:
        """Return what a store holds."""
        memory = cls()
        for name, data in connection.execute("SELECT fingerprint, entry FROM alerts"):
            entry = _entry(data)
            if entry is None:
                log.error("an alert's state is damaged and begun anew", alert=name)
            else:
                memory.entries[entry.fingerprint] = entry
        for key, hour, data in connection.execute("SELECT key, hour, slot FROM hours"):
            memory.slots.setdefault(key, {})[hour] = _SLOT.decode(data)
        memory.fronts = dict(connection.execute("SELECT key, at FROM fronts"))
        memory.models = dict(connection.execute("SELECT key, first_seen FROM models"))
        memory.meta = dict(connection.execute("SELECT key, value FROM meta"))
        return memory

    def put(self, entry: Entry) -> None:
        """Keep an alert."""
        self.entries[entry.fingerprint] = entry
        self._changed.add(entry.fingerprint)

    def drop(self, fingerprint: str) -> None:
        """Forget an alert."""
        if self.entries.pop(fingerprint, None) is not None:
            self._changed.add(fingerprint)

    def learn(self, key: str, hour: int, slot: Slot) -> None:
        """Keep what an hour of the week is remembered by."""
        self.slots.setdefault(key, {})[hour] = slot
        self._slots.add((key, hour))

    def see(self, model: str, now: int) -> None:
        """Keep when a model was first heard of."""
        if model and model not in self.models:
            self.models[model] = now
            self._models.add(model)

    def reach(self, key: str, at: int) -> None:
        """Keep the end of the latest window."""
        if at > self.fronts.get(key, -1):
            self.fronts[key] = at
            self._fronts.add(key)

    def set(self, key: str, value: int | str) -> None:
        """Keep a figure of the store itself."""
        if self.meta.get(key) != value:
            self.meta[key] = value
            self._meta.add(key)

    def number(self, key: str) -> int:
        """Return a figure of the store itself, 0 when there is none."""
        return int(self.meta.get(key, 0))

    def firing(self) -> Iterator[Entry]:
        """Yield the alerts that fire."""
        return (entry for entry in self.entries.values() if entry.firing)

    def forget(self, *, before: int, before_week: int) -> None:
        """Forget windows that ended before a time, and hours that were not visited since a week."""
        for key in [key for key, at in self.fronts.items() if at < before]:
            del self.fronts[key]
            self._fronts.add(key)
        for key, slots in list(self.slots.items()):
            for hour in [hour for hour, slot in slots.items() if slot.week < before_week]:
                del slots[hour]
                self._slots.add((key, hour))
            if not slots:
                del self.slots[key]

    def save(self, connection: sqlite3.Connection) -> None:
        """Write what changed; call ``saved`` once that stands."""
        kept = [self.entries[name] for name in sorted(self._changed & self.entries.keys())]
        gone = [(name,) for name in sorted(self._changed - self.entries.keys())]
        connection.executemany("INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?, ?)", map(_row, kept))
        connection.executemany("DELETE FROM alerts WHERE fingerprint = ?", gone)
        _save_table(connection, "fronts", self._fronts, self.fronts)
        _save_table(connection, "models", self._models, self.models)
        _save_table(connection, "meta", self._meta, self.meta)
        for key, hour in sorted(self._slots):
            slot = self.slots.get(key, {}).get(hour)
            if slot is None:
                connection.execute("DELETE FROM hours WHERE key = ? AND hour = ?", (key, hour))
            else:
                row = (key, hour, _ENCODER.encode(slot))
                connection.execute("INSERT OR REPLACE INTO hours VALUES (?, ?, ?)", row)

    def saved(self) -> None:
        """Nothing is to be written any more."""
        self._changed.clear()
        self._slots.clear()
        self._fronts.clear()
        self._models.clear()
        self._meta.clear()


def _save_table(
    connection: sqlite3.Connection, table: str, changed: set[str], values: Mapping[str, int | str] | Mapping[str, int]
) -> None:
    rows = [(name, values[name]) for name in sorted(changed) if name in values]
    connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", rows)  # noqa: S608 - names of tables
    gone = [(name,) for name in sorted(changed) if name not in values]
    connection.executemany(f"DELETE FROM {table} WHERE key = ?", gone)  # noqa: S608


def save_group(connection: sqlite3.Connection, state: GroupState) -> None:
    """Write when a group is due."""
    connection.execute(
        "INSERT INTO groups (key, receiver, labels, due, told) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (key) DO UPDATE SET due = excluded.due",
        (state.group.key, state.group.receiver, json.dumps(dict(state.group.labels)), state.due, encode_told({})),
    )


def read_firing(connection: sqlite3.Connection) -> list[Entry]:
    """Return the alerts that fire, as they stand in the store; a damaged one is left out, its owner begins it anew."""
    rows = connection.execute("SELECT entry FROM alerts WHERE phase = 'firing' ORDER BY fingerprint")
    return [entry for (data,) in rows if (entry := _entry(data)) is not None]


def _entry(data: bytes) -> Entry | None:
    try:
        return _ENTRY.decode(unseal(data))
    except (BrokenSealError, msgspec.MsgspecError):
        return None


def _row(entry: Entry) -> tuple[object, ...]:
    phase, data = entry.track.machine.phase, seal(_ENCODER.encode(entry))
    return entry.fingerprint, entry.rule, entry.model, phase, entry.heard_at, data
