"""Mail servers: a real one, and one that misbehaves as it is told."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword


class Mailbox:
    """A real server on a free port that keeps what it takes.

    Parameters
    ----------
    context
        For STARTTLS, without which it then takes nothing; or none.
    login
        User and password that it asks for.
    replies
        What it answers to a recipient instead of taking it.
    """

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
        replies: dict[str, str] | None = None,
    ) -> None:
        self.mails: list[Envelope] = []
        self._replies = replies or {}
        self._login = login
        options: dict[str, Any] = {"tls_context": context, "require_starttls": context is not None}
        if login is not None:
            options |= {"auth_required": True, "authenticator": self._check, "auth_require_tls": context is not None}
        self._controller = Controller(self, hostname="127.0.0.1", port=0, ready_timeout=20, **options)
        self._controller.port = _free()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._controller.port)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._controller.stop()

    async def handle_RCPT(self, *arguments: Any) -> str:  # noqa: N802 - the name that aiosmtpd looks for
        """Take a recipient or not."""
        _, _, envelope, address, _ = arguments
        if address in self._replies:
            return self._replies[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, *arguments: Any) -> str:  # noqa: N802 - the same
        """Take a mail."""
        self.mails.append(arguments[2])
        return "250 OK"

    def _check(self, *arguments: Any) -> AuthResult:
        data = arguments[4]
        assert isinstance(data, LoginPassword)
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == self._login, handled=False)


class Misbehaving:
    """A server on real sockets that runs a script for every connection."""

    def __init__(self, script: Callable[[socket.socket], None]) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._script(connection)


def talk(*replies: bytes) -> Callable[[socket.socket], None]:
    """Return a script that greets and then answers every line in turn."""

    def script(connection: socket.socket) -> None:
        for reply in replies:
            connection.sendall(reply)
            if not connection.recv(65536):
                return
        time.sleep(0.2)

    return script


def drip(connection: socket.socket) -> None:
    """Greet a byte at a time."""
    for byte in b"220-" + b"hello " * 100:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def flood(connection: socket.socket) -> None:
    """Greet without end."""
    while True:
        connection.sendall(b"220-hello hello hello hello\r\n" * 1000)


def flood_line(connection: socket.socket) -> None:
    """Greet with one line without end."""
    while True:
        connection.sendall(b"220 hello hello hello hello" * 1000)


def silent(connection: socket.socket) -> None:
    """Say nothing."""
    connection.recv(1)
    time.sleep(20)


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
