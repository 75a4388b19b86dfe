"""A few bytes beside the database that say which write was the last to be made durable.

A write-ahead log whose end is cut off looks like one that a crash left behind: RocksDB opens it without a word. The
head, which is advanced only after a write is on disk, tells the two apart. It is not synced itself: after a power cut
it may be behind the database, never ahead of it.
"""

from __future__ import annotations

import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from crc32c import crc32c

from monitor.store.port import CorruptStateError, StateUnavailableError

log = structlog.get_logger(__name__)
NAME: Final = "driftline.head"
_BODY: Final = struct.Struct(">4sBQq")
_CHECK: Final = struct.Struct(">I")
_MAGIC: Final = b"DLHD"
_FORMAT: Final = 1
_SLOTS: Final = (0, 512)
_SIZE: Final = 1024


@dataclass(frozen=True, slots=True)
class Mark:
    """The last durable write and when it was made, in microseconds since the epoch."""

    commit: int
    time: int


class Head:
    """The head of one database directory; two slots written in turn, so a torn write leaves the other."""

    def __init__(self, descriptor: int, mark: Mark, turn: int) -> None:
        self._descriptor = descriptor
        self._turn = turn
        self.mark = mark

    @classmethod
    def create(cls, directory: Path, commit: int) -> None:
        """Make the head of a new directory and sync it."""
        mark = Mark(commit, time.time_ns() // 1000)
        with (directory / NAME).open("xb") as file:
            file.write(_encode(mark).ljust(_SIZE, b"\0"))
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def open(cls, directory: Path) -> Head:
        """Return the head of a directory, ready to be advanced.

        Raises
        ------
        CorruptStateError
            When it is missing or holds no valid slot.
        """
        marks = _read(directory)
        turn = max(range(len(marks)), key=lambda place: _rank(marks[place]))
        mark = marks[turn]
        if mark is None:
            raise CorruptStateError(None, f"{directory / NAME} is damaged")
        try:
            descriptor = os.open(directory / NAME, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise StateUnavailableError(f"{directory / NAME}: {error.strerror}") from error
        return cls(descriptor, mark, turn)

    def advance(self, commit: int) -> None:
        """Note that this write is durable.

        A head that cannot be written is only logged: it falls behind, which hides a later loss but reports none.
        """
        self.mark = Mark(commit, time.time_ns() // 1000)
        self._turn = 1 - self._turn
        try:
            os.pwrite(self._descriptor, _encode(self.mark), _SLOTS[self._turn])
        except OSError as error:
            log.warning("the head of the state cannot be written", problem=str(error))

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_mark(directory: Path) -> Mark | None:
    """Return the last durable write of a directory, ``None`` when its head is missing or damaged."""
    try:
        return max(_read(directory), key=_rank)
    except CorruptStateError:
        return None


def _read(directory: Path) -> list[Mark | None]:
    try:
        data = (directory / NAME).read_bytes()
    except FileNotFoundError:
        raise CorruptStateError(None, f"{directory / NAME} is missing") from None
    except OSError as error:
        raise StateUnavailableError(f"{directory / NAME}: {error.strerror}") from error
    return [_decode(data[place : place + _BODY.size + _CHECK.size]) for place in _SLOTS]


def _rank(mark: Mark | None) -> int:
    return -1 if mark is None else mark.commit


def _encode(mark: Mark) -> bytes:
    body = _BODY.pack(_MAGIC, _FORMAT, mark.commit, mark.time)
    return body + _CHECK.pack(crc32c(body))


def _decode(data: bytes) -> Mark | None:
    body, check = data[: _BODY.size], data[_BODY.size :]
    if len(check) < _CHECK.size or _CHECK.unpack(check)[0] != crc32c(body):
        return None
    magic, form, commit, micros = _BODY.unpack(body)
    return Mark(commit, micros) if (magic, form) == (_MAGIC, _FORMAT) else None
