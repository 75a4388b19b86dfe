"""One receiver's messages, one attempt at a time. No thread and no clock of its own: ``step`` is told the time."""

from __future__ import annotations

import dataclasses
import random
import sqlite3
import time
from collections.abc import Callable
from typing import Final

import structlog

from alerts import outbox
from alerts.backoff import pause
from alerts.durations import DAY, SECOND
from alerts.notification import AlertGroup, Deadline, Delivered, Notifier, Outcome, Rejected, Retry
from alerts.policy import Receiver
from alerts.store import transacting

log = structlog.get_logger(__name__)
LARGEST_BODY: Final = 20_000
"""Bytes; larger messages lose alerts until they fit."""


class Courier:
    """Delivers to one receiver.

    The order of every attempt: 1 freeze body and id, and note what the receiver will have been told, in one
    transaction; 2 send; 3 note the outcome. A crash after 2 sends the same bytes under the same id again.

    Parameters
    ----------
    connection
        One of its own.
    clock
        Wall clock in microseconds.
    attempt
        Seconds that one attempt may take.
    """

    def __init__(
        self,
        name: str,
        notifier: Notifier,
        limits: Receiver,
        connection: sqlite3.Connection,
        clock: Callable[[], int],
        attempt: float = 15.0,
        source: random.Random | None = None,
    ) -> None:
        self.name = name
        self._notifier = notifier
        self._limits = limits
        self._connection = connection
        self._clock = clock
        self._attempt = attempt
        self._source = source or random.Random()  # noqa: S311 - it spreads retries, it hides nothing

    def step(self) -> int | None:
        """Try to deliver one message.

        Returns
        -------
        int or None
            Microseconds to wait before the next step, ``None`` when there is nothing to deliver.
        """
        now = self._clock()
        health = outbox.read_health(self._connection, (self.name,))[self.name]
        if health.disabled_at is not None or not health.open:
            return None
        # Beyond that, the clock has been set back since.
        if now < health.not_before <= now + DAY:
            return health.not_before - now
        message = self._ready(now)
        if message is None:
            return 0
        outcome = self._send(message)
        with transacting(self._connection):
            return self._note(message, outcome, health.failures)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _ready(self, now: int) -> outbox.Message | None:
        """Return the next message with its final body; ``None`` when it was replaced meanwhile."""
        message = outbox.next_message(self._connection, self.name)
        if message is None or message.frozen:
            return message
        body = self._body(message)
        with transacting(self._connection):
            frozen = outbox.freeze(self._connection, message, body or b"", now)
            if frozen and body is None:
                outbox.parked(self._connection, self.name, message, "no body could be made of it", now)
                return None
        return dataclasses.replace(message, frozen=True, body=body, first_at=now) if frozen else None

    def _body(self, message: outbox.Message) -> bytes | None:
        try:
            return _fitting(self._notifier, message.decoded())
        except Exception:
            log.exception("a receiver's code failed; the message is parked", receiver=self.name, message=message.id)
            return None

    def _send(self, message: outbox.Message) -> Outcome:
        deadline = Deadline(time.monotonic() + self._attempt)
        try:
            return self._notifier.send(message.id, message.body or b"", deadline)
        except Exception as error:
            log.exception("a receiver's code failed", receiver=self.name, message=message.id)
            return Retry(f"{type(error).__name__} in the receiver's code")

    def _note(self, message: outbox.Message, outcome: Outcome, failures: int) -> int:
        now, connection = self._clock(), self._connection
        if isinstance(outcome, Delivered):
            outbox.delivered(connection, self.name, message, now)
            return 0
        if isinstance(outcome, Rejected):
            outbox.parked(connection, self.name, message, outcome.reason, now, disable=outcome.disable)
            log.error("a message was rejected", receiver=self.name, message=message.id, problem=outcome.reason)
            return 0
        if now - (message.first_at if message.first_at is not None else now) >= self._limits.give_up_after:
            outbox.parked(connection, self.name, message, f"given up: {outcome.reason}", now)
            log.error("a message was given up", receiver=self.name, message=message.id, problem=outcome.reason)
            return 0
        wait = pause(failures + 1, outcome.after, self._source)
        outbox.failed(connection, self.name, message, outcome.reason, now, now + wait)
        if not failures:
            log.warning("a receiver fails; messages wait", receiver=self.name, problem=outcome.reason)
        return max(wait, SECOND // 100)


def _fitting(notifier: Notifier, group: AlertGroup) -> bytes:
    """Return a body that is small enough, if need be with fewer alerts."""
    body = notifier.body(group)
    while len(body) > LARGEST_BODY and len(group.alerts) > 1:
        kept = len(group.alerts) // 2
        left_out = group.truncated + len(group.alerts) - kept
        group = dataclasses.replace(group, alerts=group.alerts[:kept], truncated=left_out)
        body = notifier.body(group)
    return body
