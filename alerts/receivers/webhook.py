"""Any receiver that takes Alertmanager's webhook body, or CloudEvents."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

from alerts.net.errors import outcome_of
from alerts.net.http import Endpoint
from alerts.net.secret import Secret
from alerts.notification import AlertGroup, Deadline, Outcome
from alerts.receivers.cloudevents import CONTENT_TYPE, structured
from alerts.receivers.credentials import Credentials
from alerts.receivers.payload import grouped
from alerts.receivers.standard_webhooks import signed_headers

Format: TypeAlias = Literal["alertmanager", "cloudevents"]
FORMATS: Final[tuple[Format, ...]] = ("alertmanager", "cloudevents")


class Webhook:
    """Posts groups as JSON, signed when there is a secret.

    Parameters
    ----------
    endpoint
        Where to.
    form
        ``alertmanager``: the body that Alertmanager 4 sends, with a few fields more; ``cloudevents``: the same inside
        an event in structured mode.
    secrets
        For signatures; two while they are changed over.
    credentials
        For the ``Authorization`` header.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        form: Format = "alertmanager",
        secrets: Sequence[Secret] = (),
        credentials: Credentials | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._endpoint = endpoint
        self._form = form
        self._secrets = tuple(secrets)
        self._credentials = credentials or Credentials()
        self._clock = clock

    def body(self, group: AlertGroup) -> bytes:
        """Return the JSON document of a group."""
        return structured(group) if self._form == "cloudevents" else grouped(group)

    def send(self, message_id: str, body: bytes, deadline: Deadline) -> Outcome:
        """Post a stored body. It is signed anew, since receivers refuse old timestamps; the id stays."""

        def attempt() -> Outcome:
            headers = {
                "Content-Type": CONTENT_TYPE if self._form == "cloudevents" else "application/json; charset=utf-8",
                **self._credentials.headers(),
                **signed_headers(message_id, int(self._clock()), body, self._secrets),
            }
            return self._endpoint.post(body, headers, deadline).outcome()

        return outcome_of(attempt)
