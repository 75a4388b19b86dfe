"""The state on disk: RocksDB, one process, atomic writes, generations, and recovery from damage.

Beneath the directory: ``live/`` the database, ``generations/NNNNNN/`` complete earlier states that share its tables by
hard links, ``damaged/`` the last state that was given up, ``lock`` the process that holds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from monitor.store import ring
from monitor.store.engine import Engine
from monitor.store.generations import Generations
from monitor.store.lock import StateLock
from monitor.store.port import (
    CorruptStateError,
    Generation,
    Recovery,
    StateError,
    StateUnavailableError,
)
from monitor.store.recovery import LIVE, Opened, begin, checked_commit, fall_back, mark_damaged, open_checked, sweep

log = structlog.get_logger(__name__)
_FLUSH_EVERY: Final = ring.SIZE // 2


class RocksStore:
    """A ``StateStore`` in a directory of its own. Make one with ``open``.

    A write that fails leaves the database closed to writes: RocksDB does not take up a log again that it could not
    append to. The next write opens the database afresh; reads go on meanwhile.
    """

    def __init__(self, path: Path, lock: StateLock, generations: Generations, opened: Opened) -> None:
        self.path = path
        self.recovery: Recovery | None = None
        """Set when opening found damage and fell back."""
        self._lock = lock
        self._generations = generations
        self._engine = opened.engine
        self._head = opened.head
        self._commit = opened.commit
        self._unflushed = 0
        self._broken = False
        self._open = True

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], *, create: bool, generations: int = 2, recover: bool = True
    ) -> RocksStore:
        """Open the state beneath a directory, for this process alone.

        Parameters
        ----------
        create
            Make an empty state where there is none.
        generations
            How many generations to keep.
        recover
            Fall back to the newest intact generation when the state is damaged; ``recovery`` then says so.

        Raises
        ------
        StateLockedError
            When another process holds it; names that process.
        StateUnavailableError
            When there is none and ``create`` is false, or it cannot be read and written.
        StateVersionError
            When a newer version of the software wrote it.
        CorruptStateError
            When it is damaged, and no generation is intact or ``recover`` is false.
        """
        directory = Path(path)
        try:
            if create:
                directory.mkdir(parents=True, exist_ok=True)
            if not directory.is_dir():
                raise StateUnavailableError(f"there is no state in {directory}")
            lock = StateLock.acquire(directory)
            try:
                return cls._open_locked(directory, lock, Generations(directory, generations), create, recover)
            except BaseException:
                lock.release()
                raise
        except OSError as error:
            raise StateUnavailableError(f"{directory}: {error.strerror}") from error

    @classmethod
    def _open_locked(
        cls, path: Path, lock: StateLock, generations: Generations, create: bool, recover: bool
    ) -> RocksStore:
        sweep(path)
        generations.sweep()
        if not (path / LIVE).exists() and not generations.numbers():
            if not create:
                raise StateUnavailableError(f"there is no state in {path}")
            begin(path)
        recovery = None
        try:
            opened = open_checked(path / LIVE)
        except CorruptStateError as error:
            if not recover:
                raise
            recovery = fall_back(path, generations, error)
            opened = open_checked(path / LIVE)
        store = cls(path, lock, generations, opened)
        store.recovery = recovery
        return store

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, ``None`` when there is none; raises as ``StateReader.get``."""
        try:
            return self._engine.get(key)
        except CorruptStateError as error:
            mark_damaged(self.path, error)
            raise

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of many keys, in their order; raises as ``get``."""
        try:
            return self._engine.get_many(keys)
        except CorruptStateError as error:
            mark_damaged(self.path, error)
            raise

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values under a prefix, in order, as they are at the first ``next``; raises as ``get``."""
        try:
            for item in self._engine.scan(prefix):
                if prefix or not item[0].startswith(ring.RESERVED):
                    yield item
        except CorruptStateError as error:
            mark_damaged(self.path, error)
            raise

    def write(self, puts: Mapping[bytes, bytes], deletes: Iterable[bytes], *, sync: bool) -> None:
        """Write all or nothing; a key in both is put; raises as ``StateStore.write``.

        After a failure the same changes, or more, must be written again: when a disk fails after it took the data, the
        write may turn out to be there. Since values are absolute, writing it twice changes nothing.
        """
        removed = list(deletes)
        ring.check_keys(puts)
        ring.check_keys(removed)
        engine = self._writable()
        number = self._commit + 1
        slot, value = ring.slot(number)
        try:
            if self._unflushed >= _FLUSH_EVERY:
                engine.flush()
                self._unflushed = 0
            engine.write({**puts, slot: value}, removed, sync=sync)
        except StateError as error:
            raise self._fail(error) from error
        self._commit = number
        self._unflushed += 1
        if sync:
            self._head.advance(number)

    def snapshot(self) -> Generation:
        """Keep the state as it is now as a new generation; raises as ``StateStore.snapshot``."""
        engine = self._writable()
        try:
            return self._generations.take(engine, self._commit)
        except StateError as error:
            raise self._fail(error) from error

    def generation(self) -> int:
        """Return the number of the newest generation, 0 before the first."""
        return max(self._generations.numbers(), default=0)

    def commit(self) -> int:
        """Return the number of the last write."""
        return self._commit

    @property
    def directory(self) -> Path:
        """Where files stand that must outlive damage to the state."""
        return self.path

    def close(self) -> None:
        """Let go of files and lock; calling it twice does no harm."""
        if not self._open:
            return
        self._open = False
        try:
            self._shut()
        finally:
            self._head.close()
            self._lock.release()

    def _writable(self) -> Engine:
        if not self._open:
            raise StateUnavailableError("the store is closed")
        if self._broken:
            self._reopen()
        return self._engine

    def _fail(self, error: StateError) -> StateError:
        self._broken = True
        if isinstance(error, CorruptStateError):
            mark_damaged(self.path, error)
        return error

    def _reopen(self) -> None:
        """Open the database afresh after a failed write; when that fails too, only to read."""
        self._shut()
        live = self.path / LIVE
        try:
            self._engine = Engine(live)
            self._commit = checked_commit(self._engine, self._head, live)
        except StateUnavailableError:
            self._engine = Engine(live, read_only=True)
            raise
        except CorruptStateError as error:
            mark_damaged(self.path, error)
            raise
        self._broken = False
        self._unflushed = 0

    def _shut(self) -> None:
        """Close the database; what it could not write it says again, which changes nothing."""
        try:
            self._engine.close()
        except StateError as error:
            log.warning("the state was not closed cleanly", problem=str(error))
