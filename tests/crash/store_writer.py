"""Writes batch after batch until it is killed; run by ``test_store.py``.

Prints the number of each batch once it is durable.
"""

from __future__ import annotations

import random
import sys

from monitor.store.rocks import RocksStore

KEYS = 40


def value(batch: int, key: int) -> bytes:
    """Return what a batch writes under a key: its number, and filler of a size of its own."""
    return b"%d " % batch + bytes([key]) * ((batch * 37 + key * 101) % 4000)


def main(path: str, seed: int) -> None:
    """Write until killed, with a generation now and then."""
    rng = random.Random(seed)
    store = RocksStore.open(path, create=True)
    batch = int((store.get(b"last") or b"0").decode())
    while True:
        batch += 1
        puts = {b"key%d" % key: value(batch, key) for key in range(KEYS)}
        puts |= {b"last": b"%d" % batch, b"only%d" % batch: b""}
        store.write(puts, [b"only%d" % (batch - 1)], sync=True)
        sys.stdout.write(f"{batch}\n")
        sys.stdout.flush()
        if rng.random() < 0.02:
            store.snapshot()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
