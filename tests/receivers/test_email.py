"""Email, against a real server and ones that misbehave."""

from __future__ import annotations

import socket
import ssl
import time
import tracemalloc
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from alerts.notification import Delivered, Notifier, Outcome, Rejected, Retry
from tests.kafka.certificates import Authority, Identity
from tests.receivers.mail import Mailbox, Misbehaving, drip, flood, flood_line, silent, talk
from tests.receivers.running import alert, built, group, here, resolved, within

HOSTILE = "x\r\nBcc: all@example.org\r\n\r\n<script>alert(1)</script> <a href='https://evil.example'>y</a> ☃"


def mailer(port: int, **options: object) -> Notifier:
    """Return a receiver that hands mail to a port of this machine."""
    keys = {"host": "127.0.0.1", "port": port, "from": "driftline@example.org", "to": ["ops@example.org"]}
    return built("email", keys | {"encryption": "none"} | options, here(port))


def context_of(identity: Identity) -> ssl.SSLContext:
    """Return the server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    return context


def parsed(body: bytes) -> EmailMessage:
    """Return a mail as programs read it."""
    mail = message_from_bytes(body, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def sent(one: Notifier, seconds: float = 10) -> Outcome:
    """Return what becomes of one mail."""
    return one.send("m", one.body(group()), within(seconds))


def test_a_mail_arrives_as_text_and_html() -> None:
    with Mailbox() as box:
        one = mailer(box.port, to=["ops@example.org", "oncall@example.org"])
        assert sent(one) == Delivered()
    (envelope,) = box.mails
    assert envelope.rcpt_tos == ["ops@example.org", "oncall@example.org"]
    assert isinstance(envelope.content, bytes)
    mail = parsed(envelope.content)
    assert mail["Subject"] == "[FIRING] FeatureDrift: fraud-scorer"
    assert (mail["From"], mail["To"]) == ("driftline@example.org", "ops@example.org, oncall@example.org")
    assert mail["Date"].datetime.isoformat() == "2026-10-26T07:33:20+00:00"
    assert mail["Auto-Submitted"] == "auto-generated"
    text, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert page is not None
    for told in ("PSI of amount from 0.01 to 0.31", "https://runbooks.example/FeatureDrift"):
        assert told in text.get_content()
        assert told in page.get_content()


def test_all_mails_about_a_group_are_one_thread() -> None:
    one = mailer(25)
    about = (group(), group(resolved(alert()), message_id="b"), group(alert(), alert("Other"), message_id="c"))
    mails = [parsed(one.body(each)) for each in about]
    assert len({mail["References"] for mail in mails}) == 1
    assert {mail["In-Reply-To"] for mail in mails} == {mails[0]["References"]}
    assert len({mail["Message-ID"] for mail in mails}) == 3
    assert all(mail["Message-ID"].endswith("@example.org>") for mail in mails)
    assert parsed(one.body(group(key="another")))["References"] != mails[0]["References"]


def test_hostile_texts_add_no_header_and_no_markup() -> None:
    bad = alert(labels={"alertname": HOSTILE, "model": HOSTILE}, annotations={"summary": HOSTILE, "effect": HOSTILE})
    mail = parsed(mailer(25).body(group(bad, labels={"model": HOSTILE})))
    assert "Bcc" not in mail
    assert set(mail.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted", "MIME-Version",
        "Content-Type",
    }  # fmt: skip
    page = mail.get_body(("html",))
    assert page is not None
    assert "<script" not in page.get_content()
    assert "<a href='https://evil" not in page.get_content()
    assert "&lt;script&gt;" in page.get_content()


@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_encrypted_with_a_password(way: str, authority: Authority, identity: Identity, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    options = {
        "encryption": way, "ca_file": authority.certificate, "username": "joe", "password_file": tmp_path / "password",
    }  # fmt: skip
    if way == "starttls":
        with Mailbox(context_of(identity), ("joe", "hunter2")) as box:
            assert sent(mailer(box.port, **options)) == Delivered()
            (tmp_path / "password").write_text("wrong")
            assert sent(mailer(box.port, **options)) == Rejected(f"127.0.0.1:{box.port} answered 535")
        assert len(box.mails) == 1
        return
    replies = (
        b"220 hi\r\n",
        b"250-hi\r\n250 AUTH PLAIN\r\n",
        b"235 in\r\n",
        b"250 ok\r\n",
        b"250 ok\r\n",
        b"354 go\r\n",
        b"250 ok\r\n",
    )
    context = context_of(identity)

    def script(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            talk(*replies)(wrapped)

    with Misbehaving(script) as server:
        assert sent(mailer(server.port, **options)) == Delivered()


@pytest.mark.parametrize("fault", ["stranger", "elsewhere", "not offered"])
def test_without_trusted_encryption_nothing_is_handed_over(fault: str, authority: Authority, tmp_path: Path) -> None:
    names = "DNS:elsewhere.example" if fault == "elsewhere" else "IP:127.0.0.1"
    issuer = Authority(tmp_path / "stranger") if fault == "stranger" else authority
    context = None if fault == "not offered" else context_of(issuer.issue("mail", names))
    with Mailbox(context) as box:
        outcome = sent(mailer(box.port, encryption="starttls", ca_file=authority.certificate))
    assert isinstance(outcome, Rejected if fault == "not offered" else Retry)
    assert ("not trusted" in outcome.reason) == (fault != "not offered")
    assert box.mails == []


@pytest.mark.parametrize(
    ("replies", "kind"),
    [({"ops@example.org": "450 later"}, Retry),
     ({"ops@example.org": "550 unknown", "oncall@example.org": "553 no"}, Rejected),
     ({"ops@example.org": "550 unknown", "oncall@example.org": "451 later"}, Retry),
     ({"oncall@example.org": "450 later"}, Retry), ({"oncall@example.org": "550 unknown"}, Delivered)],
)  # fmt: skip
def test_recipients_that_are_refused(replies: dict[str, str], kind: type[object]) -> None:
    with Mailbox(replies=replies) as box:
        outcome = sent(mailer(box.port, to=["ops@example.org", "oncall@example.org"]))
    assert isinstance(outcome, kind)


@pytest.mark.parametrize(
    ("script", "kind", "said"),
    [
        (talk(b"554 go away\r\n"), Rejected, "answered 554"),
        (talk(b"421 busy\r\n"), Retry, "answered 421"),
        (talk(b"220 hi\r\n", b"250 ok\r\n", b"550 no\r\n", b"250 ok\r\n"), Rejected, "answered 550"),
        (talk(b"220 hi\r\n", *[b"250 ok\r\n"] * 3, b"354 go\r\n", b"452 full\r\n"), Retry, "answered 452"),
        (talk(b"220 hi\r\n", b"250 ok\r\n"), Retry, "broke"),
        (lambda connection: connection.close(), Retry, "broke"),
        (talk(b"\xff\xfe\x00garbage\r\n"), Retry, "answered -1"),
        (silent, Retry, "did not answer in time"),
        (drip, Retry, "did not answer in time"),
        (flood, Retry, "no end"),
        (flood_line, Rejected, "answered 500"),
    ],
)  # fmt: skip
def test_servers_that_misbehave(script: Callable[[socket.socket], None], kind: type[object], said: str) -> None:
    with Misbehaving(script) as server:
        one = mailer(server.port)
        begun = time.monotonic()
        tracemalloc.start()
        seconds = 5.0 if "flood" in getattr(script, "__name__", "") else 0.8
        outcome = sent(one, seconds)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert isinstance(outcome, kind), outcome
    assert isinstance(outcome, Retry | Rejected)
    assert said in outcome.reason
    assert time.monotonic() - begun < seconds + 1
    assert peak < 1_000_000


def test_a_mail_taken_and_a_connection_lost_is_delivered() -> None:
    replies = (b"220 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"250 ok\r\n")
    with Misbehaving(talk(*replies)) as server:
        assert sent(mailer(server.port)) == Delivered()


def test_nobody_listens() -> None:
    with socket.socket() as bound:  # so that nobody else gets the port
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert sent(mailer(port)) == Retry(f"127.0.0.1:{port} cannot be reached: connection refused")
