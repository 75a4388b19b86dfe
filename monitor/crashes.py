"""A record that ends the process, again and again, is found and set aside.

When the service died three times without getting on, it reads record by record what it had read when it died last, and
notes each before it is touched. The record over which two processes in a row died is refused unread (``crashed``); one
death proves nothing, as somebody else may have killed the process. Little is read at a time and then written, so that
such a service gets on all the same. The note stands beside the state, in a file that is written without a sync: it must
outlive the process, not the machine.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from crc32c import crc32c

from monitor.decoding.reasons import REJECTS
from monitor.events import Chunk, Records, Reject
from monitor.sources.port import TopicPartition

log = structlog.get_logger(__name__)
NAME: Final = "reading"
DEATHS: Final = 3
"""After so many at the same offset, what an input had handed out is read record by record."""
BLAMED: Final = 2
"""After so many deaths in a row over the same record it is refused."""
AT_ONCE: Final = 200
"""Records that are read between two writes, while they are read one by one."""
_PARTS: Final = 5
_RECORD: Final = 512
"""Bytes at the beginning of the file for the record that is being read; what was known at the start follows."""


@dataclass(slots=True)
class CrashGuard:
    """Watches over one process from its start to its end; ``open`` makes one."""

    descriptor: int | None = None
    starts: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)
    """Input → where reading began, and how often it began there without an orderly end."""
    refused: dict[TopicPartition, list[int]] = field(default_factory=dict)
    """Input → offsets of records that end the process, in order."""
    careful: dict[TopicPartition, int] = field(default_factory=dict)
    """Input → offset up to which records are read one by one."""
    reach: dict[TopicPartition, int] = field(default_factory=dict)
    """Input where the last process died without getting on → offset up to which it was read since."""
    suspect: tuple[TopicPartition, int, int] | None = None
    """The record that the last process died over, and how many did in a row."""
    slowly: bool = False
    """Whether anything that was read last was read one by one."""
    busy: bool = False
    """Whether the service is at work, so that it would be to blame for ending now."""

    @classmethod
    def open(cls, directory: Path | None, positions: Mapping[TopicPartition, int]) -> CrashGuard:
        """Return a guard that knows how the last processes ended; without a directory it knows and does nothing.

        Parameters
        ----------
        positions
            Where reading begins.
        """
        if directory is None:
            return cls()
        guard = cls(os.open(directory / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        last, known = guard._read()
        for name, offset in positions.items():
            before, times = known.starts.get(name, (offset, 0))
            guard.starts[name] = (offset, times + 1 if before == offset else 1)
            until = known.reach.get(name, offset) if times >= DEATHS and before == offset else offset
            if (until := max(until, known.careful.get(name, offset))) > offset:
                guard.careful[name] = until
            elif guard.starts[name][1] > 1:
                guard.reach[name] = offset
            guard._refuse(name, [at for at in known.refused.get(name, []) if at >= offset])
        if last is not None and last[0] in guard.careful and last[1] >= positions[last[0]]:
            guard._blame(*last, known.suspect)
        guard._tell()
        guard._write(None)
        return guard

    def pieces(self, records: Records) -> Iterator[tuple[Records, bool]]:
        """Yield records in parts that are taken in one after the other, each with whether it must not be read."""
        name = TopicPartition(records.topic, records.partition)
        refused = self.refused.get(name, ())
        if name not in self.careful:
            if name in self.reach:
                self.reach[name] = max(self.reach[name], records.next_offset)
                self._write(None)
            yield from _around(records, refused)
            return
        self.slowly = self.slowly or bool(len(records))
        for place, offset in enumerate(records.offsets):
            yield records.part(place, place + 1), offset in refused
        if records.next_offset >= self.careful[name]:
            del self.careful[name]
            self._write(None)
            log.info("records are read in bulk again", topic=name.topic, partition=name.partition)
        if not len(records):
            yield records, False

    @contextmanager
    def over(self, records: Records) -> Iterator[bool]:
        """Note what is being read, where it is read one by one; gives whether it is."""
        name = TopicPartition(records.topic, records.partition)
        watched = name in self.careful and len(records) == 1
        if watched:
            self._note([name.topic, name.partition, records.offsets[0]])
        yield watched
        if watched:
            self._note(None)

    def close(self) -> None:
        """Let go of the file; unless the service was at work, its end is in order and counts against nothing."""
        if self.descriptor is None:
            return
        if not self.busy:
            self.starts, self.careful, self.reach, self.suspect = {}, {}, {}, None
            self._write(None)
        os.close(self.descriptor)
        self.descriptor = None

    def at_once(self, usual: int) -> int:
        """Return how many records to read next; few while they are read one by one."""
        self.slowly = False
        return min(usual, AT_ONCE) if self.careful else usual

    def _blame(self, name: TopicPartition, offset: int, before: tuple[TopicPartition, int, int] | None) -> None:
        """Note one more death over a record; refuse it where there were enough."""
        deaths = before[2] + 1 if before is not None and before[:2] == (name, offset) else 1
        if deaths >= BLAMED:
            self._refuse(name, [offset])
        else:
            self.suspect = (name, offset, deaths)

    def _refuse(self, name: TopicPartition, offsets: list[int]) -> None:
        if offsets:
            self.refused[name] = sorted({*self.refused.get(name, []), *offsets})

    def _tell(self) -> None:
        for name in self.careful:
            log.error(
                "the service died again and again without getting on; records are read one by one",
                topic=name.topic, partition=name.partition, offset=self.starts[name][0],
            )  # fmt: skip
        for name, offsets in self.refused.items():
            log.error("records that end the process are set aside", topic=name.topic, partition=name.partition,
                      offsets=offsets)  # fmt: skip

    def _note(self, record: list[Any] | None) -> None:
        if self.descriptor is not None:
            os.pwrite(self.descriptor, _sealed(record).ljust(_RECORD, b"\0"), 0)

    def _write(self, record: list[Any] | None) -> None:
        if self.descriptor is None:
            return
        known = [
            [[name.topic, name.partition, *start] for name, start in self.starts.items()],
            [[name.topic, name.partition, offsets] for name, offsets in self.refused.items()],
            [[name.topic, name.partition, until] for name, until in self.careful.items()],
            [[name.topic, name.partition, until] for name, until in self.reach.items()],
            None if self.suspect is None else [self.suspect[0].topic, self.suspect[0].partition, *self.suspect[1:]],
        ]
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, _sealed(known), _RECORD)
        self._note(record)

    def _read(self) -> tuple[tuple[TopicPartition, int] | None, CrashGuard]:
        """Return the record that was being read, and what the last process knew; nothing where it is damaged."""
        size = os.fstat(self.descriptor or 0).st_size
        data = os.pread(self.descriptor or 0, size, 0)
        record, known = _unsealed(data[:_RECORD]), _unsealed(data[_RECORD:])
        last = None if record is None else (TopicPartition(record[0], record[1]), record[2])
        if known is None or len(known) != _PARTS:
            return last, CrashGuard()
        starts = {TopicPartition(topic, number): (offset, times) for topic, number, offset, times in known[0]}
        refused, careful, reach = ({TopicPartition(t, n): value for t, n, value in part} for part in known[1:4])
        suspect = None if known[4] is None else (TopicPartition(*known[4][:2]), *known[4][2:])
        return last, CrashGuard(None, starts, refused, careful, reach, suspect)


def refused_chunk(records: Records) -> Chunk:
    """Return what stands for records that must not be read."""
    rejects = tuple(
        Reject(
            topic=records.topic,
            partition=records.partition,
            offset=offset,
            row=None,
            reason="crashed",
            detail=REJECTS["crashed"],
            model=None,
            log_time=records.log_times[place],
            key=records.keys[place],
            value=records.values[place],
            headers=records.headers[place] if records.headers else (),
        )
        for place, offset in enumerate(records.offsets)
    )
    return Chunk(records.topic, records.partition, records.next_offset, records, (), rejects, {})


def _around(records: Records, refused: list[int] | tuple[()]) -> Iterator[tuple[Records, bool]]:
    """Yield the runs of records between refused ones, and these by themselves."""
    start = 0
    for offset in refused:
        place = bisect_left(records.offsets, offset)
        if place < len(records) and records.offsets[place] == offset:
            if place > start:
                yield records.part(start, place), False
            yield records.part(place, place + 1), True
            start = place + 1
    if start < len(records) or not len(records):
        yield records if start == 0 else records.part(start, len(records)), False


def _sealed(value: Any) -> bytes:
    body = msgspec.msgpack.encode(value)
    return len(body).to_bytes(4, "big") + crc32c(body).to_bytes(4, "big") + body


def _unsealed(data: bytes) -> Any:
    body = data[8 : 8 + int.from_bytes(data[:4], "big")]
    return msgspec.msgpack.decode(body) if body and crc32c(body).to_bytes(4, "big") == data[4:8] else None
