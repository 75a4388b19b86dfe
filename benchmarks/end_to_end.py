"""(b) From a preloaded broker to counted panes, beside a loop that only polls and decodes into typed structs."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.report import Section, table
from tests.kafka.broker import Broker

RECORDS: Final = 600_000
ROUNDS: Final = 3
TOPIC: Final = "bench"
GOALS: Final = {"kafka-python": 0.75, "librdkafka": 0.5}
CONFIG: Final = """\
version: 1
kafka: {{bootstrap_servers: ["{address}"], client: {client}}}
models:
  - name: fraud
    decision: "score >= 0.9"
    predictions:
      topic: bench
      where: {{value.model: fraud}}
      time_format: rfc3339
      map: {{id: value.prediction_id, time: value.ts, version: value.model_version, features: value.features,
            score: value.score}}
    reference: {{source: reference.json}}
state: {{path: "{folder}/state"}}
"""


def values(count: int, seed: int = 1) -> Iterator[bytes]:
    """Yield flat predictions of about 500 bytes: 16 numbers, 4 categories, ten a second of event time."""
    rng = random.Random(seed)
    for index in range(count):
        second, tenth = divmod(index, 10)
        features: dict[str, object] = {f"feature_{place:02d}": round(rng.gauss(0, 1), 5) for place in range(16)}
        features |= {"city": rng.choice("abcdef"), "country": rng.choice(["DE", "US", "FR", "IT"])}
        features |= {"channel": rng.choice(["web", "app"]), "tier": f"tier-{rng.randrange(20)}"}
        day, rest = divmod(second, 86_400)
        yield json.dumps(
            {
                "prediction_id": str(uuid.UUID(int=rng.getrandbits(128))),
                "ts": f"2026-11-{1 + day:02d}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}.{tenth}00Z",
                "model": "fraud",
                "model_version": "7",
                "features": features,
                "score": round(rng.random(), 6),
            },
            separators=(",", ":"),
        ).encode()


def run() -> Section:
    """Measure all four consumers in turn, several rounds, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, Broker() as broker:
        broker.create_topic(TOPIC, 1)
        broker.produce(TOPIC, values(RECORDS))
        found: dict[tuple[str, str], list[tuple[float, float, int]]] = {}
        for _ in range(ROUNDS):
            for client in GOALS:
                for kind in ("bare", "ours"):
                    found.setdefault((client, kind), []).append(_measure(kind, client, broker.address, Path(folder)))
    rows = []
    for (client, kind), runs in found.items():
        cpu = statistics.median(run[0] for run in runs)
        bare = [run[0] for run in found[client, "bare"]]
        ratio = statistics.median(one / run[0] for one, run in zip(bare, runs, strict=True))
        goal = f"{GOALS[client]}, {'met' if ratio >= GOALS[client] else 'not met'}" if kind == "ours" else ""
        rate = f"{RECORDS / cpu:,.0f}"
        rows.append([f"{client}, {kind}", f"{cpu:.2f}", rate, f"{ratio:.2f}" if kind == "ours" else "", goal,
                     f"{max(run[2] for run in runs):,} MiB"])  # fmt: skip
    head = ["", "CPU s", "records/s", "of the bare loop", "goal", "peak memory"]
    size = statistics.mean(len(value) for value in values(1_000))
    body = (
        f"{RECORDS:,} JSON records of {size:.0f} bytes, 20 features, one partition, uncompressed. *Bare* polls and "
        "decodes into a typed struct, nothing else. *Ours* is the whole pipeline: decode, event time, bins, panes, "
        "checkpoints, PSI, KS and rates of every closed window, history. Processor seconds of the consumer, all "
        f"threads, start-up left out; medians of {ROUNDS} rounds, ratios pair by pair.\n\n" + table(head, rows)
    )
    return Section("b", "From a broker to counts", body)


def _measure(kind: str, client: str, address: str, folder: Path) -> tuple[float, float, int]:
    command = [sys.executable, "-m", "benchmarks.consumer", kind, client, address, str(RECORDS), str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    cpu, wall, memory = done.stdout.split()[-3:]
    return float(cpu), float(wall), int(memory)
