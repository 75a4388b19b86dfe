"""What has been published, remembered outside the state: after damage the state goes back, what was sent does not.

The file stands beside the database, so neither damage to it nor falling back to a generation touches it. It is written
after the receiver acknowledged letters and before anything else is read. It says up to which offsets records were
counted by then, and which letters of them were still waiting. All others of these records are with the receiver.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from crc32c import crc32c

from monitor.events import Records
from monitor.sources.port import TopicPartition
from monitor.store.files import sync_directory
from monitor.store.port import StateUnavailableError

log = structlog.get_logger(__name__)
NAME: Final = "published"
_MAGIC: Final = b"DLPB\x01"
_CHECK: Final = 4


@dataclass(frozen=True, slots=True)
class Mark:
    """How far publishing had come."""

    commit: int
    """Number of the write that held the letters."""
    offsets: Mapping[TopicPartition, int]
    """Position of every input in that write."""
    waiting: frozenset[bytes]
    """Keys of the letters that were not acknowledged."""


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """The file that holds the mark; without a directory nothing is remembered."""

    directory: Path | None

    def read(self) -> Mark | None:
        """Return the mark, ``None`` where there is none or it is damaged, which is logged."""
        if self.directory is None:
            return None
        try:
            data = (self.directory / NAME).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateUnavailableError(f"{self.directory / NAME}: {error.strerror}") from error
        body = data[len(_MAGIC) + _CHECK :]
        if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) :][:_CHECK] != crc32c(body).to_bytes(_CHECK, "big"):
            log.error("what was published is not known; letters may be sent again", file=str(self.directory / NAME))
            return None
        commit, offsets, waiting = msgspec.msgpack.decode(body)
        return Mark(commit, decode_offsets(offsets), frozenset(waiting))

    def write(self, mark: Mark) -> None:
        """Put a mark in place of the one before, whole or not at all.

        Raises
        ------
        StateUnavailableError
            When it cannot be written.
        """
        if self.directory is None:
            return
        body = msgspec.msgpack.encode([mark.commit, encode_offsets(mark.offsets), sorted(mark.waiting)])
        fresh = self.directory / f".{NAME}.new"
        try:
            with fresh.open("wb") as file:
                file.write(_MAGIC + crc32c(body).to_bytes(_CHECK, "big") + body)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.directory / NAME)
            sync_directory(self.directory)
        except OSError as error:
            raise StateUnavailableError(f"{self.directory / NAME}: {error.strerror}") from error


@dataclass(slots=True)
class Hold:
    """Records that are counted a second time, after the state went back: their letters are not sent again.

    Letters that were waiting when the state was lost are; ``waiting`` holds their keys.
    """

    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    """Input → the offset from which on letters are sent again."""
    waiting: set[bytes] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.offsets)

    def split(self, records: Records) -> list[tuple[Records, bool]]:
        """Return records in one or two parts, each with whether its letters were published before."""
        until = self.offsets.get(TopicPartition(records.topic, records.partition))
        if until is None:
            return [(records, False)]
        place = bisect_left(records.offsets, until)
        if place == len(records):
            return [(records, True)]
        parts = [(records.part(0, place), True)] if place else []
        return [*parts, (records.part(place, len(records)), False)]

    def covers(self, inputs: Iterable[TopicPartition], positions: Mapping[TopicPartition, int]) -> bool:
        """Return whether none of these inputs has come past the mark: what follows from them was said before."""
        return all(name in self.offsets and positions.get(name, 0) <= self.offsets[name] for name in inputs)

    def passed(self, positions: Mapping[TopicPartition, int]) -> bool:
        """Forget inputs whose position has come past the mark; return whether the last of them just did."""
        held = bool(self.offsets)
        self.offsets = {name: until for name, until in self.offsets.items() if positions.get(name, 0) < until}
        return held and not self.offsets

    def to_bytes(self) -> bytes:
        """Return it for the state, so that a crash in between forgets nothing."""
        return msgspec.msgpack.encode([encode_offsets(self.offsets), sorted(self.waiting)])

    @classmethod
    def from_bytes(cls, data: bytes) -> Hold:
        """Return what ``to_bytes`` took apart."""
        offsets, waiting = msgspec.msgpack.decode(data)
        return cls(decode_offsets(offsets), set(waiting))


def hold_after(
    mark: Mark | None, commit: int, stored: bytes | None, positions: Mapping[TopicPartition, int],
    begun_anew: Iterable[TopicPartition],
) -> Hold:  # fmt: skip
    """Return what must be held back by a state that was just opened.

    Parameters
    ----------
    mark
        How far publishing had come.
    commit
        Number of the state's last write. When it lies before the mark's, the state went back; when it is the same, the
        last process died before it could note in the state what was acknowledged.
    stored
        What a process before this one had still to hold back.
    positions
        Where reading begins.
    begun_anew
        Inputs whose topic was made anew: none of its records has been seen.
    """
    if mark is not None and commit <= mark.commit:
        hold = Hold(dict(mark.offsets), set(mark.waiting))
    else:
        hold = Hold() if stored is None else Hold.from_bytes(stored)
    for name in begun_anew:
        hold.offsets.pop(name, None)
    hold.passed(positions)
    return hold


def encode_offsets(offsets: Mapping[TopicPartition, int]) -> list[Any]:
    """Return offsets as plain values."""
    return [[name.topic, name.partition, offset] for name, offset in sorted(offsets.items())]


def decode_offsets(data: list[Any]) -> dict[TopicPartition, int]:
    """Return the offsets that ``encode_offsets`` took apart."""
    return {TopicPartition(topic, partition): offset for topic, partition, offset in data}
