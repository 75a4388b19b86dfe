"""Slack, through an incoming webhook or as a bot.

What alerts say stands in rich text and plain text, which know no markup, so that no label can mention a channel or hide
a link. Only the fallback text is markup, and escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from alerts.net.errors import DeliveryError, outcome_of
from alerts.net.http import Endpoint, Reply, json_headers
from alerts.net.secret import Secret
from alerts.notification import AlertGroup, Deadline, Delivered, Outcome, Rejected, Retry
from alerts.receivers.payload import thread_of, to_json
from alerts.receivers.size import fit
from alerts.receivers.slack_threads import Threads
from alerts.receivers.text import MOST_ENTRIES, Entry, Link, Message, compose

POST_MESSAGE: Final = "https://slack.com/api/chat.postMessage"
_LIMIT: Final = 12_000
"""Slack refuses blocks of some 13,200 characters in all, whatever else it documents."""
_PASSING: Final = frozenset(
    {"ratelimited", "rate_limited", "message_limit_exceeded", "internal_error", "fatal_error", "service_unavailable",
     "request_timeout", "team_added_to_org", "accesslimited"}
)  # fmt: skip
_CODE: Final = re.compile(r"[a-z_]{1,60}")
_SIGNS: Final = {"page": ":rotating_light:", "warn": ":warning:", "info": ":information_source:"}
_RESOLVED: Final = ":white_check_mark:"


class SlackWebhook:
    """Posts to the channel that an incoming webhook belongs to; it cannot answer in a thread.

    Parameters
    ----------
    endpoint
        The webhook's address, which is the secret.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def body(self, group: AlertGroup) -> bytes:
        """Return fallback text and blocks."""
        return _fitted(group, {})

    def send(self, message_id: str, body: bytes, deadline: Deadline) -> Outcome:
        """Post a stored body."""
        return outcome_of(lambda: self._endpoint.post(body, json_headers(message_id), deadline).outcome())


class SlackBot:
    """Posts to a channel as a bot, what follows a message in its thread and in the channel as well.

    Parameters
    ----------
    endpoint
        ``chat.postMessage``.
    token
        The bot's token, with the right ``chat:write``.
    channel
        The channel's id or name.
    threads
        Remembers which message began a thread.
    """

    def __init__(self, endpoint: Endpoint, token: Secret, channel: str, threads: Threads) -> None:
        self._endpoint = endpoint
        self._token = token
        self._channel = channel
        self._threads = threads

    def body(self, group: AlertGroup) -> bytes:
        """Return fallback text, blocks and what names the group."""
        about = {"thread": thread_of(group.key), "message": group.message_id[:128], "state": group.state}
        metadata = {"event_type": "driftline_alert", "event_payload": about}
        return _fitted(group, {"channel": self._channel, "metadata": metadata, "unfurl_links": False})

    def send(self, message_id: str, body: bytes, deadline: Deadline) -> Outcome:
        """Post a stored body, in the thread of the message that said that the group fires."""

        def attempt() -> Outcome:
            document = json.loads(body)
            about = document["metadata"]["event_payload"]
            begun = self._threads.get(about["thread"])
            thread = {"thread_ts": begun, "reply_broadcast": True} if begun else {}
            headers = json_headers(message_id) | {"Authorization": f"Bearer {self._token.reveal()}"}
            reply = self._endpoint.post(to_json(document | thread), headers, deadline, read=True)
            outcome, stamp = _judged(reply)
            if isinstance(outcome, Delivered):
                self._follow(about["thread"], about["state"], begun or stamp)
            return outcome

        return outcome_of(attempt)

    def _follow(self, thread: str, state: str, stamp: str) -> None:
        if state == "resolved":
            self._threads.forget(thread)
        elif stamp:
            self._threads.put(thread, stamp)


def _judged(reply: Reply) -> tuple[Outcome, str]:
    """Return the outcome of a call, which answers 200 to most errors, and the message's time stamp."""
    by_status = reply.outcome()
    if not isinstance(by_status, Delivered):
        return by_status, ""
    try:
        answer = json.loads(reply.body)
        succeeded, code, stamp = answer["ok"], str(answer.get("error", "")), str(answer.get("ts", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DeliveryError(f"{reply.origin} did not answer as Slack does") from None
    if succeeded is True:
        return Delivered(), stamp
    said = code if _CODE.fullmatch(code) else "an error without a name"
    if code in _PASSING:
        return Retry(f"Slack said {said}"), ""
    return Rejected(f"Slack said {said}"), ""


def _fitted(group: AlertGroup, fields: dict[str, Any]) -> bytes:
    def render(entries: int, width: int) -> bytes:
        message = compose(group, entries, width)
        return to_json({**fields, "text": _escaped(message.title), "blocks": list(_blocks(message))})

    return fit(min(len(group.alerts), MOST_ENTRIES), render, _LIMIT)


def _blocks(message: Message) -> Iterator[dict[str, Any]]:
    sign = _RESOLVED if message.state == "resolved" else _SIGNS.get(message.severity, ":warning:")
    elements = [_text(f"{message.title}"[:140], bold=True)]
    yield {
        "type": "rich_text",
        "elements": [_section([{"type": "emoji", "name": sign.strip(":")}, _text(" "), *elements])],
    }
    for entry in message.entries:
        yield {"type": "rich_text", "elements": [_section(list(_told(entry)))]}
    closing = [_text(" ".join(part for part in (message.remainder, f"Sent {message.sent}.") if part))]
    closing += [part for link in message.links for part in (_text(" "), _link(link))]
    yield {"type": "rich_text", "elements": [_section(closing)]}


def _told(entry: Entry) -> Iterator[dict[str, Any]]:
    yield _text(f"{entry.state.upper()} {entry.heading}", bold=True)
    for name, value in entry.facts:
        yield _text(f"\n{name}: ", bold=True)
        yield _text(value)
    for place, link in enumerate(entry.links):
        yield _text("\n" if place == 0 else " · ")
        yield _link(link)


def _section(elements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": elements}


def _text(text: str, *, bold: bool = False) -> dict[str, Any]:
    return {"type": "text", "text": text, **({"style": {"bold": True}} if bold else {})}


def _link(link: Link) -> dict[str, Any]:
    return {"type": "link", "url": link.url, "text": link.name}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
