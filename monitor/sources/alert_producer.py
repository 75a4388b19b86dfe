"""Alerts to a Kafka topic, through the cluster's own settings."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from kafka import KafkaProducer  # type: ignore[import-untyped]  # kafka-python has no type hints
from kafka.errors import KafkaError  # type: ignore[import-untyped]  # kafka-python has no type hints

from alerts.receivers.kafka import ProducerError
from monitor.config.root import KafkaConfig
from monitor.dead_letter_topic import discard, producer_options
from monitor.sources.connection import Connection

_DEADLINE: Final = 15.0


class AlertProducer:
    """Publishes alerts with an idempotent producer and awaits all replicas; several threads may call it.

    The client is made when it is first needed, and again after every failure: an idempotent producer that failed
    refuses everything.
    """

    def __init__(self, kafka: KafkaConfig, deadline: float = _DEADLINE) -> None:
        self._connection: Connection[Any] = Connection(
            KafkaProducer, producer_options(kafka, deadline), "alerts", discard
        )
        self._lock = threading.Lock()

    def publish(
        self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]], seconds: float
    ) -> None:
        """See ``Producer``."""
        until = time.monotonic() + seconds
        if not self._lock.acquire(timeout=max(0.0, seconds)):
            raise ProducerError("Kafka: other alerts are still on their way")
        try:
            producer = self._connection.get(max(0.0, until - time.monotonic()))
            if producer is None:
                raise ProducerError("Kafka: no broker answers")
            try:
                sent = producer.send(topic, value=value, key=key, headers=list(headers))
                sent.get(timeout=max(0.0, until - time.monotonic()))
            except KafkaError as error:
                self._connection.drop()
                raise ProducerError(f"Kafka: {type(error).__name__}", lasting=_lasts(error)) from error
        finally:
            self._lock.release()

    def close(self) -> None:
        """Let go of the cluster."""
        self._connection.close()


def _lasts(error: KafkaError) -> bool:
    """Return whether the cluster will never take this record; a topic that is missing may still be made."""
    return type(error).__name__ in {"MessageSizeTooLargeError", "RecordListTooLargeError", "InvalidTopicError"}
