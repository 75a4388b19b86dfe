"""CloudEvents 1.0: a webhook body inside an envelope, or beside its attributes."""

from __future__ import annotations

import json
from typing import Final

from alerts.notification import AlertGroup
from alerts.receivers.payload import grouped, to_json
from alerts.receivers.size import BODY_LIMIT

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
_ENVELOPE: Final = 1_000
_KINDS: Final = {"firing": "io.driftline.alert.fired.v1", "resolved": "io.driftline.alert.resolved.v1"}
_SOURCE: Final = "urn:driftline:alerts"


def attributes(body: bytes, message_id: str) -> dict[str, str]:
    """Return the attributes of the event that a webhook body is; ``subject`` is the same for all about a group."""
    document = json.loads(body)
    return {
        "specversion": "1.0",
        "id": message_id,
        "source": _SOURCE,
        "type": _KINDS[document["status"]],
        "subject": document["driftline"]["thread"],
        "time": document["driftline"]["sentAt"],
    }


def structured(group: AlertGroup) -> bytes:
    """Return an event in structured mode whose ``data`` is the webhook body."""
    data = grouped(group, BODY_LIMIT - _ENVELOPE)
    envelope = attributes(data, group.message_id) | {"datacontenttype": "application/json"}
    return to_json(envelope)[:-1] + b',"data":' + data + b"}"
