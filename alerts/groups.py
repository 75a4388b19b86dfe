"""Which alerts stand in which groups, and when each group has its turn."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from alerts.entry import Entry
from alerts.memory import GroupState, save_group
from alerts.routing import Group, Router


class Groups:
    """The groups of all alerts that fire, or that someone still has to hear the end of."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._states: dict[str, GroupState] = {}
        self._placed: dict[str, tuple[str, ...]] = {}
        self._changed: set[str] = set()
        self._gone: set[str] = set()

    def load(self, connection: sqlite3.Connection, firing: Iterable[tuple[Entry, bool]], now: int) -> None:
        """Begin with what a store holds: groups that were told something, and alerts with whether they are in shadow.

        A group whose receiver is gone is forgotten. One whose route is gone is told that its alerts left it.
        """
        for key, receiver, labels, due in connection.execute("SELECT key, receiver, labels, due FROM groups"):
            group = self._router.restored(key, receiver, json.loads(labels))
            if group is None:
                self._gone.add(key)
            else:
                # A time further away than any turn was written before the clock was set back.
                turn = now if due is None or due > now + group.branch.longest else due
                self._states[key] = GroupState(group, turn)
        for entry, shadow in firing:
            for group in self._router.groups(entry.labels, shadow=shadow):
                self._join(entry, group, now)

    def begin(self, entry: Entry, now: int, *, shadow: bool) -> None:
        """Put an alert that began to fire into its groups."""
        for group in self._router.groups(entry.labels, shadow=shadow):
            self._join(entry, group, now)

    def end(self, fingerprint: str, now: int) -> None:
        """Take an alert that ceased to fire out of its groups."""
        for key in self._placed.pop(fingerprint, ()):
            state = self._states.get(key)
            if state is not None:
                state.members.discard(fingerprint)
                self._schedule(state, now)

    def move(self, entry: Entry, now: int, *, shadow: bool) -> None:
        """Put an alert into the groups that it belongs to now."""
        wanted = {group.key for group in self._router.groups(entry.labels, shadow=shadow)}
        if wanted != set(self._placed.get(entry.fingerprint, ())):
            self.end(entry.fingerprint, now)
            self.begin(entry, now, shadow=shadow)

    def due(self, now: int) -> list[GroupState]:
        """Return the groups whose turn it is, in the order of their turns."""
        states = [state for state in self._states.values() if state.due is not None and state.due <= now]
        return sorted(states, key=lambda state: (state.due or 0, state.group.key))

    def hurry(self, receiver: str, now: int) -> None:
        """Give all groups of a receiver their turn now."""
        for state in self._states.values():
            if state.group.receiver == receiver:
                state.due = now

    def looked_at(self, state: GroupState, now: int, due: int | None, *, message: bool) -> None:
        """Note that a group had its turn; with ``due`` ``None`` it is over."""
        state.looked_at, state.due = now, due
        if due is None and not state.members:
            self._states.pop(state.group.key, None)
            self._gone.add(state.group.key)
        elif message:
            self._changed.add(state.group.key)

    def set_back(self, now: int) -> None:
        """Let no group wait for longer than it would have, since the clock was set back."""
        for state in self._states.values():
            state.looked_at = None if state.looked_at is None else min(state.looked_at, now)
            if state.due is not None:
                state.due = min(state.due, now + state.group.branch.longest)

    def save(self, connection: sqlite3.Connection) -> None:
        """Write what changed; call ``saved`` once that stands."""
        for key in sorted(self._changed & self._states.keys()):
            save_group(connection, self._states[key])
        gone = [(key,) for key in sorted(self._gone - self._states.keys())]
        connection.executemany("DELETE FROM groups WHERE key = ?", gone)

    def saved(self) -> None:
        """Nothing is to be written any more."""
        self._changed.clear()
        self._gone.clear()

    def _join(self, entry: Entry, group: Group, now: int) -> None:
        state = self._states.get(group.key)
        if state is None:
            state = self._states[group.key] = GroupState(group)
        state.members.add(entry.fingerprint)
        placed = self._placed.get(entry.fingerprint, ())
        if group.key not in placed:
            self._placed[entry.fingerprint] = (*placed, group.key)
        self._schedule(state, now)

    def _schedule(self, state: GroupState, now: int) -> None:
        if state.due is not None:
            return
        branch = state.group.branch
        state.due = now + branch.group_wait
        if state.looked_at is not None:
            state.due = max(now, state.looked_at + branch.group_interval)
        self._changed.add(state.group.key)
