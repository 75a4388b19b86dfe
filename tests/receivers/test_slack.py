"""Slack, as a webhook and as a bot."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from alerts.notification import Delivered, Notifier, Rejected, Retry
from alerts.receivers.slack_threads import RecentThreads
from tests.receivers.running import Running, alert, built, group, here, resolved, within

HOSTILE = "<!channel> <@U1> <https://evil.example|bank> *b* `c` & @here"


def bot(running: Running, way: str = "ok") -> Notifier:
    """Return a bot that posts to the receiver process."""
    options = {"token": "xoxb-1", "channel": "C1", "api_url": running.url(f"slack/{way}")}
    return built("slack", options, here(running.port))


def texts_of(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the elements of all rich text."""
    return [each for block in blocks for section in block["elements"] for each in section["elements"]]


def test_blocks_tell_the_message_without_markup() -> None:
    hook = built("slack", {"url": "https://hooks.slack.com/services/T/B/x"}, here(443))
    hostile = alert(labels={"alertname": HOSTILE, "model": HOSTILE}, annotations={"summary": HOSTILE, "moved": HOSTILE})
    document = json.loads(hook.body(group(hostile, alert(), labels={"model": HOSTILE})))
    assert document.keys() == {"text", "blocks"}
    assert len(document["blocks"]) <= 50
    assert not re.search(r"[<>]", document["text"])
    assert "&lt;!channel&gt;" in document["text"]
    assert {block["type"] for block in document["blocks"]} == {"rich_text"}
    elements = texts_of(document["blocks"])
    assert {element["type"] for element in elements} == {"text", "link", "emoji"}
    assert {"type": "text", "text": HOSTILE} in elements
    links = [element["url"] for element in elements if element["type"] == "link"]
    assert links[0] == "https://driftline.example/models/fraud-scorer?at=1"
    assert all(url.startswith("https://") and "evil" not in url for url in links)


def test_signs_say_how_grave_it_is() -> None:
    hook = built("slack", {"url": "https://hooks.slack.com/services/T/B/x"}, here(443))
    ways = (alert(), alert(labels={"severity": "warn"}), alert(labels={"severity": "info"}), resolved(alert()))
    signs = [texts_of(json.loads(hook.body(group(one)))["blocks"])[0]["name"] for one in ways]
    assert signs == ["rotating_light", "warning", "information_source", "white_check_mark"]


def test_bodies_stay_below_what_slack_takes() -> None:
    hook = built("slack", {"url": "https://hooks.slack.com/services/T/B/x"}, here(443))
    assert len(hook.body(group(*[alert()] * 500))) <= 12_000


@pytest.mark.parametrize(
    ("path", "kind"), [("ok", Delivered), ("status/429/9", Retry), ("status/500", Retry), ("status/403", Rejected),
                       ("status/404", Rejected), ("status/410", Rejected)]
)  # fmt: skip
def test_a_webhook_says_by_status_what_became_of_it(path: str, kind: type[object], shared: Running) -> None:
    hook = built("slack", {"url": shared.url(path)}, here(shared.port))
    assert isinstance(hook.send("m", hook.body(group()), within(5)), kind)


@pytest.mark.parametrize("code", ["ratelimited", "internal_error", "fatal_error", "service_unavailable"])
def test_a_bot_tries_again_what_may_pass(code: str, shared: Running) -> None:
    one = bot(shared, code)
    assert one.send("m", one.body(group()), within(5)) == Retry(f"Slack said {code}")


@pytest.mark.parametrize("code", ["channel_not_found", "invalid_auth", "token_revoked", "msg_blocks_too_long"])
def test_a_bot_does_not_try_again_what_is_wrong(code: str, shared: Running) -> None:
    one = bot(shared, code)
    assert one.send("m", one.body(group()), within(5)) == Rejected(f"Slack said {code}")


@pytest.mark.parametrize("way", ["list", "deep", "html"])
def test_an_answer_that_is_not_slacks_is_tried_again(way: str, shared: Running) -> None:
    one = bot(shared, way)
    outcome = one.send("m", one.body(group()), within(5))
    assert isinstance(outcome, Retry)
    assert "as Slack does" in outcome.reason


def test_an_error_is_quoted_only_when_it_is_a_code(shared: Running) -> None:
    one = bot(shared, "Xoxb-1-is-wrong")
    assert one.send("m", one.body(group()), within(5)) == Rejected("Slack said an error without a name")


def test_what_follows_goes_to_the_thread_until_it_is_resolved(receiver: Running) -> None:
    one = bot(receiver)
    over = resolved(alert())
    for message, about in (
        ("1", group()),
        ("2", group(alert(), over)),
        ("3", group(over)),
        ("4", group()),
        ("5", group(key="b")),
    ):
        assert one.send(message, one.body(about), within(5)) == Delivered()
    requests = receiver.requests()
    sent = [json.loads(request.body) for request in requests]
    assert [each.get("thread_ts") for each in sent] == [None, "17.0001", "17.0001", None, None]
    assert [each.get("reply_broadcast") for each in sent] == [None, True, True, None, None]
    assert {each["channel"] for each in sent} == {"C1"}
    assert {request.headers["authorization"] for request in requests} == {"Bearer xoxb-1"}
    assert [request.headers["x-request-id"] for request in requests] == ["1", "2", "3", "4", "5"]
    assert b"xoxb" not in one.body(group())


def test_a_failed_post_begins_no_thread(shared: Running) -> None:
    threads = RecentThreads()
    options = {"token": "xoxb-1", "channel": "C1", "api_url": shared.url("slack/internal_error")}
    one = built("slack", options, here(shared.port), threads=threads)
    body = one.body(group())
    one.send("m", body, within(5))
    assert threads.get(json.loads(body)["metadata"]["event_payload"]["thread"]) == ""


def test_the_least_recent_thread_is_forgotten_first() -> None:
    threads = RecentThreads(most=2)
    threads.put("a", "1")
    threads.put("b", "2")
    assert threads.get("a") == "1"
    threads.put("c", "3")
    assert [threads.get(name) for name in "abc"] == ["1", "", "3"]
    threads.forget("a")
    threads.forget("never")
    assert threads.get("a") == ""
