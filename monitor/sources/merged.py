"""Several sources as one: some topics from Kafka, others from files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from monitor.events import Records
from monitor.sources.port import Source, TopicPartition

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")
_SLICE: Final = 0.05


class MergedSource:
    """A ``Source`` that hands each topic to the source that knows it.

    Parameters
    ----------
    routes
        Topic → its source; several topics may share one.
    """

    def __init__(self, routes: Mapping[str, Source], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._routes = dict(routes)
        self._sources = list({id(source): source for source in routes.values()}.values())
        self._monotonic = monotonic

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """See ``Source``."""
        return self._gather(topics, lambda source, mine: source.partitions(mine), self._route)

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """See ``Source``."""
        return self._gather(topics, lambda source, mine: source.topic_ids(mine), self._route)

    def start_offsets(self, inputs: Sequence[TopicPartition], start: str | int) -> dict[TopicPartition, int]:
        """See ``Source``."""
        return self._gather(inputs, lambda source, mine: source.start_offsets(mine, start), self._owner)

    def end_offsets(self, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See ``Source``."""
        return self._gather(inputs, lambda source, mine: source.end_offsets(mine), self._owner)

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """See ``Source``."""
        for source, names in self._split(positions, self._owner):
            source.assign({name: positions[name] for name in names})

    def seek(self, input_: TopicPartition, offset: int) -> None:
        """See ``Source``."""
        self._routes[input_.topic].seek(input_, offset)

    def consume(self, limit: int, timeout: float) -> list[Records]:
        """See ``Source``; the sources take turns in being asked first and in being waited for."""
        deadline = self._monotonic() + timeout
        pause = 0.0
        while True:
            polled: list[Records] = []
            for source in self._sources:
                if limit > 0:
                    more = source.consume(limit, 0.0 if polled else pause)
                    limit -= sum(map(len, more))
                    polled += more
            self._sources = self._sources[1:] + self._sources[:1]
            left = deadline - self._monotonic()
            if polled or left <= 0:
                return polled
            pause = min(_SLICE, left)

    def pause(self, inputs: Iterable[TopicPartition]) -> None:
        """See ``Source``."""
        for source, names in self._split(inputs, self._owner):
            source.pause(names)

    def resume(self, inputs: Iterable[TopicPartition]) -> None:
        """See ``Source``."""
        for source, names in self._split(inputs, self._owner):
            source.resume(names)

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """See ``Source``."""
        for source, names in self._split(positions, self._owner):
            source.commit({name: positions[name] for name in names})

    def committed(self, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See ``Source``."""
        found: dict[TopicPartition, int] = {}
        for source, names in self._split(inputs, self._owner):
            found |= source.committed(names)
        return found

    def close(self) -> None:
        """See ``Source``."""
        for source in self._sources:
            source.close()

    def _route(self, topic: str) -> Source | None:
        return self._routes.get(topic)

    def _owner(self, input_: TopicPartition) -> Source | None:
        return self._routes[input_.topic]

    def _split(self, keys: Iterable[KeyT], owner: Callable[[KeyT], Source | None]) -> list[tuple[Source, list[KeyT]]]:
        """Return each source with the keys that are its own."""
        wanted = list(keys)
        shares = [(source, [key for key in wanted if owner(key) is source]) for source in self._sources]
        return [(source, mine) for source, mine in shares if mine]

    def _gather(
        self,
        keys: Iterable[KeyT],
        ask: Callable[[Source, list[KeyT]], dict[KeyT, ValueT]],
        owner: Callable[[KeyT], Source | None],
    ) -> dict[KeyT, ValueT]:
        answers: dict[KeyT, ValueT] = {}
        for source, mine in self._split(keys, owner):
            answers |= ask(source, mine)
        return answers
