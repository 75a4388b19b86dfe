"""PagerDuty Events API v2: trigger, resolve and change events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from alerts.net.errors import outcome_of
from alerts.net.http import Endpoint, json_headers
from alerts.net.secret import Secret
from alerts.notification import AlertGroup, Deadline, Outcome
from alerts.receivers.payload import thread_of, to_json
from alerts.receivers.size import fit, plain
from alerts.receivers.text import MOST_ENTRIES, Link, Message, compose
from alerts.receivers.times import rfc3339

EVENTS: Final = "https://events.pagerduty.com/v2/enqueue"
CHANGES: Final = "https://events.pagerduty.com/v2/change/enqueue"
CHANGE: Final = "change"
"""What ``AlertGroup.extra["event"]`` holds when nobody is to be woken: a retraining, a new version."""
_SUMMARY: Final = 1024
_SEVERITIES: Final = {"page": "critical", "warn": "warning", "info": "info"}


class PagerDuty:
    """Opens an incident when a group begins to fire and closes it when all is over.

    All messages about a group have one ``dedup_key``, made of the group's key, so that they meet in one incident. The
    routing key is added when a body is sent; a stored body does not hold it.

    Parameters
    ----------
    events, changes
        Where events, and change events, are posted to.
    routing_key
        The key of the service's integration.
    client
        What the incident says it comes from.
    """

    def __init__(self, events: Endpoint, changes: Endpoint, routing_key: Secret, client: str = "Driftline") -> None:
        self._events = events
        self._changes = changes
        self._routing_key = routing_key
        self._client = client

    def body(self, group: AlertGroup) -> bytes:
        """Return the event without its routing key."""
        form = _change if group.extra.get("event") == CHANGE else self._event
        return fit(min(len(group.alerts), MOST_ENTRIES), lambda entries, width: to_json(form(group, entries, width)))

    def send(self, message_id: str, body: bytes, deadline: Deadline) -> Outcome:
        """Post a stored body. 400 says that the event is wrong and is never tried again."""

        def attempt() -> Outcome:
            event = json.loads(body)
            endpoint = self._events if "event_action" in event else self._changes
            complete = {"routing_key": self._routing_key.reveal(), **event}
            return endpoint.post(to_json(complete), json_headers(message_id), deadline).outcome()

        return outcome_of(attempt)

    def _event(self, group: AlertGroup, entries: int, width: int) -> dict[str, Any]:
        message = compose(group, entries, width)
        lead = group.alerts[0].labels if group.alerts else {}
        return {
            "event_action": "trigger" if group.state == "firing" else "resolve",
            "dedup_key": thread_of(group.key),
            "client": self._client,
            **({"client_url": link.url} if (link := next(iter(message.links), None)) else {}),
            "payload": {
                "summary": message.title[:_SUMMARY],
                "source": _source(group),
                "severity": _SEVERITIES.get(message.severity, "warning"),
                "timestamp": rfc3339(min((alert.starts_at for alert in group.alerts), default=group.sent_at)),
                **_optional("component", lead.get("model", "")),
                **_optional("group", lead.get("owner", "")),
                **_optional("class", lead.get("alertname", "")),
                "custom_details": _details(message),
            },
            "links": _links(message),
        }


def _change(group: AlertGroup, entries: int, width: int) -> dict[str, Any]:
    message = compose(group, entries, width)
    summary = message.entries[0].heading if message.entries else message.title
    return {
        "payload": {
            "summary": summary[:_SUMMARY],
            "source": _source(group),
            "timestamp": rfc3339(group.sent_at),
            "custom_details": _details(message),
        },
        "links": _links(message),
    }


def _details(message: Message) -> dict[str, Any]:
    told: list[Mapping[str, str]] = [
        {"state": entry.state, "summary": entry.heading, **dict(entry.facts)} for entry in message.entries
    ]
    return {"alerts": told, **({"not_shown": message.remainder} if message.remainder else {})}


def _links(message: Message) -> list[dict[str, str]]:
    found: list[Link] = [link for entry in message.entries[:3] for link in entry.links]
    return [{"href": link.url, "text": link.name} for link in dict.fromkeys((*found, *message.links))]


def _source(group: AlertGroup) -> str:
    models = {alert.labels.get("model", "") for alert in group.alerts}
    return plain(models.pop(), 255) or "driftline" if len(models) == 1 else "driftline"


def _optional(name: str, text: str) -> dict[str, str]:
    return {name: plain(text, 255)} if text else {}
