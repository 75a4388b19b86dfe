"""The port that every source implements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.events import Records


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One input log."""

    topic: str
    partition: int


class LostRecordsError(Exception):
    """A stored offset lies outside the log, or a topic was deleted and made anew.

    ``lost`` is the exact number of records that can no longer be read, where it can be known.
    """

    def __init__(self, input_: TopicPartition, message: str, *, lost: int | None, resume_at: int) -> None:
        super().__init__(f"{input_.topic}[{input_.partition}]: {message}")
        self.input = input_
        self.lost = lost
        self.resume_at = resume_at


class Source(Protocol):
    """Reads assigned partitions from explicit offsets. One thread calls it; nothing here rebalances."""

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """Return the number of partitions of each topic that exists; a topic that does not exist is absent."""
        ...

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """Return what tells a topic from another of the same name (Kafka's topic id; a file's device and inode)."""
        ...

    def start_offsets(self, inputs: Sequence[TopicPartition], start: str | int) -> dict[TopicPartition, int]:
        """Return the offsets that ``earliest``, ``latest`` or a time in microseconds stand for."""
        ...

    def end_offsets(self, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offset after the last readable record of each partition."""
        ...

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets on; called once, before the first ``consume``.

        Raises
        ------
        LostRecordsError
            When an offset lies outside the log.
        """
        ...

    def seek(self, input_: TopicPartition, offset: int) -> None:
        """Go on at this offset."""
        ...

    def consume(self, limit: int, timeout: float) -> list[Records]:
        """Return up to ``limit`` records, waiting up to ``timeout`` seconds for the first; may be empty.

        Raises
        ------
        LostRecordsError
            When the position has fallen out of the log.
        """
        ...

    def pause(self, inputs: Iterable[TopicPartition]) -> None:
        """Hand out nothing of these partitions until ``resume``."""
        ...

    def resume(self, inputs: Iterable[TopicPartition]) -> None:
        """Undo ``pause``."""
        ...

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Tell lag tools how far reading got. Advisory: never read back, and a failure is only logged."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...
