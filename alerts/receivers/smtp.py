"""A mail server's side of a conversation that is over when the deadline is."""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import suppress
from typing import Final, Literal, TypeAlias

from alerts.net.errors import DeliveryError, seconds_left
from alerts.net.guard import Guard
from alerts.net.stream import shake_hands
from alerts.notification import Deadline

Encryption: TypeAlias = Literal["starttls", "tls", "none"]
ENCRYPTIONS: Final[tuple[Encryption, ...]] = ("starttls", "tls", "none")
_MOST_REPLIED: Final = 1 << 16


class Session(smtplib.SMTP):
    """One connection, guarded, whose every step gets the time that is left for all, and whose replies are bounded.

    Parameters
    ----------
    host, port
        The mail server.
    encryption
        ``starttls``: at the server's word, and not without; ``tls``: from the first byte; ``none``.
    hello
        The name to greet with; the usual one would be looked up, which knows no time limit.
    """

    def __init__(
        self,
        guard: Guard,
        host: str,
        port: int,
        encryption: Encryption,
        context: ssl.SSLContext,
        deadline: Deadline,
        hello: str,
    ) -> None:
        self._guard = guard
        self._deadline = deadline
        self._context = context
        self._encryption = encryption
        super().__init__(local_hostname=hello)
        self._host = host
        try:
            self._begin(port)
        except BaseException:
            self.close()
            raise

    def _begin(self, port: int) -> None:
        code, _ = self.connect(self._host, port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, b"")
        if self._encryption == "starttls":
            self.starttls(context=self._context)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002 - the deadline counts
        opened = self._guard.connect(host, port, self._deadline)
        if self._encryption != "tls":
            return opened
        try:
            opened.settimeout(max(seconds_left(self._deadline), 1e-3))
            return shake_hands(opened, self._context, host.rstrip("."))
        except BaseException:
            opened.close()
            raise

    def say_goodbye(self) -> None:
        """Say that this was all, without waiting for an answer: the mail is theirs already."""
        with suppress(OSError, DeliveryError):
            self.putcmd("quit")

    def getreply(self) -> tuple[int, bytes]:
        """Return one reply; see ``smtplib``."""
        if self.file is None and self.sock is not None:
            self.file = Lines(self.sock, self._deadline)
        return super().getreply()

    def send(self, s: bytes | bytearray | str) -> None:  # type: ignore[override]
        """Send within the time that is left; what follows, a handshake as well, gets no more."""
        if self.sock is not None:
            self.sock.settimeout(_armed(self._deadline))
        super().send(s)


class Lines:
    """Reads lines from a connection until the deadline, and 64 KiB in all.

    The usual file over a socket starts its time limit anew with every byte.
    """

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._buffer = bytearray()
        self._read = 0

    def readline(self, limit: int) -> bytes:
        """Return the next line with its end, at most so many bytes of it; nothing at the end.

        Raises
        ------
        DeliveryError
            If time is up or the server talks too much.
        """
        while b"\n" not in self._buffer and len(self._buffer) < limit:
            self._connection.settimeout(_armed(self._deadline))
            try:
                chunk = self._connection.recv(4096)
            except TimeoutError:
                raise DeliveryError("the mail server did not answer in time") from None
            if not chunk:
                break
            self._buffer += chunk
            self._read += len(chunk)
            if self._read > _MOST_REPLIED:
                raise DeliveryError("the mail server's replies have no end")
        end = self._buffer.find(b"\n") + 1 or len(self._buffer)
        line = bytes(self._buffer[: min(end, limit)])
        del self._buffer[: len(line)]
        return line

    def close(self) -> None:
        """Nothing is held beside the connection."""


def _armed(deadline: Deadline) -> float:
    left = seconds_left(deadline)
    if left <= 0:
        raise DeliveryError("the mail server did not answer in time")
    return left
