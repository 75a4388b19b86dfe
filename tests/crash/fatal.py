"""The service over a stream with records that end the process, in processes of ``test_fatal_records.py``.

``main(CONFIG)`` reads a stream with one such record to its end. Whoever decodes a record with ``FATAL`` in it dies as
by a fault in native code: at once, without a word.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from monitor.config.load import load
from monitor.decoding.decoder import Decoder
from monitor.events import Chunk, Records
from monitor.opening import open_pipeline
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import TopicPartition
from tests.crash.poison import TOPIC, Mixed, Poison, mix, text_of
from tests.crash.runs import drain

FATAL = b"fatal-record"
DIED = 139


class Fragile(Decoder):
    """Dies of the wrong record, wherever in the chunk it stands."""

    def decode(self, records: Records) -> Chunk:
        if any(value is not None and FATAL in value for value in records.values):
            os._exit(DIED)
        return super().decode(records)


SEVERAL: dict[int, tuple[int, ...]] = {0: (0, 150), 1: (200, 201)}
"""Places of fatal records: at the very beginning, alone, and two side by side."""
ONE: dict[int, tuple[int, ...]] = {0: (150,), 1: ()}


def clean() -> dict[int, list[Item]]:
    """Return the first ten hours of the clean stream."""
    return {number: log[:300] for number, log in mix([]).clean.items()}


def stream(places: Mapping[int, tuple[int, ...]] = MappingProxyType(SEVERAL)) -> Mixed:
    """Return the clean stream with fatal records at some places of each partition."""
    plain = clean()
    record = Poison(text_of({"prediction_id": FATAL.decode(), "ts": "2026-11-01T00:00:00Z"}), "crashed")
    fatal = Mixed(clean=plain)
    for partition, log in plain.items():
        out = fatal.dirty.setdefault(partition, [])
        for item in log:
            while len(out) in places[partition]:
                fatal.letters.append((f"{TOPIC}:{partition}:{len(out)}", "crashed"))
                out.append(Item(record.value, key=b"k"))
            out.append(item)
    return fatal


def main(config: str) -> None:
    """Read to the end."""
    logs = {TopicPartition(TOPIC, number): log for number, log in stream(ONE).dirty.items()}
    pipeline = open_pipeline(load(Path(config), os.environ), MemorySource(logs), base=Path(config).parent)
    for decoder in pipeline.decoders.values():
        decoder.__class__ = Fragile
    drain(pipeline)
    pipeline.close()
