"""Which Slack message began the thread about a group."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, Protocol

_MOST: Final = 4096


class Threads(Protocol):
    """Remembers threads by the name of their group. May forget: the next message then begins another one."""

    def get(self, thread: str) -> str:
        """Return the time stamp of the message that began a thread, nothing when there is none."""
        ...

    def put(self, thread: str, stamp: str) -> None:
        """Remember the message that began a thread."""
        ...

    def forget(self, thread: str) -> None:
        """Forget a thread that has come to its end."""
        ...


class RecentThreads:
    """Remembers the threads that were used last, 4,096 of them, until the process ends.

    >>> threads = RecentThreads()
    >>> threads.put("a", "17.5")
    >>> threads.get("a"), threads.get("b")
    ('17.5', '')
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._stamps: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, thread: str) -> str:
        """Return the time stamp of the message that began a thread, nothing when there is none."""
        with self._lock:
            if thread not in self._stamps:
                return ""
            self._stamps.move_to_end(thread)
            return self._stamps[thread]

    def put(self, thread: str, stamp: str) -> None:
        """Remember the message that began a thread."""
        with self._lock:
            self._stamps[thread] = stamp
            self._stamps.move_to_end(thread)
            if len(self._stamps) > self._most:
                self._stamps.popitem(last=False)

    def forget(self, thread: str) -> None:
        """Forget a thread that has come to its end."""
        with self._lock:
            self._stamps.pop(thread, None)
