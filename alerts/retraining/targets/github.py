"""GitHub: a ``repository_dispatch`` event, which a workflow listens to. GitHub answers 204 and knows no key."""

from __future__ import annotations

import json
from typing import Final

from alerts.net.http import Endpoint
from alerts.notification import Deadline
from alerts.receivers.credentials import Credentials
from alerts.receivers.payload import to_json
from alerts.retraining.targets.port import Answer, NotStarted, Order, Started, answer_of
from alerts.retraining.targets.status import failure

EVENT: Final = "driftline-retrain"
LONGEST_EVENT: Final = 100
API: Final = "https://api.github.com"
_HEADERS: Final = {
    "Content-Type": "application/json",
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
}


class GitHubTarget:
    """Posts to ``/repos/{owner}/{repository}/dispatches``.

    A request whose answer was lost may have been taken, so it is never repeated by itself. A workflow that has
    ``concurrency: ${{ github.event.client_payload.id }}`` runs one at a time all the same.
    """

    idempotent = False

    def __init__(self, endpoint: Endpoint, credentials: Credentials, event: str = EVENT) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._event = event

    def body(self, order: Order) -> bytes:
        """Return the event; its payload has eight of the ten keys that GitHub allows."""
        return to_json({"event_type": self._event, "client_payload": order.document()})

    def send(self, key: str, body: bytes, deadline: Deadline) -> Answer:  # noqa: ARG002 - GitHub takes no key
        """Dispatch the event."""

        def attempt() -> Answer:
            reply = self._endpoint.post(body, _HEADERS | self._credentials.headers(), deadline, read=True)
            if 200 <= reply.status < 300:
                return Started()
            if reply.status == 403 and _is_rate_limit(reply.body):
                return NotStarted(f"{reply.origin} limits requests", 60.0)
            return failure(reply)

        return answer_of(attempt)


def _is_rate_limit(body: bytes) -> bool:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "rate limit" in str(document.get("message", "")).lower()
