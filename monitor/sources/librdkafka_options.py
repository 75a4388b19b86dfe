"""What librdkafka's clients are told: the same as kafka-python's, in its words."""

from __future__ import annotations

import base64
import binascii
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from monitor.config.root import KafkaConfig, SecurityConfig
from monitor.sources.kafka_options import warn_of_clear_credentials

_TOKEN_LIFE: Final = 15.0
"""Seconds after which a token is read again at the latest; librdkafka does not ask again when one is refused."""


def librdkafka_options(kafka: KafkaConfig) -> dict[str, Any]:
    """Return the settings that librdkafka's consumer and admin client have in common."""
    return {
        "bootstrap.servers": ",".join(kafka.bootstrap_servers),
        "client.id": kafka.group_id,
        "security.protocol": kafka.security.protocol,
        "socket.timeout.ms": kafka.request_timeout // 1000,
        "socket.keepalive.enable": True,
        "reconnect.backoff.ms": 1_000,
        "reconnect.backoff.max.ms": 5_000,
        "topic.metadata.refresh.interval.ms": 10_000,
        "allow.auto.create.topics": False,
        **_security_options(kafka.security),
    }


def librdkafka_consumer_options(kafka: KafkaConfig) -> dict[str, Any]:
    """Return the settings of a consumer that starts only where it is told to and never moves by itself.

    The ends of partitions are reported, for they alone tell of transaction markers that were passed.
    """
    return {
        **librdkafka_options(kafka),
        "group.id": kafka.group_id,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "isolation.level": kafka.isolation_level,
        "check.crcs": True,
        "queued.max.messages.kbytes": 32 * 1024,
        "fetch.message.max.bytes": 8 << 20,
        "receive.message.max.bytes": 512 << 20,
    }


def read_token(path: str) -> tuple[str, float]:
    """Return the OAUTHBEARER token that is in a file now, and when to read it again, in seconds since the epoch."""
    token = Path(path).read_text(encoding="utf-8").strip()
    latest = time.time() + _TOKEN_LIFE
    return token, min(latest, token_end(token, latest))


def token_end(token: str, default: float) -> float:
    """Return the ``exp`` claim of a JWT, or the default when the token has none or is something else.

    >>> claims = base64.urlsafe_b64encode(b'{"exp": 1793491200}').decode().rstrip("=")
    >>> token_end(f"e30.{claims}.", 0.0), token_end("opaque", 1.0)
    (1793491200.0, 1.0)
    """
    parts = token.split(".")
    if len(parts) != 3:
        return default
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (KeyError, TypeError, ValueError, binascii.Error, msgspec.MsgspecError):
        return default


def _security_options(security: SecurityConfig) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if "SSL" in security.protocol:
        options |= {
            "ssl.ca.location": security.ca_file,
            "ssl.certificate.location": security.cert_file,
            "ssl.key.location": security.key_file,
            "ssl.key.password": None if security.key_password is None else security.key_password.get_secret_value(),
            "ssl.endpoint.identification.algorithm": "https" if security.check_hostname else "none",
        }
    if "SASL" in security.protocol:
        warn_of_clear_credentials(security)
        options |= {
            "sasl.mechanism": security.mechanism,
            "sasl.username": security.username,
            "sasl.password": None if security.password is None else security.password.get_secret_value(),
        }
    if security.mechanism == "OAUTHBEARER":
        if security.token_file is None:
            raise ValueError("kafka.security.mechanism OAUTHBEARER needs token_file")
        path = security.token_file
        options["oauth_cb"] = lambda _: read_token(path)
    return {name: value for name, value in options.items() if value is not None}
