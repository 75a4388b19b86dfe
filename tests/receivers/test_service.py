"""The alerts' thread beside receivers that fail in every way, in a process of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.signal import Signal
from monitor.alerting.desk import Desk
from monitor.alerting.opening import open_desk
from monitor.config.load import load
from tests.alerting_service import SECOND
from tests.receivers.running import Running

WAYS = ("status/500", "status/429/600", "status/410", "status/400", "redirect/307", "hang", "drip", "huge", "reset")
CONFIG = """\
version: 1
models: [{{name: m, predictions: {{topic: p, time_format: rfc3339}}, alerts: {{mode: live}}}}]
alerts:
  attempt_timeout: 2s
  late_delivery: 1h
  receivers:
{receivers}
  route: {{receiver: good, group_wait: 0s, group_interval: 1s, routes: [{routes}]}}
state: {{path: "{folder}/state"}}
"""


def opened(folder: Path, server: Running, ways: tuple[str, ...] = WAYS) -> Desk:
    """Return alerts that are told to a receiver for every way to fail, and to one that works."""
    names = {f"bad{place}": way for place, way in enumerate(ways)} | {"good": "ok"}
    receivers = "\n".join(
        f'    - {{name: {name}, kind: webhook, url: "http://127.0.0.1:{server.port}/{way}", allow_http: true, '
        f'allow: ["127.0.0.1"], allow_ports: [{server.port}]}}'
        for name, way in names.items()
    )
    routes = ", ".join(f"{{matchers: ['model=m'], receiver: {name}, continue: true}}" for name in names)
    path = folder / "driftline.yaml"
    path.write_text(CONFIG.format(receivers=receivers, routes=routes, folder=folder))
    return open_desk(load(path, {}), folder)


def drift(number: int, column: str) -> Signal:
    """Return a signal that fires at once."""
    now = time.time_ns() // 1000
    return Signal(
        number=number, kind="quality", observed_at=now, model="m", column=column, detector="missing_rate",
        window="fast", start=now - SECOND, end=now, status="drift", n=1000,
    )  # fmt: skip


def wait_for(server: Running, path: str, requests: int, seconds: float) -> float:
    """Return the seconds until so many requests came to a path."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if sum(one.path == path for one in server.requests()) >= requests:
            return time.monotonic() - begin
        time.sleep(0.02)
    pytest.fail(f"{path} was not told within {seconds} s")


@pytest.fixture
def desk(tmp_path: Path, receiver: Running) -> Iterator[Desk]:
    one = opened(tmp_path, receiver)
    one.start()
    yield one
    one.close()


def test_receivers_that_fail_in_every_way_delay_neither_the_others_nor_the_pipeline(
    desk: Desk, receiver: Running
) -> None:
    begin = time.perf_counter()
    desk.offer([drift(1, "a")], "here")
    assert time.perf_counter() - begin < 0.05
    first = wait_for(receiver, "/ok", 1, 10)
    wait_for(receiver, "/hang", 1, 10)
    wait_for(receiver, "/drip", 1, 10)
    # While some of them hang and drip, the next message must take no longer than the first did.
    desk.offer([drift(2, "b")], "here")
    second = wait_for(receiver, "/ok", 2, 10)
    # A turn a second, a group's interval of a second, and at most one second for the others.
    assert second <= max(first, 2.0) + 1.0
    until = time.monotonic() + 20
    health = desk.engine.deliveries()
    while time.monotonic() < until and not (
        health["bad2"].disabled_at
        and health["bad3"].parkings
        and health["bad1"].not_before
        and health["good"].deliveries >= 2
    ):
        time.sleep(0.05)
        health = desk.engine.deliveries()
    assert health["bad2"].disabled_at is not None, "410 says never again"
    assert health["bad3"].parkings >= 1, "400 is given up and said elsewhere"
    assert health["bad1"].not_before > time.time_ns() // 1000 + 300 * SECOND, "Retry-After is waited for"
    assert health["good"].deliveries >= 2
    assert sum(one.path == "/status/429/600" for one in receiver.requests()) == 1
    ids = [one.headers["webhook-id"] for one in receiver.requests() if one.path == "/ok"]
    assert len(ids) == len(set(ids)), "what was delivered is not sent again"


def test_a_receiver_that_fails_is_an_alert_told_to_the_others(tmp_path: Path, receiver: Running) -> None:
    one = opened(tmp_path, receiver, ("status/400",))
    one.start()
    one.offer([drift(1, "a")], "here")
    wait_for(receiver, "/ok", 1, 10)
    until = time.monotonic() + 20
    told = False
    while time.monotonic() < until and not told:
        told = any(b"DeliveryFailing" in each.body for each in receiver.requests() if each.path == "/ok")
        time.sleep(0.1)
    one.close()
    assert told


def test_receivers_that_recover_hear_what_they_missed(tmp_path: Path, receiver: Running) -> None:
    ways = tuple(f"until/well/{way}" for way in ("status/500", "reset", "hang"))
    one = opened(tmp_path, receiver, ways)
    one.start()
    one.offer([drift(1, "a")], "here")
    for way in ways:
        wait_for(receiver, f"/{way}", 1, 10)
    (receiver.folder / "well").touch()
    until = time.monotonic() + 20
    while time.monotonic() < until and not all(one.engine.deliveries()[f"bad{n}"].deliveries for n in range(3)):
        time.sleep(0.05)
    health = one.engine.deliveries()
    one.close()
    assert [(health[f"bad{n}"].deliveries, health[f"bad{n}"].failures, health[f"bad{n}"].open) for n in range(3)] == [
        (1, 0, 0)
    ] * 3
    ids = {way: {each.headers["webhook-id"] for each in receiver.requests() if each.path == f"/{way}"} for way in ways}
    assert all(len(found) == 1 for found in ids.values()), "every attempt bears the same id"
