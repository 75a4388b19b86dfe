"""PagerDuty Events v2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alerts.notification import Delivered, Notifier, Rejected, Retry
from tests.receivers.running import Running, alert, built, group, here, resolved, within

KEY = "R0UT1NGKEY" * 3 + "AB"


def pager(running: Running, path: str = "status/202?events", **options: object) -> Notifier:
    """Return a receiver that posts to the process."""
    keys: dict[str, object] = {"routing_key": KEY} | options
    urls = {"url": running.url(path), "change_url": running.url("status/202?changes")}
    return built("pagerduty", urls | keys, here(running.port))


def test_trigger_and_resolve_meet_in_one_incident(receiver: Running) -> None:
    one = pager(receiver)
    bodies = [one.body(group()), one.body(group(alert(), alert("Other"))), one.body(group(resolved(alert())))]
    assert all(KEY.encode() not in body for body in bodies)
    for number, body in enumerate(bodies):
        assert one.send(f"m{number}", body, within(5)) == Delivered()
    sent = [json.loads(request.body) for request in receiver.requests()]
    assert [each["event_action"] for each in sent] == ["trigger", "trigger", "resolve"]
    assert len({each["dedup_key"] for each in sent}) == 1
    assert {each["routing_key"] for each in sent} == {KEY}
    assert len(sent[0]["dedup_key"]) <= 255
    assert json.loads(one.body(group(key="another")))["dedup_key"] != sent[0]["dedup_key"]


def test_the_event_has_the_fields_of_the_common_format(shared: Running) -> None:
    event = json.loads(pager(shared).body(group(truncated=7)))
    payload = event["payload"]
    assert payload["summary"] == "[FIRING 8] FeatureDrift: fraud-scorer"
    assert (payload["source"], payload["component"], payload["group"], payload["class"]) == (
        "fraud-scorer", "fraud-scorer", "payments", "FeatureDrift",
    )  # fmt: skip
    assert (payload["severity"], payload["timestamp"]) == ("critical", "2026-10-26T06:33:20.000000Z")
    details = payload["custom_details"]
    assert details["not_shown"] == "7 more alerts are not shown."
    assert details["alerts"][0]["What moved"] == "PSI of amount from 0.01 to 0.31"
    assert (event["client"], event["client_url"]) == ("Driftline", "https://driftline.example/")
    assert {"href": "https://runbooks.example/FeatureDrift", "text": "Runbook"} in event["links"]


@pytest.mark.parametrize(
    ("ours", "theirs"), [("page", "critical"), ("warn", "warning"), ("info", "info"), ("x", "warning")]
)
def test_severities(ours: str, theirs: str, shared: Running) -> None:
    event = json.loads(pager(shared).body(group(alert(labels={"severity": ours}))))
    assert event["payload"]["severity"] == theirs


def test_a_change_wakes_nobody(receiver: Running) -> None:
    one = pager(receiver)
    change = alert("RetrainingStarted", annotations={"summary": "version 8 is being trained"})
    body = one.body(group(change, extra={"event": "change"}))
    assert one.send("m", body, within(5)) == Delivered()
    request = receiver.requests()[0]
    assert request.path.endswith("?changes")
    event = json.loads(request.body)
    assert event.keys() == {"routing_key", "payload", "links"}
    assert event["payload"].keys() == {"summary", "source", "timestamp", "custom_details"}
    assert event["payload"]["summary"] == "version 8 is being trained"


@pytest.mark.parametrize(
    ("path", "kind"), [("status/400", Rejected), ("status/429/60", Retry), ("status/500", Retry), ("reset", Retry)]
)
def test_what_is_wrong_is_never_tried_again(path: str, kind: type[object], shared: Running) -> None:
    one = pager(shared, path)
    assert isinstance(one.send("m", one.body(group()), within(5)), kind)


def test_a_rotated_key_is_used_for_stored_bodies(receiver: Running, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    one = built(
        "pagerduty",
        {"routing_key_file": file, "url": receiver.url("status/202"), "change_url": receiver.url("status/202")},
        here(receiver.port),
    )
    body = one.body(group())
    one.send("m", body, within(5))
    file.write_text("new")
    one.send("m", body, within(5))
    assert [json.loads(request.body)["routing_key"] for request in receiver.requests()] == ["old", "new"]
