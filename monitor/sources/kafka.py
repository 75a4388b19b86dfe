"""Kafka through kafka-python: explicit offsets, no group, and every loss said aloud."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import structlog
from kafka import KafkaConsumer  # type: ignore[import-untyped]  # kafka-python has no type hints
from kafka import TopicPartition as KafkaPartition
from kafka.consumer.fetcher import ConsumerRecord  # type: ignore[import-untyped]  # kafka-python has no type hints
from kafka.errors import (  # type: ignore[import-untyped]  # kafka-python has no type hints
    CorruptRecordError,
    KafkaError,
    LogTruncationError,
    OffsetOutOfRangeError,
    SaslAuthenticationFailedError,
)

from monitor.config.root import KafkaConfig
from monitor.events import Records
from monitor.sources.connection import Connection
from monitor.sources.kafka_commit import OffsetCommitter
from monitor.sources.kafka_metadata import Metadata
from monitor.sources.kafka_options import METADATA_AGE, consumer_options
from monitor.sources.loss import cut_back, lost_records, made_anew
from monitor.sources.port import (
    UNKNOWN_TIME,
    CorruptRecordsError,
    LostRecordsError,
    SourceUnavailableError,
    TopicPartition,
)
from monitor.sources.seldom import Seldom

log = structlog.get_logger(__name__)
_OFFSET, _TIME, _TIME_TYPE, _KEY, _VALUE, _HEADERS = (
    itemgetter(ConsumerRecord._fields.index(name))
    for name in ("offset", "timestamp", "timestamp_type", "key", "value", "headers")
)
_LOG_APPEND_TIME: Final = 1
_PATIENCE: Final = 5.0
_ROUNDS: Final = 6
_LOOK_EVERY: Final = 1.0


class KafkaPythonSource:
    """A ``Source`` on kafka-python.

    Parameters
    ----------
    kafka
        The cluster. Nothing is connected before the first question or ``consume``.
    need_headers
        Whether anybody reads headers; without, ``Records.headers`` is empty.
    patience
        Seconds that a question (partitions, offsets, ids) may take before ``SourceUnavailableError``.
    metadata_age
        Seconds after which the cluster's metadata is refreshed.

    Notes
    -----
    While no broker answers, ``consume`` returns nothing and connecting goes on with growing pauses, for ever. When the
    cluster's metadata could not be refreshed six times in a row, the client is made anew from ``bootstrap_servers``, so
    that a cluster that came back under other addresses is found.

    A topic made anew is noticed by its id, at the latest when the metadata is refreshed.
    """

    def __init__(
        self,
        kafka: KafkaConfig,
        *,
        need_headers: bool = True,
        patience: float = _PATIENCE,
        metadata_age: float = METADATA_AGE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._need_headers = need_headers
        self._patience = patience
        self._monotonic = monotonic
        self._stale = _ROUNDS * metadata_age
        options = {**consumer_options(kafka), "metadata_max_age_ms": int(metadata_age * 1000)}
        self._connection: Connection[Any] = Connection(KafkaConsumer, options, "read")
        self._committer = OffsetCommitter(kafka)
        self._positions: dict[TopicPartition, int] = {}
        self._ids: dict[TopicPartition, str] = {}
        self._paused: set[TopicPartition] = set()
        self._attached: Any = None
        self._metadata: Metadata | None = None
        self._checked = True
        self._looked = float("-inf")
        self._seldom = Seldom(monotonic=monotonic)

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """See ``Source``."""
        return self._known_metadata(topics).partitions(topics)

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """See ``Source``; brokers before Kafka 2.8 know no ids."""
        return self._known_metadata(topics).topic_ids(topics)

    def start_offsets(self, inputs: Sequence[TopicPartition], start: str | int) -> dict[TopicPartition, int]:
        """See ``Source``."""
        if isinstance(start, int):
            found = self._ask("offsets_for_times", {_theirs(name): max(0, -(-start // 1000)) for name in inputs})
            offsets = {_ours(name): stamped.offset for name, stamped in found.items() if stamped is not None}
            rest = [name for name in inputs if name not in offsets]
            return {**offsets, **(self.end_offsets(rest) if rest else {})}
        if start == "latest":
            return self.end_offsets(inputs)
        return self._offsets("beginning_offsets", inputs)

    def end_offsets(self, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See ``Source``; under ``read_committed`` the end lies before the first open transaction."""
        return self._offsets("end_offsets", inputs)

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """See ``Source``."""
        self._ids = {}
        self._paused = set()
        self._attached = None
        self._checked = False
        previous, self._positions = self._positions, dict(positions)
        try:
            self._check_positions()
        except SourceUnavailableError as error:
            log.warning("stored offsets are checked once a broker answers", problem=str(error))
        except LostRecordsError:
            self._positions = previous
            raise

    def seek(self, input_: TopicPartition, offset: int) -> None:
        """See ``Source``."""
        self._positions[input_] = offset
        self._ids.pop(input_, None)
        if self._attached is not None and input_ not in self._paused:
            self._attached.seek(_theirs(input_), offset)

    def consume(self, limit: int, timeout: float) -> list[Records]:
        """See ``Source``."""
        deadline = self._monotonic() + timeout
        consumer = self._attach(timeout)
        if consumer is None:
            return []
        left = max(0.0, deadline - self._monotonic())
        try:
            polled = consumer.poll(timeout_ms=int(left * 1000), max_records=limit)
        except SaslAuthenticationFailedError as error:
            self._trouble("the broker refuses us, connecting anew", error)
            self._detach()
            return self._nothing(deadline)
        except (OffsetOutOfRangeError, LogTruncationError) as error:
            self._explain_loss(error)
            return self._nothing(deadline)
        except CorruptRecordError as error:
            self._explain_corruption(error)
            return self._nothing(deadline)
        except KafkaError as error:
            self._trouble("reading failed, trying again", error)
            return self._nothing(deadline)
        except Exception as error:
            self._explain_corruption(error)
            raise
        self._check_ids()
        return self._advance(consumer, polled)

    def pause(self, inputs: Iterable[TopicPartition]) -> None:
        """See ``Source``."""
        self._paused.update(name for name in inputs if name in self._positions)
        if self._attached is not None:
            self._place(self._attached, ())

    def resume(self, inputs: Iterable[TopicPartition]) -> None:
        """See ``Source``."""
        resumed = self._paused.intersection(inputs)
        self._paused -= resumed
        if self._attached is not None:
            self._place(self._attached, resumed)

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """See ``Source``."""
        self._committer.commit(positions)

    def committed(self, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See ``Source``."""
        return self._committer.committed(inputs, self._patience)

    def close(self) -> None:
        """See ``Source``."""
        self._attached = None
        self._connection.close()
        self._committer.close()

    def _attach(self, timeout: float) -> Any:
        """Return a connected consumer that stands at our positions, ``None`` while there is none."""
        if self._metadata is not None and self._metadata.age() > self._stale:
            self._trouble("the cluster has been silent for long, connecting anew", None)
            self._detach()
        consumer = self._connect(timeout)
        if consumer is None or consumer is self._attached:
            return consumer
        if not self._checked:
            try:
                self._check_positions()
            except SourceUnavailableError as error:
                self._trouble("stored offsets cannot be checked yet", error)
                return None
        self._place(consumer, self._positions)
        self._attached = consumer
        return consumer

    def _place(self, consumer: Any, moved: Iterable[TopicPartition]) -> None:
        """Have the consumer read what is not paused, the ``moved`` partitions from our positions on.

        What is paused is taken out of the assignment: a partition that was paused in the client's own way while it
        held fetched records would never be read again (kafka-python 3.0.12).
        """
        active = [name for name in self._positions if name not in self._paused]
        consumer.assign([_theirs(name) for name in active])
        for name in set(moved).intersection(active):
            consumer.seek(_theirs(name), self._positions[name])

    def _connect(self, timeout: float) -> Any:
        consumer = self._connection.get(timeout)
        network = self._connection.network
        if consumer is not None and network is not None and self._metadata is None:
            self._metadata = Metadata(network.cluster, self._monotonic)
        return consumer

    def _detach(self) -> None:
        self._attached = self._metadata = None
        self._connection.drop()

    def _advance(self, consumer: Any, polled: Mapping[Any, list[Any]]) -> list[Records]:
        """Turn what was polled into columns, and note positions that moved without a record."""
        records: list[Records] = []
        for partition, rows in polled.items():
            name = _ours(partition)
            self._positions[name] = _position(consumer, partition, _OFFSET(rows[-1]) + 1)
            records += self._columns(name, rows, self._positions[name])
        now = self._monotonic()
        if not polled or now - self._looked >= _LOOK_EVERY:
            self._looked = now
            for name in self._positions.keys() - self._paused:
                before = self._positions[name]
                offset = _position(consumer, _theirs(name), before)
                if offset > before:
                    self._positions[name] = offset
                    records.append(Records(name.topic, name.partition, offset, [], [], True, [], []))
        return records

    def _columns(self, name: TopicPartition, rows: list[Any], next_offset: int) -> list[Records]:
        """Return the rows as ``Records``, one for each run of rows whose times were stamped in the same way."""
        if len(set(map(_TIME_TYPE, rows))) == 1:
            return [self._run(name, rows, next_offset)]
        runs = [list(run) for _, run in groupby(rows, key=_TIME_TYPE)]
        nexts = [_OFFSET(run[0]) for run in runs[1:]]
        return [self._run(name, run, after) for run, after in zip(runs, [*nexts, next_offset], strict=True)]

    def _run(self, name: TopicPartition, rows: list[Any], next_offset: int) -> Records:
        return Records(
            topic=name.topic,
            partition=name.partition,
            next_offset=next_offset,
            offsets=list(map(_OFFSET, rows)),
            log_times=[millis * 1000 if millis >= 0 else UNKNOWN_TIME for millis in map(_TIME, rows)],
            broker_stamped=_TIME_TYPE(rows[0]) == _LOG_APPEND_TIME,
            keys=list(map(_KEY, rows)),
            values=list(map(_VALUE, rows)),
            headers=list(map(_HEADERS, rows)) if self._need_headers else [],
        )

    def _known_metadata(self, topics: Iterable[str]) -> Metadata:
        """Return metadata of this moment, or of one just before: asking again at once would hold a start up."""
        if self._metadata is not None and self._metadata.knows(topics):
            return self._metadata
        return self._fresh_metadata(topics)

    def _fresh_metadata(self, topics: Iterable[str]) -> Metadata:
        deadline = self._monotonic() + self._patience
        if self._connect(self._patience) is None or self._metadata is None:
            raise SourceUnavailableError(f"no broker answered within {self._patience:g} s")
        self._metadata.refresh(topics, deadline - self._monotonic())
        return self._metadata

    def _offsets(self, question: str, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        found = self._ask(question, [_theirs(name) for name in inputs])
        return {_ours(name): offset for name, offset in found.items()}

    def _ask(self, question: str, about: Any) -> dict[Any, Any]:
        deadline = self._monotonic() + self._patience
        consumer = self._connect(self._patience)
        if consumer is None:
            raise SourceUnavailableError(f"no broker answered within {self._patience:g} s")
        left = max(0.1, deadline - self._monotonic())
        try:
            answer: dict[Any, Any] = getattr(consumer, question)(about, timeout_ms=int(left * 1000))
        except KafkaError as error:
            raise SourceUnavailableError(f"{question.replace('_', ' ')}: {error}") from error
        return answer

    def _check_positions(self) -> None:
        """Compare our positions with the logs.

        Raises
        ------
        LostRecordsError
            When one lies outside.
        """
        names = list(self._positions)
        begins, ends = self._offsets("beginning_offsets", names), self._offsets("end_offsets", names)
        for name, offset in self._positions.items():
            if (error := lost_records(name, offset, begins[name], ends[name])) is not None:
                raise error
        self._checked = True

    def _check_ids(self) -> None:
        """Compare the topics' ids with those at which reading began.

        Raises
        ------
        LostRecordsError
            When a topic was made anew.
        """
        if self._metadata is None:
            return
        current = self._metadata.topic_ids({name.topic for name in self._positions})
        for name in self._positions:
            id_ = current.get(name.topic)
            if id_ is not None and self._ids.setdefault(name, id_) != id_:
                self._attached = None
                raise made_anew(name, self._begin(name))

    def _begin(self, name: TopicPartition) -> int:
        try:
            return self._offsets("beginning_offsets", [name])[name]
        except SourceUnavailableError:
            return 0

    def _explain_loss(self, error: Any) -> None:
        """Raise what a position outside the log means, or return when it is inside again."""
        try:
            self._fresh_metadata({name.topic for name in self._positions})
            self._check_ids()
            if isinstance(error, LogTruncationError):
                for partition, divergent in error.divergent_offsets.items():
                    name = _ours(partition)
                    raise cut_back(name, self._positions[name], divergent.offset)
            self._check_positions()
        except SourceUnavailableError as silence:
            self._trouble("a position fell out of the log; the broker does not say how far", silence)

    def _explain_corruption(self, error: Exception) -> None:
        """Find out which partition holds what cannot be read; kafka-python does not say, and hangs if asked again."""
        self._detach()
        try:
            ends = self._offsets("end_offsets", list(self._positions))
        except SourceUnavailableError as silence:
            self._trouble("something cannot be read; the broker does not say where", silence)
            return
        for name, offset in self._positions.items():
            if offset < ends[name] and (found := self._probe(name, offset)) is not None and type(found) is type(error):
                message = f"{type(found).__name__}: {found}"
                raise CorruptRecordsError(name, offset, message) from found

    def _probe(self, name: TopicPartition, offset: int) -> Exception | None:
        """Return what reading one partition from an offset raises."""
        consumer = self._connect(self._patience)
        if consumer is None:
            return None
        consumer.assign([_theirs(name)])
        consumer.seek(_theirs(name), offset)
        try:
            consumer.poll(timeout_ms=int(self._patience * 1000), max_records=1)
        except Exception as error:  # noqa: BLE001 - a codec may raise anything; its kind is what we look for
            self._detach()
            return error
        self._attached = None
        return None

    def _nothing(self, deadline: float) -> list[Records]:
        """Wait out the time that the caller gave, so that a lasting error does not keep a processor busy."""
        time.sleep(max(0.0, deadline - self._monotonic()))
        return []

    def _trouble(self, what: str, error: Exception | None) -> None:
        if (more := self._seldom.allow()) is not None:
            log.warning(what, problem=None if error is None else str(error), held_back=more)


def _position(consumer: Any, partition: Any, at_least: int) -> int:
    """Return where a partition is read next: beyond its last record when transaction markers follow."""
    try:
        offset = consumer.position(partition, timeout_ms=0)
    except KafkaError:
        return at_least  # the next poll raises it again, and there it is explained
    return at_least if offset is None else max(at_least, int(offset))


def _theirs(name: TopicPartition) -> Any:
    return KafkaPartition(name.topic, name.partition)


def _ours(partition: Any) -> TopicPartition:
    return TopicPartition(partition.topic, partition.partition)
