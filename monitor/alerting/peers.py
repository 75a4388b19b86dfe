"""Whether the other shards of the service work, by what they say to lag tools.

Each shard commits how far it read, of its own partitions alone. One whose partitions have records that are not read,
and whose commits stand still, is missing: it is down, or stuck. Of the shards that work, the first one tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from alerts.durations import MINUTE, SECOND
from alerts.signal import Signal
from monitor.sources.port import SourceUnavailableError, TopicPartition

if TYPE_CHECKING:
    from monitor.pipeline import Pipeline

log = structlog.get_logger(__name__)
EVERY: Final = 20 * SECOND
"""How often the broker is asked."""
MISSING: Final = MINUTE
"""A shard that stood still for so long does not count as one that tells of others."""


@dataclass(slots=True)
class _Peer:
    """How far another shard got when it was last seen to move, or to have nothing left to read."""

    reached: int
    at: int


@dataclass(slots=True)
class PeerWatch:
    """Looks at the other shards now and then; a clock that was set back is no reason to wait."""

    _peers: dict[int, _Peer] = field(default_factory=dict)
    _looked_at: int = 0

    def look(self, pipeline: Pipeline, now: int) -> Iterator[Signal]:
        """Yield what is to be told of the others; nothing while the broker does not answer."""
        shards = pipeline.assembly.config.state.shards
        if shards.count == 1 or self._looked_at <= now < self._looked_at + EVERY:
            return
        self._looked_at = now
        try:
            standing = self._standing(pipeline, shards.count, shards.index, now)
        except SourceUnavailableError as error:
            self._peers.clear()
            log.warning("the other shards cannot be watched", problem=str(error))
            return
        if any(index < shards.index and still < MISSING for index, still in standing.items()):
            return
        for index, still in standing.items():
            yield Signal(
                number=0, kind="shard", observed_at=now, statistic=still / SECOND, labels={"shard": str(index)},
                explanation=f"Its partitions have records to read, and it has read none for {still // SECOND} s."
                if still
                else "",
            )  # fmt: skip

    def _standing(self, pipeline: Pipeline, count: int, mine: int, now: int) -> dict[int, int]:
        """Return shard → microseconds for which it has stood still though there is something to read."""
        source = pipeline.source
        topics = source.partitions(sorted({name.topic for name in pipeline.positions()}))
        others = [
            TopicPartition(topic, number)
            for topic, partitions in topics.items()
            for number in range(partitions)
            if number % count != mine
        ]
        done = source.committed(others)
        ends = source.end_offsets(others)
        return {
            index: self._still(index, [name for name in others if name.partition % count == index], done, ends, now)
            for index in sorted({name.partition % count for name in others})
        }

    def _still(
        self,
        index: int,
        names: Iterable[TopicPartition],
        done: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
        now: int,
    ) -> int:
        names = list(names)
        reached = sum(done.get(name, 0) for name in names)
        waiting = any(ends.get(name, 0) > done.get(name, 0) for name in names)
        known = self._peers.get(index)
        if known is None or known.reached != reached or not waiting or now < known.at:
            self._peers[index] = _Peer(reached, now)
            return 0
        return now - known.at
