"""The pairs of every model at run time: halves in, predictions into the partitions that their responses stand in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from monitor.events import Chunk
from monitor.joining import Joining
from monitor.model import Model
from monitor.pairs import COUNTER, Pairs
from monitor.panes import Reader
from monitor.partition import Partition
from monitor.sources.port import TopicPartition


@dataclass(slots=True)
class Pairing:
    """Requests and responses of the models that log these apart."""

    pairs: Mapping[str, Pairs] = field(default_factory=dict)
    """Model → its halves."""
    partitions: Mapping[int, Partition] = field(default_factory=dict)
    joinings: Mapping[str, Joining] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        models: Mapping[str, Model],
        partitions: Mapping[int, Partition],
        joinings: Mapping[str, Joining],
        counts: Mapping[str, int],
        reader: Reader,
        shard: tuple[int, int],
    ) -> Pairing:
        """Return the halves as they were last written.

        Parameters
        ----------
        counts
            Topic → its partitions.
        shard
            Which process this is, and how many share the partitions.
        """
        found = {}
        for name, model in models.items():
            if model.config.predictions.pair is not None:
                found[name], lost = Pairs.load(model.config, counts, reader, *shard)
                if lost:
                    model.changes.append(f"lets go of {lost} requests and responses, since the mapping changed")
        return cls(found, partitions, joinings)

    def take(self, chunk: Chunk) -> None:
        """Take in the halves of a chunk, and give out what they complete."""
        for pairs in self.pairs.values():
            pairs.take(chunk)
        self.release()

    def release(self) -> None:
        """Give out the predictions of the halves whose turn has come."""
        for name, pairs in self.pairs.items():
            for paired in pairs.release():
                self.partitions[paired.partition].take_paired(paired)
            if name in self.joinings:
                self.joinings[name].follow(pairs.frontier, resting=pairs.resting)
            for (number, outcome), rows in pairs.counters.items():
                self.partitions[number].counters[name, COUNTER + outcome] += rows
                self.partitions[number].touch()
            pairs.counters.clear()

    def inputs(self, model: str) -> set[TopicPartition]:
        """Return the inputs of a model's halves."""
        return {TopicPartition(*name) for name in self.pairs[model].clocks}

    @property
    def every_input(self) -> set[TopicPartition]:
        """The inputs of all halves."""
        return {name for model in self.pairs for name in self.inputs(model)}

    def holds(self, model: str) -> bool:
        """Return whether a model has halves whose turn has not come: its partitions are not at rest then."""
        return model in self.pairs and self.pairs[model].buffered > 0

    def rest(self, model: str, inputs: Iterable[TopicPartition]) -> None:
        """Mark inputs as idle until their next records; what follows takes effect once it is written."""
        for at in inputs:
            self.pairs[model].rest(at.topic, at.partition)

    def finish(self) -> None:
        """Take the inputs as complete."""
        for pairs in self.pairs.values():
            pairs.finish()
        self.release()

    def crowds(self) -> list[tuple[TopicPartition, set[TopicPartition]]]:
        """Return what holds others up for whom too many halves wait, and those others."""
        crowds = [crowd for pairs in self.pairs.values() if (crowd := pairs.crowd()) is not None]
        return [(TopicPartition(*first), {TopicPartition(*name) for name in others}) for first, others in crowds]

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        puts: dict[bytes, bytes] = {}
        deletes: list[bytes] = []
        for pairs in self.pairs.values():
            more, gone = pairs.changes()
            puts.update(more)
            deletes += gone
        return puts, deletes

    def written(self) -> None:
        """Note that the changes are in the store."""
        for pairs in self.pairs.values():
            pairs.written()
