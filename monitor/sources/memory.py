"""Logs held in memory, with marks at which reading crashes or comes up empty: for tests and for the demo."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from monitor.events import Headers, Records
from monitor.sources.loss import lost_records, made_anew
from monitor.sources.port import UNKNOWN_TIME, TopicPartition


class Mark(Enum):
    """Something that happens between two records, once."""

    CRASH = "crash"
    PAUSE = "pause"


CRASH: Final = Mark.CRASH
"""``consume`` raises ``SimulatedCrashError`` here."""
PAUSE: Final = Mark.PAUSE
"""``consume`` returns nothing here, once."""


class SimulatedCrashError(Exception):
    """Reading came to a ``CRASH`` mark."""


@dataclass(frozen=True, slots=True)
class Item:
    """One record to be read."""

    value: bytes | None
    key: bytes | None = None
    log_time: int = UNKNOWN_TIME
    headers: Headers = ()
    offset: int | None = None
    """By default the one after the record before; a larger one leaves a gap, as transaction markers do."""


Content: TypeAlias = Item | bytes | Mark


@dataclass(slots=True)
class _Log:
    begin: int = 0
    end: int = 0
    offsets: list[int] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    marks: dict[int, list[Mark]] = field(default_factory=dict)
    """Offset → what happens before its record."""

    def append(self, content: Content) -> None:
        if isinstance(content, Mark):
            self.marks.setdefault(self.end, []).append(content)
            return
        item = Item(content) if isinstance(content, bytes) else content
        offset = self.end if item.offset is None else item.offset
        if offset < self.end:
            raise ValueError(f"offset {offset} is before the end of the log, {self.end}")
        if offset > self.end and self.end in self.marks:
            self.marks[offset] = self.marks.pop(self.end)
        self.offsets.append(offset)
        self.items.append(item)
        self.end = offset + 1

    def index(self, offset: int) -> int:
        """Return the place of the first record at ``offset`` or after."""
        return bisect_left(self.offsets, offset)


class MemorySource:
    """A ``Source`` over lists of records.

    The logs outlive the reader: after a crash, ``assign`` again and read on, as a restarted process would. One thread
    may append while another reads.

    Parameters
    ----------
    logs
        What each partition holds, marks included. More can be appended at any time.
    broker_stamped
        Whether log times count as written by the broker.
    seed
        With a seed, partitions are read in random order and in batches of random size, the same every time; without
        one, in turn and as much as asked for.

    Examples
    --------
    >>> source = MemorySource({TopicPartition("t", 0): [b"a", PAUSE, b"b"]})
    >>> source.assign({TopicPartition("t", 0): 0})
    >>> [[records.values for records in source.consume(10, 0)] for _ in range(3)]
    [[[b'a']], [], [[b'b']]]
    """

    def __init__(
        self,
        logs: Mapping[TopicPartition, Sequence[Content]] | None = None,
        *,
        broker_stamped: bool = False,
        seed: int | None = None,
    ) -> None:
        self.broker_stamped = broker_stamped
        self.told: dict[TopicPartition, int] = {}
        """What ``commit`` was told last."""
        self.positions: dict[TopicPartition, int] = {}
        self._logs: dict[TopicPartition, _Log] = {}
        self._incarnations: dict[str, int] = {}
        self._read_incarnation: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._turns: list[TopicPartition] = []
        self._random = None if seed is None else random.Random(seed)  # noqa: S311 - an order of reading, not a secret
        for name, contents in (logs or {}).items():
            self.append(name, *contents)

    def append(self, input_: TopicPartition, *contents: Content) -> None:
        """Add records and marks at the end of a log; make the log if it does not exist."""
        log = self._logs.setdefault(input_, _Log())
        self._incarnations.setdefault(input_.topic, 0)
        for content in contents:
            log.append(content)

    def delete_records(self, input_: TopicPartition, before: int) -> None:
        """Drop the records before an offset, as retention does."""
        log = self._logs[input_]
        first = log.index(before)
        del log.offsets[:first], log.items[:first]
        log.begin = before

    def recreate(self, topic: str) -> None:
        """Delete a topic and make it anew, empty, with as many partitions."""
        self._incarnations[topic] += 1
        for name in self._logs:
            if name.topic == topic:
                self._logs[name] = _Log()

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """See ``Source``."""
        counts = dict.fromkeys(topics, 0)
        for name in self._logs:
            if name.topic in counts:
                counts[name.topic] = max(counts[name.topic], name.partition + 1)
        return {topic: count for topic, count in counts.items() if count}

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """See ``Source``."""
        return {topic: str(self._incarnations[topic]) for topic in topics if topic in self._incarnations}

    def start_offsets(self, inputs: Sequence[TopicPartition], start: str | int) -> dict[TopicPartition, int]:
        """See ``Source``."""
        return {name: self._start(self._logs[name], start) for name in inputs}

    def end_offsets(self, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See ``Source``."""
        return {name: self._logs[name].end for name in inputs}

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """See ``Source``."""
        self._read_incarnation = {}
        for name, offset in positions.items():
            self._check(name, offset)
        self.positions = dict(positions)
        self._read_incarnation = {name: self._incarnations[name.topic] for name in positions}
        self._paused = set()
        self._turns = sorted(positions)

    def seek(self, input_: TopicPartition, offset: int) -> None:
        """See ``Source``."""
        self.positions[input_] = offset
        self._read_incarnation[input_] = self._incarnations[input_.topic]

    def consume(self, limit: int, timeout: float) -> list[Records]:  # noqa: ARG002 - what is not there will not come
        """See ``Source``; never waits.

        Raises
        ------
        SimulatedCrashError
            At a ``CRASH`` mark, once; nothing that came before it in this call is handed out.
        """
        polled: list[Records] = []
        before = dict(self.positions)
        for name in self._order():
            if limit <= 0:
                break
            most = limit if self._random is None else self._random.randint(1, limit)
            try:
                records = self._read(name, most)
            except SimulatedCrashError:
                self.positions = before
                raise
            if records is None:
                continue
            polled.append(records)
            limit -= len(records)
        return polled

    def pause(self, inputs: Iterable[TopicPartition]) -> None:
        """See ``Source``."""
        self._paused.update(inputs)

    def resume(self, inputs: Iterable[TopicPartition]) -> None:
        """See ``Source``."""
        self._paused.difference_update(inputs)

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """See ``Source``."""
        self.told.update(positions)

    def committed(self, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See ``Source``."""
        return {name: self.told[name] for name in inputs if name in self.told}

    def close(self) -> None:
        """See ``Source``; the logs stay."""

    def _order(self) -> list[TopicPartition]:
        if self._random is not None:
            names = sorted(self.positions)
            return self._random.sample(names, self._random.randint(1, len(names)) if names else 0)
        if self._turns:
            self._turns.append(self._turns.pop(0))
        return list(self._turns)

    def _read(self, name: TopicPartition, limit: int) -> Records | None:
        position = self.positions[name]
        if name in self._paused:
            return None
        self._check(name, position)
        log = self._logs[name]
        first = log.index(position)
        if self._marked(log, log.offsets[first] if first < len(log.offsets) else log.end):
            return None
        last = first
        while last < min(len(log.offsets), first + limit) and (last == first or log.offsets[last] not in log.marks):
            last += 1
        if last == first:
            return None
        self.positions[name] = log.offsets[last - 1] + 1
        items = log.items[first:last]
        return Records(
            topic=name.topic,
            partition=name.partition,
            next_offset=self.positions[name],
            offsets=log.offsets[first:last],
            log_times=[item.log_time for item in items],
            broker_stamped=self.broker_stamped,
            keys=[item.key for item in items],
            values=[item.value for item in items],
            headers=[item.headers for item in items],
        )

    @staticmethod
    def _marked(log: _Log, offset: int) -> bool:
        """Let the next mark before ``offset`` happen, if there is one; return whether there was."""
        marks = log.marks.get(offset)
        if not marks:
            return False
        mark = marks.pop(0)
        if not marks:
            del log.marks[offset]
        if mark is CRASH:
            raise SimulatedCrashError(f"crash before offset {offset}")
        return True

    def _check(self, name: TopicPartition, offset: int) -> None:
        log = self._logs[name]
        if self._read_incarnation.get(name, self._incarnations[name.topic]) != self._incarnations[name.topic]:
            raise made_anew(name, log.begin)
        if (error := lost_records(name, offset, log.begin, log.end)) is not None:
            raise error

    @staticmethod
    def _start(log: _Log, start: str | int) -> int:
        if start == "latest":
            return log.end
        if isinstance(start, int):
            times = ((offset, item.log_time) for offset, item in zip(log.offsets, log.items, strict=True))
            return next((offset for offset, time in times if time >= start), log.end)
        return log.begin
