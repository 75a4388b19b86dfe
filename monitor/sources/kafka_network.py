"""How kafka-python's clients behave on the network: what they may create, how often they may knock."""

from __future__ import annotations

import time
from typing import Any, Final

from kafka.net.compat import KafkaNetClient  # type: ignore[import-untyped]  # kafka-python has no type hints
from kafka.net.manager import KafkaConnectionManager  # type: ignore[import-untyped]  # has no type hints
from kafka.net.selector import NetworkSelector  # type: ignore[import-untyped]  # kafka-python has no type hints

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 5.0


class AskingClient(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no type hints
    """A client whose questions never create a topic, and whose attempts to connect are never many.

    kafka-python 3.0 takes ``allow_auto_create_topics`` but does not hand it on, so a deleted topic would come back,
    empty, with the broker's default number of partitions.
    """

    def __init__(self, **configs: Any) -> None:
        net = NetworkSelector(**configs)
        super().__init__(net=net, manager=PatientManager(net, **configs), **configs)
        self.cluster.config["allow_auto_create_topics"] = False
        self.cluster.config["retry_backoff_ms"] = 500


class PatientManager(KafkaConnectionManager):  # type: ignore[misc]  # kafka-python has no type hints
    """Waits after a connection that was accepted but came to nothing, as one does after a refused one.

    A proxy or a load balancer without a broker behind it accepts and closes; kafka-python 3.0 knocks there again at
    once, thousands of times a second.
    """

    def __init__(self, net: Any, **configs: Any) -> None:
        self._futile: dict[Any, tuple[int, float]] = {}
        super().__init__(net, **configs)

    def get_connection(self, node_id: Any, **options: Any) -> Any:
        """Return the connection to a node, making it when there is none."""
        known = self._conns.get(node_id)
        connection = super().get_connection(node_id, **options)
        if connection is not known:
            connection.close_future.add_both(lambda _: self._note(node_id, connection))
        return connection

    def connection_delay(self, node_id: Any) -> float:
        """Return the seconds until a node may be connected to."""
        delay = float(super().connection_delay(node_id))
        if node_id in self._conns:
            return delay
        _, until = self._futile.get(node_id, (0, 0.0))
        return max(delay, until - time.monotonic())

    def _note(self, node_id: Any, connection: Any) -> None:
        if connection.init_future.succeeded():
            self._futile.pop(node_id, None)
            return
        failures = self._futile.get(node_id, (0, 0.0))[0] + 1
        pause = min(_FIRST_PAUSE * 2 ** (failures - 1), _LONGEST_PAUSE)
        self._futile[node_id] = failures, time.monotonic() + pause
