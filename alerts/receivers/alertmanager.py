"""Prometheus Alertmanager, through its API version 2.

It forgets an alert that is not told again, so whoever lets it notify sends what fires every minute, and what is over
for five minutes more.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import structlog

from alerts.net.errors import outcome_of
from alerts.net.http import Endpoint, json_headers
from alerts.notification import Alert, AlertGroup, Deadline, Delivered, Outcome, Rejected, Retry
from alerts.receivers.credentials import Credentials
from alerts.receivers.payload import bounded, thread_of, to_json
from alerts.receivers.size import BODY_LIMIT, fit
from alerts.receivers.text import is_link
from alerts.receivers.times import rfc3339

RESEND_EVERY: Final = 60.0
"""Seconds between two messages about an alert that fires."""
RESOLVED_FOR: Final = 300.0
"""Seconds for which the end of an alert is told again."""
_VALID_TIMES: Final = 4
_WIDTHS: Final = (4000, 1000, 250, 40)
_RESEND_LIMIT: Final = 500_000
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_]")
_log = structlog.get_logger("alerts.alertmanager")


class Alertmanager:
    """Pushes alerts to every replica of an Alertmanager, which do not tell each other of alerts.

    Parameters
    ----------
    replicas
        ``…/api/v2/alerts`` of each.
    credentials
        For the ``Authorization`` header.
    resend_every
        Seconds after which a firing alert is told again. It counts as resolved after four times as long in silence, so
        that a service that dies leaves no alert behind for ever.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        replicas: Sequence[Endpoint],
        credentials: Credentials | None = None,
        resend_every: float = RESEND_EVERY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._replicas = tuple(replicas)
        self._credentials = credentials or Credentials()
        self._valid = _VALID_TIMES * resend_every
        self._clock = clock

    def body(self, group: AlertGroup) -> bytes:
        """Return the alerts of a group. When some do not fit, one more alert, ``DriftlineAlertsCut``, counts them."""
        count = min(len(group.alerts), BODY_LIMIT // 100)
        return fit(count, lambda entries, width: to_json(_listed(group, entries, width)), widths=_WIDTHS)

    def bodies(self, alerts: Iterable[Alert], now: int) -> Iterator[bytes]:
        """Yield bodies with all alerts that an Alertmanager must hear again at a time, in microseconds.

        That is what fires, and what ended within the last five minutes.
        """
        packed: list[bytes] = []
        size = 0
        for alert in alerts:
            if alert.ends_at is not None and now - alert.ends_at > RESOLVED_FOR * 1e6:
                continue
            one = fit(1, partial(_alone, alert), widths=_WIDTHS)
            if packed and size + len(one) > _RESEND_LIMIT:
                yield b"[%b]" % b",".join(packed)
                packed, size = [], 0
            packed.append(one)
            size += len(one) + 1
        if packed:
            yield b"[%b]" % b",".join(packed)

    def resend(self, alerts: Iterable[Alert], now: int, deadline: Deadline) -> Outcome:
        """Tell all replicas again what they must hear at a time; call it every ``resend_every`` seconds."""
        outcome: Outcome = Delivered()
        for number, body in enumerate(self.bodies(alerts, now)):
            sent = self.send(f"resend-{now}-{number}", body, deadline)
            outcome = outcome if isinstance(sent, Delivered) else sent
        return outcome

    def send(self, message_id: str, body: bytes, deadline: Deadline) -> Outcome:
        """Post a stored body to every replica; one that has it is enough, since the others hear of it again.

        The time at which a firing alert would end by itself is set here, so that a body that waited is not out of date.
        """
        ends = rfc3339(int((self._clock() + self._valid) * 1e6))
        stamped = to_json([_stamped(alert, ends) for alert in json.loads(body)])

        def attempt(replica: Endpoint) -> Outcome:
            headers = json_headers(message_id) | self._credentials.headers()
            return replica.post(stamped, headers, deadline).outcome()

        outcomes = [outcome_of(partial(attempt, replica)) for replica in self._replicas]
        failed = [outcome for outcome in outcomes if not isinstance(outcome, Delivered)]
        if len(failed) < len(outcomes):
            for outcome in failed:
                _log.warning("alertmanager_replica_missed", reason=outcome.reason)
            return Delivered()
        return _worst(failed)


def _stamped(alert: dict[str, Any], ends: str) -> dict[str, Any]:
    """Return an alert with its end, which must not lie before its beginning, as a clock that is ahead may have it."""
    end = alert.get("endsAt", ends)
    return {**alert, "startsAt": min(alert["startsAt"], end), "endsAt": end}


def _worst(failed: Sequence[Retry | Rejected]) -> Outcome:
    """Return the outcome of all: another attempt when any replica may take it then."""
    reason = "; ".join(dict.fromkeys(outcome.reason for outcome in failed))
    waits = [outcome.after for outcome in failed if isinstance(outcome, Retry)]
    if waits:
        asked = [wait for wait in waits if wait is not None]
        return Retry(reason, min(asked) if len(asked) == len(waits) else None)
    return Rejected(reason, disable=all(isinstance(outcome, Rejected) and outcome.disable for outcome in failed))


def _alone(alert: Alert, _: int, width: int) -> bytes:
    return to_json(_alert(alert, width))


def _listed(group: AlertGroup, entries: int, width: int) -> list[dict[str, Any]]:
    listed = [_alert(alert, width) for alert in group.alerts[:entries]]
    cut = len(group.alerts) - entries + group.truncated
    if cut:
        listed.append(_cut(group, cut))
    return listed


def _alert(alert: Alert, width: int) -> dict[str, Any]:
    labels = {_label_name(name): value for name, value in bounded(alert.labels, width).items() if value}
    return {
        "labels": labels or {"alertname": "unnamed"},
        "annotations": {_label_name(name): value for name, value in bounded(alert.annotations, width).items()},
        "startsAt": rfc3339(alert.starts_at),
        **({"endsAt": rfc3339(alert.ends_at)} if alert.ends_at is not None else {}),
        **({"generatorURL": alert.url} if is_link(alert.url) and len(alert.url) <= width else {}),
    }


def _cut(group: AlertGroup, count: int) -> dict[str, Any]:
    """Return the alert that says how many others there was no room for."""
    return {
        "labels": {"alertname": "DriftlineAlertsCut", "severity": "info", "group": thread_of(group.key)},
        "annotations": {"summary": f"{count:,} alerts of a group were left out of one message."},
        "startsAt": rfc3339(group.sent_at),
        **({"endsAt": rfc3339(group.sent_at)} if group.state == "resolved" else {}),
    }


def _label_name(name: str) -> str:
    """Return a name that every Alertmanager takes."""
    safe = _NOT_IN_NAMES.sub("_", name)
    return f"_{safe}" if not safe or safe[0].isdigit() else safe
