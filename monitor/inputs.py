"""Watching the inputs: which came to rest, which run ahead of the others, how far each is behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from monitor.events import HOUR
from monitor.model import Model
from monitor.partition import Partition
from monitor.sources.port import Source, SourceUnavailableError, TopicPartition
from monitor.watermark import NEVER

log = structlog.get_logger(__name__)
AHEAD: Final = 6 * HOUR
_ENDS_EVERY: Final = 5.0


@dataclass(slots=True)
class InputWatch:
    """Wall-clock observations of the inputs. They decide when windows close, never what is counted."""

    source: Source
    topics: Mapping[str, tuple[Model, ...]]
    """Topic → the models that read their predictions from it."""
    monotonic: Callable[[], float] = time.monotonic
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    """Offset after the last record of every input, as last asked for."""
    _asked: float = float("-inf")
    _active: dict[tuple[int, str], float] = field(default_factory=dict)
    _moved: dict[TopicPartition, tuple[int, float]] = field(default_factory=dict)
    _paused: set[TopicPartition] = field(default_factory=set)

    def newly_idle(
        self, partitions: Iterable[Partition], positions: Mapping[TopicPartition, int]
    ) -> list[tuple[Partition, str]]:
        """Return the (partition, model) pairs that had no row for the idle time-out and have none left to read."""
        now = self.monotonic()
        quiet = [
            (partition, model.config.name)
            for partition in partitions
            for topic, models in self.topics.items()
            if topic in partition.offsets
            for model in models
            if self._is_quiet(partition, model, now)
        ]
        if not quiet:
            return []
        self.refresh(positions)
        return [(partition, name) for partition, name in quiet if self._caught_up(partition, positions)]

    def resting(self, positions: Mapping[TopicPartition, int], timeout: float) -> list[TopicPartition]:
        """Return the inputs that had no record for ``timeout`` seconds and have none left to read."""
        now, quiet = self.monotonic(), []
        for name, offset in positions.items():
            known = self._moved.get(name)
            if known is None or known[0] != offset:
                self._moved[name] = (offset, now)
            elif now - known[1] > timeout:
                quiet.append(name)
        if quiet:
            self.refresh(positions)
        return [name for name in quiet if name in self.ends and self.ends[name] <= positions[name]]

    def refresh(self, positions: Mapping[TopicPartition, int]) -> None:
        """Ask for the ends of the inputs, at most every few seconds."""
        now = self.monotonic()
        if now - self._asked < _ENDS_EVERY:
            return
        self._asked = now
        try:
            self.ends = self.source.end_offsets(list(positions))
        except SourceUnavailableError as error:
            self.ends = {}
            log.warning("ends of the inputs are unknown", problem=str(error))

    def lag(self, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Return how many records of each input are still to be read."""
        return {name: max(0, self.ends.get(name, offset) - offset) for name, offset in positions.items()}

    def hold_back(
        self,
        source: Source,
        partitions: Mapping[int, Partition],
        positions: Mapping[TopicPartition, int],
        crowds: Sequence[tuple[TopicPartition, set[TopicPartition]]] = (),
    ) -> None:
        """Pause inputs that ran far ahead of one that still has records to read; resume the others.

        ``crowds`` says which inputs would fill up the memory, and which one they all wait for.
        """
        if len(positions) < 2:
            return
        self.refresh(positions)
        behind = {name for name, _ in crowds if self.ends.get(name, 0) > positions.get(name, 0)}
        crowded = {name for slowest, others in crowds if slowest in behind for name in others}
        positions = {name: offset for name, offset in positions.items() if name.topic in self.topics}
        reached = {name: self._reached(name.topic, partitions[name.partition]) for name in positions}
        lagging = [reached[name] for name in positions if self.ends.get(name, 0) > positions[name]]
        slowest = min(lagging, default=None)
        ahead = set() if slowest is None else {name for name, time_ in reached.items() if time_ > slowest + AHEAD}
        if ahead == set(positions):
            ahead = set()
        ahead = (ahead | crowded) - behind
        if paused := ahead - self._paused:
            source.pause(paused)
        if resumed := self._paused - ahead:
            source.resume(resumed)
        self._paused = ahead

    def _reached(self, topic: str, partition: Partition) -> int:
        """Return how far event time has come with the models that read a topic."""
        names = [model.config.name for model in self.topics[topic]]
        return max((partition.clocks[name].greatest for name in names if name in partition.clocks), default=NEVER)

    def _is_quiet(self, partition: Partition, model: Model, now: float) -> bool:
        key = (partition.number, model.config.name)
        clock = partition.clocks.get(model.config.name)
        if model.config.name in partition.seen or key not in self._active:
            self._active[key] = now
            return False
        if clock is not None and clock.idle:
            return False
        return now - self._active[key] > model.config.idle_timeout / 1e6

    def _caught_up(self, partition: Partition, positions: Mapping[TopicPartition, int]) -> bool:
        return all(
            name in self.ends and self.ends[name] <= offset
            for name, offset in positions.items()
            if name.partition == partition.number
        )
