"""The connection under an HTTP request: guarded, and over when the deadline is."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

import httpcore2

from alerts.net.errors import DeliveryError, seconds_left
from alerts.net.guard import Guard
from alerts.notification import Deadline


@dataclass(slots=True)
class Trace:
    """What an attempt left behind."""

    sent: bool = False
    """Whether anything of the request may have reached the other side."""


class TimedStream(httpcore2.NetworkStream):
    """One connection whose every step gets only the time that is left for all of them.

    A time limit for each read is no limit at all against a receiver that sends a byte a second.
    """

    def __init__(self, connection: socket.socket, deadline: Deadline, trace: Trace) -> None:
        self._connection = connection
        self._deadline = deadline
        self._trace = trace

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline counts
        """Return what has come, waiting until the deadline at most."""
        try:
            self._arm()
            return self._connection.recv(max_bytes)
        except TimeoutError:
            raise httpcore2.ReadTimeout from None
        except OSError:
            raise httpcore2.ReadError from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the deadline counts
        """Send everything, until the deadline at most."""
        try:
            self._arm()
            self._trace.sent = True
            self._connection.sendall(buffer)
        except TimeoutError:
            raise httpcore2.WriteTimeout from None
        except OSError:
            raise httpcore2.WriteError from None

    def close(self) -> None:
        """Close without waiting for the other side."""
        self._connection.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the deadline counts
    ) -> httpcore2.NetworkStream:
        """Return the stream after a handshake for the name that was asked for, not the address connected to."""
        try:
            self._arm()
            wrapped = shake_hands(self._connection, ssl_context, server_hostname or "")
        except TimeoutError:
            self.close()
            raise httpcore2.ConnectTimeout from None
        except BaseException:
            self.close()
            raise
        return TimedStream(wrapped, self._deadline, self._trace)

    def get_extra_info(self, info: str) -> object:
        """Return what the HTTP layer asks about a connection."""
        if info == "ssl_object" and isinstance(self._connection, ssl.SSLSocket):
            return self._connection
        return None

    def _arm(self) -> None:
        left = seconds_left(self._deadline)
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)


class GuardedBackend(httpcore2.NetworkBackend):
    """Opens the connections of one attempt."""

    def __init__(self, guard: Guard, deadline: Deadline) -> None:
        self._guard = guard
        self._deadline = deadline
        self.trace = Trace()
        """Of its connections."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline counts
        local_address: str | None = None,  # noqa: ARG002 - the guard connects
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002 - the same
    ) -> httpcore2.NetworkStream:
        """Return a stream to an address that was checked."""
        return TimedStream(self._guard.connect(host, port, self._deadline), self._deadline, self.trace)


def shake_hands(connection: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    """Return the connection under TLS; the handshake has the time limit that the connection has.

    Raises
    ------
    DeliveryError
        If the certificate is not trusted or the other side does not speak TLS.
    TimeoutError
        If it takes too long.
    """
    try:
        return context.wrap_socket(connection, server_hostname=host)
    except TimeoutError:
        raise
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(f"the certificate of {host} is not trusted: {error.verify_message}") from None
    except (OSError, ValueError):
        raise DeliveryError(f"{host} and we find no way to speak TLS") from None
