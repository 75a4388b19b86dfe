"""One POST: guarded, in time, with a bounded answer, without redirects, proxies, cookies or compression."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import httpcore2

from alerts.net.errors import DeliveryError, seconds_left
from alerts.net.guard import Guard
from alerts.net.secret import Secret
from alerts.net.status import outcome_of_status
from alerts.net.stream import GuardedBackend, Trace
from alerts.net.target import Target, parse_target
from alerts.net.tls import Tls
from alerts.notification import Deadline, Outcome

REPLY_LIMIT: Final = 1 << 16
_USER_AGENT: Final = "driftline"
Headers = Mapping[str, str]


def json_headers(message_id: str) -> dict[str, str]:
    """Return the headers of a JSON document whose receiver has no place of its own for the message's id."""
    return {"Content-Type": "application/json; charset=utf-8", "X-Request-Id": message_id}


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request."""

    origin: str
    status: int
    retry_after: str | None
    body: bytes
    """Empty unless it was asked for; cut at 64 KiB."""

    def outcome(self) -> Outcome:
        """Return what the status alone says."""
        return outcome_of_status(self.status, self.origin, self.retry_after)


class Endpoint:
    """One web address that messages are posted to.

    Every attempt has a connection of its own, so that its address is checked and nothing that an earlier one left
    behind matters. The layer below ``httpx2`` is used: the one above writes whole addresses to the log, and knows
    redirects, proxies and cookies, all of which are unwanted here.

    Parameters
    ----------
    url
        The address; with its file, it is read again at every attempt.
    guard
        Decides what may be connected to.
    tls
        What is trusted.
    """

    def __init__(self, url: Secret, guard: Guard, tls: Tls) -> None:
        self._url = url
        self._guard = guard
        self._tls = tls

    def target(self) -> Target:
        """Return where a request would go now.

        Raises
        ------
        DeliveryError
            If the address cannot be read or is refused by its look.
        """
        target = parse_target(self._url.reveal())
        self._guard.check(target.scheme, target.host, target.port)
        return target

    def post(self, body: bytes, headers: Headers, deadline: Deadline, *, read: bool = False) -> Reply:
        """Send one POST request; see ``request``."""
        return self.request("POST", body, headers, deadline, read=read)

    def request(self, method: str, body: bytes, headers: Headers, deadline: Deadline, *, read: bool = False) -> Reply:
        """Send one request.

        Parameters
        ----------
        method
            ``POST``, ``PUT`` or ``GET``.
        body
            The bytes to send.
        headers
            Further headers; ``Content-Type`` among them.
        deadline
            When name look-up, connection, handshake, request and answer must all be over.
        read
            Whether to wait for the body of the answer. Otherwise its status is enough.

        Raises
        ------
        DeliveryError
            If there is no answer; ``sent`` tells whether the request may have been heard all the same.
        """
        target = self.target()
        if seconds_left(deadline) <= 0:
            raise DeliveryError("no time was left")
        url = httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        request = httpcore2.Request(
            method, url, headers=_fields(target, headers, len(body)), content=body,
            extensions={"sni_hostname": target.host.rstrip(".")},
        )  # fmt: skip
        backend = GuardedBackend(self._guard, deadline)
        connection = httpcore2.HTTPConnection(
            url.origin,
            ssl_context=self._tls.context() if target.scheme == "https" else None,
            network_backend=backend,
        )
        return _exchange(connection, request, target.origin, backend.trace, read=read)


def _exchange(
    connection: httpcore2.HTTPConnection, request: httpcore2.Request, origin: str, trace: Trace, *, read: bool
) -> Reply:
    try:
        response = connection.handle_request(request)
        wait = next((value for name, value in response.headers if name.lower() == b"retry-after"), None)
        body = _read(response) if read else b""
        return Reply(origin, response.status, wait.decode("latin-1") if wait is not None else None, body)
    except httpcore2.TimeoutException:
        raise DeliveryError(f"{origin} did not answer in time", sent=trace.sent) from None
    except httpcore2.NetworkError:
        raise DeliveryError(f"the connection to {origin} broke", sent=trace.sent) from None
    except httpcore2.RemoteProtocolError:
        raise DeliveryError(f"{origin} hung up or does not speak HTTP/1.1", sent=trace.sent) from None
    except (httpcore2.LocalProtocolError, ValueError):
        raise DeliveryError("the request cannot be written: a header holds what it may not", lasting=True) from None
    finally:
        connection.close()


def _read(response: httpcore2.Response) -> bytes:
    body = bytearray()
    for chunk in cast("Iterable[bytes]", response.stream):
        body += chunk[: REPLY_LIMIT - len(body)]
        if len(body) >= REPLY_LIMIT:
            break
    return bytes(body)


def _fields(target: Target, headers: Headers, length: int) -> Sequence[tuple[bytes, bytes]]:
    own = {
        "Host": target.authority,
        "User-Agent": _USER_AGENT,
        "Accept-Encoding": "identity",
        "Connection": "close",
        "Content-Length": str(length),
    }
    try:
        return [(name.encode("ascii"), value.encode("ascii")) for name, value in (own | dict(headers)).items()]
    except UnicodeEncodeError:
        raise DeliveryError("the request cannot be written: a header is not ASCII", lasting=True) from None
