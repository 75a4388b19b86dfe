"""Everything else, through Apprise, which is an extra: pip install 'driftline[apprise]'.

Apprise opens its own connections, so neither the guard against addresses that are not public nor the limit of an
answer's size holds here, and it says only whether a message went out.
"""

from __future__ import annotations

import json
import logging
import threading
from importlib import import_module
from typing import Any, Final

import structlog

from alerts.net.errors import DeliveryError, outcome_of, seconds_left
from alerts.net.secret import Secret
from alerts.notification import AlertGroup, Deadline, Delivered, Outcome, Retry
from alerts.receivers.payload import to_json
from alerts.receivers.size import fit
from alerts.receivers.text import MOST_ENTRIES, compose, in_words

_KINDS: Final = {"page": "failure", "warn": "warning", "info": "info"}
_QUIETED: Final = {"apprise": logging.CRITICAL + 1, "urllib3": logging.ERROR, "requests": logging.ERROR}
"""What these write below such levels holds whole addresses, tokens and all."""
_log = structlog.get_logger("alerts.apprise")


class Apprise:
    """Sends title and text to one service.

    Parameters
    ----------
    url
        The service's address in Apprise's notation, which holds its secrets.

    Raises
    ------
    ImportError
        If the extra is not installed.
    """

    def __init__(self, url: Secret) -> None:
        self._url = url
        self._library: Any = import_module("apprise")
        self._busy = threading.Lock()
        for name, level in _QUIETED.items():
            logger = logging.getLogger(name)
            logger.setLevel(max(logger.level, level))

    def check(self) -> None:
        """Refuse an address that Apprise does not understand.

        Raises
        ------
        DeliveryError
            A lasting one.
        """
        if not self._service():
            raise DeliveryError("Apprise does not know such an address", lasting=True)

    def body(self, group: AlertGroup) -> bytes:
        """Return title, text and kind as JSON."""

        def render(entries: int, width: int) -> bytes:
            message = compose(group, entries, width)
            kind = "success" if message.state == "resolved" else _KINDS.get(message.severity, "warning")
            return to_json({"title": message.title, "body": in_words(message), "type": kind})

        return fit(min(len(group.alerts), MOST_ENTRIES), render)

    def send(self, message_id: str, body: bytes, deadline: Deadline) -> Outcome:
        """Hand a stored body to Apprise and wait until the deadline; what is still under way then runs on alone."""
        return outcome_of(lambda: self._attempt(message_id, json.loads(body), deadline))

    def _attempt(self, message_id: str, document: dict[str, str], deadline: Deadline) -> Outcome:
        service = self._service()
        if not service:
            raise DeliveryError("Apprise does not know such an address", lasting=True)
        if not self._busy.acquire(blocking=False):
            return Retry("the attempt before this one is still under way")
        answer: list[bool] = []
        worker = threading.Thread(
            target=self._notify, args=(service, document, answer), name=f"apprise-{message_id}", daemon=True
        )
        try:
            worker.start()
        except RuntimeError:
            self._busy.release()
            raise DeliveryError("no thread is to be had to send the message") from None
        worker.join(seconds_left(deadline))
        if worker.is_alive():
            return Retry("Apprise did not finish in time")
        return Delivered() if answer == [True] else Retry("Apprise could not send the message")

    def _notify(self, service: Any, document: dict[str, str], answer: list[bool]) -> None:
        try:
            sent = service.notify(
                body=document["body"], title=document["title"], notify_type=document["type"], body_format="text"
            )
            answer.append(bool(sent))
        except Exception as error:  # noqa: BLE001 - whatever one of its many services does, the message stays
            _log.warning("apprise_failed", error=type(error).__name__)
        finally:
            self._busy.release()

    def _service(self) -> Any:
        service = self._library.Apprise()
        return service if service.add(self._url.reveal()) else None
