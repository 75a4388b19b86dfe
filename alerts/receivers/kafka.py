"""A Kafka topic: CloudEvents in binary mode, for everything else that wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from alerts.net.errors import seconds_left
from alerts.notification import AlertGroup, Deadline, Delivered, Outcome, Rejected, Retry
from alerts.receivers.cloudevents import attributes
from alerts.receivers.payload import grouped


class ProducerError(Exception):
    """A record could not be published.

    Parameters
    ----------
    reason
        One sentence without secrets.
    lasting
        Whether the record will never be taken, for example because it is too large or the topic is forbidden.
    """

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lasting = lasting


class Producer(Protocol):
    """Publishes records; the service brings one, since nothing here knows Kafka."""

    def publish(
        self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]], seconds: float
    ) -> None:
        """Publish one record and wait for the acknowledgement of all replicas, so many seconds at most.

        Raises
        ------
        ProducerError
            If it is not acknowledged in time or refused.
        """
        ...


class Kafka:
    """Publishes one record a message: the webhook body as the value, the event's attributes as headers.

    The key is the same for all messages about a group, so that they keep their order.

    Parameters
    ----------
    producer
        Publishes.
    topic
        Where to.
    """

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    def body(self, group: AlertGroup) -> bytes:
        """Return the value of the record."""
        return grouped(group)

    def send(self, message_id: str, body: bytes, deadline: Deadline) -> Outcome:
        """Publish a stored body."""
        event = attributes(body, message_id)
        headers = [("content-type", b"application/json")]
        headers += [(f"ce_{name}", value.encode()) for name, value in event.items()]
        try:
            left = seconds_left(deadline)
            if left <= 0:
                return Retry("no time was left")
            self._producer.publish(self._topic, event["subject"].encode(), body, headers, left)
        except ProducerError as error:
            return Rejected(error.reason) if error.lasting else Retry(error.reason)
        return Delivered()
