"""The body that Alertmanager sends to webhooks, version 4, with ours beside it; what machines read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from alerts.notification import Alert, AlertGroup
from alerts.receivers.size import BODY_LIMIT, exact, fit
from alerts.receivers.text import compose
from alerts.receivers.times import NEVER, rfc3339

_LEAST_BYTES: Final = 140
"""Of an alert; so that thousands are not tried in vain."""
_NAMES: Final = {4000: 48, 1000: 48, 250: 16, 40: 6}
"""How many labels or annotations are kept at each width; the last keeps any body within the limit."""
_FIRST: Final = ("alertname", "severity", "model", "owner")


def to_json(value: object) -> bytes:
    """Return the bytes of a JSON document."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def thread_of(key: str) -> str:
    """Return a short name for all messages about a group, safe in any header.

    >>> thread_of("{}:{model='fraud'}")
    'driftline-4bd0443a2202fa7324cd3e0e'
    """
    return f"driftline-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def grouped(group: AlertGroup, limit: int = BODY_LIMIT) -> bytes:
    """Return the body of a group with as many of its alerts as fit; ``truncatedAlerts`` counts the others.

    All fields that Alertmanager documents for ``webhook_config`` are there. ``driftline`` holds what it does not know:
    the message's id, why and when it was formed, its title, and the same ``thread`` for all messages about the group.
    """
    common_labels = _common(alert.labels for alert in group.alerts)
    common_annotations = _common(alert.annotations for alert in group.alerts)

    def render(entries: int, width: int) -> bytes:
        common = {
            "commonLabels": bounded(common_labels, width),
            "commonAnnotations": bounded(common_annotations, width),
        }
        return to_json(_document(group, entries, width) | common)

    return fit(min(len(group.alerts), limit // _LEAST_BYTES), render, limit, tuple(_NAMES))


def bounded(texts: Mapping[str, str], width: int) -> dict[str, str]:
    """Return labels or annotations as they are, but for what is too long or too many; those that name it first."""
    most = _NAMES.get(width, 48)
    if len(texts) <= most:
        chosen: Iterable[str] = texts
    else:
        first = [name for name in _FIRST if name in texts]
        chosen = [*first, *sorted(texts.keys() - set(first))][:most]
    return {exact(name, min(width, 120)): exact(texts[name], width) for name in chosen}


def _document(group: AlertGroup, entries: int, width: int) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": exact(group.key, width),
        "truncatedAlerts": len(group.alerts) - entries + group.truncated,
        "status": group.state,
        "receiver": exact(group.receiver, width),
        "groupLabels": bounded(group.labels, width),
        "externalURL": exact(group.url, width),
        "alerts": [_alert(alert, width) for alert in group.alerts[:entries]],
        "driftline": {
            "messageId": exact(group.message_id, 128),
            "thread": thread_of(group.key),
            "reason": exact(group.reason, 40),
            "sentAt": rfc3339(group.sent_at),
            "title": compose(group, 0, min(width, 200)).title,
            **({"extra": bounded(group.extra, width)} if group.extra else {}),
        },
    }


def _alert(alert: Alert, width: int) -> dict[str, Any]:
    return {
        "status": alert.state,
        "labels": bounded(alert.labels, width),
        "annotations": bounded(alert.annotations, width),
        "startsAt": rfc3339(alert.starts_at),
        "endsAt": NEVER if alert.ends_at is None else rfc3339(alert.ends_at),
        "generatorURL": exact(alert.url, width),
        "fingerprint": exact(alert.fingerprint, 128),
    }


def _common(all_texts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return what all of them say alike."""
    common: dict[str, str] | None = None
    for texts in all_texts:
        if common is None:
            common = dict(texts)
        elif common:
            common = {name: value for name, value in common.items() if texts.get(name) == value}
    return common or {}
