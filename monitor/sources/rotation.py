"""Positions in a log that is rotated, and which file comes after which.

A position is one integer: the *tag* of the file in the upper bits, the byte offset in its content in the lower forty.
The tag is a checksum of the file's first line, so it outlives renaming, copying and compressing, and inode numbers that
are used again do not deceive it. Tag 0 stands for a log without a whole line yet; then the lower bits hold the second
since which there is none, and reading begins in whatever file was written to since.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Final

from monitor.sources.log_file import READ_ERRORS, LogFile, first_line, is_compressed

_BITS: Final = 40
_TAGS: Final = (1 << 22) - 1
_TAG_BYTES: Final = 4096
"""Of a longer first line, only so much makes the tag."""
_COUNTER: Final = r"[.-]\d[0-9TZ_.:-]*?"


def join(tag: int, byte: int) -> int:
    """Return the position at a byte of the file with a tag."""
    return tag << _BITS | byte


def split(position: int) -> tuple[int, int]:
    """Return the tag and the byte of a position.

    >>> split(join(7, 123))
    (7, 123)
    """
    return position >> _BITS, position & ((1 << _BITS) - 1)


def tag_of(file: Path | LogFile) -> int:
    """Return the tag of a file; 0 when it has no whole line, is gone, or cannot be read."""
    try:
        line = first_line(file, _TAG_BYTES) if isinstance(file, Path) else file.first_line(_TAG_BYTES)
    except (OSError, *READ_ERRORS):
        return 0
    return 0 if line is None else (zlib.crc32(line) & _TAGS) or 1


def generations(path: Path) -> list[Path]:
    """Return a log's rotated files and the log itself, the oldest first.

    Recognised are the names that logrotate, Python's and Java's handlers give: a number or a date after the whole name
    or before its suffix, compressed or not.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     for age, name in enumerate(["p.log", "p.log.1", "p-2026-11-20.log.gz", "p.log.bak", "pp.log"]):
    ...         _ = (Path(directory) / name).write_text("")
    ...         os.utime(Path(directory) / name, (100 - age, 100 - age))
    ...     print([found.name for found in generations(Path(directory) / "p.log")])
    ['p-2026-11-20.log.gz', 'p.log.1', 'p.log']
    """
    stem, suffix, name = (re.escape(part) for part in (path.stem, path.suffix, path.name))
    pattern = re.compile(rf"(?:{name}|{name}{_COUNTER}|{stem}{_COUNTER}{suffix})(?:\.gz|\.zst)?")
    found: list[tuple[int, str, Path]] = []
    for other in path.parent.iterdir():
        if other.name == path.name or pattern.fullmatch(other.name):
            try:
                found.append((other.stat().st_mtime_ns, other.name, other))
            except FileNotFoundError:
                continue
    return [other for _, _, other in sorted(found)]


def find(path: Path, tag: int) -> Path | None:
    """Return the log, or the rotated file of it, that has this tag."""
    candidates = [path, *reversed(generations(path))] if path.parent.is_dir() else []
    return next((other for other in candidates if tag_of(other) == tag), None)


def written_since(path: Path, second: int) -> tuple[Path, int] | None:
    """Return the oldest file of a log that was written to since a second and has a whole line, and its tag."""
    for other in generations(path) if path.parent.is_dir() else []:
        if int(other.stat().st_mtime) >= second and (tag := tag_of(other)):
            return other, tag
    return None


def successor(path: Path, current: LogFile, tag: int) -> tuple[Path, int] | None:
    """Return what was begun after the file that is being read, and its tag.

    ``None`` while the next file has no whole line: until then somebody may still write to the one before. A compressed
    file with the same tag is a copy of it; a plain one is another file with the same first line.
    """
    for other in generations(path):
        status = other.stat()
        if status.st_mtime_ns < current.modified or (status.st_dev, status.st_ino) == current.inode:
            continue
        next_tag = tag_of(other)
        if next_tag and not (next_tag == tag and is_compressed(other)):
            return other, next_tag
    return None
