"""TLS and SASL against a broker with one listener for each way in which a connection can be secured or go wrong."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import (  # type: ignore[import-untyped]  # kafka-python has no type hints
    ACL,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
)

from monitor.config.root import KafkaConfig
from monitor.sources import librdkafka_options
from monitor.sources.kafka import KafkaPythonSource
from monitor.sources.librdkafka import LibrdkafkaSource
from monitor.sources.port import Source, SourceUnavailableError, TopicPartition
from tests.contract.arenas import drain, values_of
from tests.kafka.broker import Broker
from tests.kafka.listeners import PASSWORD, USER, Secrets

pytestmark = pytest.mark.kafka
TOPIC = "secured"
VALUES: list[bytes | None] = [b"1", b"2", b"3"]


@pytest.fixture(scope="module")
def secure(start_broker: Callable[..., Broker]) -> Broker:
    broker = start_broker(secure=True)
    broker.create_topic(TOPIC)
    broker.produce(TOPIC, VALUES)
    return broker


@pytest.fixture
def secrets(secure: Broker) -> Secrets:
    assert secure.secrets is not None
    return secure.secrets


@pytest.fixture(params=[KafkaPythonSource, LibrdkafkaSource], ids=["kafka", "librdkafka"])
def connect(request: pytest.FixtureRequest, secure: Broker) -> Iterator[Callable[..., Source]]:
    """Return what makes sources for a listener."""
    made: list[Source] = []

    def make(listener: str, security: Mapping[str, Any], **options: Any) -> Source:
        settings = {"bootstrap_servers": [secure.listener(listener)], "security": security}
        made.append(request.param(KafkaConfig.model_validate(settings), **options))
        return made[-1]

    yield make
    for source in made:
        source.close()


def read(source: Source) -> list[bytes | None]:
    name = TopicPartition(TOPIC, 0)
    source.assign(source.start_offsets([name], "earliest"))
    return values_of(drain(source, {name: len(VALUES)}))


def refuses(source: Source) -> bool:
    """Return whether not even the topic's existence can be learnt."""
    try:
        source.partitions([TOPIC])
    except SourceUnavailableError:
        return True
    return False


def tls(secrets: Secrets, **more: Any) -> dict[str, Any]:
    return {"protocol": "SSL", "ca_file": str(secrets.authority), **more}


def jws(subject: str, life: float = 3600.0) -> str:
    """Return an unsecured JSON web signature, which the test broker believes."""
    now = time.time()
    parts = ({"alg": "none"}, {"sub": subject, "iat": now, "exp": now + life})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def test_tls_with_a_good_certificate(connect: Callable[..., Source], secrets: Secrets) -> None:
    assert read(connect("TLS", tls(secrets))) == VALUES


@pytest.mark.parametrize("listener", ["ELSEWHERE", "EXPIRED", "STRANGER"])
def test_tls_with_a_bad_certificate_is_refused(connect: Callable[..., Source], secrets: Secrets, listener: str) -> None:
    assert refuses(connect(listener, tls(secrets), patience=1.0))


def test_a_certificate_for_another_host_passes_only_when_told_so(
    connect: Callable[..., Source], secrets: Secrets
) -> None:
    assert read(connect("ELSEWHERE", tls(secrets, check_hostname=False))) == VALUES
    assert refuses(connect("STRANGER", tls(secrets, check_hostname=False), patience=1.0))


def test_the_system_authorities_do_not_know_the_broker(connect: Callable[..., Source]) -> None:
    assert refuses(connect("TLS", {"protocol": "SSL"}, patience=1.0))


def test_mutual_tls(connect: Callable[..., Source], secrets: Secrets) -> None:
    client = {"cert_file": str(secrets.client.certificate), "key_file": str(secrets.client.key)}
    assert read(connect("MUTUAL", tls(secrets, **client))) == VALUES
    assert refuses(connect("MUTUAL", tls(secrets), patience=1.0))


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_passwords_over_tls(connect: Callable[..., Source], secrets: Secrets, mechanism: str) -> None:
    security = tls(secrets, mechanism=mechanism, username=USER, password=PASSWORD) | {"protocol": "SASL_SSL"}
    assert read(connect("SASL", security)) == VALUES
    assert refuses(connect("SASL", security | {"password": "wrong"}, patience=1.0))


def test_a_password_in_the_clear_works_and_is_warned_about(
    connect: Callable[..., Source], capsys: pytest.CaptureFixture[str]
) -> None:
    security = {"protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN", "username": USER, "password": PASSWORD}
    assert read(connect("CLEAR", security)) == VALUES
    logged = capsys.readouterr().out
    assert "unencrypted" in logged
    assert PASSWORD not in logged


def test_tokens_come_from_a_file(connect: Callable[..., Source], secrets: Secrets, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(jws("svc") + "\n")
    security = tls(secrets, mechanism="OAUTHBEARER", token_file=str(file)) | {"protocol": "SASL_SSL"}
    assert read(connect("SASL", security)) == VALUES


def test_a_token_that_is_renewed_is_used_without_a_restart(
    connect: Callable[..., Source], secrets: Secrets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(librdkafka_options, "_TOKEN_LIFE", 2.0)
    file = tmp_path / "token"
    file.write_text("not a token")
    security = tls(secrets, mechanism="OAUTHBEARER", token_file=str(file)) | {"protocol": "SASL_SSL"}
    source = connect("SASL", security, patience=1.0)
    assert refuses(source)
    source.assign({TopicPartition(TOPIC, 0): 0})
    assert source.consume(10, 0.3) == []
    file.write_text(jws("svc"))
    deadline = time.monotonic() + 30
    seen: list[bytes | None] = []
    while seen != VALUES:
        assert time.monotonic() < deadline
        seen += values_of(source.consume(10, 0.5))


def allow(secure: Broker, principal: str, topic: str, operation: ACLOperation) -> None:
    with secure.admin() as admin:
        pattern = ResourcePattern(ResourceType.TOPIC, topic)
        admin.create_acls([ACL(principal, "*", operation, ACLPermissionType.ALLOW, pattern)])


def test_reading_is_all_that_a_reader_needs_to_be_allowed(
    secure: Broker, connect: Callable[..., Source], secrets: Secrets, topic: str
) -> None:
    name = TopicPartition(topic, 0)
    secure.create_topic(topic)
    secure.produce(topic, VALUES)
    allow(secure, "User:somebody-else", topic, ACLOperation.READ)
    security = tls(secrets, mechanism="PLAIN", username=USER, password=PASSWORD) | {"protocol": "SASL_SSL"}
    denied = connect("SASL", security, patience=1.0)
    with contextlib.suppress(SourceUnavailableError):
        assert denied.partitions([topic]) == {}
    denied.assign({name: 0})
    assert [denied.consume(10, 0.3) for _ in range(3)] == [[], [], []]
    allow(secure, f"User:{USER}", topic, ACLOperation.READ)
    deadline = time.monotonic() + 30
    seen: list[bytes | None] = []
    while seen != VALUES:
        assert time.monotonic() < deadline
        seen += values_of(denied.consume(10, 0.5))


def test_a_missing_file_is_named_at_once(secure: Broker, tmp_path: Path) -> None:
    missing = tmp_path / "nobody.pem"
    settings = {"bootstrap_servers": [secure.listener("TLS")], "security": {"protocol": "SSL", "ca_file": str(missing)}}
    with pytest.raises(FileNotFoundError, match=r"nobody\.pem"):
        KafkaPythonSource(KafkaConfig.model_validate(settings))
