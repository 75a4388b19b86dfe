"""Kafka through librdkafka (the ``librdkafka`` extra): the same promises at less than half of the processor time."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, TypeVar

import structlog
from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
)
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # they forgot to list it

from monitor.config.root import KafkaConfig
from monitor.events import Records
from monitor.sources.client_log import quiet_client_logs
from monitor.sources.kafka_options import METADATA_AGE
from monitor.sources.librdkafka_options import librdkafka_consumer_options, librdkafka_options
from monitor.sources.loss import lost_records, made_anew
from monitor.sources.port import UNKNOWN_TIME, CorruptRecordsError, SourceUnavailableError, TopicPartition
from monitor.sources.seldom import Seldom

log = structlog.get_logger(__name__)
KeyT = TypeVar("KeyT")
_PATIENCE: Final = 5.0
_EARLIEST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # has no type hints
_LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # has no type hints
_AGAIN: Final = 0.1
_KIND: Final = itemgetter(0)
_NO_SUCH_TIME: Final = -1
"""What is answered when no record is so late; anything below means that there was no answer."""
_OUTSIDE: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._LOG_TRUNCATION})
_CORRUPT: Final = frozenset({KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION, KafkaError.INVALID_MSG})


class LibrdkafkaSource:
    """A ``Source`` on librdkafka.

    Parameters
    ----------
    kafka
        The cluster.
    need_headers
        Whether anybody reads headers; without, ``Records.headers`` is empty.
    patience
        Seconds that a question (partitions, offsets, ids) may take before ``SourceUnavailableError``.
    metadata_age
        Seconds between two questions for the topics' ids.

    Notes
    -----
    librdkafka connects and reconnects by itself. It reads certificates once, at the start; the token file is read again
    whenever the token ends. A topic made anew is noticed by its id, which is asked for now and then.
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
        self._metadata_age = metadata_age
        self._monotonic = monotonic
        self._seldom = Seldom(monotonic=monotonic)
        quiet_client_logs()
        logger = logging.getLogger("librdkafka")
        callbacks: dict[str, Any] = {"error_cb": self._note, "logger": logger}
        self._consumer = Consumer({**librdkafka_consumer_options(kafka), **callbacks, "on_commit": self._committed})
        self._admin = AdminClient({**librdkafka_options(kafka), **callbacks})
        committed = kafka.isolation_level == "read_committed"
        self._isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._ids: dict[TopicPartition, str] = {}
        self._questions: dict[str, Future[Any]] = {}
        self._ask_at = float("-inf")
        self._checked = True
        self._corrupt: CorruptRecordsError | None = None
        self._sent: dict[TopicPartition, int] = {}
        self._commit_fails = False

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """See ``Source``."""
        return {topic: len(found.partitions) for topic, found in self._describe(topics).items()}

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """See ``Source``."""
        return {topic: _uuid(found.topic_id) for topic, found in self._describe(topics).items()}

    def start_offsets(self, inputs: Sequence[TopicPartition], start: str | int) -> dict[TopicPartition, int]:
        """See ``Source``."""
        if isinstance(start, int):
            found = self._list(inputs, OffsetSpec.for_timestamp(max(0, -(-start // 1000))))
            rest = [name for name, offset in found.items() if offset < 0]
            return {**found, **(self.end_offsets(rest) if rest else {})}
        return self.end_offsets(inputs) if start == "latest" else self._list(inputs, _EARLIEST)

    def end_offsets(self, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See ``Source``; under ``read_committed`` the end lies before the first open transaction."""
        return self._list(inputs, _LATEST)

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """See ``Source``."""
        previous, self._positions = self._positions, dict(positions)
        self._ids, self._paused, self._questions = {}, set(), {}
        self._checked = False
        try:
            self._check_positions()
        except SourceUnavailableError as error:
            log.warning("stored offsets are checked once a broker answers", problem=str(error))
        except BaseException:
            self._positions = previous
            raise
        self._reassign()

    def seek(self, input_: TopicPartition, offset: int) -> None:
        """See ``Source``."""
        self._positions[input_] = offset
        self._ids.pop(input_, None)
        self._reassign()

    def consume(self, limit: int, timeout: float) -> list[Records]:
        """See ``Source``."""
        if not self._checked:
            try:
                self._check_positions()
            except SourceUnavailableError as error:
                self._trouble("stored offsets cannot be checked yet", error)
                return []
        self._raise_corrupt()
        messages = self._consumer.consume(limit, 0)
        if not messages and (first := self._consumer.poll(timeout)) is not None:
            messages = [first, *self._consumer.consume(limit - 1, 0)] if limit > 1 else [first]
        self._check_ids()
        polled = [records for part in _by_input(messages) for records in self._columns(part)]
        if not polled:
            self._raise_corrupt()
        return polled

    def pause(self, inputs: Iterable[TopicPartition]) -> None:
        """See ``Source``."""
        names = [name for name in inputs if name in self._positions]
        self._paused.update(names)
        self._reassign()

    def resume(self, inputs: Iterable[TopicPartition]) -> None:
        """See ``Source``."""
        names = [name for name in inputs if name in self._positions]
        self._paused.difference_update(names)
        self._consumer.resume([_theirs(name) for name in names])

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """See ``Source``."""
        if positions == self._sent:
            return
        try:
            self._consumer.commit(offsets=[_theirs(name, offset) for name, offset in positions.items()])
        except KafkaException as error:
            self._committed(error.args[0], [])
        else:
            self._sent = dict(positions)

    def committed(self, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See ``Source``."""
        try:
            found = self._consumer.committed([_theirs(name) for name in inputs], timeout=self._patience)
        except KafkaException as error:
            raise SourceUnavailableError(error.args[0].str()) from error
        return {
            TopicPartition(one.topic, one.partition): one.offset
            for one in found
            if one.error is None and one.offset >= 0
        }

    def close(self) -> None:
        """See ``Source``."""
        self._consumer.close()
        self._admin.__exit__(None, None, None)  # it has no other way to end its threads

    def _columns(self, messages: list[Message]) -> list[Records]:
        """Turn consecutive messages of one partition into ``Records``; errors among them are dealt with in turn."""
        name = TopicPartition(str(messages[0].topic()), int(messages[0].partition() or 0))
        if not any(map(Message.error, messages)):
            return self._runs(name, messages)
        records: list[Records] = []
        run: list[Message] = []
        for message in messages:
            if (error := message.error()) is None:
                run.append(message)
                continue
            records += self._runs(name, run)
            run = []
            records += self._deal(name, message, error)
            if self._corrupt is not None and self._corrupt.input == name:
                return records
        return records + self._runs(name, run)

    def _runs(self, name: TopicPartition, messages: list[Message]) -> list[Records]:
        """Return messages without errors as ``Records``, one for each run whose times were stamped in the same way."""
        stamps = list(map(Message.timestamp, messages))
        records, start = [], 0
        for kind, run in groupby(map(_KIND, stamps)):
            stop = start + len(list(run))
            records.append(self._run(name, messages[start:stop], stamps[start:stop], kind))
            start = stop
        return records

    def _run(self, name: TopicPartition, run: list[Message], stamps: list[tuple[int, int]], kind: int) -> Records:
        offsets: list[int] = list(map(Message.offset, run))  # type: ignore[arg-type]  # what was read has an offset
        self._positions[name] = offsets[-1] + 1
        known = kind != TIMESTAMP_NOT_AVAILABLE
        return Records(
            topic=name.topic,
            partition=name.partition,
            next_offset=self._positions[name],
            offsets=offsets,
            log_times=[millis * 1000 for _, millis in stamps] if known else [UNKNOWN_TIME] * len(run),
            broker_stamped=kind == TIMESTAMP_LOG_APPEND_TIME,
            keys=list(map(Message.key, run)),
            values=list(map(Message.value, run)),
            headers=[_headers(message) for message in run] if self._need_headers else [],
        )

    def _deal(self, name: TopicPartition, message: Message, error: KafkaError) -> list[Records]:
        """Return how far reading moved at the end of a partition, or raise what an error means."""
        offset = message.offset()
        if error.code() == KafkaError._PARTITION_EOF:
            if offset is None or offset <= self._positions[name]:
                return []
            self._positions[name] = offset
            return [Records(name.topic, name.partition, offset, [], [], True, [], [])]
        if error.code() in _OUTSIDE:
            self._checked = False
            self._reassign()
            self._ask_at = float("-inf")
            return []
        if error.code() in _CORRUPT:
            self._corrupt = CorruptRecordsError(name, self._positions[name], error.str())
            return []
        self._trouble("reading failed, trying again", error)
        return []

    def _raise_corrupt(self) -> None:
        """Raise what was found to be corrupt, once what came before it is handed out."""
        error, self._corrupt = self._corrupt, None
        if error is not None:
            self._reassign()
            raise error

    def _reassign(self) -> None:
        """Have the consumer stand at our positions; whatever it fetched ahead is dropped."""
        self._consumer.assign([_theirs(name, offset) for name, offset in self._positions.items()])
        if self._paused:
            self._consumer.pause([_theirs(name) for name in self._paused])

    def _describe(self, topics: Iterable[str]) -> dict[str, Any]:
        """Return the descriptions of the topics that exist."""
        self._admin.poll(0)
        wanted = list(topics)
        if not wanted:
            return {}
        questions = self._admin.describe_topics(TopicCollection(wanted), request_timeout=self._patience)
        return {topic: found for topic, found in self._answers(questions).items() if found is not None}

    def _list(self, inputs: Sequence[TopicPartition], spec: Any) -> dict[TopicPartition, int]:
        """Ask for offsets, again when a leader has just moved, until the patience is at its end."""
        deadline = self._monotonic() + self._patience
        while True:
            try:
                return self._list_once(inputs, spec)
            except SourceUnavailableError:
                if self._monotonic() + _AGAIN >= deadline:
                    raise
                with contextlib.suppress(KafkaException):
                    self._admin.list_topics(timeout=_AGAIN)  # refreshes what it knows of leaders
                time.sleep(_AGAIN)

    def _list_once(self, inputs: Sequence[TopicPartition], spec: Any) -> dict[TopicPartition, int]:
        self._admin.poll(0)
        if not inputs:
            return {}
        asked = {_theirs(name): spec for name in inputs}
        questions = self._admin.list_offsets(asked, isolation_level=self._isolation, request_timeout=self._patience)
        names = {TopicPartition(part.topic, part.partition): question for part, question in questions.items()}
        found = {name: None if answer is None else answer.offset for name, answer in self._answers(names).items()}
        missing = sorted(str(name) for name, offset in found.items() if offset is None or offset < _NO_SUCH_TIME)
        if missing:
            raise SourceUnavailableError(f"nobody knows the offsets of {', '.join(missing)}")
        return {name: offset for name, offset in found.items() if offset is not None}

    def _answers(self, questions: Mapping[KeyT, Future[Any]]) -> dict[KeyT, Any]:
        """Await answers; that of what does not exist is ``None``."""
        answers: dict[KeyT, Any] = {}
        for key, question in questions.items():
            try:
                answers[key] = question.result(self._patience + 1.0)
            except KafkaException as error:
                if error.args[0].code() not in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_EXCEPTION}:
                    raise SourceUnavailableError(error.args[0].str()) from error
                answers[key] = None
            except TimeoutError as error:
                raise SourceUnavailableError(f"no broker answered within {self._patience:g} s") from error
        return answers

    def _check_positions(self) -> None:
        names = list(self._positions)
        begins, ends = self._list(names, _EARLIEST), self.end_offsets(names)
        if self._ids:
            self._compare(self.topic_ids({name.topic for name in names}))
        for name, offset in self._positions.items():
            if (error := lost_records(name, offset, begins[name], ends[name])) is not None:
                raise error
        self._checked = True

    def _check_ids(self) -> None:
        """Ask for the topics' ids now and then, and compare what was answered with what it was at first."""
        now = self._monotonic()
        if self._questions and all(question.done() for question in self._questions.values()):
            questions, self._questions = self._questions, {}
            found = {topic: question.result() for topic, question in questions.items() if question.exception() is None}
            self._compare({topic: _uuid(description.topic_id) for topic, description in found.items()})
        if not self._questions and now >= self._ask_at and self._positions:
            self._ask_at = now + self._metadata_age
            topics = TopicCollection(sorted({name.topic for name in self._positions}))
            self._questions = self._admin.describe_topics(topics, request_timeout=self._patience)

    def _compare(self, ids: Mapping[str, str]) -> None:
        for name in self._positions:
            id_ = ids.get(name.topic)
            if id_ is not None and self._ids.setdefault(name, id_) != id_:
                self._reassign()
                raise made_anew(name, self._begin(name))

    def _begin(self, name: TopicPartition) -> int:
        try:
            return self._list([name], _EARLIEST)[name]
        except SourceUnavailableError:
            return 0

    def _note(self, error: KafkaError) -> None:
        self._trouble("kafka client", error)

    def _committed(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            self._sent = {}
        if error is not None and not self._commit_fails:
            log.warning("offsets are not committed; only lag tools notice", problem=error.str())
        elif error is None and self._commit_fails:
            log.info("offsets are committed again")
        self._commit_fails = error is not None

    def _trouble(self, what: str, error: Exception | KafkaError) -> None:
        if (more := self._seldom.allow()) is not None:
            problem = error.str() if isinstance(error, KafkaError) else str(error)
            log.warning(what, problem=problem, held_back=more)


def _by_input(messages: list[Message]) -> list[list[Message]]:
    """Return messages by topic and partition, each list in order."""
    if not messages:
        return []
    topics, numbers = list(map(Message.topic, messages)), list(map(Message.partition, messages))
    if topics.count(topics[0]) == numbers.count(numbers[0]) == len(messages):
        return [messages]
    parts: dict[tuple[str | None, int | None], list[Message]] = {}
    for topic, number, message in zip(topics, numbers, messages, strict=True):
        parts.setdefault((topic, number), []).append(message)
    return list(parts.values())


def _theirs(name: TopicPartition, offset: int | None = None) -> KafkaPartition:
    if offset is None:
        return KafkaPartition(name.topic, name.partition)
    return KafkaPartition(name.topic, name.partition, offset)


def _uuid(id_: Any) -> str:
    """Return a topic id as everybody but librdkafka writes it."""
    high, low = id_.get_most_significant_bits(), id_.get_least_significant_bits()
    return str(uuid.UUID(int=(high % 2**64) << 64 | low % 2**64))


def _headers(message: Message) -> list[tuple[str, bytes | None]]:
    return message.headers() or []  # type: ignore[return-value]  # their type admits text, which is only ever sent
