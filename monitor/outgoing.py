"""Dead letters on their way out: queued with the state, published after it, dropped from it once acknowledged."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable
from typing import Final

from monitor.dead_letters import DeadLetter, DeadLetterSink
from monitor.events import Reject
from monitor.keys import compose, prefix
from monitor.panes import Reader

QUEUE: Final = b"Q"
HOLD: Final = b"H"
"""What was published before the state went back."""
_MOST_BYTES: Final = 64 << 20


class Outgoing:
    """The queue of dead letters.

    A letter enters the store in the write that counts its record and leaves it in the first write after the sink
    acknowledged it, so it is published at least once, under one stable key. At most ``limit`` letters wait; beyond that
    they are counted as overflow. Letters beyond ``most_bytes`` wait without what their record held.
    """

    def __init__(self, reader: Reader, sink: DeadLetterSink, limit: int, most_bytes: int = _MOST_BYTES) -> None:
        self.sink = sink
        self.limit = limit
        self.most_bytes = most_bytes
        self._waiting: OrderedDict[bytes, DeadLetter] = OrderedDict()
        self._new: list[bytes] = []
        self._acknowledged: list[bytes] = []
        self._bytes = 0
        for key, value in reader.scan(prefix(QUEUE)):
            self._put(key, DeadLetter.from_bytes(value))

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def keys(self) -> frozenset[bytes]:
        """The keys of the letters that wait."""
        return frozenset(self._waiting)

    def add(self, partition: int, rejects: Iterable[Reject]) -> int:
        """Queue what was refused; return how many did not fit."""
        overflow = 0
        for reject in rejects:
            key = key_of(partition, reject)
            if key in self._waiting:
                continue
            if len(self._waiting) >= self.limit:
                overflow += 1
                continue
            letter = DeadLetter.of(reject)
            if self._bytes + letter.payload_bytes > self.most_bytes:
                letter = DeadLetter.of(reject, payload=False)
            self._put(key, letter)
            self._new.append(key)
        return overflow

    def keep_only(self, waiting: Collection[bytes]) -> None:
        """Drop letters that were published before the state went back to where they waited."""
        for key in self.keys.difference(waiting):
            self._take(key)
            self._acknowledged.append(key)

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        puts = {key: self._waiting[key].to_bytes() for key in self._new}
        return puts, list(self._acknowledged)

    def written(self) -> None:
        """Note that the changes are in the store."""
        self._new.clear()
        self._acknowledged.clear()

    def publish(self) -> int:
        """Hand what waits to the sink and await its acknowledgement; return how many letters were taken."""
        keys = list(self._waiting)
        if not keys:
            return 0
        taken = self.sink.publish([self._waiting[key] for key in keys])
        for key in keys[:taken]:
            self._take(key)
            self._acknowledged.append(key)
        return taken

    def _put(self, key: bytes, letter: DeadLetter) -> None:
        self._waiting[key] = letter
        self._bytes += letter.payload_bytes

    def _take(self, key: bytes) -> None:
        self._bytes -= self._waiting.pop(key).payload_bytes


def key_of(partition: int, reject: Reject) -> bytes:
    """Return the key under which the letter about a reject waits."""
    return compose(QUEUE, partition, reject.stable_key, reject.reason)
