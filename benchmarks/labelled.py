"""(l) From two preloaded topics to predictions joined with their labels, beside a loop that only polls and decodes.

``python -m benchmarks.labelled bare|ours CLIENT ADDRESS RECORDS FOLDER`` is one consumer: CPU seconds, wall
seconds, peak MiB.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.consumer import read, row_type
from benchmarks.end_to_end import values
from benchmarks.report import Section, table

PREDICTIONS: Final = 1_200_000
LABELLED: Final = 0.8
DELAY: Final = 1_000_000
"""A label comes up to so many predictions after its own."""
ROUNDS: Final = 3
_FLUSH: Final = 50_000
"""Records that wait for the broker at most."""
TOPICS: Final = ("predictions", "labels")
CLIENTS: Final = ("kafka-python", "librdkafka")
PAIRS: Final = 60_000
SHARE: Final = 0.5
CONFIG: Final = """\
version: 1
kafka: {{bootstrap_servers: ["{address}"], client: {client}}}
models:
  - name: fraud
    task: binary_classification
    positive_class: 1
    decision: "score >= 0.9"
    predictions:
      topic: predictions
      where: {{value.model: fraud}}
      time_format: rfc3339
      map: {{id: value.prediction_id, time: value.ts, version: value.model_version, features: value.features,
            score: value.score}}
    labels:
      topic: labels
      time_format: epoch_ms
      matures_after: 7d
      map: {{id: value.id, time: value.at, label: value.label}}
    reference: {{source: reference.json}}
