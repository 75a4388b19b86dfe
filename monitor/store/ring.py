"""Numbering of writes, kept within the state itself, so that a hole in the middle of it shows.

RocksDB replays whatever write-ahead logs it finds. When one is missing between others, or the list of files fell back
to an older one, the later writes are applied to the earlier state and nothing tells. Therefore every write also puts
its own number into one slot of a ring. On opening, the last ``SIZE`` numbers must be there without a gap. The store
flushes at least every ``SIZE // 2`` writes, so what is still in write-ahead logs never outgrows the ring, and a hole,
which can only lie before or among them, is always within it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from monitor.keys import compose, prefix
from monitor.store.port import CorruptStateError

RESERVED: Final = b"!"
SCHEMA_KEY: Final = compose(RESERVED, 0, "schema")
SIZE: Final = 4096
_SLOTS: Final = prefix(RESERVED, 1)
_FIRST: Final = RESERVED[0]


class Scanner(Protocol):
    """What the ring needs of the store."""

    def scan(self, prefix: bytes) -> Iterable[tuple[bytes, bytes]]:
        """Yield keys and values under a prefix."""
        ...


def check_keys(keys: Iterable[bytes]) -> None:
    """Refuse keys that are empty or the store's own.

    Raises
    ------
    ValueError
        On the first such key.
    """
    for key in keys:
        if not key or key[0] == _FIRST:
            raise ValueError(f"{key!r} cannot be a key: it is empty or begins with the reserved {RESERVED!r}")


def slot(commit: int) -> tuple[bytes, bytes]:
    """Return what the write of this number puts into the ring."""
    return compose(RESERVED, 1, commit % SIZE), commit.to_bytes(8, "big")


def last_commit(store: Scanner) -> int:
    """Return the number of the last write, 0 when there was none.

    Raises
    ------
    CorruptStateError
        When a write before it is missing.
    """
    found = {int.from_bytes(value, "big") for _, value in store.scan(_SLOTS)}
    last = max(found, default=0)
    missing = set(range(max(1, last - SIZE + 1), last + 1)) - found
    if missing:
        raise CorruptStateError(None, f"write {last} is there, but {len(missing)} from {min(missing)} on are missing")
    return last
