"""``python -m benchmarks.pending {…}``: what a join with many pending predictions holds, and how fast it finds them.

One process fills the join, through its own checkpoints, and has RocksDB compact what it wrote. Another opens it: what
that one holds beyond what it held before is the price of what waits.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from rocksdict import Rdict

from benchmarks.report import table
from monitor.events import SECOND, FloatArray
from monitor.join.codec import Codec
from monitor.join.entries import Entries
from monitor.join.identity import identify
from monitor.join.join import JOINS, Join
from monitor.join.payload import Payload, Rows
from monitor.join.positions import Positions
from monitor.join.rules import Rules
from monitor.keys import compose
from monitor.store.engine import options
from monitor.store.recovery import LIVE
from monitor.store.rocks import RocksStore

FEW: Final = 100_000
MODEL: Final = "fraud-scorer"
RULES: Final = Rules(wait=3600 * SECOND, matures_after=3600 * SECOND, max_pending=1 << 30)
PAYLOAD: Final = Payload(
    {"time": "<i8", "version": "<i2", "late": "u1", "class": "<i2", "score": "<f8", "amount": "<f8", "slices": "S16"}
)
_BATCH: Final = 10_000
_CHECKPOINT: Final = 50_000
_LOOKUPS: Final = 200_000
_SINGLE: Final = 5_000
_MIB: Final = 2**20
_ROOM: Final = 2**30
_GOAL: Final = 0.5


def body(most: int) -> str:
    """Return the table of few and many pending predictions, each measured in processes of its own."""
    few, many = measure(FEW), measure(most)
    lines = [
        [
            f"{found['pending']:,}",
            f"{found['beyond'] / _MIB:,.0f} MiB",
            f"{found['disk'] / _MIB:,.0f} MiB",
            f"{found['opened']:.1f} s",
            f"{found['rate']:,.0f}",
            f"{1e3 * found['batch_p99']:.1f} ms",
            f"{1e6 * found['single_p50']:.0f} µs",
            f"{1e6 * found['single_p99']:.0f} µs",
        ]
        for found in (few, many)
    ]
    head = ["pending", "resident above idle", "disk", "opening", "lookups/s", "p99 of 10,000", "one, p50", "one, p99"]
    share = many["rate"] / few["rate"]
    room = "met" if many["beyond"] <= _ROOM else "not met"
    kept = "met" if share >= _GOAL else "not met"
    text = (
        "What waits, after compaction, in a process that opens it afresh. Lookups are of random ids that are there, "
        "none of them in memory, 10,000 at a time, by processor time; then one at a time, by the clock. Resident "
        f"memory of at most 1 GiB above idle: {room}. A rate of at least half of that at {FEW:,}: {share:.2f}, {kept}."
    )
    return f"{text}\n\n{table(head, lines)}"


def measure(pending: int) -> dict[str, Any]:
    """Return what so many pending predictions cost."""
    with tempfile.TemporaryDirectory(prefix="driftline-pending-") as folder:
        found: dict[str, Any] = {"pending": pending}
        for step in ("fill", "look"):
            command = json.dumps({"folder": folder, "pending": pending, "step": step})
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.pending", command], check=True, capture_output=True, text=True
            )
            found |= json.loads(done.stdout.splitlines()[-1])
        return found


def fill(folder: Path, pending: int) -> dict[str, Any]:
    """Have so many predictions wait, then compact."""
    store = RocksStore.open(folder, create=True)
    join = Join.load(store, 0, MODEL, RULES, PAYLOAD)
    rng = np.random.default_rng(2)
    for first in range(0, pending, _BATCH):
        numbers = np.arange(first, first + _BATCH)
        times = numbers * RULES.wait // pending
        at = Positions(0, times, numbers, np.zeros(_BATCH, np.int64))
        join.predictions(ids_of(numbers), at, payloads_of(times, rng))
        join.advance(int(times[0]))
        if (first + _BATCH) % _CHECKPOINT == 0 or first + _BATCH >= pending:
            store.write(*join.changes(), sync=False)
            join.written()
    assert join.counters["prediction", "pending"] == pending
    store.close()
    chosen = options(create=False)
    database = Rdict(str(folder / LIVE), chosen, {"default": chosen})
    database.compact_range(None, None)
    database.close()
    return {"disk": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())}


def look(folder: Path, pending: int) -> dict[str, Any]:
    """Open what ``fill`` wrote, and find some of it."""
    rng = np.random.default_rng(3)
    batches = [identify(ids_of(rng.integers(0, pending, _BATCH))) for _ in range(0, _LOOKUPS, _BATCH)]
    singles = identify(ids_of(rng.integers(0, pending, _SINGLE)))
    idle = resident()
    store = RocksStore.open(folder, create=False)
    start = time.process_time()
    state: dict[str, Any] = msgspec.msgpack.decode(store.get(compose(JOINS, 0, MODEL)) or b"")
    entries = Entries(Codec([PAYLOAD]), RULES, store, 0, MODEL, budget=0)
    entries.load(state["entries"], state["watermark"])
    opened = time.process_time() - start
    entries.look(batches[0])
    spent, walls = 0.0, []
    for batch in batches:
        begin, wall = time.process_time(), time.perf_counter()
        assert len(entries.look(batch).rows) == len(batch)
        spent += time.process_time() - begin
        walls.append(time.perf_counter() - wall)
    alone: FloatArray = np.zeros(len(singles))
    for place in range(len(singles)):
        wall = time.perf_counter()
        entries.look(singles[place : place + 1])
        alone[place] = time.perf_counter() - wall
    gc.collect()
    beyond = resident() - idle
    store.close()
    return {
        "beyond": beyond,
        "opened": opened,
        "rate": _LOOKUPS / spent,
        "batch_p99": float(np.quantile(walls, 0.99)),
        "single_p50": float(np.quantile(alone, 0.5)),
        "single_p99": float(np.quantile(alone, 0.99)),
    }


def ids_of(numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[str]:
    """Return 32 hexadecimal characters that scatter over all keys."""
    spread = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return [f"{value:016x}{number:016x}" for value, number in zip(spread.tolist(), numbers.tolist(), strict=True)]


def payloads_of(times: np.ndarray[tuple[int], np.dtype[np.int64]], rng: np.random.Generator) -> Rows:
    """Return what such predictions may carry; scores and amounts hardly compress."""
    rows = np.zeros(len(times), PAYLOAD.dtype)
    rows["time"], rows["score"] = times, rng.random(len(times))
    rows["amount"] = rng.lognormal(3, 1, len(times)).round(2)
    rows["slices"] = rng.integers(0, 250, (len(times), 4)).astype("<u4").view("S16")[:, 0]
    return rows


def resident() -> int:
    """Return the bytes of this process that are in memory now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    message = "the kernel does not tell what is resident"
    raise OSError(message)


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Take one step."""
    step = {"fill": fill, "look": look}[arguments["step"]]
    return step(Path(arguments["folder"]), arguments["pending"])


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
