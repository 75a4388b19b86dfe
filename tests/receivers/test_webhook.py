"""The webhook's body and signature, as those who parse and check them see them."""

from __future__ import annotations

import base64
import dataclasses
import json
import secrets as random
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from alerts.net.errors import DeliveryError
from alerts.net.secret import Secret
from alerts.notification import Delivered, Retry
from alerts.receivers.payload import thread_of
from alerts.receivers.standard_webhooks import signed_headers, signing_key
from tests.receivers.running import Running, alert, built, group, here, resolved, within

DOCUMENTED = {
    "version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels", "commonLabels", "commonAnnotations",
    "externalURL", "alerts",
}  # fmt: skip


def new_secret(size: int = 32) -> str:
    """Return a signing secret."""
    return "whsec_" + base64.b64encode(random.token_bytes(size)).decode()


def body_of(options: dict[str, object], *alerts: Any, **changes: Any) -> dict[str, Any]:
    """Return a body, parsed."""
    hook = built("webhook", {"url": "https://h.example/x", **options}, here(443))
    document = json.loads(hook.body(group(*alerts, **changes)))
    assert isinstance(document, dict)
    return document


def test_the_body_has_every_field_that_alertmanager_documents() -> None:
    other = alert("CalibrationOff")
    document = body_of({}, alert(), resolved(other), truncated=3)
    assert document.keys() == DOCUMENTED | {"driftline"}
    assert document["version"] == "4"
    assert (document["status"], document["receiver"], document["truncatedAlerts"]) == ("firing", "ops", 3)
    assert document["groupKey"] == '{}:{model="fraud-scorer"}'
    assert document["groupLabels"] == {"model": "fraud-scorer"}
    assert document["commonLabels"] == {
        "severity": "page", "model": "fraud-scorer", "owner": "payments", "feature": "amount",
    }  # fmt: skip
    assert document["commonAnnotations"] == dict(alert().annotations)
    assert document["externalURL"] == "https://driftline.example/"
    first, second = document["alerts"]
    assert first.keys() == {
        "status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint",
    }  # fmt: skip
    assert first["labels"] == dict(alert().labels)
    assert (first["status"], first["endsAt"]) == ("firing", "0001-01-01T00:00:00Z")
    assert (second["status"], second["endsAt"]) == ("resolved", "2026-10-26T07:33:20.000000Z")
    assert datetime.fromisoformat(first["startsAt"]) == datetime(2026, 10, 26, 6, 33, 20, tzinfo=UTC)
    assert (first["fingerprint"], first["generatorURL"]) == ("f00dfeed", alert().url)


def test_ours_stands_beside_it() -> None:
    document = body_of({}, extra={"policy": "shadow"})
    assert document["driftline"] == {
        "messageId": "msg_2f1c",
        "thread": thread_of('{}:{model="fraud-scorer"}'),
        "reason": "new",
        "sentAt": "2026-10-26T07:33:20.000000Z",
        "title": "[FIRING] FeatureDrift: fraud-scorer",
        "extra": {"policy": "shadow"},
    }


def test_a_resolved_group_says_so() -> None:
    assert body_of({}, resolved(alert()))["status"] == "resolved"


def test_labels_are_kept_exactly_for_machines() -> None:
    odd = {"alertname": "A\n<b>&\u202e\x00", "quote": "\"'\\", "empty": "", "ü": "ß"}
    assert body_of({}, alert(labels=odd))["alerts"][0]["labels"] == odd


def test_cloudevents_carry_the_same_body() -> None:
    one = group(resolved(alert()))
    event = body_of({"format": "cloudevents"}, resolved(alert()))
    assert event.pop("data") == body_of({}, resolved(alert()))
    assert event == {
        "specversion": "1.0",
        "id": one.message_id,
        "source": "urn:driftline:alerts",
        "type": "io.driftline.alert.resolved.v1",
        "subject": thread_of(one.key),
        "time": "2026-10-26T07:33:20.000000Z",
        "datacontenttype": "application/json",
    }
    assert body_of({"format": "cloudevents"})["type"] == "io.driftline.alert.fired.v1"


