"""Committed offsets, for lag tools only; the truth is in the state and these are never read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from kafka import KafkaConsumer  # type: ignore[import-untyped]  # kafka-python has no type hints
from kafka import TopicPartition as KafkaPartition
from kafka.errors import KafkaError  # type: ignore[import-untyped]  # kafka-python has no type hints
from kafka.structs import OffsetAndMetadata  # type: ignore[import-untyped]  # kafka-python has no type hints

from monitor.config.root import KafkaConfig
from monitor.sources.connection import Connection
from monitor.sources.kafka_options import consumer_options
from monitor.sources.port import SourceUnavailableError, TopicPartition

log = structlog.get_logger(__name__)


class OffsetCommitter:
    """Commits in the background through a connection of its own, so a missing coordinator never holds up reading.

    A failure is logged when it begins, not each time, and so is its end.
    """

    def __init__(self, kafka: KafkaConfig) -> None:
        options = {**consumer_options(kafka), "group_id": kafka.group_id}
        self._connection: Connection[Any] = Connection(KafkaConsumer, options, "commit")
        self._sent: dict[TopicPartition, int] = {}
        self._under_way: Any = None
        self._failing = False

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Send positions unless they are known already, or the last commit is still under way."""
        consumer = self._connection.get(0)
        if consumer is None or positions == self._sent or self._busy():
            return
        offsets = {KafkaPartition(*_plain(name)): OffsetAndMetadata(offset) for name, offset in positions.items()}
        try:
            self._under_way = consumer.commit_async(offsets, self._done)
        except KafkaError as error:
            self._done(None, error)
        else:
            self._sent = dict(positions)

    def committed(self, inputs: Sequence[TopicPartition], patience: float) -> dict[TopicPartition, int]:
        """Return what the group committed, by whichever process.

        Raises
        ------
        SourceUnavailableError
            When nobody answers.
        """
        consumer = self._connection.get(0)
        if consumer is None:
            raise SourceUnavailableError("no coordinator is known yet")
        try:
            found = {
                name: consumer.committed(KafkaPartition(*_plain(name)), timeout_ms=int(patience * 1000))
                for name in inputs
            }
        except (KafkaError, OSError) as error:
            raise SourceUnavailableError(f"what is committed is not known: {error}") from error
        return {name: offset for name, offset in found.items() if offset is not None}

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _busy(self) -> bool:
        return self._under_way is not None and not self._under_way.is_done

    def _done(self, _: object, response: object) -> None:
        failed = isinstance(response, Exception)
        if failed:
            self._sent = {}
        if failed and not self._failing:
            log.warning("offsets are not committed; only lag tools notice", problem=str(response))
        elif self._failing and not failed:
            log.info("offsets are committed again")
        self._failing = failed


def _plain(name: TopicPartition) -> tuple[str, int]:
    return name.topic, name.partition
