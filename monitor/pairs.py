"""Requests and responses on their way to each other: together they are a prediction.

The halves of a pair have one id and lie no further apart than ``timeout`` by log time. They may stand in any partition
of one topic or of two. First all halves are put into one order, that of the clocks of their inputs (``monitor.join``:
each decided by its own log alone); a half waits for its turn until no input can bring one that belongs before it. Then
they meet one by one in that order, so it makes no difference how the inputs were read, in which portions, and where a
process died. A prediction counts when the later of its halves has its turn, and stands where its response stands.

Files state no log times: there the halves meet in one file, in its order.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import numpy as np

from monitor.config.model import ModelConfig, StreamConfig, stream_names
from monitor.decoding.halves import REQUEST, RESPONSE
from monitor.events import MINUTE, Chunk
from monitor.halves import Half, Paired, Place, decode, encode, gather, halves_of, predictions_of
from monitor.join.clock import NEVER, InputClock
from monitor.keys import compose, parse, prefix
from monitor.panes import Reader

PAIRS: Final = b"q"
OUTCOMES: Final = ("paired", "unpaired_request", "unpaired_response", "duplicate", "overflow")
"""What becomes of halves; those that wait are the rest of ``seen``."""
SEEN: Final = "seen"
COUNTER: Final = "pair:"
"""Begins the names of the counters of halves."""
HALVES: Final = frozenset({REQUEST, RESPONSE})
_FORMAT: Final = 2
_FIRST: Final[Place] = (NEVER, "", 0, 0, 0, "")


@dataclass(slots=True)
class Pairs:
    """The halves of one model in all inputs that one process reads.

    Parameters
    ----------
    stream
        The model's predictions; they have ``pair``.
    clocks
        (topic, partition) → its clock; all inputs must be known from the start.
    skew
        Microseconds that one record's log time may run ahead of its input, where the broker does not stamp.
    """

    model: str
    stream: StreamConfig
    clocks: dict[tuple[str, int], InputClock]
    skew: int = 5 * MINUTE
    shard: int = 0
    counters: Counter[tuple[int, str]] = field(default_factory=Counter)
    """(partition of the half, outcome) → rows since they were last taken over."""
    frontier: int = NEVER
    """No half that comes later has its turn before this."""
    _turns: list[tuple[Place, Half]] = field(default_factory=list)
    """A heap of the halves whose turn has not come."""
    _passed: Place = _FIRST
    """The last half that had its turn."""
    _waiting: dict[tuple[int, str], Half] = field(default_factory=dict)
    """(file, id) → the half that waits for its partner."""
    _loads: Counter[int] = field(default_factory=Counter)
    _oldest: int = 1 << 62
    """No half that waits is older."""
    _gone: list[bytes] = field(default_factory=list)
    _changed: bool = False

    @classmethod
    def of(cls, config: ModelConfig, inputs: Iterable[tuple[str, int]], shard: int = 0) -> Pairs:
        """Return a model's pairs without any half."""
        clocks = {name: InputClock() for name in sorted(inputs)}
        return cls(config.name, config.predictions, clocks, config.skew, shard)

    @classmethod
    def load(
        cls, config: ModelConfig, inputs: Mapping[str, int], reader: Reader, shard: int = 0, shards: int = 1
    ) -> tuple[Pairs, int]:
        """Return the halves as they were last written, and how many of another mapping were left behind.

        Parameters
        ----------
        inputs
            Topic → its partitions.
        shard, shards
            Which of the processes that share the partitions this is.
        """
        names = [(t, n) for t in stream_names(config.predictions) for n in range(inputs[t]) if n % shards == shard]
        pairs, lost = cls.of(config, names, shard), 0
        state: dict[str, Any] | None = None
        halves = []
        for key, data in reader.scan(prefix(PAIRS)):
            _, _, model, identity, *place = parse(key)
            if model != config.name:
                continue
            if identity != pairs.identity:
                lost += "" not in place and bool(place)
                pairs._gone.append(key)
            elif not place:
                state = msgspec.msgpack.decode(data)
            else:
                topic, number, offset, row, kind = place
                where = (str(topic), int(number), int(offset), int(row), str(kind))
                halves.append(decode(config.name, *where, data=data))
        if state is not None:
            pairs._restore(state, halves)
        return pairs, lost

    @property
    def identity(self) -> str:
        """Hash of the mapping: halves that were read by another do not fit."""
        plain = self.stream.model_dump(
            mode="json", include={"topic", "map", "pair", "where", "feature_names", "score_names"}
        )
        said = json.dumps([_FORMAT, plain], sort_keys=True)
        return hashlib.blake2b(said.encode(), digest_size=4).hexdigest()

    @property
    def buffered(self) -> int:
        """Halves whose turn has not come."""
        return len(self._turns)

    @property
    def waiting(self) -> int:
        """Halves that wait, for their turn or for their partner."""
        return len(self._waiting) + len(self._turns)

    @property
    def resting(self) -> bool:
        """Whether nothing is left to come from any input, for the time being."""
        return not self._turns and all(clock.idle for clock in self.clocks.values())

    def take(self, chunk: Chunk) -> None:
        """Take in the halves of a run of records; call it for every run, whether it has halves or not."""
        clock = self.clocks.get((chunk.topic, chunk.partition))
        if clock is None or not len(chunk.records):
            return
        self._changed = True
        if clock.idle:
            clock.idle = False
            if self.frontier != NEVER:
                clock.greatest = max(clock.greatest, self.frontier + 1)
        log_times = np.array(chunk.records.log_times, np.int64)
        skew = None if chunk.records.broker_stamped else self.skew
        reached, before = clock.reach(log_times, skew)
        if skew is not None:
            log_times = np.where(before == NEVER, log_times, np.minimum(log_times, before + skew))
        times = np.maximum(log_times, reached)
        for batch in chunk.batches:
            if batch.model == self.model and batch.kind in HALVES:
                self.counters[chunk.partition, SEEN] += len(batch)
                for half in halves_of(batch, chunk.records, reached, times):
                    heapq.heappush(self._turns, (half.place, half))
        self._move()

    def release(self) -> list[Paired]:
        """Return the predictions of the halves whose turn has come."""
        completed: list[tuple[Half, Half]] = []
        for half in self._in_turn():
            self._changed = True
            self._passed = max(self._passed, half.place)
            found = self._partner(half)
            if found is not None:
                completed.append((found, half))
        self._expire(max(self.frontier, self._passed[0]))
        for half in (half for pair in completed for half in pair):
            self.counters[half.partition, "paired"] += 1
        return predictions_of(self.stream, completed)

    def rest(self, topic: str, partition: int) -> None:
        """Mark an input as idle until its next record; it holds nothing up once that is written."""
        clock = self.clocks.get((topic, partition))
        if clock is None or clock.idle:
            return
        clock.idle = self._changed = True
        self._move()

    def finish(self) -> None:
        """Take the inputs as complete: all halves have their turn."""
        for name in self.clocks:
            self.rest(*name)

    def crowd(self) -> tuple[tuple[str, int], set[tuple[str, int]]] | None:
        """Return the input that holds the others up, and those, where too many halves wait for their turn."""
        active = [(clock.greatest, *name) for name, clock in self.clocks.items() if not clock.idle]
        if len(self._turns) <= self._most or not active:
            return None
        _, topic, partition = min(active)
        return (topic, partition), {(name, number) for _, name, number in active} - {(topic, partition)}

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        puts = {self._key(half): encode(half) for half in self._halves() if not half.stored}
        if self._changed:
            puts[compose(PAIRS, self.shard, self.model, self.identity)] = msgspec.msgpack.encode(self._state())
        return puts, [key for key in self._gone if key not in puts]

    def written(self) -> None:
        """Note that the changes are in the store; rows that wait are copied out of their batches."""
        self._turns = [(half.place, half) for half in _apart([half for _, half in self._turns])]
        heapq.heapify(self._turns)
        names, waiting = list(self._waiting), list(self._waiting.values())
        self._waiting = dict(zip(names, _apart(waiting), strict=True))
        self._gone.clear()
        self._changed = False

    def _in_turn(self) -> Iterator[Half]:
        active = [(clock.greatest, *name) for name, clock in self.clocks.items() if not clock.idle]
        limit = min(active) if active and self.stream.file is None else None
        while self._turns and (limit is None or self._turns[0][0][:3] <= limit):
            yield heapq.heappop(self._turns)[1]

    def _partner(self, half: Half) -> Half | None:
        """Return the half that this one completes; otherwise have it wait."""
        name, timeout = self._name(half), self._timeout
        other = self._waiting.get(name)
        if other is not None and half.time - other.time > timeout:
            self._drop(name, f"unpaired_{other.kind}")
            other = None
        if other is None:
            self._wait(name, half)
            return None
        if half.stored:
            self._gone.append(self._key(half))
        if other.kind == half.kind:
            self.counters[half.partition, "duplicate"] += 1
            return None
        if other.time - half.time > timeout:
            self.counters[half.partition, f"unpaired_{half.kind}"] += 1
            return None
        self._drop(name)
        return other

    def _wait(self, name: tuple[int, str], half: Half) -> None:
        if self._loads[name[0]] >= self._most:
            self._expire(half.place[0])
        if self._loads[name[0]] >= self._most:
            self.counters[half.partition, "overflow"] += 1
            if half.stored:
                self._gone.append(self._key(half))
            return
        self._waiting[name] = half
        self._loads[name[0]] += 1
        self._oldest = min(self._oldest, half.time)

    def _expire(self, now: int) -> None:
        """Let go of halves whose partner can no longer come, since none has its turn before ``now``."""
        if now - self._oldest <= self._timeout:
            return
        for name in [name for name, half in self._waiting.items() if now - half.time > self._timeout]:
            self._drop(name, f"unpaired_{self._waiting[name].kind}")
        self._oldest = min((half.time for half in self._waiting.values()), default=1 << 62)

    def _drop(self, name: tuple[int, str], outcome: str = "") -> None:
        half = self._waiting.pop(name)
        self._loads[name[0]] -= 1
        if half.stored:
            self._gone.append(self._key(half))
        if outcome:
            self.counters[half.partition, outcome] += 1

    def _move(self) -> None:
        """Move the frontier on; when all inputs are idle, the furthest decides."""
        active = [clock.greatest for clock in self.clocks.values() if not clock.idle]
        every = [clock.greatest for clock in self.clocks.values()]
        self.frontier = max(self.frontier, min(active) if active else max(every, default=NEVER))

    def _name(self, half: Half) -> tuple[int, str]:
        return (0 if self.stream.file is None else half.partition), half.name

    def _key(self, half: Half) -> bytes:
        return compose(PAIRS, self.shard, self.model, self.identity, *half.place[1:])

    def _halves(self) -> Iterator[Half]:
        yield from self._waiting.values()
        yield from (half for _, half in self._turns)

    def _state(self) -> dict[str, Any]:
        clocks = [[*name, clock.greatest, clock.idle, clock.recent] for name, clock in self.clocks.items()]
        return {"clocks": clocks, "frontier": self.frontier, "passed": self._passed}

    def _restore(self, state: Mapping[str, Any], halves: Iterable[Half]) -> None:
        """Take over what was written; an input that is new since brings its halves after those that had their turn."""
        known = {(topic, number): InputClock(*fields) for topic, number, *fields in state["clocks"]}
        self.frontier, self._passed = state["frontier"], tuple(state["passed"])
        fresh = NEVER if self.frontier == NEVER else self.frontier + 1
        self.clocks = {name: known.get(name, InputClock(fresh)) for name in self.clocks}
        for half in halves:
            if self.stream.file is None and half.place > self._passed:
                self._turns.append((half.place, half))
                continue
            name = self._name(half)
            self._waiting[name] = half
            self._loads[name[0]] += 1
            self._oldest = min(self._oldest, half.time)
        heapq.heapify(self._turns)

    @property
    def _timeout(self) -> int:
        return 0 if self.stream.pair is None else self.stream.pair.timeout

    @property
    def _most(self) -> int:
        return 0 if self.stream.pair is None else self.stream.pair.max_pending


def _apart(halves: Sequence[Half]) -> list[Half]:
    """Return the halves, in their order, without the batches and records that they were taken out of."""
    found = list(halves)
    for kind in (REQUEST, RESPONSE):
        places = [place for place, half in enumerate(halves) if half.kind == kind and not half.stored]
        if not places:
            continue
        batch = gather([halves[place] for place in places])
        for row, place in enumerate(places):
            half = halves[place]
            origin = None if half.origin is None else half.reject("future_time")
            found[place] = replace(half, batch=batch, row=row, origin=origin, stored=True)
    return found
