"""Dead letters to a Kafka topic, with what went wrong in headers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from kafka import KafkaProducer  # type: ignore[import-untyped]  # kafka-python has no type hints
from kafka.errors import (  # type: ignore[import-untyped]  # kafka-python has no type hints
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from monitor.config.root import KafkaConfig
from monitor.dead_letter import DeadLetter
from monitor.sources.connection import Connection
from monitor.sources.kafka_options import client_options
from monitor.sources.seldom import Seldom

log = structlog.get_logger(__name__)
_DEADLINE: Final = 3.0
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_LAST_WORDS: Final = 2.0
_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)


class TopicSink:
    """Publishes letters with an idempotent producer and awaits the acknowledgement of all replicas.

    A letter keeps the record's value and headers; its key is the letter's stable key. Beside them stand
    ``driftline-error`` (the reason), ``driftline-error-detail``, ``driftline-topic``, ``driftline-partition``,
    ``driftline-offset`` and, where they exist, ``driftline-row``, ``driftline-model``, ``driftline-key``. A value that
    the topic does not take is left out and ``driftline-payload: omitted`` says so.

    Parameters
    ----------
    kafka
        The cluster.
    topic
        The topic; it is not created by us.
    payload
        Whether key, value and headers go along.
    deadline
        Seconds that one ``publish`` may take. After a failure the next attempts are put off for one second, then two,
        up to half a minute, so that a missing topic does not hold up counting.
    """

    def __init__(
        self,
        kafka: KafkaConfig,
        topic: str,
        *,
        payload: bool = True,
        deadline: float = _DEADLINE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topic = topic
        self._payload = payload
        self._deadline = deadline
        self._monotonic = monotonic
        self._connection: Connection[Any] = Connection(
            KafkaProducer, producer_options(kafka, deadline), "dead-letters", discard
        )
        self._oversized: set[str] = set()
        """Keys of letters that go without their payload."""
        self._retry_at = float("-inf")
        self._pause = _FIRST_PAUSE
        self._seldom = Seldom(monotonic=monotonic)

    def publish(self, letters: Sequence[DeadLetter]) -> int:
        """See ``DeadLetterSink``."""
        if not letters or self._monotonic() < self._retry_at:
            return 0
        until = self._monotonic() + self._deadline
        taken, at_once = 0, len(letters)
        while taken < len(letters):
            producer = self._connection.get(max(0.0, until - self._monotonic()))
            if producer is None:
                return self._put_off(taken, "no broker answers")
            acked, error = self._batch(producer, letters[taken : taken + at_once], until)
            self._oversized -= {letter.stable_key for letter in letters[taken : taken + acked]}
            taken += acked
            if error is None:
                continue
            self._connection.drop()  # after an error, an idempotent producer refuses everything
            if not isinstance(error, _TOO_LARGE) or self._monotonic() >= until:
                return self._put_off(taken, str(error))
            if at_once == 1:
                self._oversized.add(letters[taken].stable_key)
            at_once = 1
        self._pause = _FIRST_PAUSE
        return taken

    def close(self) -> None:
        """See ``DeadLetterSink``."""
        self._connection.close()

    def _batch(self, producer: Any, letters: Sequence[DeadLetter], until: float) -> tuple[int, KafkaError | None]:
        """Send letters; return how many of the first were acknowledged, and what stopped the next."""
        futures: list[Any] = []
        stopped: KafkaError | None = None
        for letter in letters:
            try:
                futures.append(self._send(producer, letter))
            except KafkaError as error:
                stopped = error
                break
        for acked, future in enumerate(futures):
            try:
                future.get(timeout=max(0.0, until - self._monotonic()))
            except KafkaError as error:
                return acked, error
        return len(futures), stopped

    def _send(self, producer: Any, letter: DeadLetter) -> Any:
        whole = self._payload and letter.stable_key not in self._oversized
        return producer.send(
            self._topic,
            value=letter.value if whole else None,
            key=letter.stable_key.encode(),
            headers=headers_of(letter, payload=whole, omitted=self._payload and not whole),
        )

    def _put_off(self, taken: int, problem: str) -> int:
        self._retry_at = self._monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        if (more := self._seldom.allow()) is not None:
            log.warning("dead letters are not taken, they wait", topic=self._topic, problem=problem, held_back=more)
        return taken


def producer_options(kafka: KafkaConfig, deadline: float) -> dict[str, Any]:
    """Return the keyword arguments of a producer that loses nothing and gives up after ``deadline`` seconds."""
    millis = int(deadline * 1000)
    return {
        **client_options(kafka),
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": 5,
        "batch_size": 256 * 1024,
        "max_block_ms": millis,
        "request_timeout_ms": min(kafka.request_timeout // 1000, millis),
        "delivery_timeout_ms": 4 * millis,
        "metrics_enabled": False,
    }


def discard(producer: Any) -> None:
    """End a producer at once; ``close`` alone leaves its thread running when something is still to be sent."""
    with contextlib.suppress(KafkaError):
        producer.close(timeout=0)
    producer._sender.force_close()
    producer._sender.join(_LAST_WORDS)


def headers_of(letter: DeadLetter, *, payload: bool, omitted: bool) -> list[tuple[str, bytes]]:
    """Return the headers of the Kafka record that carries a letter."""
    described = {
        "driftline-error": letter.reason,
        "driftline-error-detail": letter.detail,
        "driftline-topic": letter.topic,
        "driftline-partition": str(letter.partition),
        "driftline-offset": str(letter.offset),
        "driftline-row": None if letter.row is None else str(letter.row),
        "driftline-model": letter.model,
        "driftline-payload": "omitted" if omitted else None,
    }
    headers = [(name, text.encode()) for name, text in described.items() if text is not None]
    if payload and letter.key is not None:
        headers.append(("driftline-key", letter.key))
    if payload:
        headers += [(name, value or b"") for name, value in letter.headers]
    return headers
