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
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np

from monitor.config.model import ModelConfig, StreamConfig, stream_names
from monitor.decoding.halves import REQUEST, RESPONSE
from monitor.events import MINUTE, Chunk, IntArray
from monitor.halves import (
    Block,
    Input,
    Paired,
    Slots,
    decode,
    encode,
    inputs_of,
    order_of,
    predictions_of,
    together,
)
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
_FORMAT: Final = 3
_Name: TypeAlias = tuple[int, str]
"""File (0 where there is none) and id."""


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
    _inputs: list[Input] = field(default_factory=list)
    """By rank: the inputs of the clocks, and of halves that came from others once."""
    _blocks: list[Block] = field(default_factory=list)
    """All halves that wait, by slot."""
    _next: int = 0
    """The slot of the next half."""
    _waiting: dict[_Name, tuple[int, int, bool]] = field(default_factory=dict)
    """Whose partner has not had its turn → slot, time, whether it is a response."""
    _loads: Counter[int] = field(default_factory=Counter)
    """File → halves that wait for their partners."""
    _passed: int = NEVER
    """The latest clock of a half that had its turn."""
    _gone: list[bytes] = field(default_factory=list)
    _changed: bool = False

    @classmethod
    def of(cls, config: ModelConfig, inputs: Iterable[tuple[str, int]], shard: int = 0) -> Pairs:
        """Return a model's pairs without any half."""
        clocks = {name: InputClock() for name in sorted(inputs)}
        return cls(config.name, config.predictions, clocks, config.skew, shard, _inputs=list(clocks))

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
        blocks: dict[int, bytes] = {}
        for key, data in reader.scan(prefix(PAIRS)):
            _, _, model, identity, *place = parse(key)
            if model != config.name:
                continue
            if identity != pairs.identity:
                lost += 0 if place else _live(msgspec.msgpack.decode(data))
                pairs._gone.append(key)
            elif not place:
                state = msgspec.msgpack.decode(data)
            else:
                blocks[int(place[0])] = data
        if state is not None:
            pairs._restore(state, blocks)
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
        return sum(len(block) - block.taken for block in self._blocks)

    @property
    def waiting(self) -> int:
        """Halves that wait, for their turn or for their partner."""
        return len(self._waiting) + self.buffered

    @property
    def resting(self) -> bool:
        """Whether nothing is left to come from any input, for the time being."""
        return all(clock.idle for clock in self.clocks.values()) and not self.buffered

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
        rank = self._inputs.index((chunk.topic, chunk.partition))
        for batch in chunk.batches:
            if batch.model == self.model and batch.kind in HALVES and len(batch):
                self.counters[chunk.partition, SEEN] += len(batch)
                self._add(Block.of(batch, chunk.records, rank, reached, times))
        self._move()

    def release(self) -> list[Paired]:
        """Return the predictions of the halves whose turn has come."""
        slots = Slots(list(self._blocks))
        due = self._in_turn()
        meeting = _Meeting()
        if len(due):
            self._changed = True
            self._passed = max(self._passed, int(slots.of(due, "reached").max()))
            self._meet(slots, due, meeting)
        meeting.lapsed += self._expire(max(self.frontier, self._passed))
        return self._settle(slots, meeting)

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
        if self.buffered <= self._most or not active:
            return None
        _, topic, partition = min(active)
        return (topic, partition), {(name, number) for _, name, number in active} - {(topic, partition)}

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        if not self._changed:
            return {}, list(self._gone)
        for kind in (REQUEST, RESPONSE):
            self._compact(kind)
        puts = {self._key(block.start): encode(block, self._inputs) for block in self._blocks if not block.stored}
        puts[self._key()] = msgspec.msgpack.encode(self._state())
        return puts, list(self._gone)

    def written(self) -> None:
        """Note that the changes are in the store."""
        for block in self._blocks:
            block.stored = True
        self._gone.clear()
        self._changed = False

    def _add(self, block: Block) -> None:
        block.start = self._next
        self._next += len(block)
        self._blocks.append(block)

    def _in_turn(self) -> IntArray:
        """Return the slots of the halves whose turn has come, in the order of their turns."""
        active = [(clock.greatest, self._inputs.index(name)) for name, clock in self.clocks.items() if not clock.idle]
        limit = min(active) if active and self.stream.file is None else None
        blocks, rows = [], []
        for block in self._blocks:
            due = block.due(limit) if block.taken < len(block) else 0
            if due > block.taken:
                blocks.append(block)
                rows.append(slice(block.taken, due))
                block.taken = due
        return slots_of(blocks, rows)

    def _meet(self, slots: Slots, due: IntArray, meeting: _Meeting) -> None:
        """Have halves meet one by one: those that wait for a partner, and each whose turn it is."""
        waiting, loads, timeout, most = self._waiting, self._loads, self._timeout, self._most
        times, responses = slots.of(due, "moments").tolist(), slots.responses(due).tolist()
        reached = slots.of(due, "reached").tolist()
        for slot, name, time, response, now in zip(
            due.tolist(), self._names(slots, due), times, responses, reached, strict=True
        ):
            other = waiting.get(name)
            if other is not None and time - other[1] > timeout:
                meeting.lapsed.append(self._forget(name))
                other = None
            if other is None:
                if loads[name[0]] >= most:
                    meeting.lapsed += self._expire(now)
                if loads[name[0]] >= most:
                    meeting.overflow.append(slot)
                else:
                    waiting[name] = (slot, time, response)
                    loads[name[0]] += 1
            elif other[2] == response:
                meeting.duplicate.append(slot)
            elif other[1] - time > timeout:
                meeting.lapsed.append(slot)
            else:
                meeting.earlier.append(self._forget(name))
                meeting.later.append(slot)

    def _settle(self, slots: Slots, meeting: _Meeting) -> list[Paired]:
        """Count what became of halves, let go of them, and return the predictions that they make."""
        earlier, later = np.array(meeting.earlier, np.int64), np.array(meeting.later, np.int64)
        lapsed = np.array(meeting.lapsed, np.int64)
        answers = slots.responses(lapsed)
        ends = {
            "paired": np.concatenate([earlier, later]),
            "duplicate": np.array(meeting.duplicate, np.int64),
            "overflow": np.array(meeting.overflow, np.int64),
            "unpaired_request": lapsed[~answers],
            "unpaired_response": lapsed[answers],
        }
        for outcome, gone in ends.items():
            ranks = np.bincount(slots.of(gone, "ranks"), minlength=len(self._inputs)).tolist()
            for (_, partition), rows in zip(self._inputs, ranks, strict=True):
                if rows:
                    self.counters[partition, outcome] += rows
            slots.drop(gone)
        self._changed = self._changed or bool(len(lapsed))
        self._let_go([block for block in self._blocks if not block.live.any()])
        responded = slots.responses(later)
        requests, responses = np.where(responded, earlier, later), np.where(responded, later, earlier)
        return predictions_of(self.stream, slots, self._inputs, requests, responses)

    def _expire(self, now: int) -> list[int]:
        """Forget halves whose partner can no longer come, since none has its turn before ``now``; return them."""
        found = []
        for block in self._blocks:
            if now - block.oldest <= self._timeout:
                continue
            old = block.live & (now - block.moments > self._timeout)
            old[block.taken :] = False
            rows = np.flatnonzero(old)
            names = self._names(Slots([block]), rows + block.start)
            for slot, name in zip((rows + block.start).tolist(), names, strict=True):
                if name in self._waiting and self._waiting[name][0] == slot:
                    found.append(self._forget(name))
            block.oldest = int(block.moments[block.live & ~old].min(initial=1 << 62))
        return found

    def _forget(self, name: _Name) -> int:
        self._loads[name[0]] -= 1
        return self._waiting.pop(name)[0]

    def _compact(self, kind: str) -> None:
        """Put halves that are not written yet into one block, out of the batches that they came in.

        Written blocks join them that are half empty, or no larger: so there are few, and a half is seldom written anew.
        """
        mine = [block for block in self._blocks if block.kind == kind]
        chosen = [block for block in mine if not block.stored]
        if not chosen:
            return
        size = sum(int(block.live.sum()) for block in chosen)
        for block in reversed([block for block in mine if block.stored]):
            live = int(block.live.sum())
            if live <= size or 2 * live < len(block):
                chosen.append(block)
                size += live
        self._let_go(chosen)
        taken = sum(int(block.live[: block.taken].sum()) for block in chosen)
        whole = together([block.take(np.flatnonzero(block.live)) for block in chosen]).fresh(taken)
        if not len(whole):
            return
        self._add(whole)
        rows = whole.start + np.arange(taken)
        names = self._names(Slots([whole]), rows)
        times, response = whole.moments[:taken].tolist(), kind == RESPONSE
        for slot, name, time in zip(rows.tolist(), names, times, strict=True):
            self._waiting[name] = (slot, time, response)

    def _let_go(self, blocks: Sequence[Block]) -> None:
        gone = {block.start for block in blocks}
        self._gone += [self._key(block.start) for block in blocks if block.stored]
        self._blocks = [block for block in self._blocks if block.start not in gone]

    def _move(self) -> None:
        """Move the frontier on; when all inputs are idle, the furthest decides."""
        active = [clock.greatest for clock in self.clocks.values() if not clock.idle]
        every = [clock.greatest for clock in self.clocks.values()]
        self.frontier = max(self.frontier, min(active) if active else max(every, default=NEVER))

    def _names(self, slots: Slots, of: IntArray) -> list[_Name]:
        which, rows = slots.find(of)
        ids = [block.batch.ids for block in slots.blocks]
        found = [ids[block][row] for block, row in zip(which.tolist(), rows.tolist(), strict=True)]
        files = [0] * len(found)
        if self.stream.file is not None:
            files = [self._inputs[rank][1] for rank in slots.of(of, "ranks").tolist()]
        return list(zip(files, found, strict=True))

    def _key(self, *start: int) -> bytes:
        return compose(PAIRS, self.shard, self.model, self.identity, *start)

    def _state(self) -> dict[str, Any]:
        clocks = [[*name, clock.greatest, clock.idle, clock.recent] for name, clock in self.clocks.items()]
        blocks = [[block.start, block.taken, np.packbits(block.live).tobytes()] for block in self._blocks]
        return {
            "clocks": clocks,
            "frontier": self.frontier,
            "passed": self._passed,
            "next": self._next,
            "blocks": blocks,
        }

    def _restore(self, state: Mapping[str, Any], blocks: Mapping[int, bytes]) -> None:
        """Take over what was written; an input that is new since brings its halves after those that had their turn."""
        known = {(topic, number): InputClock(*fields) for topic, number, *fields in state["clocks"]}
        self.frontier, self._passed, self._next = state["frontier"], state["passed"], state["next"]
        fresh = NEVER if self.frontier == NEVER else self.frontier + 1
        self.clocks = {name: known.get(name, InputClock(fresh)) for name in self.clocks}
        self._inputs = sorted({*self.clocks, *(name for data in blocks.values() for name in inputs_of(data))})
        ranks = {name: rank for rank, name in enumerate(self._inputs)}
        for start, taken, live in state["blocks"]:
            block = decode(self.model, blocks[start], ranks)
            block.start, block.taken = start, taken
            block.live = np.unpackbits(np.frombuffer(live, np.uint8), count=len(block)).astype(np.bool_)
            self._blocks.append(block)
            rows = start + np.flatnonzero(block.live[:taken])
            times, response = block.moments[rows - start].tolist(), block.kind == RESPONSE
            for slot, name, time in zip(rows.tolist(), self._names(Slots([block]), rows), times, strict=True):
                self._waiting[name] = (slot, time, response)
                self._loads[name[0]] += 1

    @property
    def _timeout(self) -> int:
        return 0 if self.stream.pair is None else self.stream.pair.timeout

    @property
    def _most(self) -> int:
        return 0 if self.stream.pair is None else self.stream.pair.max_pending


@dataclass(slots=True)
class _Meeting:
    """The slots of halves whose wait is over."""

    earlier: list[int] = field(default_factory=list)
    later: list[int] = field(default_factory=list)
    """Of pairs: the half that waited, and the one that came."""
    duplicate: list[int] = field(default_factory=list)
    overflow: list[int] = field(default_factory=list)
    lapsed: list[int] = field(default_factory=list)


def slots_of(blocks: Sequence[Block], rows: Sequence[slice]) -> IntArray:
    """Return the slots of some halves of blocks, in the order of their turns."""
    if not blocks:
        return np.zeros(0, np.int64)
    which, at = order_of(blocks, rows)
    return np.array([block.start for block in blocks], np.int64)[which] + at


def _live(state: Mapping[str, Any]) -> int:
    """Return how many halves waited when a state was written."""
    return sum(int(np.unpackbits(np.frombuffer(live, np.uint8)).sum()) for _, _, live in state["blocks"])
