"""Reading a state that another process may be writing, without its lock and without a trace."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from monitor.store.engine import Engine
from monitor.store.port import CorruptStateError, StateUnavailableError

_T = TypeVar("_T")
_ATTEMPTS: Final = 6
_PAUSE: Final = 0.05
_NEEDED: Final = ("CURRENT", "MANIFEST-*", "*.sst", "*.log")


def peek(directory: Path, read: Callable[[Engine], _T]) -> _T:
    """Return what ``read`` makes of a database, as it is about now.

    RocksDB leaves notes in a directory even when it only reads, and its files come and go while it writes. Therefore
    links to the files are read, in a directory of their own, and when some are gone by then, it is tried again.

    Raises
    ------
    CorruptStateError
        When it cannot be read at several attempts.
    StateUnavailableError
        When there is none, or permission to read it is missing.
    """
    for attempt in range(_ATTEMPTS - 1):
        try:
            return _read_links(directory, read)
        except CorruptStateError:
            time.sleep(_PAUSE * 2**attempt)
    return _read_links(directory, read)


def _read_links(directory: Path, read: Callable[[Engine], _T]) -> _T:
    if not directory.is_dir():
        raise StateUnavailableError(f"there is no state in {directory}")
    with tempfile.TemporaryDirectory(prefix="driftline-peek-") as name:
        for pattern in _NEEDED:
            for file in directory.glob(pattern):
                (Path(name) / file.name).symlink_to(file.absolute())
        with closing(Engine(Path(name), read_only=True)) as engine:
            return read(engine)
