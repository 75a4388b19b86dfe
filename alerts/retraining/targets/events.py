"""CloudEvents: to a webhook, an event source of Argo, Knative or Tekton, or a Kafka topic."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from alerts.net.errors import DeliveryError, seconds_left
from alerts.net.http import Endpoint
from alerts.net.secret import Secret
from alerts.notification import Deadline
from alerts.receivers.credentials import Credentials
from alerts.receivers.kafka import Producer, ProducerError
from alerts.receivers.payload import to_json
from alerts.receivers.standard_webhooks import signed_headers
from alerts.retraining.targets.port import Answer, NotStarted, Order, Refused, Started, Unknown, answer_of
from alerts.retraining.targets.status import failure

TYPE: Final = "io.driftline.retraining.requested.v1"
_SOURCE: Final = "urn:driftline:retraining"
_CONTENT: Final = "application/cloudevents+json; charset=utf-8"


def event_of(order: Order) -> dict[str, Any]:
    """Return a CloudEvent 1.0 whose id is the order's key."""
    return {
        "specversion": "1.0",
        "id": order.key,
        "source": _SOURCE,
        "type": TYPE,
        "subject": order.model,
        "time": order.created_at,
        "datacontenttype": "application/json",
        "data": order.document(),
    }


class EventTarget:
    """Posts a CloudEvent in structured mode, signed when there is a secret.

    Parameters
    ----------
    idempotent
        Whether the receiver starts nothing for an id that it knows.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        secrets: Sequence[Secret] = (),
        credentials: Credentials | None = None,
        *,
        idempotent: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.idempotent = idempotent
        self._endpoint = endpoint
        self._secrets = tuple(secrets)
        self._credentials = credentials or Credentials()
        self._clock = clock

    def body(self, order: Order) -> bytes:
        """Return the event."""
        return to_json(event_of(order))

    def send(self, key: str, body: bytes, deadline: Deadline) -> Answer:
        """Post a stored event."""

        def attempt() -> Answer:
            headers = {
                "Content-Type": _CONTENT,
                **self._credentials.headers(),
                **signed_headers(key, int(self._clock()), body, self._secrets),
            }
            reply = self._endpoint.post(body, headers, deadline)
            return Started() if 200 <= reply.status < 300 else failure(reply)

        return answer_of(attempt)


class KafkaTarget:
    """Publishes a CloudEvent in structured mode, keyed by the model.

    A record that was not acknowledged may be in the log all the same; consumers tell it by the event's id.
    """

    def __init__(self, producer: Producer, topic: str, *, idempotent: bool = True) -> None:
        self.idempotent = idempotent
        self._producer = producer
        self._topic = topic

    def body(self, order: Order) -> bytes:
        """Return the event."""
        return to_json(event_of(order))

    def send(self, key: str, body: bytes, deadline: Deadline) -> Answer:
        """Publish a stored event."""
        subject = json.loads(body)["subject"].encode()
        left = seconds_left(deadline)
        if left <= 0:
            return NotStarted("no time was left")
        try:
            headers = [("content-type", _CONTENT.encode()), ("ce_id", key.encode())]
            self._producer.publish(self._topic, subject, body, headers, left)
        except ProducerError as error:
            return Refused(error.reason) if error.lasting else Unknown(error.reason)
        except DeliveryError as error:
            return NotStarted(error.reason)
        return Started()
