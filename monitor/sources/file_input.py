"""Reading one file to its end, or one log for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import structlog

from monitor.sources.log_file import LogFile, content_size, whole_lines_end
from monitor.sources.port import LostRecordsError, TopicPartition
from monitor.sources.rotation import find, join, split, successor, tag_of, written_since

log = structlog.get_logger(__name__)
_LOOK_EVERY: Final = 0.2


class FileInput(Protocol):
    """One partition of a ``FileSource``."""

    path: Path
    position: int
    """Where the next line begins."""

    def begin(self) -> int:
        """Return the position of the first line."""
        ...

    def end(self) -> int:
        """Return the position after the last line."""
        ...

    def seek(self, position: int) -> None:
        """Go on at a position; raises ``LostRecordsError`` when the file does not reach so far."""
        ...

    def read(self, limit: int) -> list[tuple[int, bytes]]:
        """Return up to ``limit`` further lines with their positions."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class WholeInput:
    """A file that is complete; positions are byte offsets."""

    def __init__(self, name: TopicPartition, path: Path, most: int, _: object = None) -> None:
        self.path = path
        self.position = 0
        self._name = name
        self._most = most
        self._file: LogFile | None = None
        self._end: int | None = None

    def begin(self) -> int:
        """See ``FileInput``."""
        return 0

    def end(self) -> int:
        """See ``FileInput``; a compressed file is decompressed once to learn it."""
        if self._end is None:
            self._end = content_size(self.path)
        return self._end

    def seek(self, position: int) -> None:
        """See ``FileInput``."""
        if position and position > self.end():
            message = f"{self.path} ends at byte {self.end()}, before the stored offset {position}"
            raise LostRecordsError(self._name, message, lost=None, resume_at=self.end())
        self.close()
        self._file = LogFile(self.path, position, self._most)
        self.position = position

    def read(self, limit: int) -> list[tuple[int, bytes]]:
        """See ``FileInput``."""
        if self._file is None:
            return []
        lines = self._file.lines(limit, final=True)
        self.position = self._file.next_offset
        return lines

    def close(self) -> None:
        """See ``FileInput``."""
        if self._file is not None:
            self._file.close()
        self._file = None


class FollowedInput:
    """A log that grows and is rotated; positions carry the tag of their file."""

    def __init__(
        self, name: TopicPartition, path: Path, most: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self.position = 0
        self._name = name
        self._most = most
        self._monotonic = monotonic
        self._file: LogFile | None = None
        self._tag = 0
        self._looked = float("-inf")

    def begin(self) -> int:
        """See ``FileInput``."""
        if tag := tag_of(self.path):
            return join(tag, 0)
        return join(0, int(self.path.stat().st_mtime if self.path.exists() else time.time()))

    def end(self) -> int:
        """See ``FileInput``; of the file that is being read, not of those after it."""
        file = self._file
        tag = self._tag or tag_of(self.path if file is None else file)
        if not tag:
            return self.position or self.begin()
        if file is None:
            return join(tag, whole_lines_end(self.path))
        end = content_size(file.path) if file.compressed else file.whole_lines_end()
        return max(self.position, join(tag, end))

    def seek(self, position: int) -> None:
        """See ``FileInput``."""
        tag, byte = split(position)
        self.close()
        self.position = position
        if tag == 0:
            self._seek_first(byte)
            return
        path = find(self.path, tag)
        if path is None:
            message = f"no file of {self.path} is the one that was being read; it was deleted or overwritten"
            raise LostRecordsError(self._name, message, lost=None, resume_at=self.begin())
        size = content_size(path) if byte else 0
        if byte > size:
            message = f"{path} ends at byte {size}, before the stored offset {byte}: it was truncated"
            raise LostRecordsError(self._name, message, lost=None, resume_at=self.begin())
        self._open(path, tag, byte)

    def _seek_first(self, second: int) -> None:
        """Begin in the first file that got a whole line since a second, or wait for one."""
        if (found := written_since(self.path, second)) is not None:
            self._open(found[0], found[1], 0)
            self.position = join(found[1], 0)
        elif self.path.exists():
            self._open(self.path, 0, 0)

    def read(self, limit: int) -> list[tuple[int, bytes]]:
        """See ``FileInput``."""
        if self._file is None:
            if not self.path.exists():
                return []
            self._open(self.path, 0, 0)
        lines = self._take(limit, final=False)
        if not lines and self._monotonic() - self._looked >= _LOOK_EVERY:
            self._looked = self._monotonic()
            lines = self._look(limit)
        return lines

    def close(self) -> None:
        """See ``FileInput``."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _open(self, path: Path, tag: int, byte: int) -> None:
        self._file = LogFile(path, byte, self._most)
        self._tag = tag

    def _take(self, limit: int, *, final: bool) -> list[tuple[int, bytes]]:
        file = self._file
        if file is None:
            return []
        lines = file.lines(limit, final=final)
        if not self._tag and (lines or file.next_offset):
            self._tag = tag_of(file)
        if self._tag:
            self.position = join(self._tag, file.next_offset)
        return [(join(self._tag, offset), line) for offset, line in lines]

    def _look(self, limit: int) -> list[tuple[int, bytes]]:
        """See whether the log was truncated or rotated; return what a rotated file still held."""
        file = self._file
        if file is None:
            return []
        self._check_whole(file)
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return []
        if (status.st_dev, status.st_ino) == file.inode:
            return []
        after = successor(self.path, file, self._tag)
        if after is None:
            return []
        lines = self._take(limit, final=True)
        if lines:
            return lines
        self.close()
        path, tag = after
        if tag == self._tag:
            log.warning("two files of a log begin with the same line; a restart may mix them up", file=str(path))
        self._open(path, tag, 0)
        self.position = join(tag, 0)
        return self._take(limit, final=False)

    def _check_whole(self, file: LogFile) -> None:
        """Raise when what was read is no longer what the file holds."""
        if file.compressed:
            return
        tag = tag_of(file)
        if file.size >= file.reached and self._tag in {0, tag}:
            return
        message = f"{file.path} was truncated or overwritten while it was being read"
        raise LostRecordsError(self._name, message, lost=None, resume_at=join(tag, 0))