def test_the_published_vector_of_the_specification() -> None:
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [secret])
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_signatures_verify_on_what_was_received(receiver: Running) -> None:
    secret = new_secret()
    hook = built("webhook", {"url": receiver.url("ok"), "secret": secret}, here(receiver.port))
    assert hook.send("msg_1", hook.body(group(alert(labels={"ü": "☃"}))), within(5)) == Delivered()
    got = receiver.requests()[0]
    assert got.headers["content-type"] == "application/json; charset=utf-8"
    assert Verifier(secret).verify(got.body, got.headers)["version"] == "4"
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(got.body + b" ", got.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(got.body, got.headers | {"webhook-id": "msg_2"})
    with pytest.raises(WebhookVerificationError):
        Verifier(new_secret()).verify(got.body, got.headers)


def test_both_secrets_verify_while_they_are_changed_over(receiver: Running, tmp_path: Path) -> None:
    old, new = new_secret(), new_secret(64)
    current, previous = tmp_path / "current", tmp_path / "previous"
    current.write_text(old + "\n")
    previous.write_text(old + "\n")
    options = {"url": receiver.url("ok"), "secret_file": current, "previous_secret_file": str(previous)}
    hook = built("webhook", options, here(receiver.port))
    body = hook.body(group())
    hook.send("before", body, within(5))
    current.write_text(new + "\n")
    hook.send("during", body, within(5))
    previous.write_text(new + "\n")
    hook.send("after", body, within(5))
    before, during, after = receiver.requests()
    Verifier(old).verify(before.body, before.headers)
    for secret in (old, new):
        Verifier(secret).verify(during.body, during.headers)
    Verifier(new).verify(after.body, after.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(old).verify(after.body, after.headers)


def test_each_attempt_has_a_time_of_its_own_and_an_old_one_is_refused(receiver: Running) -> None:
    secret, now = new_secret(), [time.time() - 600]
    hook = built("webhook", {"url": receiver.url("ok"), "secret": secret}, here(receiver.port), clock=lambda: now[0])
    body = hook.body(group())
    hook.send("msg_1", body, within(5))
    now[0] = time.time()
    hook.send("msg_1", body, within(5))
    old, new = receiver.requests()
    assert (old.headers["webhook-id"], old.body) == (new.headers["webhook-id"], new.body)
    Verifier(secret).verify(new.body, new.headers)
    with pytest.raises(WebhookVerificationError, match="too old"):
        Verifier(secret).verify(old.body, old.headers)


def test_without_secret_there_is_an_id_and_no_signature(shared: Running) -> None:
    hook = built("webhook", {"url": shared.url("ok?unsigned")}, here(shared.port))
    hook.send("msg_1", hook.body(group()), within(5))
    got = next(request for request in shared.requests() if request.path == "/ok?unsigned")
    assert got.headers["webhook-id"] == "msg_1"
    assert "webhook-signature" not in got.headers


@pytest.mark.parametrize(
    ("options", "header"),
    [({"bearer_token": "t0"}, "Bearer t0"), ({"username": "joe", "password": "pä"}, "Basic am9lOnDDpA==")],
)
def test_credentials(options: dict[str, object], header: str, receiver: Running) -> None:
    hook = built("webhook", {"url": receiver.url("ok"), **options}, here(receiver.port))
    assert hook.send("msg_1", b"{}", within(5)) == Delivered()
    assert receiver.requests()[0].headers["authorization"] == header


def test_a_secret_that_goes_missing_is_tried_again(shared: Running, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(new_secret())
    hook = built("webhook", {"url": shared.url("ok"), "secret_file": str(file)}, here(shared.port))
    file.write_text("torn")
    assert isinstance(hook.send("msg_1", b"{}", within(5)), Retry)
    file.unlink()
    assert isinstance(hook.send("msg_1", b"{}", within(5)), Retry)
    file.write_text(new_secret())
    assert hook.send("msg_1", b"{}", within(5)) == Delivered()


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_%%%", "whsec_" + "QUJD" * 5, "whsec_" + "QUJD" * 30, "QUJD" * 10]
)
def test_what_is_no_signing_secret_is_refused(text: str) -> None:
    with pytest.raises(DeliveryError, match="whsec_") as caught:
        signing_key(text)
    assert "QUJD" not in caught.value.reason


def test_the_address_may_come_from_a_file_that_changes(receiver: Running, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(receiver.url("ok?old"))
    hook = built("webhook", {"url_file": str(file)}, here(receiver.port))
    hook.send("1", b"{}", within(5))
    file.write_text(receiver.url("ok?new"))
    hook.send("2", b"{}", within(5))
    assert [request.path for request in receiver.requests()] == ["/ok?old", "/ok?new"]
    assert dataclasses.is_dataclass(group())
