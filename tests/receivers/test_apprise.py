"""The long tail, through the real library and its JSON service."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import pytest

from alerts.net.errors import DeliveryError
from alerts.net.secret import Secret
from alerts.notification import Delivered, Retry
from alerts.receivers.apprise import Apprise
from tests.receivers.running import Running, alert, group, resolved, within


def service(running: Running, path: str) -> Apprise:
    """Return a receiver that posts to the process."""
    return Apprise(Secret(f"json://127.0.0.1:{running.port}/{path}?rto=30"))


def test_title_text_and_kind_arrive(receiver: Running) -> None:
    one = service(receiver, "ok")
    for about in (group(), group(alert(labels={"severity": "warn"})), group(resolved(alert()))):
        assert one.send("m", one.body(about), within(10)) == Delivered()
    sent = [json.loads(request.body) for request in receiver.requests()]
    assert [each["type"] for each in sent] == ["failure", "warning", "success"]
    assert sent[0]["title"] == "[FIRING] FeatureDrift: fraud-scorer"
    assert "What moved: PSI of amount from 0.01 to 0.31" in sent[0]["message"]


@pytest.mark.parametrize("path", ["status/500", "status/404", "reset"])
def test_it_says_only_that_it_failed(path: str, shared: Running) -> None:
    one = service(shared, path)
    assert one.send("m", one.body(group()), within(10)) == Retry("Apprise could not send the message")


def test_the_deadline_holds_and_no_second_attempt_begins_meanwhile(receiver: Running) -> None:
    one = service(receiver, "dripbody")
    body = one.body(group())
    begun = time.monotonic()
    assert one.send("m", body, within(0.5)) == Retry("Apprise did not finish in time")
    assert time.monotonic() - begun < 1.5
    assert one.send("m", body, within(0.5)) == Retry("the attempt before this one is still under way")
    receiver.__exit__(None, None, None)
    for _ in range(100):
        if one.send("m", body, within(5)) == Retry("Apprise could not send the message"):
            break
        time.sleep(0.05)
    else:
        pytest.fail("the first attempt never ended")


def test_an_address_it_does_not_know(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("nosuch://token")
    one = Apprise(Secret.from_file(file))
    with pytest.raises(DeliveryError, match="does not know"):
        one.check()
    outcome = one.send("m", one.body(group()), within(5))
    assert outcome.reason == "Apprise does not know such an address"  # type: ignore[union-attr]  # it fails


def test_tokens_stay_out_of_its_log(shared: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for path in ("ok", "status/500", "reset"):
        one = Apprise(Secret(f"json://joe:hunter2@127.0.0.1:{shared.port}/{path}?token=hunter2&+X-Key=hunter2"))
        one.send("m", one.body(group()), within(10))
    with pytest.raises(DeliveryError):
        Apprise(Secret("slack://hunter2/hunter2")).check()
    assert "hunter2" not in caplog.text


def test_a_service_that_raises_is_a_failure(shared: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    one = service(shared, "ok")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(one._library.Apprise, "notify", fail)
    for _ in range(2):
        assert one.send("m", one.body(group()), within(5)) == Retry("Apprise could not send the message")
