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
from monitor.join.identity import Ids, identify
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
_PORTIONS: Final = (1, 100, 1_000, 10_000)
"""Lookups at once."""
_CHECKPOINT: Final = 50_000
_LOOKUPS: Final = (5_000, 50_000, 100_000, 200_000)
_MIB: Final = 2**20
_ROOM: Final = 2**30
_GOAL: Final = 0.5
_HEAD: Final = ["at a time", f"lookups/s of {FEW:,}", "p99", "lookups/s of many", "p99", "rate, of that"]


def body(most: int) -> str:
    """Return the table of few and many pending predictions, each measured in processes of its own."""
    few, many = measure(FEW), measure(most)
    room = "met" if many["beyond"] <= _ROOM else "not met"
    memory = [
        [
            f"{one['pending']:,}",
            f"{one['beyond'] / _MIB:,.0f} MiB",
            f"{one['disk'] / _MIB:,.0f} MiB",
            f"{one['opened']:.1f} s",
        ]
        for one in (few, many)
    ]
    rates = [
        _rates(portion, before, after)
        for portion, before, after in zip(_PORTIONS, few["looks"], many["looks"], strict=True)
    ]
    return (
        "What waits, after compaction, in a process that opens it afresh. Resident memory of at most 1 GiB above idle: "
        f"{room}.\n\n{table(['pending', 'resident above idle', 'disk', 'opening'], memory)}\n\n"
        "Lookups are of random ids that are there, none of them in memory, some at a time. The rate is by processor "
        "time, p99 by the clock. The goal is half of the rate at "
        f"{FEW:,}. Many at a time share pages there, three to a page, and hardly any among {most:,}: so the more at a "
        "time, the less is left.\n\n"
        f"{table(_HEAD, rates)}"
    )


def _rates(portion: int, few: dict[str, float], many: dict[str, float]) -> list[str]:
    share = many["rate"] / few["rate"]
    return [
        f"{portion:,}",
        f"{few['rate']:,.0f}",
        f"{1e3 * few['p99']:.2f} ms",
        f"{many['rate']:,.0f}",
        f"{1e3 * many['p99']:.2f} ms",
        f"{share:.2f}, {'met' if share >= _GOAL else 'not met'}",
    ]


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
    portions = [
        [identify(ids_of(rng.integers(0, pending, portion))) for _ in range(0, number, portion)]
        for portion, number in zip(_PORTIONS, _LOOKUPS, strict=True)
    ]
    idle = resident()
    store = RocksStore.open(folder, create=False)
    start = time.process_time()
    state: dict[str, Any] = msgspec.msgpack.decode(store.get(compose(JOINS, 0, MODEL)) or b"")
    entries = Entries(Codec([PAYLOAD]), RULES, store, 0, MODEL, budget=0)
    entries.load(state["entries"], state["watermark"])
    opened = time.process_time() - start
    for ids in portions[-1]:
        entries.look(ids)
    looks = [_timed(entries, ids) for ids in portions]
    gc.collect()
    beyond = resident() - idle
    store.close()
    return {"beyond": beyond, "opened": opened, "looks": looks}


def _timed(entries: Entries, portions: list[Ids]) -> dict[str, float]:
    """Return the lookups a second of the processor, and the 99th percentile of a portion's time on the clock."""
    walls: FloatArray = np.zeros(len(portions))
    begin = time.process_time()
    for place, ids in enumerate(portions):
        wall = time.perf_counter()
        assert len(entries.look(ids).rows) == len(ids)
        walls[place] = time.perf_counter() - wall
    spent = time.process_time() - begin
    return {"rate": sum(map(len, portions)) / spent, "p99": float(np.quantile(walls, 0.99))}


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
