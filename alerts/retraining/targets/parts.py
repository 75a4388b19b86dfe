"""What targets with more than one address share."""

from __future__ import annotations

from alerts.net.guard import Guard
from alerts.net.http import Endpoint, Headers, Reply
from alerts.net.secret import Secret
from alerts.net.target import parse_target
from alerts.net.tls import Tls
from alerts.notification import Deadline


class Connector:
    """Requests below one base address.

    Parameters
    ----------
    base
        The address, with or without a path; with its file, it is read again at every attempt.
    """

    def __init__(self, base: Secret, guard: Guard, tls: Tls) -> None:
        self._base = base
        self._guard = guard
        self._tls = tls

    def request(self, method: str, path: str, body: bytes, headers: Headers, deadline: Deadline) -> Reply:
        """Send one request and read its answer.

        Raises
        ------
        DeliveryError
            When there is no answer.
        """
        url = f"{self._base.reveal().rstrip('/')}/{path}"
        return Endpoint(Secret(url), self._guard, self._tls).request(method, body, headers, deadline, read=True)

    def shown(self, path: str) -> str:
        """Return an address below the base for people to open, without what may be a secret."""
        return f"{parse_target(self._base.reveal()).origin}/{path}"

    def target(self) -> object:
        """Check the base address as far as that can be done without a connection.

        Raises
        ------
        DeliveryError
            When it is none, or refused by its look.
        """
        return Endpoint(self._base, self._guard, self._tls).target()
