"""Microsoft Teams, through a workflow that posts adaptive cards.

Texts stand in text runs, which know no Markdown, so that no label can hide a link or mention anybody.
"""

from __future__ import annotations

from typing import Any, Final

from alerts.net.errors import outcome_of
from alerts.net.http import Endpoint, json_headers
from alerts.notification import AlertGroup, Deadline, Outcome
from alerts.receivers.payload import to_json
from alerts.receivers.size import fit
from alerts.receivers.text import MOST_ENTRIES, Entry, Link, Message, compose

_COLOURS: Final = {"page": "attention", "warn": "warning", "info": "accent"}
_CARD: Final = "application/vnd.microsoft.card.adaptive"


class Teams:
    """Posts an adaptive card.

    Parameters
    ----------
    endpoint
        The workflow's address, which is the secret.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def body(self, group: AlertGroup) -> bytes:
        """Return a message with one card."""
        count = min(len(group.alerts), MOST_ENTRIES)
        return fit(count, lambda entries, width: to_json(_message(compose(group, entries, width))))

    def send(self, message_id: str, body: bytes, deadline: Deadline) -> Outcome:
        """Post a stored body."""
        return outcome_of(lambda: self._endpoint.post(body, json_headers(message_id), deadline).outcome())


def _message(message: Message) -> dict[str, Any]:
    colour = "good" if message.state == "resolved" else _COLOURS.get(message.severity, "warning")
    title = {"type": "TextRun", "text": message.title, "weight": "bolder", "size": "large", "color": colour}
    closing = " ".join(part for part in (message.remainder, f"Sent {message.sent}.") if part)
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "fallbackText": "An alert of Driftline; this client cannot show it.",
        "body": [
            _line(title),
            *(_told(entry) for entry in message.entries),
            _line({"type": "TextRun", "text": closing, "isSubtle": True}),
        ],
        "actions": _actions(message),
    }
    return {"type": "message", "attachments": [{"contentType": _CARD, "contentUrl": None, "content": card}]}


def _told(entry: Entry) -> dict[str, Any]:
    lines = [_line(_bold(f"{entry.state.upper()} {entry.heading}"))]
    lines += [
        _line(_bold(f"{name}: "), {"type": "TextRun", "text": value}) | {"spacing": "None"}
        for name, value in entry.facts
    ]
    return {"type": "Container", "separator": True, "items": lines}


def _line(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _bold(text: str) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, "weight": "bolder"}


def _actions(message: Message) -> list[dict[str, str]]:
    """Return buttons for the first alert and for all: a card shows six at most."""
    links: list[Link] = [*(message.entries[0].links if message.entries else ()), *message.links]
    return [{"type": "Action.OpenUrl", "title": link.name, "url": link.url} for link in links[:6]]
