"""RocksDB in raw bytes: its options, its errors in our words, checksums at every read."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    Checkpoint,
    DbClosedError,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    Rdict,
    RdictIter,
    WriteBatch,
    WriteOptions,
)

from monitor.store.envelope import seal, unseal
from monitor.store.port import CorruptStateError, StateError, StateUnavailableError

BLOCK_CACHE: Final = 16 << 20
WRITE_BUFFER: Final = 8 << 20
_BLOCK: Final = 4 << 10
"""About a page of joined rows, which are looked up at random: what else a block holds is unpacked in vain."""
_TABLE_BYTES: Final = 16 << 20
_OPEN_FILES: Final = 256
_DAMAGE: Final = ("Corruption", "Invalid argument", "Not implemented", "Not found")
_MISSING: Final = "No such file or directory"


def options(*, create: bool) -> Options:
    """Return RocksDB's options: small memory, few and bounded files, no silent loss of a log's middle."""
    blocks = BlockBasedOptions()
    blocks.set_block_cache(Cache(BLOCK_CACHE))
    blocks.set_block_size(_BLOCK)
    blocks.set_bloom_filter(10, block_based=False)
    # 1 % of the tables; in the cache the blocks of rows push them out, and each lookup reads a whole index again
    blocks.set_cache_index_and_filter_blocks(False)
    chosen = Options(raw_mode=True)
    chosen.create_if_missing(create)
    chosen.set_block_based_table_factory(blocks)
    chosen.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    chosen.set_write_buffer_size(WRITE_BUFFER)
    chosen.set_max_write_buffer_number(2)
    chosen.set_max_total_wal_size(4 * WRITE_BUFFER)
    chosen.set_target_file_size_base(_TABLE_BYTES)
    chosen.set_max_bytes_for_level_base(4 * _TABLE_BYTES)
    chosen.set_compression_type(DBCompressionType.lz4())
    chosen.set_max_open_files(_OPEN_FILES)
    chosen.set_bytes_per_sync(1 << 20)
    chosen.set_keep_log_file_num(2)
    chosen.set_max_log_file_size(1 << 20)
    chosen.set_max_manifest_file_size(4 << 20)
    chosen.set_manifest_preallocation_size(64 << 10)
    chosen.set_stats_dump_period_sec(0)
    chosen.set_stats_persist_period_sec(0)
    return chosen


def translate(error: Exception) -> StateError:
    """Return what an error of RocksDB means: the state is damaged, or only out of reach for now."""
    text = str(error)
    if isinstance(error, DbClosedError):
        return StateUnavailableError("the store is closed")
    if text.startswith(_DAMAGE) or _MISSING in text:
        return CorruptStateError(None, text)
    return StateUnavailableError(text)


class _Cursor:
    """Holds one iterator. RocksDB closes only once all of them are gone, so the engine must be able to drop them."""

    __slots__ = ("__weakref__", "iterator")

    def __init__(self, iterator: RdictIter) -> None:
        self.iterator: RdictIter | None = iterator


class Engine:
    """One open database. Values are sealed on the way in and checked on the way out.

    Raises
    ------
    CorruptStateError
        When files are damaged or missing.
    StateUnavailableError
        When the disk is full, or permission is missing.
    """

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False) -> None:
        access = AccessType.read_only(False) if read_only else AccessType.read_write()
        self._cursors: weakref.WeakSet[_Cursor] = weakref.WeakSet()
        chosen = options(create=create)
        try:
            # without the second naming it opens a database that is there by the options noted in it, the cache and the
            # filters left out
            self._db = Rdict(str(path), chosen, {"default": chosen}, access)
        except Exception as error:
            raise translate(error) from error
        self._synced = WriteOptions()
        self._synced.sync = True
        self._unsynced = WriteOptions()

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, ``None`` when there is none."""
        try:
            data = self._db.get(key)
        except Exception as error:
            raise translate(error) from error
        return None if data is None else unseal(key, data)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of many keys, in their order."""
        try:
            values = self._db.get(list(keys)) if keys else []
        except Exception as error:
            raise translate(error) from error
        return [None if data is None else unseal(key, data) for key, data in zip(keys, values or (), strict=True)]

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values under a prefix, in order, as they were at the first ``next``."""
        cursor = self._seek(prefix)
        try:
            while (item := self._read(cursor)) is not None and item[0].startswith(prefix):
                yield item[0], unseal(*item)
        finally:
            cursor.iterator = None

    def write(self, puts: Mapping[bytes, bytes], deletes: Iterable[bytes], *, sync: bool) -> None:
        """Write all or nothing; a key in both is put."""
        batch = WriteBatch(raw_mode=True)
        for key in deletes:
            batch.delete(key)
        for key, value in puts.items():
            batch.put(key, seal(key, value))
        try:
            self._db.write(batch, self._synced if sync else self._unsynced)
        except Exception as error:
            raise translate(error) from error

    def flush(self) -> None:
        """Move what is only in write-ahead logs into tables."""
        try:
            self._db.flush()
        except Exception as error:
            raise translate(error) from error

    def checkpoint(self, path: Path) -> None:
        """Put a copy of the database as it is now into a new directory, by hard links."""
        try:
            Checkpoint(self._db).create_checkpoint(str(path))
        except Exception as error:
            raise translate(error) from error

    def close(self) -> None:
        """Let go of all files. Scans that are under way fail at their next step."""
        for cursor in list(self._cursors):
            cursor.iterator = None
        try:
            self._db.close()
        except Exception as error:
            raise translate(error) from error

    def _seek(self, prefix: bytes) -> _Cursor:
        try:
            cursor = _Cursor(self._db.iter())
        except Exception as error:
            raise translate(error) from error
        self._cursors.add(cursor)
        if cursor.iterator is not None:
            cursor.iterator.seek(prefix)
        return cursor

    @staticmethod
    def _read(cursor: _Cursor) -> tuple[bytes, bytes] | None:
        """Return the item under the cursor and move on; an iterator that broke off is told from one that ended."""
        iterator = cursor.iterator
        if iterator is None:
            raise StateUnavailableError("the store was closed during a scan")
        try:
            if not iterator.valid():
                iterator.status()
                return None
            item = iterator.key(), iterator.value()
            iterator.next()
        except Exception as error:
            # the traceback would keep the iterator, and with it the database, open
            iterator = cursor.iterator = None
            raise translate(error) from error
        return item
