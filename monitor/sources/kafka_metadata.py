"""What the cluster says about its topics, as kafka-python keeps it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from kafka.errors import BrokerResponseError  # type: ignore[import-untyped]  # kafka-python has no type hints
from kafka.util import ensure_valid_topic_name  # type: ignore[import-untyped]  # kafka-python has no type hints

from monitor.sources.port import SourceUnavailableError

_TICK: Final = 0.005
_FRESH: Final = 0.5


class Metadata:
    """Partitions and ids of topics, and how long ago they were heard of.

    Parameters
    ----------
    cluster
        The ``ClusterMetadata`` of a connected client.
    monotonic
        The clock.
    """

    def __init__(self, cluster: Any, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._monotonic = monotonic
        self._heard = monotonic()
        self._topics: set[str] = set()
        self._answered: set[str] = set()
        cluster.add_listener(self._note)

    def age(self) -> float:
        """Return the seconds since the last answer."""
        return self._monotonic() - self._heard

    def knows(self, topics: Iterable[str]) -> bool:
        """Return whether an answer about all these topics is no older than half a second.

        The client asks no more often than its back-off between retries allows.
        """
        return self.age() < _FRESH and self._answered >= set(filter(_is_valid, topics))

    def refresh(self, topics: Iterable[str], timeout: float) -> None:
        """Ask for these topics now and wait for the answer.

        Raises
        ------
        SourceUnavailableError
            When it does not come in time.
        """
        deadline = self._monotonic() + timeout
        self._topics.update(filter(_is_valid, topics))
        self._cluster.set_topics(sorted(self._topics))
        while True:
            answer = self._cluster.request_update()
            while not answer.is_done and self._monotonic() < deadline:
                time.sleep(_TICK)
            if answer.succeeded() or (answer.failed() and isinstance(answer.exception, BrokerResponseError)):
                self._answered = set(self._topics)
                return
            if self._monotonic() >= deadline:
                raise SourceUnavailableError("no broker answered a question about topics in time")

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """Return the number of partitions of each topic that is known."""
        found = ((topic, self._cluster.partitions_for_topic(topic)) for topic in topics)
        return {topic: len(partitions) for topic, partitions in found if partitions}

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """Return the id of each topic that is known and has one."""
        found = ((topic, self._cluster.topic_id(topic)) for topic in topics)
        return {topic: str(id_) for topic, id_ in found if id_ is not None and id_.int}

    def _note(self, _: object) -> None:
        self._heard = self._monotonic()


def _is_valid(topic: str) -> bool:
    """Return whether a topic can have this name; kafka-python would raise."""
    try:
        ensure_valid_topic_name(topic)
    except (TypeError, ValueError):
        return False
    return True
