"""Where reading begins: at the stored positions, or where the configuration says when there are none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from monitor.config.root import Config
from monitor.keys import compose, parse, prefix
from monitor.model import Model
from monitor.partition import PARTITIONS, Partition
from monitor.sources.port import LostRecordsError, Source, TopicPartition
from monitor.store.port import StateStore

log = structlog.get_logger(__name__)
TOPICS: Final = b"T"


class MissingTopicError(Exception):
    """A topic of the configuration does not exist."""


class UnlikeTopicsError(Exception):
    """Several processes cannot join two topics that are laid out differently."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The input logs of a configuration."""

    config: Config
    source: Source
    store: StateStore
    begun_anew: set[TopicPartition] = field(default_factory=set)
    """Inputs whose log is another than the one that was read: what stands in it now has not been seen."""

    def numbers(self, topics: Iterable[str]) -> list[int]:
        """Return the co-partitions that this process owns; one that has counts stays, even without an input."""
        names = list(topics)
        found = self.source.partitions(names)
        missing = sorted(set(names) - set(found))
        if missing:
            raise MissingTopicError(
                f"no such topic or file: {', '.join(missing)}; create it, or mend the configuration"
            )
        shards = self.config.state.shards
        counted = {int(parse(key)[1]) for key, _ in self.store.scan(prefix(PARTITIONS))}
        every = sorted(counted.union(range(max(found.values()))))
        return [number for number in every if number % shards.count == shards.index]

    def seek(
        self,
        topics: Mapping[str, tuple[Model, ...]],
        predictions: Mapping[str, tuple[Model, ...]],
        partitions: Mapping[int, Partition],
    ) -> dict[bytes, bytes]:
        """Assign every input from its stored position, or from ``kafka.start`` where it was never read.

        A model holds no window open where its topic of predictions has no partition.

        Returns
        -------
        What must be put into the store with the positions.

        Raises
        ------
        LostRecordsError
            When a position lies outside its log or a topic was made anew, and a model of it does not say ``reset``.
        """
        counts = self.source.partitions(topics)
        inputs = [TopicPartition(t, n) for t in topics for n in range(counts[t]) if n in partitions]
        stored = {
            i: partitions[i.partition].offsets[i.topic] for i in inputs if i.topic in partitions[i.partition].offsets
        }
        fresh = [i for i in inputs if i not in stored]
        positions = {**stored, **self.source.start_offsets(fresh, self.config.kafka.start)} if fresh else dict(stored)
        ids = self._check_ids(topics, stored, partitions, positions)
        while True:
            try:
                self.source.assign(positions)
                break
            except LostRecordsError as error:
                if not resets(topics[error.input.topic]):
                    raise
                self._reset(error, partitions, positions)
        for input_, offset in positions.items():
            partitions[input_.partition].offsets[input_.topic] = offset
            partitions[input_.partition].touch()
        for topic, models in predictions.items():
            for partition in partitions.values():
                if TopicPartition(topic, partition.number) not in positions:
                    for model in models:
                        partition.rest(model.config.name)
        return ids

    def _check_ids(
        self,
        topics: Mapping[str, tuple[Model, ...]],
        stored: Mapping[TopicPartition, int],
        partitions: Mapping[int, Partition],
        positions: dict[TopicPartition, int],
    ) -> dict[bytes, bytes]:
        ids = self.source.topic_ids(topics)
        key = compose(TOPICS, 0)
        data = self.store.get(key)
        known: dict[str, str] = {} if data is None else msgspec.msgpack.decode(data)
        for topic, id_ in ids.items():
            if topic not in known or known[topic] == id_:
                continue
            for input_ in [i for i in stored if i.topic == topic]:
                error = LostRecordsError(input_, "the topic was deleted and made anew", lost=None, resume_at=0)
                if not resets(topics[topic]):
                    raise error
                self._reset(error, partitions, positions)
        return {key: msgspec.msgpack.encode({**known, **ids})}

    def _reset(
        self, error: LostRecordsError, partitions: Mapping[int, Partition], positions: dict[TopicPartition, int]
    ) -> None:
        log.warning("records lost, reading goes on", problem=str(error), lost=error.lost, resume_at=error.resume_at)
        if error.resume_at < positions[error.input]:
            self.begun_anew.add(error.input)
        positions[error.input] = error.resume_at
        counters = partitions[error.input.partition].counters
        counters["", "gaps"] += 1
        counters["", "lost_records"] += error.lost or 0


def resets(models: Iterable[Model]) -> bool:
    """Return whether every model of a topic goes on after lost records."""
    return all(model.config.lost_records == "reset" for model in models)
