"""Alertmanager's API, on a real Alertmanager and on replicas that fail."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alerts.notification import Alert, Delivered, Rejected, Retry
from alerts.receivers.alertmanager import Alertmanager
from tests.prometheus import eventually
from tests.receivers.alertmanager import Server
from tests.receivers.running import NOW, Request, Running, alert, built, group, here, resolved, within


@pytest.fixture(scope="module")
def hook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return what the Alertmanager notifies."""
    with Running(tmp_path_factory.mktemp("hook")) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, hook: Running) -> Iterator[Server]:
    """Return a real Alertmanager."""
    with Server(tmp_path_factory.mktemp("alertmanager") / "one", hook.url("ok")) as running:
        yield running


def pusher(*urls: str, ports: tuple[int, ...], **parts: Any) -> Alertmanager:
    """Return a receiver that pushes to some replicas."""
    one = built("alertmanager", {"urls": list(urls)}, here(*ports), **parts)
    assert isinstance(one, Alertmanager)
    return one


def now() -> int:
    """Return the time in microseconds."""
    return int(time.time() * 1e6)


def of(model: str, *, slice_: str = "all", **changes: Any) -> Alert:
    """Return a current alert of a model."""
    labels = {"alertname": "FeatureDrift", "severity": "page", "model": model, "slice": slice_}
    return alert(labels=labels, starts_at=now() - 60_000_000, **changes)


def told(hook: Running, model: str, status: str) -> Request | None:
    """Return the last notification about a model in a state."""
    found = [
        request for request in hook.requests()
        if (body := json.loads(request.body))["groupLabels"] == {"model": model} and body["status"] == status
    ]  # fmt: skip
    return found[-1] if found else None


def test_it_receives_groups_and_resolves_what_we_push(server: Server, hook: Running) -> None:
    one = pusher(server.url, ports=(server.port,))
    both = (of("grouped", slice_="a"), of("grouped", slice_="b"))
    assert one.send("m1", one.body(group(*both)), within(5)) == Delivered()
    active = [each for each in server.alerts() if each["labels"]["model"] == "grouped"]
    assert {each["labels"]["slice"] for each in active} == {"a", "b"}
    assert active[0]["annotations"]["runbook_url"] == "https://runbooks.example/FeatureDrift"
    assert active[0]["generatorURL"] == both[0].url
    fired = json.loads(eventually("it notifies", lambda: told(hook, "grouped", "firing")).body)
    assert len(fired["alerts"]) == 2
    over = tuple(dataclasses.replace(each, state="resolved", ends_at=now()) for each in both)
    assert one.send("m2", one.body(group(*over)), within(5)) == Delivered()
    last = json.loads(eventually("it resolves", lambda: told(hook, "grouped", "resolved")).body)
    assert {each["status"] for each in last["alerts"]} == {"resolved"}
    assert not [each for each in server.alerts() if each["labels"]["model"] == "grouped"]


def test_our_webhook_says_what_its_webhook_says(server: Server, hook: Running) -> None:
    mine = of("alike")
    one = pusher(server.url, ports=(server.port,))
    one.send("m", one.body(group(mine)), within(5))
    theirs = json.loads(eventually("it notifies", lambda: told(hook, "alike", "firing")).body)
    hooked = built("webhook", {"url": "https://h.example"}, here(443))
    ours = json.loads(hooked.body(group(mine, labels={"model": "alike"}, receiver="hook")))
    assert theirs.keys() <= ours.keys()
    assert theirs["alerts"][0].keys() == ours["alerts"][0].keys()
    for name in (
        "version",
        "status",
        "receiver",
        "groupLabels",
        "commonLabels",
        "commonAnnotations",
        "truncatedAlerts",
    ):
        assert (name, theirs[name]) == (name, ours[name])
    for name in ("status", "labels", "annotations", "generatorURL"):
        assert (name, theirs["alerts"][0][name]) == (name, ours["alerts"][0][name])


def test_odd_labels_are_made_such_that_it_takes_them(server: Server) -> None:
    odd = {
        "alertname": "Odd",
        "model": "odd",
        "slice by.country": 'DE\n"x"',
        "1st": "a",
        "ü": "ß",
        "empty": "",
        "": "b",
    }
    one = pusher(server.url, ports=(server.port,))
    mine = alert(labels=odd, annotations={"how sure?": "very"}, starts_at=now())
    assert one.send("m", one.body(group(mine)), within(5)) == Delivered()
    (got,) = [each for each in server.alerts() if each["labels"].get("model") == "odd"]
    assert got["labels"]["slice_by_country"] == odd["slice by.country"]
    assert got["labels"]["_1st"] == "a"
    assert got["annotations"]["how_sure_"] == "very"


