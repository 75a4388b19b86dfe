"""Every kind of receiver: bodies within 20 kB whatever alerts hold, and honest about what was cut."""

from __future__ import annotations

import functools
import html
import json
import re
import time
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.notification import Alert, AlertGroup, Notifier
from alerts.receivers.build import build_receivers
from alerts.receivers.parts import Parts
from alerts.receivers.settings import ReceiverSettings
from tests.receivers.running import alert, group, here, resolved
from tests.receivers.test_kafka import Recording

LIMIT = 20_000
SETTINGS = (
    ReceiverSettings("webhook", "webhook", {"url": "https://h.example/x"}),
    ReceiverSettings("cloudevents", "webhook", {"url": "https://h.example/x", "format": "cloudevents"}),
    ReceiverSettings("slack", "slack", {"url": "https://hooks.example/services/x"}),
    ReceiverSettings("bot", "slack", {"token": "xoxb-1", "channel": "C1"}),
    ReceiverSettings("pagerduty", "pagerduty", {"routing_key": "k" * 32}),
    ReceiverSettings("alertmanager", "alertmanager", {"urls": ["https://am.example"]}),
    ReceiverSettings("teams", "teams", {"url": "https://teams.example/x"}),
    ReceiverSettings("email", "email", {"host": "mail.example", "from": "a@b.example", "to": ["c@d.example"]}),
    ReceiverSettings("kafka", "kafka", {"topic": "alerts"}),
    ReceiverSettings("apprise", "apprise", {"url": "json://h.example"}),
)
HOSTILE = (
    "\x00\x1b[2J\r\nBcc: x@y\r\n\r\n<!channel> <script>alert(1)</script> [a](http://evil) *b* `c` &amp; \u202e\ud800"
)


@functools.cache
def receivers() -> dict[str, Notifier]:
    """Return one receiver of each kind."""
    return build_receivers(SETTINGS, Parts(policy=here(443, 587), producer=Recording()))


@pytest.fixture(scope="module", params=[one.name for one in SETTINGS])
def receiver(request: pytest.FixtureRequest) -> Notifier:
    """Return each receiver in turn."""
    return receivers()[request.param]


def texts_of(body: bytes) -> str:
    """Return all that a body says, whatever it is dressed in."""
    if body[:1] in b"{[":
        return json.dumps(json.loads(body), ensure_ascii=False)
    mail = message_from_bytes(body, policy=policy.default)
    parts = [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
    return "\n".join([str(mail["Subject"]), *parts])


@functools.cache
def ten_thousand() -> AlertGroup:
    """Return what happens when every slice moves at once."""
    return group(*[alert(labels={**alert().labels, "slice": f"s{number}"}) for number in range(10_000)])


def hostile(size: int = 1_000_000) -> Alert:
    """Return an alert whose every text is long and means ill."""
    text = (HOSTILE * (size // len(HOSTILE) + 1))[:size]
    labels = {"alertname": text, "model": text, "severity": text} | {f"l{i}{text[:200]}": text for i in range(100)}
    notes = dict.fromkeys(
        ("summary", "moved", "from", "to", "sure", "since", "effect", "next_step", "description"), text
    )
    return alert(labels=labels, annotations=notes, url="https://x.example/" + text, fingerprint=text)


def test_ten_thousand_alerts_are_one_small_body_that_counts_the_rest(receiver: Notifier) -> None:
    many = ten_thousand()
    begun = time.monotonic()
    body = receiver.body(many)
    assert time.monotonic() - begun < 3
    assert len(body) <= LIMIT
    said = texts_of(body)
    assert re.search(r"9,?9\d\d\b", said), said[:500]
    assert "s0" in said


def test_what_was_cut_before_is_counted_as_well(receiver: Notifier) -> None:
    said = texts_of(receiver.body(group(truncated=4321)))
    assert re.search(r"4,?321", said)


def test_texts_of_a_megabyte_are_cut(receiver: Notifier) -> None:
    text = HOSTILE * 10_000
    one = hostile()
    for case in (
        group(one), group(*[one] * 50),
        group(alert(), key=text, labels={"x": text}, receiver=text, url=text, reason=text),
        group(one, key=text, labels=dict(one.labels), extra=dict(one.labels), url="https://x.example/" + text),
    ):  # fmt: skip
        body = receiver.body(case)
        assert len(body) <= LIMIT
        assert texts_of(body)


def test_empty_groups_and_empty_texts_have_a_body(receiver: Notifier) -> None:
    empty = Alert({}, {}, "firing", 0, None, "")
    for case in (
        AlertGroup("", "", {}, (), "", 0),
        group(empty),
        group(Alert({}, {}, "resolved", -(10**30), 10**30, "")),
    ):
        assert 0 < len(receiver.body(case)) <= LIMIT


def test_the_same_group_has_the_same_body(receiver: Notifier) -> None:
    both = group(alert(), resolved(alert("Other")))
    assert receiver.body(both) == receiver.body(both)


@pytest.mark.parametrize("name", ["webhook", "cloudevents", "slack", "bot", "pagerduty", "teams", "email", "kafka"])
def test_labels_and_annotations_reach_people(name: str) -> None:
    said = html.unescape(texts_of(receivers()[name].body(group())))
    for told in (
        "PSI of amount",
        "0.31",
        "n = 12,000",
        "recall may fall",
        "feed of amounts",
        "https://runbooks.example/",
    ):
        assert told in said


texts = st.text(max_size=300)
maps = st.dictionaries(texts, texts, max_size=6)
alerts_ = st.builds(
    Alert, labels=maps, annotations=maps, state=st.sampled_from(["firing", "resolved"]), starts_at=st.integers(),
    ends_at=st.none() | st.integers(), fingerprint=texts, url=texts,
)  # fmt: skip


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(alerts_, max_size=8), maps, texts, st.integers(0, 10**9))
def test_any_group_has_a_body_that_can_be_read(
    receiver: Notifier, alerts: list[Alert], labels: dict[str, str], text: str, truncated: int
) -> None:
    made: Any = AlertGroup(text, text, labels, tuple(alerts), "m1", 0, truncated, text, text, labels)
    body = receiver.body(made)
    assert len(body) <= LIMIT
    texts_of(body)
