"""A store in memory: the model that the real one is tested against, and the state of tests."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence

from monitor.store.port import Generation, StateUnavailableError
from monitor.store.ring import check_keys


class MemoryStore:
    """A ``StateStore`` that keeps nothing beyond the process.

    >>> store = MemoryStore()
    >>> store.write({b"b": b"2", b"a": b"1"}, [], sync=True)
    >>> list(store.scan(b"")), store.get(b"c")
    ([(b'a', b'1'), (b'b', b'2')], None)
    """

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._commit = 0
        self._generation = 0
        self._open = True

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, ``None`` when there is none."""
        self._check()
        return self._values.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of many keys, in their order."""
        self._check()
        return [self._values.get(key) for key in keys]

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values under a prefix, in order."""
        self._check()
        values = dict(self._values)
        keys = sorted(values)
        for key in keys[bisect_left(keys, prefix) :]:
            if not key.startswith(prefix):
                return
            yield key, values[key]

    def write(self, puts: Mapping[bytes, bytes], deletes: Iterable[bytes], *, sync: bool) -> None:  # noqa: ARG002
        """Write all or nothing; a key in both is put."""
        self._check()
        deletes = list(deletes)
        check_keys(puts)
        check_keys(deletes)
        for key in deletes:
            self._values.pop(key, None)
        self._values.update(puts)
        self._commit += 1

    def snapshot(self) -> Generation:
        """Count a generation; nothing in memory can be damaged, so nothing is kept."""
        self._check()
        self._generation += 1
        return Generation(self._generation, time.time_ns() // 1000, self._commit)

    def generation(self) -> int:
        """Return the number of the newest generation, 0 before the first."""
        return self._generation

    def commit(self) -> int:
        """Return the number of the last write."""
        return self._commit

    @property
    def directory(self) -> None:
        """Nothing outlives the process."""
        return

    def close(self) -> None:
        """Refuse all further use."""
        self._open = False

    def _check(self) -> None:
        if not self._open:
            raise StateUnavailableError("the store is closed")
