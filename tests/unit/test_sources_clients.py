"""What clients are told and what they may say; no broker is needed."""

from __future__ import annotations

import base64
import json
import logging
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import KafkaConfigurationError, KafkaTimeoutError  # type: ignore[import-untyped]  # has no type hints
from structlog.testing import capture_logs

from monitor.config.root import KafkaConfig
from monitor.sources.client_log import ClientLogHandler, quiet_client_logs
from monitor.sources.connection import Connection
from monitor.sources.kafka_options import FreshContext, TokenFile, client_options, consumer_options
from monitor.sources.librdkafka_options import librdkafka_consumer_options, read_token
from tests.kafka.certificates import Authority


def kafka(**security: Any) -> KafkaConfig:
    return KafkaConfig.model_validate({"bootstrap_servers": ["a:1", "b:2"], "security": security})


def test_a_consumer_starts_only_where_it_is_told_to() -> None:
    options = consumer_options(kafka())
    assert options["auto_offset_reset"] == "none"
    assert options["enable_auto_commit"] is False
    assert options["group_id"] is None
    assert options["isolation_level"] == "read_committed"
    theirs = librdkafka_consumer_options(kafka())
    assert theirs["auto.offset.reset"] == "error"
    assert theirs["enable.auto.commit"] is False
    assert theirs["allow.auto.create.topics"] is False
    assert theirs["bootstrap.servers"] == "a:1,b:2"


@pytest.mark.parametrize("make", [client_options, librdkafka_consumer_options])
def test_tokens_need_a_file(make: Callable[[KafkaConfig], dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="token_file"):
        make(kafka(protocol="SASL_SSL", mechanism="OAUTHBEARER"))


@pytest.mark.parametrize(
    "security",
    [{}, {"mechanism": "PLAIN"}, {"mechanism": "PLAIN", "username": "u"}, {"username": "u", "password": "p"}],
)
def test_passwords_need_all_their_parts(security: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="mechanism, username and password"):
        client_options(kafka(protocol="SASL_SSL", **security))


def test_tls_is_modern_checks_the_host_and_demands_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    security = kafka(protocol="SSL", ca_file=str(authority.certificate)).security
    context = FreshContext(security).load()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    loose = FreshContext(kafka(protocol="SSL", ca_file=str(authority.certificate), check_hostname=False).security)
    assert loose.load().verify_mode is ssl.CERT_REQUIRED


def test_certificates_are_read_again_for_every_connection(tmp_path: Path) -> None:
    first, second = Authority(tmp_path / "1", "first"), Authority(tmp_path / "2", "second")
    current = tmp_path / "ca.pem"
    current.write_bytes(first.certificate.read_bytes())
    context = FreshContext(kafka(protocol="SSL", ca_file=str(current)).security)
    assert "first" in str(context.load().get_ca_certs())
    current.write_bytes(second.certificate.read_bytes())
    assert "second" in str(context.load().get_ca_certs())


def test_tokens_are_read_again_for_every_connection(tmp_path: Path) -> None:
    file = tmp_path / "token"
    provider = TokenFile(str(file))
    for text in ("one", "two\n"):
        file.write_text(text)
        assert provider.token() == text.strip()
    ending = time.time() + 5
    claims = base64.urlsafe_b64encode(json.dumps({"exp": ending}).encode()).decode().rstrip("=")
    file.write_text(f"e30.{claims}.")
    assert read_token(str(file))[1] == pytest.approx(ending)
    file.write_text("opaque")
    assert time.time() < read_token(str(file))[1] < time.time() + 60


def test_a_client_that_repeats_itself_is_heard_once() -> None:
    logger = logging.getLogger("kafka-test")
    handler = ClientLogHandler(every=60.0)
    logger.addHandler(handler)
    logger.propagate = False
    with capture_logs() as logged:
        for number in range(100):
            logger.error("connection %d failed", number)
        logger.debug("chatter")
    assert [entry["event"] for entry in logged] == ["kafka client"]
    assert handler.last == "connection 99 failed"


def test_client_logs_are_quieted_once() -> None:
    assert quiet_client_logs() is quiet_client_logs()
    handlers = logging.getLogger("kafka").handlers
    assert sum(isinstance(handler, ClientLogHandler) for handler in handlers) == 1


def test_a_connection_tries_again_until_somebody_answers() -> None:
    attempts: list[float] = []

    def make(**_: Any) -> str:
        attempts.append(time.monotonic())
        if len(attempts) < 3:
            raise KafkaTimeoutError("nobody")
        return "client"

    connection: Connection[str] = Connection(make, {}, "test")
    assert connection.get(0.05) is None
    assert connection.get(10.0) == "client"
    assert connection.get(0.0) == "client"
    assert attempts[1] - attempts[0] >= 1.0
    connection.drop()
    assert connection.get(10.0) == "client"
    connection.close()


def test_a_connection_that_can_never_be_made_says_so() -> None:
    def make(**_: Any) -> str:
        raise KafkaConfigurationError("no such setting")

    connection: Connection[str] = Connection(make, {}, "test")
    with pytest.raises(KafkaConfigurationError, match="no such setting"):
        connection.get(10.0)
    connection.close()


def test_a_client_that_comes_after_closing_is_ended() -> None:
    release, ended = threading.Event(), threading.Event()

    def make(**_: Any) -> str:
        release.wait(10.0)
        return "late"

    connection: Connection[str] = Connection(make, {}, "test", lambda _: ended.set())
    assert connection.get(0.01) is None
    connection.close()
    release.set()
    assert ended.wait(10.0)
    assert connection.get(0.0) is None
