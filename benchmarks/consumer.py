"""``python -m benchmarks.consumer bare|ours CLIENT ADDRESS RECORDS FOLDER``: CPU seconds, wall seconds, peak MiB."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.end_to_end import CONFIG, TOPIC, values
from monitor.collector import collect_seldom
from monitor.config.load import load
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import Batch, Records
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.reference.builder import BuildSettings, build_reference
from monitor.sources.build import build_source


def row_type() -> type[Any]:
    """Return the struct of a prediction that ``values`` makes."""
    numbers = [(f"feature_{place:02d}", float) for place in range(16)]
    words = [(name, str) for name in ("city", "country", "channel", "tier")]
    features = msgspec.defstruct("Features", [*numbers, *words], gc=False)
    fields = [("prediction_id", str), ("ts", str), ("model", str), ("model_version", str)]
    return msgspec.defstruct("Row", [*fields, ("features", features), ("score", float)], gc=False)


def bare(client: str, address: str, count: int) -> tuple[float, float]:
    """Poll and decode; return CPU and wall seconds."""
    decode = msgspec.json.Decoder(row_type()).decode
    poll = _poll_python(address) if client == "kafka-python" else _poll_librdkafka(address)
    seen = 0
    cpu, wall = time.process_time(), time.monotonic()
    while seen < count:
        found = poll()
        rows = [decode(value) for value in found]
        seen += len(rows)
    return time.process_time() - cpu, time.monotonic() - wall


def ours(client: str, address: str, count: int, folder: Path) -> tuple[float, float]:
    """Run the pipeline; return CPU and wall seconds."""
    pipeline, spent = read(CONFIG.format(address=address, client=client, folder=folder), count, folder)
    pipeline.close()
    return spent


def read(text: str, count: int, folder: Path) -> tuple[Pipeline, tuple[float, float]]:
    """Have a pipeline of a configuration read so many records; return it with CPU and wall seconds."""
    path = folder / "driftline.yaml"
    path.write_text(text)
    shutil.rmtree(folder / "state", ignore_errors=True)
    if not (folder / "reference.json").exists():
        write_reference(path, folder)
    config = load(path, os.environ)
    pipeline = open_pipeline(config, build_source(config), base=folder)
    collect_seldom()
    seen = 0
    cpu, wall = time.process_time(), time.monotonic()
    while seen < count:
        seen += pipeline.step(0.2)
        if pipeline.due():
            pipeline.checkpoint()
    pipeline.checkpoint()
    return pipeline, (time.process_time() - cpu, time.monotonic() - wall)


def write_reference(path: Path, folder: Path) -> None:
    """Count a reference of 20,000 rows for the configuration at ``path``."""
    config = load(path, os.environ, needs_references=False)
    rows = list(values(20_000, seed=2))
    numbers = list(range(len(rows)))

    def batches() -> Iterator[Batch]:
        records = Records(TOPIC, 0, len(rows), numbers, [0] * len(rows), False, [None] * len(rows), list(rows))
        yield from Decoder([Schema.of(config.models[0])], config.limits).decode(records).batches

    build_reference(BuildSettings.of(config.models[0]), batches, source="bench").save(folder / "reference.json")


def _poll_python(address: str) -> Any:
    from kafka import KafkaConsumer, TopicPartition  # type: ignore[import-untyped]  # noqa: PLC0415 - one client only

    consumer: Any = KafkaConsumer(
        bootstrap_servers=address, enable_auto_commit=False, max_partition_fetch_bytes=8 << 20
    )
    partition = TopicPartition(TOPIC, 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    return lambda: [
        record.value for records in consumer.poll(timeout_ms=500, max_records=10_000).values() for record in records
    ]


def _poll_librdkafka(address: str) -> Any:
    from confluent_kafka import Consumer, TopicPartition  # noqa: PLC0415 - only the client that is measured is loaded

    consumer: Any = Consumer({"bootstrap.servers": address, "group.id": "bare", "enable.auto.commit": False})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    return lambda: [message.value() for message in consumer.consume(10_000, 0.5)]


def main(arguments: list[str]) -> None:
    """Measure one consumer."""
    kind, client, address, count, folder = arguments
    spent = bare(client, address, int(count)) if kind == "bare" else ours(client, address, int(count), Path(folder))
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(*spent, int(peak.split()[1]) // 1024)


if __name__ == "__main__":
    main(sys.argv[1:])
