"""Secrets, web addresses, waits and files of certificates."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.net.errors import DeliveryError, outcome_of
from alerts.net.secret import Secret
from alerts.net.status import outcome_of_status, retry_after
from alerts.net.target import parse_target
from alerts.net.tls import Tls
from alerts.notification import Delivered, Rejected, Retry
from tests.kafka.certificates import Authority

CANARY = "hunter2-canary"


@pytest.mark.parametrize(
    "show",
    [repr, str, "{}".format, "{!r}".format, "{:>10}".format, lambda secret: repr([secret]), ascii, dir],
)
def test_a_secret_never_shows_itself(show: Callable[[object], object]) -> None:
    assert CANARY not in str(show(Secret(CANARY)))


def test_a_secret_is_neither_pickled_nor_an_attribute_away() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(CANARY))
    assert not hasattr(Secret(CANARY), "__dict__")


def test_a_file_is_read_again_at_every_use(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    secret = Secret.from_file(file)
    assert secret.reveal() == "old"
    (tmp_path / "new").write_text(" new \r\n")
    os.replace(tmp_path / "new", file)  # noqa: PTH105 - as rotations do it
    assert secret.reveal() == "new"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x" * 70_000, "64 KiB"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_and_may_be_better_later(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(DeliveryError, match=said) as caught:
        Secret.from_file(tmp_path / "token").reveal()
    assert not caught.value.lasting


@pytest.mark.parametrize("path", ["bad\x00name", "."])
def test_a_path_that_is_none_is_told(path: str) -> None:
    with pytest.raises(DeliveryError, match="cannot be read"):
        Secret.from_file(path).reveal()


@pytest.mark.parametrize(
    ("url", "origin"),
    [("https://h.example", "https://h.example"), ("https://H.Example:443/x?y", "https://h.example"),
     ("http://h.example:8080/x", "http://h.example:8080"), ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443"),
     ("https://bücher.example/", "https://xn--bcher-kva.example"), ("https://a_b.example./", "https://a_b.example.")],
)  # fmt: skip
def test_only_the_origin_of_an_address_is_shown(url: str, origin: str) -> None:
    target = parse_target(url)
    assert target.origin == origin
    assert "x?y" not in repr(target)


@pytest.mark.parametrize(
    "url",
    ["", "h.example/x", "ftp://h.example", "https://", "https:///x", "https://h.example:0/", "https://h.example:65536/",
     "https://h.example:x/", "https://a b/", "https://h\\@evil.example/", "https://joe:pw@h.example/", "https://joe@h/",
     "https://h.example/\r\nX: y", "https://[fe80::1%25eth0]/", "https://[::1/", "https://-a/", "file:///etc/passwd",
     "https://h..example/", "https://" + "a" * 300, "https://h.example/" + "a" * 70_000, "\ud800"],
)  # fmt: skip
def test_what_is_no_web_address_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(DeliveryError, match="address") as caught:
        parse_target(url)
    assert caught.value.lasting
    assert "joe" not in caught.value.reason


@settings(max_examples=40)
@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"https://h.example/{text}"):
        try:
            target = parse_target(url)
        except DeliveryError:
            continue
        assert target.scheme in {"http", "https"}
        assert target.host.isascii()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("", None), ("5", 5.0), (" 5 ", 5.0), ("1.5", 1.5), ("-3", None),
     ("9" * 5000, 3600.0), ("1e9", None),
     ("Thu, 01 Jan 1970 00:00:30 GMT", 20.0), ("Thu, 01 Jan 1970 00:00:05 GMT", 0.0),
     ("Thursday, 01-Jan-70 00:00:30 GMT", 20.0), ("Thu Jan  1 00:00:30 1970", 20.0),
     ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0), ("Mon, 99 Foo 2026", None), ("\x00", None), ("٣", None)],
)  # fmt: skip
def test_waits(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, now=10.0) == seconds


@given(st.text())
def test_any_wait_is_within_an_hour_or_none(header: str) -> None:
    wait = retry_after(header)
    assert wait is None or 0 <= wait <= 3600


@given(st.integers(100, 999))
def test_every_status_has_one_meaning(status: int) -> None:
    outcome = outcome_of_status(status, "https://h.example", "5")
    if 200 <= status < 300:
        assert outcome == Delivered()
    elif status in {408, 425, 429} or status >= 500:
        assert outcome == Retry(f"https://h.example answered {status}", 5.0)
    else:
        assert isinstance(outcome, Rejected)
        assert outcome.disable is (status == 410)


def test_failures_become_outcomes() -> None:
    def fail(lasting: bool) -> Delivered:
        raise DeliveryError("no", lasting=lasting)

    assert outcome_of(lambda: fail(True)) == Rejected("no")
    assert outcome_of(lambda: fail(False)) == Retry("no")


def test_files_of_certificates_are_read_again_when_they_change(tmp_path: Path) -> None:
    first, second = Authority(tmp_path / "first"), Authority(tmp_path / "second")
    file = tmp_path / "ca.pem"
    file.write_bytes(first.certificate.read_bytes())
    tls = Tls(file)
    before = tls.context()
    assert tls.context() is before
    file.write_bytes(second.certificate.read_bytes() + b"\n")
    after = tls.context()
    assert after.get_ca_certs(binary_form=True) != before.get_ca_certs(binary_form=True)


def test_bad_files_of_certificates_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(DeliveryError, match="holds no certificates"):
        Tls(tmp_path / "empty.pem").context()
    with pytest.raises(DeliveryError, match="cannot be read"):
        Tls(tmp_path / "absent.pem").context()
    with pytest.raises(DeliveryError, match="do not fit"):
        Tls(None, tmp_path / "empty.pem", tmp_path / "empty.pem").context()


def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    mine = Authority(tmp_path / "authority").issue("client", "DNS:client.example")
    assert Tls(None, mine.certificate, mine.key).context().minimum_version.name == "TLSv1_2"
