"""One file of lines, plain or compressed, read from any byte on within bounded memory."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

import zstandard

BLOCK: Final = 256 * 1024
_FRAME_BLOCK: Final = 8 * 1024
"""Compressed bytes taken in at once; few, because they may stand for thousands of times as many."""
_BOM: Final = b"\xef\xbb\xbf"
_TRIMMED: Final = len(_BOM) + len(b"\r")
"""Bytes at the ends of a line that may be taken off."""
_SUFFIXES: Final = (".gz", ".zst")
READ_ERRORS: Final = (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError)
"""What reading a damaged or cut off compressed file raises."""


class LogFile:
    r"""Lines of one file, each with the byte offset at which it begins.

    Offsets count bytes of the content: of a compressed file, of what it decompresses to. A line ends with ``\n`` or
    ``\r\n``; empty lines and a byte order mark are passed over. Of a line longer than ``most`` bytes, only the first
    ``most + 1`` are kept: enough for whoever has the same limit to see that it is too long.

    Parameters
    ----------
    path
        The file; ``.gz`` and ``.zst`` are decompressed.
    offset
        Where to begin; must be the beginning of a line.
    most
        The longest line that is handed out whole.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
    ...     _ = file.write(b"{}\n\n[1]\r\n[2")
    ...     file.flush()
    ...     log = LogFile(Path(file.name), 0, 100)
    ...     print(log.lines(10), log.next_offset, log.lines(10, final=True), log.next_offset)
    ...     log.close()
    [(0, b'{}'), (4, b'[1]')] 9 [(9, b'[2')] 11
    """

    def __init__(self, path: Path, offset: int, most: int) -> None:
        self.path = path
        self.compressed = is_compressed(path)
        self._most = most
        self._raw = path.open("rb", buffering=0)
        self._stream = _decompressed(path, self._raw)
        self._ready: deque[tuple[int, bytes]] = deque()
        self._begin = offset
        """Where the line in work begins."""
        self._tail = b""
        """What is kept of the line in work."""
        self._length = 0
        """How long the line in work is so far."""
        try:
            self._skip(offset)
        except BaseException:
            self.close()
            raise

    @property
    def next_offset(self) -> int:
        """Where the next line begins."""
        return self._ready[0][0] if self._ready else self._begin

    @property
    def inode(self) -> tuple[int, int]:
        """What tells the file from another one of the same name."""
        status = os.fstat(self._raw.fileno())
        return status.st_dev, status.st_ino

    @property
    def size(self) -> int:
        """The file's bytes on disk."""
        return os.fstat(self._raw.fileno()).st_size

    @property
    def modified(self) -> int:
        """When the file was last written to, in nanoseconds."""
        return os.fstat(self._raw.fileno()).st_mtime_ns

    @property
    def reached(self) -> int:
        """How many bytes of the content were read."""
        return self._begin + self._length

    def lines(self, limit: int, *, final: bool = False) -> list[tuple[int, bytes]]:
        """Return up to ``limit`` further lines; the last one without its end only when ``final``.

        Raises
        ------
        EOFError, OSError, zlib.error, zstandard.ZstdError
            When the file cannot be read or decompressed.
        """
        while len(self._ready) < limit:
            block = self._stream.read(BLOCK)
            if not block:
                if final and self._length:
                    self._end(self._length)
                break
            self._split(block)
        return [self._ready.popleft() for _ in range(min(limit, len(self._ready)))]

    def first_line(self, most: int) -> bytes | None:
        """Return the first line as it is now, at most ``most`` bytes of it; ``None`` while it is not finished."""
        if self.compressed:
            return first_line(self.path, most)
        return _first_line(lambda begin: os.pread(self._raw.fileno(), most - begin, begin), most)

    def whole_lines_end(self) -> int:
        r"""Return the offset after the last ``\n`` of a plain file as it is now, 0 without one."""
        return _whole_lines_end(self._raw.fileno())

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._raw.close()

    def _skip(self, offset: int) -> None:
        if not self.compressed:
            self._raw.seek(offset)
            return
        while offset:
            block = self._stream.read(min(offset, BLOCK))
            if not block:
                raise EOFError(f"{self.path} is shorter than the offset at which reading should go on")
            offset -= len(block)

    def _split(self, block: bytes) -> None:
        *whole, rest = block.split(b"\n")
        for piece in whole:
            self._grow(piece)
            self._end(self._length + 1)
        self._grow(rest)

    def _grow(self, piece: bytes) -> None:
        self._length += len(piece)
        room = self._most + 1 + _TRIMMED - len(self._tail)
        self._tail = self._tail + piece[:room] if self._tail else piece[:room]

    def _end(self, length: int) -> None:
        line = self._tail.removesuffix(b"\r")
        if self._begin == 0:
            line = line.removeprefix(_BOM)
        if line and not line.isspace():
            self._ready.append((self._begin, line[: self._most + 1]))
        self._begin += length
        self._length = 0
        self._tail = b""


class ZstdStream(io.RawIOBase):
    """Decompresses concatenated Zstandard frames; unlike the library's own reader it notices a file cut off."""

    def __init__(self, raw: IO[bytes]) -> None:
        super().__init__()
        self._raw = raw
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """Return true."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` decompressed bytes; none at the end."""
        if size < 0:
            raise ValueError("a whole stream is never read at once")
        while not self._left:
            block = self._raw.read(_FRAME_BLOCK)
            if not block:
                if self._frame is not None:
                    raise EOFError("the compressed file ends within a frame")
                return b""
            self._left = memoryview(self._decompress(block))
        out, self._left = self._left[:size], self._left[size:]
        return bytes(out)

    def _decompress(self, block: bytes) -> bytes:
        parts: list[bytes] = []
        while block:
            if self._frame is None:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            parts.append(self._frame.decompress(block))
            block = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame = None
        return b"".join(parts)


def is_compressed(path: Path) -> bool:
    """Return whether a file of this name is decompressed."""
    return path.suffix in _SUFFIXES


def content_size(path: Path) -> int:
    """Return the number of bytes of a file's content, decompressing it to count them when it must be."""
    if not is_compressed(path):
        return path.stat().st_size
    total = 0
    with path.open("rb", buffering=0) as raw, _decompressed(path, raw) as stream:
        while block := stream.read(BLOCK):
            total += len(block)
    return total


def first_line(path: Path, most: int) -> bytes | None:
    """Return the first line, at most ``most`` bytes of it; ``None`` while it is not finished."""
    with path.open("rb", buffering=0) as raw, _decompressed(path, raw) as stream:
        return _first_line(lambda begin: stream.read(most - begin), most)


def _first_line(read: Callable[[int], bytes], most: int) -> bytes | None:
    start = b""
    while b"\n" not in start and len(start) < most:
        block = read(len(start))
        if not block:
            return None
        start += block
    return start[:most].partition(b"\n")[0]


def whole_lines_end(path: Path) -> int:
    r"""Return the offset after the last ``\n`` of a plain file, 0 without one."""
    with path.open("rb", buffering=0) as raw:
        return _whole_lines_end(raw.fileno())


def _whole_lines_end(descriptor: int) -> int:
    end = os.fstat(descriptor).st_size
    while end > 0:
        begin = max(0, end - BLOCK)
        found = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _decompressed(path: Path, raw: IO[bytes]) -> IO[bytes]:
    if path.suffix == ".gz":
        return gzip.GzipFile(fileobj=raw, mode="rb")  # type: ignore[return-value]  # reads bytes as any file does
    if path.suffix == ".zst":
        return ZstdStream(raw)  # type: ignore[return-value]  # reads bytes as any file does
    return raw
