"""The newest records of a log, for commands that show or study some."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from monitor.events import Records
from monitor.sources.port import Source, TopicPartition

PATIENCE: Final = 10.0
_POLL: Final = 0.25


def read_recent(
    source: Source,
    topic: str,
    count: int,
    *,
    from_start: bool = False,
    patience: float = PATIENCE,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[Records]:
    """Return up to ``count`` records a partition: the newest, or the first where offsets do not count records.

    Parameters
    ----------
    source
        A source that was not assigned yet.
    topic
        The input log.
    count
        How many records to read from each partition.
    from_start
        Read the first records instead; a file's offsets are bytes, so its newest lines cannot be counted back.
    patience
        Seconds to wait for records that should be there.
    """
    inputs = [TopicPartition(topic, partition) for partition in range(source.partitions([topic]).get(topic, 0))]
    if not inputs:
        return []
    begin, end = source.start_offsets(inputs, "earliest"), source.end_offsets(inputs)
    start = {name: begin[name] if from_start else max(begin[name], end[name] - count) for name in inputs}
    waiting = {name for name in inputs if start[name] < end[name]}
    source.assign(start)
    found: list[Records] = []
    taken = dict.fromkeys(inputs, 0)
    deadline = monotonic() + patience
    while waiting and monotonic() < deadline:
        for records in source.consume(count, _POLL):
            name = TopicPartition(records.topic, records.partition)
            part = first(records, count - taken[name])
            taken[name] += len(part)
            if len(part):
                found.append(part)
            if taken[name] >= count or records.next_offset >= end[name]:
                waiting.discard(name)
    return found


def first(records: Records, count: int) -> Records:
    """Return the first ``count`` of some records."""
    return choose(records, range(min(count, len(records))))


def choose(records: Records, index: Sequence[int]) -> Records:
    """Return some of the records."""
    return Records(
        topic=records.topic,
        partition=records.partition,
        next_offset=records.next_offset,
        offsets=[records.offsets[i] for i in index],
        log_times=[records.log_times[i] for i in index],
        broker_stamped=records.broker_stamped,
        keys=[records.keys[i] for i in index],
        values=[records.values[i] for i in index],
        headers=[records.headers[i] for i in index] if records.headers else [],
    )


def newest(found: Sequence[Records], count: int) -> list[Records]:
    """Return the ``count`` newest records by log time, oldest partition first."""
    places = [(r.log_times[i], r.partition, r.offsets[i], k, i) for k, r in enumerate(found) for i in range(len(r))]
    chosen: dict[int, list[int]] = {}
    for *_, which, index in sorted(places)[max(0, len(places) - count) :]:
        chosen.setdefault(which, []).append(index)
    parts = [choose(found[which], sorted(index)) for which, index in chosen.items()]
    return sorted(parts, key=lambda records: (records.partition, records.offsets))
