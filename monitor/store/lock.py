"""One process at a time: an advisory lock on a file that names its holder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from monitor.store.port import StateLockedError, StateUnavailableError

NAME: Final = "lock"


class StateLock:
    """Held from ``acquire`` to ``release``; the kernel lets go of it when the process dies, however it dies."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, directory: Path) -> StateLock:
        """Lock a directory, without waiting.

        Raises
        ------
        StateLockedError
            When another process, or another store in this one, holds it.
        StateUnavailableError
            When the directory cannot be written.
        """
        path = directory / NAME
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StateUnavailableError(f"{directory} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StateLockedError(directory, holder(directory)) from None
        except OSError as error:
            os.close(descriptor)
            raise StateUnavailableError(f"{path} cannot be locked: {error.strerror}") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Let go of the lock. The file stays: removing it would let two processes lock two files of one name."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def holder(directory: Path) -> int | None:
    """Return the process that last locked a directory, ``None`` when it has not said."""
    try:
        text = (directory / NAME).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
