"""No secret in any repr, log, error, outcome or stored body, whatever goes wrong."""

from __future__ import annotations

import base64
import gc
import logging
import ssl
import traceback
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import structlog

from alerts.notification import Notifier, Rejected, Retry
from alerts.receivers.build import build_receivers
from alerts.receivers.parts import Parts
from alerts.receivers.settings import ReceiversError, ReceiverSettings
from tests.kafka.certificates import Authority, Identity
from tests.receivers.mail import Mailbox
from tests.receivers.running import Running, group, here, within

CANARY = "hunter2canary"
SIGNING = "whsec_" + base64.b64encode(CANARY.encode() * 3).decode()
WAYS = ["ok", "status/500", "status/302", "status/400", "status/410", "reset", "close", "garbage", "hang", "half"]


def seen(text: str) -> bool:
    """Return whether a text holds the secret in one of the forms in which it travels."""
    forms = {CANARY, SIGNING, SIGNING.removeprefix("whsec_"), urllib.parse.quote(CANARY)}
    forms |= {base64.b64encode(f"{user}{CANARY}".encode()).decode().rstrip("=") for user in ("", "joe:", "\0joe\0")}
    return any(form in text for form in forms)


def settings(url: str) -> list[ReceiverSettings]:
    """Return a receiver of each kind with secrets everywhere, at an address that holds one."""
    secret = f"{url}?token={CANARY}"
    return [
        ReceiverSettings("hook", "webhook", {"url": secret, "secret": SIGNING, "bearer_token": CANARY}),
        ReceiverSettings("basic", "webhook", {"url": secret, "username": "joe", "password": CANARY}),
        ReceiverSettings("slack", "slack", {"url": secret}),
        ReceiverSettings("bot", "slack", {"token": CANARY, "channel": "C", "api_url": url}),
        ReceiverSettings("pager", "pagerduty", {"routing_key": CANARY, "url": url, "change_url": url}),
        ReceiverSettings("am", "alertmanager", {"urls": [url], "bearer_token": CANARY}),
        ReceiverSettings("teams", "teams", {"url": secret}),
    ]


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Collect what is logged and printed, and look through it at the end."""
    caplog.set_level(logging.DEBUG)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory())
    yield
    gc.collect()
    printed = capfd.readouterr()
    assert not seen(caplog.text)
    assert not seen(printed.out + printed.err)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("everything")
def test_whatever_the_receiver_does(way: str, shared: Running) -> None:
    receivers = build_receivers(settings(shared.url(way)), Parts(policy=here(shared.port)))
    for one in receivers.values():
        body = one.body(group())
        outcome = one.send("m", body, within(0.25 if way == "hang" else 5))
        assert not seen(repr(one) + repr(vars(one)) + repr(outcome) + body.decode())


def test_the_layer_above_would_have_told(shared: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    httpx2.post(f"{shared.url('ok')}?token={CANARY}", trust_env=False)
    assert seen(caplog.text)


@pytest.mark.usefixtures("everything")
def test_when_nobody_listens_or_the_address_is_denied(shared: Running) -> None:
    for policy in (here(1), here(shared.port)):
        port = 1 if policy.ports == {1} else shared.port
        for one in build_receivers(settings(f"http://127.0.0.1:{port}/ok"), Parts(policy=policy)).values():
            outcome = one.send("m", one.body(group()), within(2))
            assert not seen(repr(outcome))
    for each in settings("https://10.0.0.1/ok"):
        with pytest.raises(ReceiversError) as caught:
            build_receivers([each])
        assert not seen("".join(traceback.format_exception(caught.value)))


@pytest.mark.usefixtures("everything")
def test_when_tls_fails(shared: Running) -> None:
    receivers = build_receivers(settings(f"https://127.0.0.1:{shared.port}/ok"), Parts(policy=here(shared.port)))
    for one in receivers.values():
        outcome = one.send("m", one.body(group()), within(0.2))
        assert isinstance(outcome, Retry)
        assert not seen(repr(outcome))


@pytest.mark.usefixtures("everything")
def test_wrong_types_and_unknown_keys_do_not_quote_values() -> None:
    wrong: list[object] = [CANARY, [CANARY], {"a": CANARY}, 7, CANARY.encode()]
    for value in wrong:
        for kind in ("webhook", "slack", "pagerduty", "alertmanager", "teams", "email", "apprise", CANARY):
            options = dict.fromkeys(
                ("url", "urls", "token", "routing_key", "secret", "password", "host", "from", "to", "allow", "format",
                 "allow_ports", "channel", "resend_interval", "encryption", "port", "other"), value,
            )  # fmt: skip
            with pytest.raises(ReceiversError) as caught:
                build_receivers([ReceiverSettings("one", kind, options)])
            assert not seen("".join(traceback.format_exception(caught.value)))
            assert not seen(repr(caught.value.problems))


@pytest.mark.usefixtures("everything")
def test_secrets_that_cannot_be_sent(shared: Running, tmp_path: Path) -> None:
    for text in (f"{CANARY}\r\nX: y", f"{CANARY}\u2603", f"{CANARY}\x00"):
        (tmp_path / "token").write_text(text)
        options = {"url": shared.url("ok"), "bearer_token_file": tmp_path / "token"}
        one = build_receivers([ReceiverSettings("one", "webhook", options)], Parts(policy=here(shared.port)))["one"]
        outcome = one.send("m", one.body(group()), within(5))
        assert isinstance(outcome, Rejected)
        assert not seen(repr(outcome))


@pytest.mark.usefixtures("everything")
def test_a_password_refused_by_a_mail_server(authority: Authority, identity: Identity) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    with Mailbox(context, ("joe", "another")) as box:
        options = {
            "host": "127.0.0.1", "port": box.port, "from": "a@b.example", "to": "c@d.example", "encryption": "starttls",
            "username": "joe", "password": CANARY, "ca_file": authority.certificate,
        }  # fmt: skip
        one: Notifier = build_receivers([ReceiverSettings("m", "email", options)], Parts(policy=here(box.port)))["m"]
        outcome = one.send("m", one.body(group()), within(5))
    assert isinstance(outcome, Rejected)
    assert not seen(repr(one) + repr(outcome) + repr(vars(one)))
    assert box.mails == []
