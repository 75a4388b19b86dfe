"""A receiver that fails in every way: each attempt ends in time, with the right outcome and little memory."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from alerts.net.errors import DeliveryError
from alerts.net.guard import Guard, Policy
from alerts.net.http import REPLY_LIMIT, Endpoint
from alerts.net.secret import Secret
from alerts.net.stream import TimedStream
from alerts.net.tls import Tls
from alerts.notification import Delivered, Outcome, Rejected, Retry
from alerts.receivers.webhook import Webhook
from tests.kafka.certificates import Authority, Identity
from tests.receivers.conftest import HERE
from tests.receivers.running import Running, answers, group, here, within

BRIEF = 0.6
SLACK = 1.0


def send(running: Running, path: str, seconds: float = 5.0) -> tuple[Outcome, float]:
    """Return what becomes of one attempt, and how long it takes."""
    hook = Webhook(running.endpoint(path))
    begun = time.monotonic()
    outcome = hook.send("msg_1", hook.body(group()), within(seconds))
    return outcome, time.monotonic() - begun


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success_is_delivered(status: int, shared: Running) -> None:
    assert send(shared, f"status/{status}")[0] == Delivered()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_passing_trouble_is_tried_again(status: int, shared: Running) -> None:
    outcome = send(shared, f"status/{status}")[0]
    assert outcome == Retry(f"http://127.0.0.1:{shared.port} answered {status}")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422])
def test_what_is_wrong_stays_wrong(status: int, shared: Running) -> None:
    assert send(shared, f"status/{status}")[0] == Rejected(f"http://127.0.0.1:{shared.port} answered {status}")


def test_gone_disables(shared: Running) -> None:
    outcome = send(shared, "status/410")[0]
    assert isinstance(outcome, Rejected)
    assert outcome.disable


@pytest.mark.parametrize(("asked", "after"), [("7", 7.0), ("0", 0.0), ("999999999", 3600.0), ("soon", None)])
def test_the_receiver_says_how_long_to_wait(asked: str, after: float | None, shared: Running) -> None:
    for status in (429, 503):
        outcome = send(shared, f"status/{status}/{asked}")[0]
        assert isinstance(outcome, Retry)
        assert outcome.after == after


def test_it_may_say_so_as_a_date(shared: Running) -> None:
    outcome = send(shared, "date/90")[0]
    assert isinstance(outcome, Retry)
    assert outcome.after == pytest.approx(90, abs=5)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, shared: Running, receiver: Running) -> None:
    outcome = send(shared, f"redirect/{status}/{receiver.port}")[0]
    assert isinstance(outcome, Rejected)
    assert "redirect" in outcome.reason
    assert not (receiver.folder / "requests.jsonl").read_text()


@pytest.mark.parametrize("path", ["hang", "drip", "continue"])
def test_an_attempt_ends_at_its_deadline(path: str, shared: Running) -> None:
    outcome, seconds = send(shared, path, BRIEF)
    assert outcome == Retry(f"http://127.0.0.1:{shared.port} did not answer in time")
    assert BRIEF * 0.8 < seconds < BRIEF + SLACK


def test_a_limit_for_each_read_alone_would_not_hold(shared: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimedStream, "_arm", lambda self: self._connection.settimeout(BRIEF))
    assert send(shared, "drip", BRIEF)[1] > BRIEF + SLACK


@pytest.mark.parametrize("path", ["dripbody", "huge", "bomb", "half"])
def test_a_status_that_came_counts_whatever_follows(path: str, shared: Running) -> None:
    outcome, seconds = send(shared, path, 5)
    assert outcome == Delivered()
    assert seconds < 2.5


@pytest.mark.parametrize("path", ["reset", "close", "garbage", "hugehead"])
def test_what_is_no_answer_is_tried_again(path: str, shared: Running) -> None:
    outcome, seconds = send(shared, path, 5)
    assert isinstance(outcome, Retry)
    assert seconds < 4


@pytest.mark.parametrize("path", ["huge", "huge/500", "hugehead", "bomb", "continue"])
def test_memory_stays_small(path: str, shared: Running) -> None:
    endpoint = shared.endpoint(path)
    tracemalloc.start()
    try:
        reply = endpoint.post(b"{}", {}, within(1.5), read=True)
        assert len(reply.body) <= REPLY_LIMIT
    except DeliveryError:
        assert path in {"hugehead", "continue"}
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2_000_000


def test_a_reply_that_is_read_is_not_waited_for_beyond_the_deadline(shared: Running) -> None:
    begun = time.monotonic()
    with pytest.raises(DeliveryError, match="in time"):
        shared.endpoint("dripbody").post(b"{}", {}, within(BRIEF), read=True)
    assert time.monotonic() - begun < BRIEF + SLACK


def test_a_compressed_reply_is_not_unpacked(shared: Running) -> None:
    reply = shared.endpoint("bomb").post(b"{}", {}, within(5), read=True)
    assert reply.body[:2] == b"\x1f\x8b"


def test_a_crash_after_the_answer_is_a_delivery_and_the_next_attempt_fails(receiver: Running) -> None:
    assert send(receiver, "crash")[0] == Delivered()
    assert receiver.ended() == 9
    outcome = send(receiver, "ok")[0]
    assert isinstance(outcome, Retry)
    assert "connection refused" in outcome.reason


def test_the_id_stays_over_all_attempts(receiver: Running) -> None:
    hook = Webhook(receiver.endpoint("recovers/3"))
    body = hook.body(group())
    outcomes = [hook.send("msg_1", body, within(5)) for _ in range(5)]
    assert [type(outcome) for outcome in outcomes] == [Retry, Retry, Retry, Delivered, Delivered]
    requests = receiver.requests()
    assert {request.headers["webhook-id"] for request in requests} == {"msg_1"}
    assert {request.body for request in requests} == {body}


def test_receivers_that_hang_do_not_hold_up_another(shared: Running) -> None:
    slow = [threading.Thread(target=send, args=(shared, way, 2.0)) for way in ("hang", "drip") * 4]
    for thread in slow:
        thread.start()
    outcome, seconds = send(shared, "ok")
    assert (outcome, seconds < 1.5) == (Delivered(), True)
    for thread in slow:
        thread.join()


def test_nothing_is_sent_when_no_time_is_left(receiver: Running) -> None:
    outcome = Webhook(receiver.endpoint("ok")).send("msg_1", b"{}", within(-1))
    assert outcome == Retry("no time was left")
    assert receiver.requests() == []


def test_proxies_of_the_environment_are_not_used(shared: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert send(shared, "ok")[0] == Delivered()


def test_a_header_that_cannot_be_written_is_lasting_and_not_quoted(shared: Running) -> None:
    for value in ("hunter2\r\nX: y", "hunter2 ü", "hunter2\x00"):
        with pytest.raises(DeliveryError) as caught:
            shared.endpoint("ok").post(b"{}", {"Authorization": value}, within(5))
        assert caught.value.lasting
        assert "hunter2" not in caught.value.reason


def test_tls_with_a_known_authority(secure: Running, authority: Authority) -> None:
    for host in ("127.0.0.1", "localhost", "localhost."):
        endpoint = Endpoint(
            Secret(secure.url("ok", host)), Guard(here(secure.port), answers("127.0.0.1")), Tls(authority.certificate)
        )
        assert endpoint.post(b"{}", {}, within(5)).status == 200
    assert secure.requests()[-1].headers["host"] == f"localhost.:{secure.port}"


def test_the_name_that_was_asked_for_is_checked_not_the_address(secure: Running, authority: Authority) -> None:
    policy = Policy(hosts=frozenset({"elsewhere.example", "localhost"}), ports=frozenset({secure.port}))
    guard = Guard(policy, answers("127.0.0.1"))
    good = Endpoint(Secret(secure.url("ok", "localhost")), guard, Tls(authority.certificate))
    assert good.post(b"{}", {}, within(5)).status == 200
    bad = Endpoint(Secret(secure.url("ok", "elsewhere.example")), guard, Tls(authority.certificate))
    with pytest.raises(DeliveryError, match="not trusted"):
        bad.post(b"{}", {}, within(5))


@pytest.mark.parametrize("fault", ["expired", "stranger", "elsewhere", "unknown", "clear", "weak"])
def test_bad_tls_is_tried_again_and_nothing_is_sent(fault: str, authority: Authority, tmp_path: Path) -> None:
    makers: dict[str, Callable[[], Identity]] = {
        "expired": lambda: authority.issue("expired", HERE, days=-1),
        "stranger": lambda: Authority(tmp_path / "stranger").issue("here", HERE),
        "elsewhere": lambda: authority.issue("elsewhere", "DNS:elsewhere.example"),
        "unknown": lambda: authority.issue("here2", HERE),
        "weak": lambda: authority.issue("here3", HERE),
    }
    identity = makers[fault]() if fault in makers else None
    with Running(tmp_path / "receiver", identity) as running:
        trusted = None if fault == "unknown" else authority.certificate
        tls = Tls(trusted)
        if fault == "weak":
            tls.context().set_ciphers("PSK")
            tls.context().maximum_version = tls.context().minimum_version
        url = f"https://127.0.0.1:{running.port}/ok"
        outcome = Webhook(Endpoint(Secret(url), Guard(here(running.port)), tls)).send("m", b"{}", within(1.5))
        assert isinstance(outcome, Retry), outcome
        assert ("not trusted" in outcome.reason) == (fault not in {"clear", "weak"})
        assert running.requests() == []


def test_a_handshake_that_hangs_ends_at_the_deadline(receiver: Running) -> None:
    url = f"https://127.0.0.1:{receiver.port}/ok"
    begun = time.monotonic()
    outcome = Webhook(Endpoint(Secret(url), Guard(here(receiver.port)), Tls())).send("m", b"{}", within(BRIEF))
    assert isinstance(outcome, Retry)
    assert time.monotonic() - begun < BRIEF + SLACK
