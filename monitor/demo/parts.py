"""The demo's stream in the parts that it is fed in."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import groupby, repeat
from typing import Final, TypeAlias

from monitor.demo.output import label_records
from monitor.demo.stream import DemoRecord, DemoStream
from monitor.events import HOUR

Part: TypeAlias = tuple[int, list[tuple[str, DemoRecord]]]
"""When it begins, in microseconds, and its records with their topics."""
TOPIC: Final = "loan.predictions"
LABELS: Final = "loan.labels"
_QUIET: Final = 12 * HOUR
"""Of the stream, read between two checkpoints before the first change."""
_AT_ONCE: Final = 3 * HOUR
"""From then on."""


def parts(stream: DemoStream) -> Iterator[Part]:
    """Yield the stream as it is fed: when a part begins, in microseconds, and its records with their topics."""
    quiet_until = min(injection.start for injection in stream.injections)

    def part_of(entry: tuple[str, DemoRecord]) -> int:
        time = entry[1].timestamp
        length = _QUIET if time < quiet_until else _AT_ONCE
        return time // length * length

    logs = (zip(repeat(TOPIC), stream.records()), zip(repeat(LABELS), label_records(stream)))
    for start, part in groupby(merge(*logs, key=lambda entry: entry[1].timestamp), key=part_of):
        yield start, list(part)
