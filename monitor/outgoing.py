"""Dead letters on their way out: queued with the state, published after it, dropped from it once acknowledged."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from monitor.dead_letters import DeadLetter, DeadLetterSink
from monitor.events import Reject
from monitor.keys import compose, prefix
from monitor.panes import Reader

QUEUE: Final = b"Q"


class Outgoing:
    """The queue of dead letters.

    A letter enters the store in the write that counts its record and leaves it in the first write after the sink
    acknowledged it, so it is published at least once, under one stable key. At most ``limit`` letters wait; beyond that
    they are counted as overflow and their positions are only logged.
    """

    def __init__(self, reader: Reader, sink: DeadLetterSink, limit: int) -> None:
        self.sink = sink
        self.limit = limit
        self._waiting: OrderedDict[bytes, DeadLetter] = OrderedDict()
        self._new: list[bytes] = []
        self._acknowledged: list[bytes] = []
        for key, value in reader.scan(prefix(QUEUE)):
            self._waiting[key] = DeadLetter.from_bytes(value)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, partition: int, rejects: Iterable[Reject]) -> int:
        """Queue what was refused; return how many did not fit."""
        overflow = 0
        for reject in rejects:
            key = compose(QUEUE, partition, reject.stable_key, reject.reason)
            if key in self._waiting:
                continue
            if len(self._waiting) >= self.limit:
                overflow += 1
                continue
            self._waiting[key] = DeadLetter.of(reject)
            self._new.append(key)
        return overflow

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
            del self._waiting[key]
            self._acknowledged.append(key)
        return taken
