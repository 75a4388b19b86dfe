"""The port that every source implements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from monitor.events import Records

UNKNOWN_TIME: Final = -1
"""The log time of a record that carries none: lines of a file, and Kafka records without a timestamp."""


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


class SourceUnavailableError(Exception):
    """Nobody answers at the moment; the same call may succeed later. ``consume`` never raises it."""


class CorruptRecordsError(Exception):
    """Records that stand in the log but cannot be read: a wrong checksum, or a batch that does not decompress."""

    def __init__(self, input_: TopicPartition, offset: int, message: str) -> None:
        super().__init__(f"{input_.topic}[{input_.partition}] at offset {offset}: {message}")
        self.input = input_
        self.offset = offset


class Source(Protocol):
    """Reads assigned partitions from explicit offsets. One thread calls it; nothing here rebalances."""

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """Return the number of partitions of each topic that exists; a topic that does not exist is absent.

        Raises
        ------
        SourceUnavailableError
            Here and in the other questions below: when nobody answers within a few seconds.
        """
        ...

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """Return what tells a topic from another of the same name (Kafka's topic id); absent where it is unknown."""
        ...

    def start_offsets(self, inputs: Sequence[TopicPartition], start: str | int) -> dict[TopicPartition, int]:
        """Return the offsets that ``earliest``, ``latest`` or a time in microseconds stand for.

        A time stands for the first record whose log time is not before it, or the end; in a log without times, for
        the beginning.
        """
        ...

    def end_offsets(self, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offset after the last readable record of each partition."""
        ...

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets on; called before the first ``consume``.

        Raises
        ------
        LostRecordsError
            When an offset lies outside the log; nothing is assigned then. A source that cannot be reached is asked
            again by ``consume``, which raises then.
        """
        ...

    def seek(self, input_: TopicPartition, offset: int) -> None:
        """Go on at this offset."""
        ...

    def consume(self, limit: int, timeout: float) -> list[Records]:
        """Return up to ``limit`` records, waiting up to ``timeout`` seconds for the first; may be empty.

        A ``Records`` without records tells that the position moved on all the same, past transaction markers or empty
        lines. While nobody answers, the list is empty.

        Raises
        ------
        LostRecordsError
            When the position has fallen out of the log, or the topic was made anew.
        CorruptRecordsError
            When the log holds records that cannot be read.
        """
        ...

    def pause(self, inputs: Iterable[TopicPartition]) -> None:
        """Hand out nothing of these partitions until ``resume``."""
        ...

    def resume(self, inputs: Iterable[TopicPartition]) -> None:
        """Undo ``pause``."""
        ...

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Tell lag tools how far reading got. Advisory: no process reads on from there; a failure is only logged."""
        ...

    def committed(self, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return how far any process of the group said that reading got; absent where none ever did."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...
