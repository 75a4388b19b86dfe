"""The demo's stream as files, or into a real topic."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from kafka import KafkaAdminClient, KafkaProducer  # type: ignore[import-untyped]  # kafka-python has no type hints
from kafka.errors import TopicAlreadyExistsError  # type: ignore[import-untyped]  # kafka-python has no type hints

from monitor.demo.stream import PARTITIONS, DemoLabel, DemoRecord, DemoStream

PREDICTIONS: Final = "predictions.jsonl"
REFERENCE: Final = "reference.jsonl"
LABELS: Final = "labels.jsonl"
_LONGEST: Final = str((1 << 63) - 1)
_FOR_EVER: Final = "-1"


class NotWrittenError(Exception):
    """The broker did not take every record."""


def write_files(stream: DemoStream, folder: Path) -> None:
    """Write the stream, its reference and its labels as JSON Lines into ``folder``, which is made if need be.

    The predictions stand in the order of the log, all partitions together, with the records that cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_lines(folder / PREDICTIONS, (record.value for record in stream.records()))
    _write_lines(folder / REFERENCE, stream.reference_rows())
    _write_lines(folder / LABELS, (encode_label(label) for label in stream.labels()))


def encode_label(label: DemoLabel) -> bytes:
    """Return a label as a record's value.

    >>> encode_label(DemoLabel(1_780_272_000_000_000, "loan-028-00000", 1))
    b'{"id":"loan-028-00000","at":1780272000000,"label":1}'
    """
    return json.dumps({"id": label.id, "at": label.time // 1000, "label": label.label}, separators=(",", ":")).encode()


def label_records(stream: DemoStream) -> Iterator[DemoRecord]:
    """Yield the labels as records of a topic whose partitions are chosen as those of the predictions are."""
    for label in stream.labels():
        key = label.id.encode()
        yield DemoRecord(crc32(key) % PARTITIONS, label.time, key, encode_label(label))


def create_topic(servers: Sequence[str], topic: str, partitions: int = PARTITIONS) -> None:
    """Create a topic that keeps the demo's old records and takes their times as they are; leave one that exists."""
    admin: Any = KafkaAdminClient(bootstrap_servers=list(servers))
    kept = {
        "retention.ms": _FOR_EVER,
        "message.timestamp.type": "CreateTime",
        "message.timestamp.before.max.ms": _LONGEST,
        "message.timestamp.after.max.ms": _LONGEST,
    }
    try:
        admin.create_topics(
            {topic: {"num_partitions": partitions, "replication_factor": 1, "configs": kept}}, wait_for_metadata=True
        )
    except TopicAlreadyExistsError:
        return
    finally:
        admin.close()


def produce(records: Iterable[DemoRecord], servers: Sequence[str], topic: str) -> int:
    """Send every record to its partition, under its own time and in its order, and await the last acknowledgement.

    Returns
    -------
    int
        How many were sent.

    Raises
    ------
    NotWrittenError
        When the broker refused some.
    """
    failures: list[Exception] = []
    sent = 0
    producer: Any = KafkaProducer(
        bootstrap_servers=list(servers), linger_ms=50, batch_size=1 << 17, compression_type="lz4", metrics_enabled=False
    )
    try:
        for record in records:
            producer.send(
                topic,
                value=record.value,
                key=record.key,
                partition=record.partition,
                timestamp_ms=record.timestamp // 1000,
            ).add_errback(failures.append)
            sent += 1
        producer.flush()
    finally:
        producer.close()
    if failures:
        raise NotWrittenError(f"{topic}: {len(failures)} of {sent} records were refused, the first with {failures[0]}")
    return sent


def _write_lines(path: Path, lines: Iterable[bytes]) -> None:
    with path.open("wb") as out:
        out.writelines(line + b"\n" for line in lines)