state: {{path: "{folder}/state"}}
"""


def preload(address: str) -> int:
    """Fill both topics; return how many predictions have a label. Labels come in another order than predictions."""
    from confluent_kafka import Producer  # noqa: PLC0415 - consumers need no producer

    rng = random.Random(2)
    found: list[tuple[float, bytes]] = []
    producer: Any = Producer({"bootstrap.servers": address, "linger.ms": 50})

    def send(topic: str, value: bytes) -> None:
        producer.produce(topic, value, partition=0)
        if len(producer) >= _FLUSH:
            producer.flush()

    for place, value in enumerate(values(PREDICTIONS)):
        send(TOPICS[0], value)
        if rng.random() < LABELLED:
            row = {"id": json.loads(value)["prediction_id"], "at": 1_793_500_000_000 + place * 100}
            found.append((place + rng.random() * DELAY, json.dumps(row | {"label": int(rng.random() < 0.1)}).encode()))
    for _, value in sorted(found):
        send(TOPICS[1], value)
    producer.flush()
    return len(found)


def run() -> Section:
    """Measure all four consumers in turn, several rounds, each in a process of its own."""
    from tests.kafka.broker import Broker  # noqa: PLC0415 - a consumer needs no broker of its own

    with tempfile.TemporaryDirectory() as folder, Broker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic, 1)
        pairs = preload(broker.address)
        found: dict[tuple[str, str], list[tuple[float, float, int]]] = {}
        for _ in range(ROUNDS):
            for client in CLIENTS:
                for kind in ("bare", "ours"):
                    found.setdefault((client, kind), []).append(
                        measured(
                            "benchmarks.labelled", [kind, client, broker.address, str(PREDICTIONS + pairs), folder]
                        )
                    )
    rows = []
    for (client, kind), runs in found.items():
        cpu = statistics.median(run[0] for run in runs)
        bare = [run[0] for run in found[client, "bare"]]
        ratio = statistics.median(one / run[0] for one, run in zip(bare, runs, strict=True))
        met = "met" if ratio >= SHARE or pairs / cpu >= PAIRS else "not met"
        last = [f"{ratio:.2f}", f"{SHARE}, {met}"] if kind == "ours" else ["", ""]
        rows.append([f"{client}, {kind}", f"{cpu:.2f}", f"{pairs / cpu:,.0f}", *last,
                     f"{max(run[2] for run in runs):,} MiB"])  # fmt: skip
    head = ["", "CPU s", "pairs/s", "of the bare loop", "goal", "peak memory"]
    body = (
        f"{PREDICTIONS:,} predictions of 20 features and {pairs:,} labels in two topics; a label comes up to "
        f"{DELAY:,} predictions after its own. *Bare* polls both topics and decodes into typed structs. *Ours* is the "
        "whole pipeline: counting, joining on disk, judging, checkpoints, windows, history. Processor seconds of the "
        f"consumer, all threads, start-up left out; medians of {ROUNDS} rounds, ratios pair by pair. The goal is "
        f"{PAIRS:,} pairs a second or {SHARE} of the bare loop, whichever is lower.\n\n" + table(head, rows)
    )
    return Section("l", "From two topics to judged predictions", body)


def measured(module: str, words: list[str]) -> tuple[float, float, int]:
    """Run one consumer in a process of its own; return its CPU seconds, wall seconds and peak MiB."""
    done = subprocess.run([sys.executable, "-m", module, *words], check=True, capture_output=True, text=True)
    cpu, wall, memory = done.stdout.split()[-3:]
    return float(cpu), float(wall), int(memory)


def bare(client: str, address: str, count: int) -> tuple[float, float]:
    """Poll both topics and decode; return CPU and wall seconds."""
    label = msgspec.defstruct("Label", [("id", str), ("at", int), ("label", int)], gc=False)
    decoders = {TOPICS[0]: msgspec.json.Decoder(row_type()).decode, TOPICS[1]: msgspec.json.Decoder(label).decode}
    return bare_of(client, address, count, decoders)


def bare_of(
    client: str, address: str, count: int, decoders: Mapping[str, Callable[[bytes], object]]
) -> tuple[float, float]:
    """Poll topics and decode what they hold, each with its decoder; return CPU and wall seconds."""
    turn = _turning(client, address, decoders)
    seen = 0
    cpu, wall = time.process_time(), time.monotonic()
    while seen < count:
        seen += turn()
    return time.process_time() - cpu, time.monotonic() - wall


def ours(client: str, address: str, count: int, folder: Path) -> tuple[float, float]:
    """Run the pipeline; return CPU and wall seconds."""
    pipeline, spent = read(CONFIG.format(address=address, client=client, folder=folder), count, folder)
    counters = pipeline.joinings["fraud"].join.counters
    assert counters["label", "joined"] == count - PREDICTIONS, counters
    pipeline.close()
    return spent


def _turning(client: str, address: str, decoders: Mapping[str, Callable[[bytes], object]]) -> Callable[[], int]:
    """Return what polls once, decodes what came, and says how much it was."""
    if client == "kafka-python":
        from kafka import KafkaConsumer, TopicPartition  # type: ignore[import-untyped]  # noqa: PLC0415 - one client

        consumer: Any = KafkaConsumer(
            bootstrap_servers=address, enable_auto_commit=False, max_partition_fetch_bytes=8 << 20
        )
        places = [TopicPartition(topic, 0) for topic in decoders]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)

        def turn() -> int:
            seen = 0
            for place, records in consumer.poll(timeout_ms=500, max_records=10_000).items():
                decode = decoders[place.topic]
                seen += len([decode(record.value) for record in records])
            return seen

        return turn
    from confluent_kafka import Consumer  # noqa: PLC0415 - only the client that is measured is loaded
    from confluent_kafka import TopicPartition as Place  # noqa: PLC0415

    other: Any = Consumer({"bootstrap.servers": address, "group.id": "bare", "enable.auto.commit": False})
    other.assign([Place(topic, 0, 0) for topic in decoders])
    return lambda: len([decoders[message.topic()](message.value()) for message in other.consume(10_000, 0.5)])


def peak() -> int:
    """Return the most memory that this process had, in MiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def main(arguments: list[str]) -> None:
    """Measure one consumer."""
    kind, client, address, count, folder = arguments
    spent = bare(client, address, int(count)) if kind == "bare" else ours(client, address, int(count), Path(folder))
    print(*spent, peak())


if __name__ == "__main__":
    main(sys.argv[1:])
