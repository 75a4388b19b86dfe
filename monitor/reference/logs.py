"""Rows of a source: JSON Lines, or a window of a topic, through the model's own mapping."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from monitor.config.model import ModelConfig, stream_name, stream_names
from monitor.config.root import LimitsConfig
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import ColumnType, Schema
from monitor.events import DAY, HOUR, Batch, Chunk, Records
from monitor.pairs import Pairs
from monitor.reference.rows import Report, UnreadableRowsError, listed, rejected_note, silent
from monitor.sources.port import (
    CorruptRecordsError,
    LostRecordsError,
    Source,
    SourceUnavailableError,
    TopicPartition,
)

_LIMIT: Final = 10_000
_POLL: Final = 0.2
_EVER: Final = -(1 << 62)
_CHECK: Final = "check that it can be reached, and try again"
PATIENCE: Final = 30.0
"""Seconds without any record before reading is given up."""


class LogRows:
    """Rows of one model in a topic or file. See ``monitor.reference.rows.Rows``.

    Where reading ends is asked once, so that every reading sees the same rows.

    Parameters
    ----------
    source
        A source that was not assigned yet; ``close`` closes it.
    topic
        The input log; where requests and responses are in two topics, either, and both are read.
    model
        The configured model; its ``where`` leaves out the rows of others.
    limits
        Bounds on what is parsed.
    description
        Where the rows come from, for people.
    types
        Feature → type, where that is known; others are learnt from the rows.
    start, end
        Rows with ``start <= event time < end``. Records count from ``start`` less the model's ``skew`` on, by log time,
        up to a while after ``end``: as long as the window itself, within an hour and a day. Later ones are not looked
        for.
    log_times
        Whether records carry log times; those of files do not, so files are read whole.
    """

    def __init__(
        self,
        source: Source,
        topic: str,
        model: ModelConfig,
        limits: LimitsConfig,
        *,
        description: str,
        types: Mapping[str, ColumnType] | None = None,
        start: int | None = None,
        end: int | None = None,
        log_times: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.description = description
        self.timed = True
        self.rejected: Counter[str] = Counter()
        self._source = source
        self._model = model
        self._limits = limits
        self._learnt: Mapping[str, ColumnType | None] = dict(types or {})
        self._from = start
        self._until = end
        self._monotonic = monotonic
        self._assigned = False
        self._paused: set[TopicPartition] = set()
        names = stream_names(model.predictions)
        self._topics = names if topic in names else (topic,)
        self._pairs: Pairs | None = None
        try:
            self._begin, self._end = self._span(self._topics, log_times=log_times)
        except SourceUnavailableError as error:
            raise UnreadableRowsError(description, str(error), _CHECK) from None
        if not self._begin:
            raise UnreadableRowsError(description, "does not exist", "check its name")

    @property
    def size(self) -> int:
        """Offsets to read."""
        return sum(max(0, self._end[name] - offset) for name, offset in self._begin.items())

    def notes(self) -> list[str]:
        """See ``Rows``."""
        return rejected_note(self.rejected)

    def guesses(self) -> list[str]:
        """See ``Rows``."""
        found = [name for name, kind in self._learnt.items() if kind is None]
        return [f"left out, no value in any row: {listed(sorted(found))}"] if found else []

    def batches(self, report: Report = silent) -> Iterator[Batch]:
        """See ``Rows``."""
        self.rejected.clear()
        if self._model.predictions.pair is not None:
            self._pairs = Pairs.of(self._model, [(name.topic, name.partition) for name in self._begin])
        schemas = [replace(one, projections=None) for one in Schema.all_of(self._model, None, self._learnt)]
        apart = len(self._topics) > 1
        decoders = {
            topic: Decoder([one for one in schemas if not apart or stream_name(one.stream) == topic], self._limits)
            for topic in self._topics
        }
        try:
            yield from self._batches(decoders, report)
        except (CorruptRecordsError, LostRecordsError, SourceUnavailableError) as error:
            raise UnreadableRowsError(self.description, str(error), _CHECK) from None
        learnt = [decoder.learnt(self._model.name) for decoder in decoders.values()]
        self._learnt = {name: type_ for one in learnt for name, type_ in one.items()}

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _batches(self, decoders: Mapping[str, Decoder], report: Report) -> Iterator[Batch]:
        self._go_to_begin()
        reached = dict(self._begin)
        last = self._monotonic()
        while any(reached[name] < end for name, end in self._end.items()):
            polled = self._source.consume(_LIMIT, _POLL)
            for records in polled:
                name = TopicPartition(records.topic, records.partition)
                yield from self._decode(decoders[records.topic], before(records, self._end[name]))
                reached[name] = max(reached[name], records.next_offset)
            if polled:
                last = self._monotonic()
            elif self._monotonic() - last > PATIENCE:
                raise UnreadableRowsError(self.description, f"nothing came for {PATIENCE:g} s", _CHECK)
            self._hold_back(reached)
            report(sum(min(offset, self._end[name]) - self._begin[name] for name, offset in reached.items()))
        if self._pairs is not None:
            self._pairs.finish()
            yield from self._within(paired.batch for paired in self._pairs.release())

    def _hold_back(self, reached: Mapping[TopicPartition, int]) -> None:
        """Read on only where halves wait for, while they are many."""
        if self._pairs is None:
            return
        for name, end in self._end.items():
            if reached[name] >= end:
                self._pairs.rest(name.topic, name.partition)
        crowd = self._pairs.crowd()
        paused = set() if crowd is None else {TopicPartition(*name) for name in crowd[1]}
        if resumed := self._paused - paused:
            self._source.resume(resumed)
        if more := paused - self._paused:
            self._source.pause(more)
        self._paused = paused

    def _decode(self, decoder: Decoder, records: Records) -> Iterator[Batch]:
        chunk = decoder.decode(records)
        self.rejected.update(reject.reason for reject in chunk.rejects)
        yield from self._within(self._paired(chunk))

    def _within(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the rows of the window."""
        for batch in batches:
            if self._from is None and self._until is None:
                yield batch
                continue
            low = _EVER if self._from is None else self._from
            high = -_EVER if self._until is None else self._until
            kept = np.flatnonzero((batch.times >= low) & (batch.times < high))
            yield batch if len(kept) == len(batch) else batch.take(kept)

    def _paired(self, chunk: Chunk) -> Iterable[Batch]:
        """Return the predictions; requests and responses are joined to such first."""
        if self._pairs is None:
            return chunk.batches
        self._pairs.take(chunk)
        return [paired.batch for paired in self._pairs.release()]

    def _go_to_begin(self) -> None:
        if not self._assigned:
            self._source.assign(self._begin)
            self._assigned = True
            return
        for name, offset in self._begin.items():
            self._source.seek(name, offset)

    def _span(
        self, topics: Sequence[str], *, log_times: bool
    ) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        """Return the offsets at which reading begins and ends."""
        counts = self._source.partitions(topics)
        inputs = [TopicPartition(topic, number) for topic in topics for number in range(counts.get(topic, 0))]
        if len(counts) < len(topics):
            return {}, {}
        start: str | int = "earliest"
        if log_times and self._from is not None:
            start = max(0, self._from - self._model.skew)
        begin = self._source.start_offsets(inputs, start)
        end = self._source.end_offsets(inputs)
        if log_times and self._until is not None:
            later = self._source.start_offsets(inputs, self._until + _slack(self._from, self._until))
            end = {name: min(offset, later[name]) for name, offset in end.items()}
        return begin, end


def before(records: Records, end: int) -> Records:
    """Return the records whose offset is before ``end``."""
    count = sum(offset < end for offset in records.offsets)
    if count == len(records):
        return records
    return replace(
        records,
        offsets=records.offsets[:count],
        log_times=records.log_times[:count],
        keys=records.keys[:count],
        values=records.values[:count],
        headers=records.headers[:count],
    )


def _slack(start: int | None, end: int) -> int:
    """Return how long after the end of a window its rows are still looked for."""
    return DAY if start is None else min(max(end - start, HOUR), DAY)
