"""Signals on their way to the alerts: numbered, written with the state, kept until they stand in the alerts' store.

A window's signals are made when it is evaluated. They are written in the same write that notes the window as evaluated,
and handed over only after it. So what a crash repeats before that write was never heard of, and what it repeats after
it has the numbers of before, which the alerts ignore.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
import structlog

from alerts.signal import Signal, decode_signals, encode_signals
from monitor.keys import compose, prefix
from monitor.panes import Reader

log = structlog.get_logger(__name__)
SIGNALS: Final = b"F"
_CHUNK: Final = "chunk"
_HEAD: Final = "head"
_FORMAT: Final = 1
MOST: Final = 200_000
"""Signals that may wait; beyond that, what comes is counted as lost."""


class Head(NamedTuple):
    """Where the sequence stands."""

    origin: str
    """Names the sequence; another one begins to count anew."""
    last: int
    """Number of the last signal."""
    lost: int = 0
    """Signals that had no room."""


class SignalQueue:
    """The queue. One thread uses it.

    Parameters
    ----------
    reader
        The state.
    origin, applied
        The sequence that the alerts know, and the last of its signals that stands there.
    """

    def __init__(self, reader: Reader, origin: str = "", applied: int = 0, most: int = MOST) -> None:
        self._most = most
        self._waiting: OrderedDict[int, list[Signal]] = OrderedDict()
        self._fresh: list[Signal] = []
        self._unsent: list[Signal] = []
        self._gone: list[bytes] = []
        self._changed = False
        data = reader.get(compose(SIGNALS, 0, _HEAD))
        self.head = Head(uuid.uuid4().hex, 0) if data is None else Head(*msgspec.msgpack.decode(data)[1:])
        self._changed = data is None
        for _, chunk in reader.scan(prefix(SIGNALS, 0, _CHUNK)):
            signals = decode_signals(chunk)
            self._waiting[signals[0].number] = signals
            self._unsent += signals
        if origin == self.head.origin and applied > self.head.last:
            self._begin_anew(applied)

    def __len__(self) -> int:
        return len(self._fresh) + sum(map(len, self._waiting.values()))

    def add(self, signals: Iterable[Signal]) -> None:
        """Keep signals for the next write, each under the next number."""
        room, number, lost = self._most - len(self), self.head.last, 0
        for signal in signals:
            if room <= 0:
                lost += 1
                continue
            room, number = room - 1, number + 1
            self._fresh.append(msgspec.structs.replace(signal, number=number))
        if lost and not self.head.lost:
            log.error("signals are lost, since the alerts do not take them", waiting=len(self), lost=lost)
        if number != self.head.last or lost:
            self.head = Head(self.head.origin, number, self.head.lost + lost)
            self._changed = True

    def applied(self, number: int) -> None:
        """Drop what stands in the alerts' store up to a number."""
        for first, signals in list(self._waiting.items()):
            if signals[-1].number > number:
                break
            self._gone.append(compose(SIGNALS, 0, _CHUNK, first))
            del self._waiting[first]

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        puts: dict[bytes, bytes] = {}
        if self._fresh:
            puts[compose(SIGNALS, 0, _CHUNK, self._fresh[0].number)] = encode_signals(self._fresh)
        if self._changed:
            puts[compose(SIGNALS, 0, _HEAD)] = msgspec.msgpack.encode([_FORMAT, *self.head])
        return puts, list(self._gone)

    def written(self) -> None:
        """Note that the changes are in the store."""
        if self._fresh:
            self._waiting[self._fresh[0].number] = self._fresh
            self._unsent += self._fresh
            self._fresh = []
        self._gone = []
        self._changed = False

    def take(self) -> Sequence[Signal]:
        """Return what was written and not taken yet; call it once the writes are on the disk."""
        signals, self._unsent = self._unsent, []
        return signals

    def _begin_anew(self, applied: int) -> None:
        """Have a sequence of its own, since the state went back to before signals that the alerts have."""
        log.warning("the state is older than the alerts; signals are counted anew", applied=applied)
        self._gone = [compose(SIGNALS, 0, _CHUNK, first) for first in self._waiting]
        self._waiting.clear()
        self._unsent = []
        self.head = Head(uuid.uuid4().hex, applied, self.head.lost)
        self._changed = True
