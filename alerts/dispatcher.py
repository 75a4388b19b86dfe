"""A thread for every receiver, so that a slow one delays no other."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog

from alerts.delivery import Courier
from alerts.durations import SECOND
from alerts.notification import Deadline, Delivered, Notifier
from alerts.policy import Policy
from alerts.resending import EVERY, Forgetful, known_alerts
from alerts.store import Store, StoreUnavailableError

log = structlog.get_logger(__name__)
_LOOKS: Final = 5.0
"""Seconds after which a thread looks for messages though nobody woke it."""
_TROUBLE: Final = 10.0


class Dispatcher:
    """Delivers what the outbox holds.

    Parameters
    ----------
    clock
        Wall clock in microseconds.
    source
        Of the chance in the pauses.
    resend_every
        Seconds after which a receiver that forgets is told again.
    """

    def __init__(
        self,
        store: Store,
        policy: Policy,
        notifiers: Mapping[str, Notifier],
        clock: Callable[[], int],
        source: random.Random | None = None,
        resend_every: float = EVERY,
    ) -> None:
        self._store = store
        self._policy = policy
        self._notifiers = notifiers
        self._clock = clock
        self._source = source
        self._rules = {rule.key: rule for rule in policy.rules}
        self._resend_every = resend_every
        self._resend_at = dict.fromkeys(notifiers, 0.0)
        self._stopping = threading.Event()
        self._awake = {name: threading.Event() for name in notifiers}
        self._threads = [
            threading.Thread(target=self._run, args=(name,), name=f"deliver-{name}", daemon=True) for name in notifiers
        ]
        for thread in self._threads:
            thread.start()

    def wake(self, receivers: Iterable[str]) -> None:
        """Say that there is something new for receivers."""
        for name in receivers:
            if name in self._awake:
                self._awake[name].set()

    def close(self, wait: float = 20.0) -> None:
        """Stop after the attempts that are under way; what is left is delivered after the next start."""
        self._stopping.set()
        self.wake(self._awake)
        for thread in self._threads:
            thread.join(wait)
            if thread.is_alive():
                log.warning("a receiver did not come back in time", thread=thread.name)

    def _run(self, name: str) -> None:
        awake = self._awake[name]
        courier: Courier | None = None
        begun = -1
        while not self._stopping.is_set():
            awake.clear()
            try:
                if courier is None or begun != self._store.begun_anew:
                    courier, begun = self._renewed(name, courier), self._store.begun_anew
                pause = courier.step()
                self._resend(name)
            except (sqlite3.Error, StoreUnavailableError) as error:
                log.warning("messages cannot be read or written", receiver=name, problem=str(error))
                self._stopping.wait(_TROUBLE)
                continue
            if pause is None or pause > 0:
                looks = min(_LOOKS, self._resend_every)
                awake.wait(looks if pause is None else min(looks, pause / SECOND))
        if courier is not None:
            courier.close()

    def _resend(self, name: str) -> None:
        """Tell a receiver that forgets of all it knows, once a minute; what fails is told a minute later."""
        notifier = self._notifiers[name]
        if not isinstance(notifier, Forgetful) or time.monotonic() < self._resend_at[name]:
            return
        self._resend_at[name] = time.monotonic() + self._resend_every
        now = self._clock()
        with self._store.reading() as connection:
            alerts = known_alerts(connection, name, self._policy, self._rules, now)
        outcome = notifier.resend(alerts, now, Deadline(time.monotonic() + self._policy.attempt))
        if not isinstance(outcome, Delivered):
            log.warning("alerts could not be told again", receiver=name, problem=outcome.reason)

    def _renewed(self, name: str, courier: Courier | None) -> Courier:
        if courier is not None:
            courier.close()
        limits, attempt = self._policy.receiver(name), self._policy.attempt
        connection = self._store.connect()
        return Courier(name, self._notifiers[name], limits, connection, self._clock, attempt, self._source)