def test_a_beginning_after_the_end_and_an_odd_address_are_no_reason_to_refuse(server: Server) -> None:
    one = pusher(server.url, ports=(server.port,))
    ahead = dataclasses.replace(of("ahead"), starts_at=now() + 3_600_000_000, url="not an address")
    over = dataclasses.replace(of("over"), state="resolved", ends_at=now() - 3_600_000_000)
    assert one.send("m", one.body(group(ahead, over)), within(5)) == Delivered()
    assert "ahead" in {each["labels"]["model"] for each in server.alerts()}


def test_ten_thousand_alerts_are_told_again_in_a_few_requests(server: Server) -> None:
    many = [of("many", slice_=str(number)) for number in range(10_000)]
    one = pusher(server.url, ports=(server.port,))
    bodies = list(one.bodies(many, now()))
    assert len(bodies) <= 20
    assert all(len(body) <= 501_000 for body in bodies)
    assert sum(len(json.loads(body)) for body in bodies) == 10_000
    assert one.resend(many[:200], now(), within(20)) == Delivered()
    assert sum(each["labels"]["model"] == "many" for each in server.alerts()) == 200


def test_what_fires_and_what_ended_lately_is_told_again() -> None:
    one = pusher("https://am.example", ports=(443,))
    ages = (0, 299, 301, 10_000)
    ended = [alert(labels={"age": str(age)}, state="resolved", ends_at=NOW - age * 1_000_000) for age in ages]
    (body,) = one.bodies([*ended, alert(labels={"age": "fires"})], NOW)
    assert [each["labels"]["age"] for each in json.loads(body)] == ["0", "299", "fires"]
    assert list(one.bodies([], NOW)) == []
    assert one.resend([], NOW, within(1)) == Delivered()


def test_what_fires_ends_by_itself_when_it_is_not_told_again(receiver: Running) -> None:
    one = pusher(receiver.url("ok"), ports=(receiver.port,), clock=lambda: 1000.0)
    body = one.body(group(alert(), resolved(alert())))
    assert [each.get("endsAt") for each in json.loads(body)] == [None, "2026-10-26T07:33:20.000000Z"]
    one.send("m", body, within(5))


def test_the_end_is_stamped_at_each_attempt(shared: Running, receiver: Running) -> None:
    clock = [1000.0]
    replicas = [receiver.endpoint("status/500"), shared.endpoint("ok")]
    one = Alertmanager(replicas, clock=lambda: clock[0], resend_every=30)
    body = one.body(group())
    assert one.send("m", body, within(5)) == Delivered()
    clock[0] = 2000.0
    one.send("m", body, within(5))
    ends = [json.loads(request.body)[0]["endsAt"] for request in receiver.requests()]
    assert ends == ["1970-01-01T00:18:40.000000Z", "1970-01-01T00:35:20.000000Z"]


def test_outcomes_of_several_replicas(shared: Running) -> None:
    def sent(*ways: str) -> object:
        one = Alertmanager([shared.endpoint(way) for way in ways])
        return one.send("m", one.body(group()), within(5))

    said = f"http://127.0.0.1:{shared.port} answered"
    assert sent("status/500", "ok") == Delivered()
    assert sent("status/400", "status/503/7") == Retry(f"{said} 400; {said} 503", 7.0)
    assert sent("status/429/9", "status/503/7") == Retry(f"{said} 429; {said} 503", 7.0)
    assert sent("status/500", "status/503/7") == Retry(f"{said} 500; {said} 503")
    assert sent("status/400", "status/400") == Rejected(f"{said} 400")
    assert sent("status/410", "status/410") == Rejected(f"{said} 410", disable=True)
    assert sent("status/410", "status/400") == Rejected(f"{said} 410; {said} 400")


def test_addresses_get_the_path_of_the_api_once(tmp_path: Path) -> None:
    urls = ["http://am.example:9093", "http://am.example:9093/", "http://am.example:9093/x/api/v2/alerts/"]
    one = pusher(*urls, ports=(9093,))
    paths = [replica.target().path for replica in one._replicas]
    assert paths == [b"/api/v2/alerts", b"/api/v2/alerts", b"/x/api/v2/alerts"]
    assert not list(tmp_path.iterdir())
