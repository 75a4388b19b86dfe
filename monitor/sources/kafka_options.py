"""What every client of the cluster is told: where it is, how to prove who we are, how long to wait."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any, Final

import structlog
from kafka.net.sasl.oauth import AbstractTokenProvider  # type: ignore[import-untyped]  # kafka-python has no type hints

from monitor.config.root import KafkaConfig, SecurityConfig

log = structlog.get_logger(__name__)

METADATA_AGE: Final = 10.0
"""Seconds after which the client asks for metadata again; bounds how long a topic made anew goes unnoticed."""
_MEGABYTE: Final = 1 << 20


def client_options(kafka: KafkaConfig) -> dict[str, Any]:
    """Return the keyword arguments that kafka-python's consumer, producer and admin client have in common.

    Certificates, keys and the token file are read again at every connection, so a rotated secret is used by the next
    one. At most about one connection a second is attempted to each broker.
    """
    security = kafka.security
    options: dict[str, Any] = {
        "bootstrap_servers": list(kafka.bootstrap_servers),
        "client_id": kafka.group_id,
        "security_protocol": security.protocol,
        "request_timeout_ms": kafka.request_timeout // 1000,
        "bootstrap_timeout_ms": min(10_000, kafka.request_timeout // 1000),
        "connections_max_idle_ms": max(540_000, kafka.request_timeout // 1000 + 1),
        "reconnect_backoff_ms": 1_250,
        "reconnect_backoff_max_ms": 5_000,
        "metadata_max_age_ms": int(METADATA_AGE * 1000),
        "receive_message_max_bytes": 512 * _MEGABYTE,
        "socket_options": [
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        ],
    }
    if "SSL" in security.protocol:
        options["ssl_context"] = FreshContext(security)
    if "SASL" in security.protocol:
        options |= _sasl_options(security)
    return options


def consumer_options(kafka: KafkaConfig) -> dict[str, Any]:
    """Return the keyword arguments of a consumer that starts only where it is told to and never moves by itself."""
    return {
        **client_options(kafka),
        "group_id": None,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "isolation_level": kafka.isolation_level,
        "max_partition_fetch_bytes": 8 * _MEGABYTE,
        "fetch_max_wait_ms": min(500, kafka.request_timeout // 2000),
        "metrics_enabled": False,
    }


class TidySocket(ssl.SSLSocket):
    """A TLS socket that closes when its handshake fails; kafka-python leaves it open."""

    def do_handshake(self, block: bool = False) -> None:
        """Do the handshake, or as much of it as can be done without waiting."""
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            self.close()
            raise


class FreshContext:
    """Stands in for an ``ssl.SSLContext``; reads its files anew for every connection.

    TLS 1.2 at least; the broker's certificate must be valid, and be for the host that was asked for unless
    ``check_hostname`` is off.
    """

    def __init__(self, security: SecurityConfig) -> None:
        self._security = security
        for path in (security.ca_file, security.cert_file, security.key_file):
            if path is not None:
                Path(path).read_bytes()  # a missing file is named here; OpenSSL would not name it
        self.load()

    def load(self) -> ssl.SSLContext:
        """Return a context made from the files as they are now."""
        security = self._security
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=security.ca_file)
        context.sslsocket_class = TidySocket
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = security.check_hostname
        if security.cert_file is not None:
            password = None if security.key_password is None else security.key_password.get_secret_value()
            context.load_cert_chain(security.cert_file, security.key_file, password)
        return context

    def wrap_socket(self, sock: socket.socket, **options: Any) -> ssl.SSLSocket:
        """Wrap one connection."""
        return self.load().wrap_socket(sock, **options)


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python has no type hints
    """OAUTHBEARER tokens from a file that somebody else keeps current."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = Path(path)

    def token(self) -> str:
        """Return the token that is in the file now."""
        return self._path.read_text(encoding="utf-8").strip()


def warn_of_clear_credentials(security: SecurityConfig) -> None:
    """Log it when passwords or tokens travel where everybody can read them."""
    if security.protocol == "SASL_PLAINTEXT":
        log.warning("credentials travel unencrypted: use SASL_SSL", mechanism=security.mechanism)


def _sasl_options(security: SecurityConfig) -> dict[str, Any]:
    warn_of_clear_credentials(security)
    options: dict[str, Any] = {"sasl_mechanism": security.mechanism}
    if security.mechanism == "OAUTHBEARER":
        if security.token_file is None:
            raise ValueError("kafka.security.mechanism OAUTHBEARER needs token_file")
        return {**options, "sasl_oauth_token_provider": TokenFile(security.token_file)}
    if security.mechanism is None or security.username is None or security.password is None:
        raise ValueError(f"kafka.security.protocol {security.protocol} needs mechanism, username and password")
    options["sasl_plain_username"] = security.username
    options["sasl_plain_password"] = security.password.get_secret_value()
    return options
